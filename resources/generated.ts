/**
 * Types of every kind's spec and status, written by scripts/generate.ts from schemas/. Do not edit: change the schema and run
 * `npm run generate`.
 */
import type { Condition, Operation } from './document.ts';

/**
 * How the platform is set up.
 */
export interface PlatformSpec {
  /**
   * Where nginx listens.
   */
  http?: {
    /**
     * HTTP. Default 80.
     */
    port?: number;
    /**
     * HTTPS. Default 443.
     */
    httpsPort?: number;
    /**
     * Addresses to listen on. Default: loopback, which is all that the built-in domain localhost needs.
     *
     * Items: An IP address. 0.0.0.0 and :: are all.
     */
    addresses?: string[];
  };
  /**
   * Where the API listens for HTTPS with tokens, beside its Unix socket. Absent: nowhere.
   */
  api?: {
    /**
     * Default 6443.
     */
    port?: number;
    /**
     * Addresses to listen on. Default: 127.0.0.1.
     *
     * Items: An IP address. 0.0.0.0 and :: are all.
     */
    addresses?: string[];
  };
  /**
   * The network of all containers.
   */
  network?: {
    /**
     * Subnets to choose from, in this order; the first that overlaps nothing is taken and kept.
     *
     * Items: A subnet such as 10.86.0.0/16.
     */
    pool?: string[];
    /**
     * Name servers of all containers. Default: those of the host.
     */
    dns?: string[];
  };
  /**
   * How Apps are checked.
   */
  health?: {
    /**
     * Between checks. Default 10.
     */
    intervalSeconds?: number;
    /**
     * Of one check. Default 10.
     */
    timeoutSeconds?: number;
    /**
     * How long without one good answer until an App counts as unhealthy. Default 30.
     */
    unhealthyAfterSeconds?: number;
  };
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface PlatformStatus {
  /**
   * The generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * When the world was last looked at.
   */
  observedAt?: string;
  /**
   * What is known of the resource, one entry a type. Ready is always there; Reconciling and Stalled only while true.
   */
  conditions?: Condition[];
  operation?: Operation;
  /**
   * Version of Holdfast.
   */
  version?: string;
  /**
   * The network in use.
   */
  network?: {
    /**
     * Id that Docker gave it.
     */
    id?: string;
    /**
     * Its name.
     */
    name?: string;
    /**
     * Its addresses.
     */
    subnet?: string;
    /**
     * Address of the host on it.
     */
    gateway?: string;
  };
  /**
   * The Docker Engine.
   */
  docker?: {
    /**
     * Version of the engine.
     */
    version?: string;
    /**
     * Version of its API.
     */
    apiVersion?: string;
  };
  /**
   * The edge.
   */
  nginx?: {
    /**
     * Version of nginx.
     */
    version?: string;
    /**
     * Process id of its master.
     */
    pid?: number;
    /**
     * Counts the configurations that were put in place.
     */
    generation?: number;
    /**
     * How many sites are served.
     */
    sites?: number;
  };
}

/**
 * The App that is wanted.
 */
export interface AppSpec {
  /**
   * The app package: the fields of a CloudronManifest.json, as they are.
   */
  manifest?: {
    /**
     * Identifier in reverse domain style, such as org.example.wiki.
     */
    id?: string;
    /**
     * Always 1.
     */
    manifestVersion?: 1;
    /**
     * Version of the package (semver).
     */
    version?: string;
    /**
     * Name shown to people.
     */
    title?: string;
    /**
     * Who made the package.
     */
    author?: string;
    /**
     * What the App does.
     */
    description?: string;
    /**
     * One line about the App.
     */
    tagline?: string;
    /**
     * Address of the project.
     */
    website?: string;
    /**
     * Whom to ask about the package.
     */
    contactEmail?: string;
    /**
     * HTTP path that answers below 400 when the App is well.
     */
    healthCheckPath?: string;
    /**
     * Port of plain HTTP inside the container.
     */
    httpPort: number;
    /**
     * Image to run.
     */
    dockerImage: string;
    /**
     * What the App needs beside its container.
     */
    addons?: {
      /**
       * The ldap addon.
       */
      ldap?: {};
      /**
       * The redis addon.
       */
      redis?: {};
      /**
       * The sendmail addon.
       */
      sendmail?: {};
      /**
       * The oauth addon.
       */
      oauth?: {};
      /**
       * The oidc addon.
       */
      oidc?: {};
      /**
       * The mysql addon.
       */
      mysql?: {};
      /**
       * The postgresql addon.
       */
      postgresql?: {};
      /**
       * The mongodb addon.
       */
      mongodb?: {};
      /**
       * The localstorage addon.
       */
      localstorage?: {};
      /**
       * The email addon.
       */
      email?: {};
      /**
       * The recvmail addon.
       */
      recvmail?: {};
      /**
       * The tls addon.
       */
      tls?: {};
      /**
       * The simpleauth addon.
       */
      simpleauth?: {};
      /**
       * Commands run on a schedule.
       */
      scheduler?: {
        /**
         * One scheduled command.
         */
        [k: string]: {
          /**
           * Five cron fields.
           */
          schedule: string;
          /**
           * Run with /bin/sh -c.
           */
          command: string;
        };
      };
    };
    /**
     * Ports other than HTTP, by the name of the environment variable that tells the App its public port.
     */
    tcpPorts?: {
      /**
       * One port of the App.
       */
      [k: string]: {
        /**
         * Short name.
         */
        title?: string;
        /**
         * What the port is for.
         */
        description?: string;
        /**
         * Port inside the container. Default: the public port.
         */
        containerPort?: number;
        /**
         * Public port proposed to the person.
         */
        defaultValue?: number;
      };
    };
    /**
     * Memory with swap: bytes, or a string such as 512 MB. At least 256 MB is given.
     */
    memoryLimit?: number | string;
    /**
     * Lowest platform version.
     */
    minBoxVersion?: string;
    /**
     * Highest platform version.
     */
    maxBoxVersion?: string;
    /**
     * Platform version it was made for.
     */
    targetBoxVersion?: string;
    /**
     * Icon of the package.
     */
    icon?: string;
    /**
     * Words to find it by.
     */
    tags?: string[];
    /**
     * Pictures.
     */
    mediaLinks?: string[];
    /**
     * What changed.
     */
    changelog?: string;
    /**
     * Path of its own settings page.
     */
    configurePath?: string;
    /**
     * Single sign-on may be turned off.
     */
    optionalSso?: boolean;
    /**
     * Shown after installation.
     */
    postInstallMessage?: string;
    /**
     * Has its own accounts.
     */
    customAuth?: boolean;
    /**
     * Accepted and ignored.
     */
    developmentMode?: boolean;
    /**
     * Accepted and ignored.
     */
    singleUser?: boolean;
  };
  /**
   * A plain Docker image, instead of a manifest. Such as nginx:1.27 or ghcr.io/example/wiki@sha256:….
   */
  image?: string;
  /**
   * Port of plain HTTP inside the container (with image).
   */
  port?: number;
  /**
   * HTTP path that answers below 400 when the App is well (with image). Default /.
   */
  healthCheckPath?: string;
  /**
   * Folders that are kept (with image). Each is a folder under the App's data.
   *
   * Items: One kept folder.
   */
  volumes?: {
    /**
     * Absolute path in the container. Not /, /run or /tmp, which exist anyway.
     */
    path: string;
  }[];
  /**
   * Whether the root file system is read-only (with image). Default true; /run, /tmp and the volumes are writable.
   */
  readOnly?: boolean;
  /**
   * Replaces the image's command (with image).
   */
  command?: string[];
  /**
   * Ports other than HTTP, by the name of the environment variable that tells the App its public port.
   */
  tcpPorts?: {
    /**
     * One port of the App.
     */
    [k: string]: {
      /**
       * Short name.
       */
      title?: string;
      /**
       * What the port is for.
       */
      description?: string;
      /**
       * Port inside the container. Default: the public port.
       */
      containerPort?: number;
      /**
       * Public port proposed to the person.
       */
      defaultValue?: number;
    };
  };
  /**
   * Name under the domain: wiki makes wiki.example.com. Empty: the domain itself. Default: the name of the App.
   */
  location?: string;
  /**
   * The name of a Domain. The built-in localhost needs none. Default localhost.
   */
  domain?: string;
  /**
   * More host names that show the App.
   */
  aliases?: string[];
  /**
   * Public port for each of tcpPorts. One that is absent is off.
   */
  ports?: {
    /**
     * Public port.
     */
    [k: string]: number;
  };
  /**
   * Environment: a map, or a list whose values may come from a Secret.
   */
  env?:
    | {
        /**
         * One variable.
         */
        [k: string]: string;
      }
    | {
        /**
         * Name of the variable.
         */
        name: string;
        /**
         * Its value, as text.
         */
        value?: string;
        /**
         * Where the value comes from.
         */
        valueFrom?: {
          /**
           * A key of a Secret.
           */
          secretKeyRef: {
            /**
             * Name of the Secret.
             */
            name: string;
            /**
             * Key in the Secret.
             */
            key: string;
            /**
             * true: the variable is left out while the Secret or the key is missing. Default false: the App waits for it.
             */
            optional?: boolean;
          };
        };
      }[];
  /**
   * Memory with swap. Bytes, or a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000). 0: the manifest's own value. -1: no limit. Default of a plain image: 256Mi. A package never gets less than 256Mi.
   */
  memory?: number | string;
  /**
   * Most processes and threads. Default 4096.
   */
  pidsLimit?: number;
  /**
   * Name servers of the container. Default: those of the Platform.
   */
  dns?: string[];
  /**
   * running or stopped. Default running.
   */
  state?: 'running' | 'stopped';
  /**
   * Debug mode: writable root, no memory limit, another command. Data stays as it is.
   */
  debug?: {
    /**
     * Command instead of the App's own, such as [sleep, infinity].
     */
    command?: string[];
    /**
     * Keep the root read-only. Default false.
     */
    readOnly?: boolean;
  };
  /**
   * Name of a Secret with username and password of the registry.
   */
  imagePullSecret?: string;
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface AppStatus {
  /**
   * The generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * When the world was last looked at.
   */
  observedAt?: string;
  /**
   * What is known of the resource, one entry a type. Ready is always there; Reconciling and Stalled only while true.
   */
  conditions?: Condition[];
  operation?: Operation;
  /**
   * The effective manifest, also of a plain image.
   */
  manifest?: {};
  /**
   * Main host name.
   */
  fqdn?: string;
  /**
   * Where it answers.
   */
  url?: string;
  /**
   * Address of the container on the platform's network.
   */
  address?: string;
  /**
   * The container as it was seen.
   */
  container?: {
    /**
     * Id that Docker gave it.
     */
    id?: string;
    /**
     * Its name.
     */
    name?: string;
    /**
     * Its state, in the word of Docker.
     */
    state?: string;
    /**
     * When it was last started.
     */
    startedAt?: string;
    /**
     * How often Docker restarted it.
     */
    restarts?: number;
    /**
     * How it last ended.
     */
    exitCode?: number;
  };
  /**
   * The image that runs.
   */
  image?: {
    /**
     * As it was asked for.
     */
    ref?: string;
    /**
     * Id that Docker gave it.
     */
    id?: string;
    /**
     * Digest by which the registry knows it.
     */
    digest?: string;
  };
  /**
   * Folder of its data on the host.
   */
  data?: string;
  /**
   * The last attempt to replace the container.
   */
  rollout?: {
    /**
     * Hash of the settings that were tried.
     */
    hash?: string;
    /**
     * Generation that was tried.
     */
    generation?: number;
    /**
     * How it went.
     */
    state?: 'failed' | 'done';
    /**
     * What went wrong.
     */
    message?: string;
    /**
     * When it ended.
     */
    at?: string;
  };
  /**
   * The restart that was last done (annotation holdfast.dev/restartedAt).
   */
  restartedAt?: string;
  /**
   * Host names that it has.
   */
  hosts?: string[];
  /**
   * Public ports that it has.
   */
  ports?: number[];
}

/**
 * The secret values.
 */
export interface SecretSpec {
  /**
   * What it is for: Opaque, or RegistryCredentials with username and password.
   */
  type?: 'Opaque' | 'RegistryCredentials';
  /**
   * Values as text. (hidden) keeps the value that is stored.
   */
  stringData?: {
    [k: string]: string;
  };
  /**
   * Values in base64. (hidden) keeps the value that is stored.
   */
  data?: {
    [k: string]: string;
  };
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface SecretStatus {
  /**
   * The generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * When the world was last looked at.
   */
  observedAt?: string;
  /**
   * What is known of the resource, one entry a type. Ready is always there; Reconciling and Stalled only while true.
   */
  conditions?: Condition[];
  operation?: Operation;
}

/**
 * Whose token it is and what it may do.
 */
export interface TokenSpec {
  /**
   * Who acts with it; stands in the history.
   */
  user: string;
  /**
   * read: get, list, watch and logs, with secret values hidden. write: that, changes and exec, but no Tokens. admin: everything that root may.
   *
   * Items: read, write or admin.
   */
  scopes: ('read' | 'write' | 'admin')[];
  /**
   * The kinds that it is for. Default: all. Not with the scope admin.
   *
   * Items: A kind such as App.
   */
  kinds?: string[];
  /**
   * From then on it is refused. Default: never.
   */
  expiresAt?: string;
  /**
   * SHA-256 of the token, in hex.
   */
  hash: string;
  /**
   * true: secret values are shown in every answer, as Kubernetes shows them, so that `kubectl apply` and `kubectl diff` of a Secret see when nothing changed. Only with the scope admin. Default: false, they are hidden.
   */
  showSecrets?: boolean;
  /**
   * true: refused until it is taken off.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only the API writes it.
 */
export interface TokenStatus {
  /**
   * The generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * When the world was last looked at.
   */
  observedAt?: string;
  /**
   * What is known of the resource, one entry a type. Ready is always there; Reconciling and Stalled only while true.
   */
  conditions?: Condition[];
  operation?: Operation;
  /**
   * When it last let somebody in, to the minute.
   */
  lastUsedAt?: string;
}

/**
 * The site that is wanted.
 */
export interface SiteSpec {
  /**
   * Host names, the main one first.
   */
  hosts: string[];
  /**
   * The Domain it belongs to.
   */
  domain: string;
  /**
   * Where requests go.
   */
  upstream: {
    /**
     * Address of the container.
     */
    address: string;
    /**
     * Port of plain HTTP in the container.
     */
    port: number;
  };
  /**
   * stopped shows a page that says so.
   */
  state?: 'running' | 'stopped';
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface SiteStatus {
  /**
   * The generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * When the world was last looked at.
   */
  observedAt?: string;
  /**
   * What is known of the resource, one entry a type. Ready is always there; Reconciling and Stalled only while true.
   */
  conditions?: Condition[];
  operation?: Operation;
  /**
   * Where it answers.
   */
  url?: string;
  /**
   * The certificate that is served.
   */
  certificate?: {
    /**
     * Who signed it.
     */
    issuer?: string;
    /**
     * When it ends.
     */
    notAfter?: string;
    /**
     * SHA-256 in hex.
     */
    fingerprint?: string;
  };
}

/**
 * The place.
 */
export interface SourceSpec {
  /**
   * What kind of place it is.
   */
  type: 'directory';
  /**
   * Path of the directory.
   */
  path: string;
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface SourceStatus {
  /**
   * The generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * When the world was last looked at.
   */
  observedAt?: string;
  /**
   * What is known of the resource, one entry a type. Ready is always there; Reconciling and Stalled only while true.
   */
  conditions?: Condition[];
  operation?: Operation;
  /**
   * Identity of the folder that was read: device, inode and time of birth. While another one is in its place, files that are not there count as out of reach and not as removed.
   */
  folder?: string;
  /**
   * The files in it.
   *
   * Items: One file.
   */
  files?: {
    /**
     * Path of the file in the directory.
     */
    path: string;
    /**
     * Whether its documents are stored.
     */
    state: 'applied' | 'failed';
    /**
     * What is wrong with it.
     */
    message?: string;
    /**
     * SHA-256 of what was read.
     */
    hash?: string;
    /**
     * When it was last applied.
     */
    appliedAt?: string;
    /**
     * What came from it.
     *
     * Items: One document that came from it.
     */
    documents?: {
      /**
       * Its kind.
       */
      kind: string;
      /**
       * Its name.
       */
      name: string;
      /**
       * Its uid.
       */
      uid?: string;
    }[];
  }[];
}

/**
 * What happened.
 */
export interface EventSpec {
  /**
   * The resource.
   */
  regarding: {
    /**
     * Its kind.
     */
    kind: string;
    /**
     * Its name.
     */
    name: string;
    /**
     * Its uid.
     */
    uid?: string;
  };
  /**
   * Warning where somebody should look.
   */
  type: 'Normal' | 'Warning';
  /**
   * One CamelCase word for machines.
   */
  reason: string;
  /**
   * What happened, as a sentence.
   */
  message: string;
  /**
   * What was done or tried.
   */
  step?: {
    /**
     * The type of the step.
     */
    type: string;
    /**
     * What it acted on.
     */
    target: string;
    /**
     * Worst thing that it did to what was running.
     */
    impact: 'none' | 'reload' | 'restart' | 'replace' | 'data-loss';
    /**
     * Why it was needed.
     *
     * Items: One reason.
     */
    because?: {
      /**
       * The field that differed.
       */
      field: string;
      /**
       * What was found.
       */
      found?: {
        [k: string]: unknown;
      };
      /**
       * What was wanted.
       */
      wanted?: {
        [k: string]: unknown;
      };
      /**
       * Whose change it was: a generation and its author, or drift.
       */
      cause: string;
    }[];
  };
  /**
   * Generation of the resource at that time.
   */
  generation?: number;
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface EventStatus {
  /**
   * The generation that this status speaks of.
   */
  observedGeneration?: number;
  /**
   * When the world was last looked at.
   */
  observedAt?: string;
  /**
   * What is known of the resource, one entry a type. Ready is always there; Reconciling and Stalled only while true.
   */
  conditions?: Condition[];
  operation?: Operation;
  /**
   * How often it happened.
   */
  count?: number;
  /**
   * When it first happened.
   */
  firstTimestamp?: string;
  /**
   * When it last happened.
   */
  lastTimestamp?: string;
}
