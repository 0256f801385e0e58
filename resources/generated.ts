/**
 * Types of every kind's spec and status, written by scripts/generate.ts from schemas/. Do not edit: change the schema and run
 * `npm run generate`.
 */
import type { Condition, Operation, StoppedStep } from './document.ts';

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
   * How the platform itself looks things up in DNS.
   */
  dns?: {
    /**
     * Resolvers to ask for name servers, and for where aliases lead to. Default: those of the host.
     *
     * Items: An IP address, with :port where it is not 53; an IPv6 address with a port stands in brackets.
     */
    resolvers?: string[];
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
   * When a disk counts as too full, and what is kept on it.
   */
  disk?: {
    /**
     * Less room than this is told: a share such as 10% or an amount such as 20Gi. Default 10%, at most 20Gi.
     */
    warningBelow?: string;
    /**
     * With less room than this no image is pulled. Default 5%, at most 5Gi.
     */
    criticalBelow?: string;
    /**
     * Different images of each App that stay on the disk to go back to, the present one among them. Default 5.
     */
    keepImages?: number;
  };
  /**
   * When Holdfast may disturb what runs without being asked. Absent: at any time.
   */
  maintenance?: {
    /**
     * Outside all of them, steps that restart or replace something and that no person asked for wait. What does not serve is repaired at once, always.
     *
     * Items: One window.
     */
    windows: {
      /**
       * When it opens, as cron has it: minute, hour, day of month, month, day of week, such as 0 3 * * 0.
       */
      schedule: string;
      /**
       * How long it is open, such as 2h or 90m.
       */
      duration: string;
      /**
       * Of the schedule, such as Europe/Berlin. Default: UTC.
       */
      timezone?: string;
    }[];
  };
  /**
   * Seconds that a step may take, by its type, such as PullImage: 7200. Default: what the type has.
   */
  deadlines?: {
    [k: string]: number;
  };
  /**
   * Kinds for which nothing is changed for now: looked at and planned alone. "*" is all of them.
   */
  suspendKinds?: string[];
  /**
   * Timezone of the schedules of tasks, such as Europe/Berlin. Default UTC.
   */
  timezone?: string;
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
  stopped?: StoppedStep;
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
   * What keeps containers apart.
   */
  firewall?: {
    /**
     * The iptables in use.
     */
    program?: string;
    /**
     * Kinds of addresses that it filters.
     */
    families?: string[];
    /**
     * How many ways are open, each from an App to what it is bound to.
     */
    ways?: number;
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
  /**
   * The disks that the state folder and Docker are on.
   */
  disks?: {
    /**
     * A folder on it.
     */
    path?: string;
    /**
     * What is on it: state, docker.
     */
    holds?: string[];
    /**
     * Its size.
     */
    totalBytes?: number;
    /**
     * What is free of it.
     */
    freePercent?: number;
    /**
     * The day on which it will be full, if it goes on as in the last days.
     */
    fullOn?: string;
    /**
     * What was used, one entry a day.
     */
    history?: {
      /**
       * YYYY-MM-DD, by UTC.
       */
      day?: string;
      /**
       * What was used then.
       */
      usedBytes?: number;
    }[];
  }[];
  /**
   * What takes the room, largest first. Only while there is little.
   */
  largest?: {
    /**
     * What it is.
     */
    what?: string;
    /**
     * How much of the disk it takes.
     */
    bytes?: number;
  }[];
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
      mysql?: {
        /**
         * true: the App makes databases of its own, under a prefix.
         */
        multipleDatabases?: boolean;
      };
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
   * More host names that show the App. Those in a Domain get records; the others are pointed here by you, as a CNAME of status.cnameTarget.
   */
  aliases?: string[];
  /**
   * Who may show the App in a frame of a page: DENY (nobody), SAMEORIGIN (its own pages, the default), or ALLOW-FROM https://portal.example.com.
   */
  xFrameOptions?: string;
  /**
   * true: whoever comes by one of the aliases is sent to the same page at the main host name. Default false: the aliases show the App, too.
   */
  redirectAliases?: boolean;
  /**
   * Paths at which people sign in, such as /login. What one address posts there is limited to ten times a second.
   *
   * Items: A path.
   */
  loginPaths?: string[];
  /**
   * Commands that run on a schedule, by name. For a package: what you decide otherwise about those of its addon scheduler; others of your own may stand beside them.
   */
  tasks?: {
    /**
     * One command.
     */
    [k: string]: {
      /**
       * Five fields of cron, such as 30 3 * * *, or @hourly, @daily, @weekly, @monthly, @yearly; in the timezone of the Platform.
       */
      schedule?: string;
      /**
       * Run with /bin/sh -c, in a container like the App's own.
       */
      command?: string;
      /**
       * A run that takes longer is ended. Default 3600.
       */
      timeLimitSeconds?: number;
      /**
       * true: it does not run.
       */
      suspend?: boolean;
    };
  };
  /**
   * true: a DNS record of its names that somebody else made is taken over. Default false: it is left alone, and told.
   */
  adopt?: boolean;
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
   * What a plain image is given beside its container, or which Addon a package's own addons are. Servers bring their environment variables.
   */
  addons?: {
    /**
     * Choices for postgresql.
     */
    postgresql?: {
      /**
       * Name of the Addon. Default: postgresql, which is made when the first App needs it.
       */
      addon?: string;
    };
    /**
     * Choices for mysql.
     */
    mysql?: {
      /**
       * Name of the Addon. Default: mysql, which is made when the first App needs it.
       */
      addon?: string;
      /**
       * true: the App makes databases of its own, under a prefix.
       */
      multipleDatabases?: boolean;
    };
    /**
     * Choices for mongodb.
     */
    mongodb?: {
      /**
       * Name of the Addon. Default: mongodb, which is made when the first App needs it.
       */
      addon?: string;
    };
    /**
     * Redis, a server of the App's own.
     */
    redis?: {};
    /**
     * The certificate of the App's main name and its key, as /etc/certs/tls_cert.pem and /etc/certs/tls_key.pem.
     */
    tls?: {};
  };
  /**
   * false: a package whose sign-on is optional is run without it, so that its addons ldap, oauth and oidc are left out. Default true.
   */
  sso?: boolean;
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
  stopped?: StoppedStep;
  /**
   * The effective manifest, also of a plain image.
   */
  manifest?: {};
  /**
   * Generation that everything was last seen as wanted by; 0 where it never was. What differs from that is drift.
   */
  convergedGeneration?: number;
  /**
   * Main host name.
   */
  fqdn?: string;
  /**
   * What aliases in other people's domains must be a CNAME of.
   */
  cnameTarget?: string;
  /**
   * Where aliases in other people's domains lead to now.
   *
   * Items: One alias.
   */
  aliases?: {
    /**
     * The alias.
     */
    name?: string;
    /**
     * Names and addresses that it leads to.
     *
     * Items: A name or an address.
     */
    leadsTo?: string[];
    /**
     * Whether that is here.
     */
    here?: boolean;
  }[];
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
    /**
     * Digest of what the documents asked for when it was last as wanted.
     */
    asked?: string;
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
    /**
     * The wishes of people (annotations holdfast.dev/retriedAt and restartedAt) that were known then: another one has it tried again.
     */
    asked?: string;
  };
  /**
   * The restart that is being done. Clocks may differ, so it is not the time that tells whether it happened.
   */
  restart?: {
    /**
     * The annotation that asks for it.
     */
    asked?: string;
    /**
     * When the container had been started before.
     */
    before?: string;
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
 * The server that is wanted.
 */
export interface AddonSpec {
  /**
   * What it serves. mysql stands for MySQL and MariaDB.
   */
  type: 'postgresql' | 'mysql' | 'mongodb' | 'redis';
  /**
   * Version of the server, such as 16 or 10.11. A newer one than that of the data is an upgrade: the data is copied to the new version, compared, and the old is kept for a while. Default: that of the data; where there is none yet, the newest that was built on this machine, else the platform's default.
   */
  version?: string;
  /**
   * Image of the server, such as postgres:16, instead of the official one of that version. It must keep to what the official image does with its environment and volumes.
   */
  image?: string;
  /**
   * Memory with swap. Bytes, or a number with Ki, Mi, Gi, Ti (powers of 1024) or k, M, G, T (powers of 1000). -1: no limit. Default: 512Mi, 400Mi for mongodb and 150Mi for redis. Settings such as shared_buffers follow it.
   */
  memory?: number | string;
  /**
   * Settings of the server by its own names, such as max_connections for postgresql. They come after those that follow from memory.
   */
  settings?: {
    /**
     * One setting.
     */
    [k: string]: string | number | boolean;
  };
  /**
   * Name of a Secret with username and password of the registry.
   */
  imagePullSecret?: string;
  /**
   * Days that the data of the version before is kept after an upgrade. Default 7.
   */
  keepOldData?: number;
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface AddonStatus {
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
  stopped?: StoppedStep;
  /**
   * Generation that everything was last seen as wanted by; 0 where it never was. What differs from that is drift.
   */
  convergedGeneration?: number;
  /**
   * Fixed address on the platform's network.
   */
  address?: string;
  /**
   * Port that it answers on.
   */
  port?: number;
  /**
   * What the server says of its version.
   */
  version?: string;
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
   * Its data on the host.
   */
  data?: {
    /**
     * Folder of the data.
     */
    folder?: string;
    /**
     * Version that can read it.
     */
    series?: string;
  };
  /**
   * Data from before the last upgrade.
   */
  previous?: {
    /**
     * Folder of the old data.
     */
    folder?: string;
    /**
     * Version that can read it.
     */
    series?: string;
    /**
     * When it is removed.
     */
    keptUntil?: string;
  };
  /**
   * The last attempt of an upgrade.
   */
  upgrade?: {
    /**
     * Version of the data before.
     */
    from?: string;
    /**
     * Version that was wanted.
     */
    to?: string;
    /**
     * How it went.
     */
    state?: 'failed' | 'done';
    /**
     * What went wrong, or what was copied.
     */
    message?: string;
    /**
     * When it ended.
     */
    at?: string;
    /**
     * The wish to try again (annotation holdfast.dev/retriedAt) that was known then: another one has it tried again.
     */
    asked?: string;
  };
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
    /**
     * The wishes of people (annotations holdfast.dev/retriedAt and restartedAt) that were known then: another one has it tried again.
     */
    asked?: string;
  };
  /**
   * The restart that was last done (annotation holdfast.dev/restartedAt).
   */
  restartedAt?: string;
  /**
   * Names of the Bindings that it serves.
   */
  bindings?: string[];
  /**
   * Databases that are kept of Apps that are gone.
   *
   * Items: A kept database.
   */
  kept?: {
    /**
     * App that it belonged to.
     */
    app?: string;
    /**
     * Name of the database.
     */
    account?: string;
    /**
     * Since when.
     */
    since?: string;
  }[];
}

/**
 * The account that is wanted.
 */
export interface BindingSpec {
  /**
   * Name of the App that it is for.
   */
  app: string;
  /**
   * Name of the Addon that it is in.
   */
  addon: string;
  /**
   * Type of the Addon.
   */
  type: 'postgresql' | 'mysql' | 'mongodb' | 'redis';
  /**
   * What the App's manifest says of it.
   */
  options?: {
    /**
     * mysql: the App makes databases of its own, under a prefix.
     */
    multipleDatabases?: boolean;
  };
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface BindingStatus {
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
  stopped?: StoppedStep;
  /**
   * Address of the Addon.
   */
  address?: string;
  /**
   * Port of the Addon.
   */
  port?: number;
  /**
   * Name by which the App finds it.
   */
  host?: string;
  /**
   * What it has in the Addon. The password is in a Secret.
   */
  account?: {
    /**
     * Login name.
     */
    username?: string;
    /**
     * Name of its database.
     */
    database?: string;
    /**
     * Its databases begin with this.
     */
    prefix?: string;
  };
  /**
   * Name of the Addon that the account is in.
   */
  addon?: string;
  /**
   * Accounts that it had before in another Addon or under another name, and that are still to be locked. Their data is kept.
   *
   * Items: One account.
   */
  previous?: {
    /**
     * Name of the Addon.
     */
    addon: string;
    /**
     * Login name.
     */
    account: string;
  }[];
  /**
   * Name of the Secret that holds the password.
   */
  secret?: string;
  /**
   * Digest of the password that the server has: tells whether it is that of the Secret.
   */
  credential?: string;
  /**
   * The rotation that was last done (annotation holdfast.dev/rotatedAt).
   */
  rotatedAt?: string;
}

/**
 * The command and its schedule.
 */
export interface TaskSpec {
  /**
   * Name of the App.
   */
  app: string;
  /**
   * Its name in the App's manifest, or in spec.tasks of the App.
   */
  task: string;
  /**
   * Five fields of cron, or @hourly, @daily, @weekly, @monthly, @yearly.
   */
  schedule: string;
  /**
   * Run with /bin/sh -c in a container of the App's image.
   */
  command: string;
  /**
   * A run that takes longer is ended.
   */
  timeLimitSeconds: number;
  /**
   * true: it does not run.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface TaskStatus {
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
  stopped?: StoppedStep;
  /**
   * Fixed address of its container on the platform's network.
   */
  address?: string;
  /**
   * The schedule and timezone that nextRunAt speaks of.
   */
  schedule?: string;
  /**
   * Since when it is this schedule: earlier times are not made up.
   */
  since?: string;
  /**
   * The last time of the schedule that was run, or passed by.
   */
  handledUntil?: string;
  /**
   * When it runs next.
   */
  nextRunAt?: string;
  /**
   * The newest run.
   */
  lastRun?: {
    /**
     * When it was to begin.
     */
    scheduledAt?: string;
    /**
     * When it began.
     */
    startedAt?: string;
    /**
     * When it ended.
     */
    finishedAt?: string;
    /**
     * running, succeeded (exit code 0), failed (another), timedOut (ended by the limit), stopped (ended with its App).
     */
    state?: 'running' | 'succeeded' | 'failed' | 'timedOut' | 'stopped';
    /**
     * What the command ended with.
     */
    exitCode?: number;
    /**
     * Id of its container.
     */
    container?: string;
  };
  /**
   * The last time that it was passed by, and why.
   */
  skipped?: {
    /**
     * The time of the schedule.
     */
    at?: string;
    /**
     * Why.
     */
    reason?: string;
  };
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
  stopped?: StoppedStep;
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
  stopped?: StoppedStep;
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
   * Who may show it in a frame: DENY, SAMEORIGIN (the default), or ALLOW-FROM and an origin.
   */
  frameOptions?: string;
  /**
   * true: all hosts but the main one send to it.
   */
  redirectAliases?: boolean;
  /**
   * Paths at which people sign in.
   *
   * Items: A path.
   */
  loginPaths?: string[];
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
  stopped?: StoppedStep;
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
  /**
   * Accounts at ACME servers whose HTTP challenges are answered.
   *
   * Items: Thumbprint of the account's key.
   */
  thumbprints?: string[];
}

/**
 * The certificate that is wanted.
 */
export interface CertificateSpec {
  /**
   * Name of the Domain whose settings it follows.
   */
  domain: string;
  /**
   * Host names. Its first part may be *.
   *
   * Items: A host name.
   */
  hosts: string[];
  /**
   * acme: the ACME server of the Domain. custom: the Secret has it.
   */
  issuer: 'acme' | 'custom';
  /**
   * Name of the Secret with tls.crt and tls.key (with issuer custom).
   */
  secret?: string;
  /**
   * true: served where there is no other certificate.
   */
  fallback?: boolean;
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface CertificateStatus {
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
  stopped?: StoppedStep;
  /**
   * The names in the certificate that is in place.
   *
   * Items: A host name.
   */
  names?: string[];
  /**
   * Who signed it.
   */
  issuer?: string;
  /**
   * When it begins.
   */
  notBefore?: string;
  /**
   * When it ends.
   */
  notAfter?: string;
  /**
   * SHA-256 in hex.
   */
  fingerprint?: string;
  /**
   * When it is renewed.
   */
  renewAt?: string;
  /**
   * Name under which nginx finds it. Absent while it cannot be served.
   */
  file?: string;
  /**
   * The order that is under way.
   */
  order?: {
    /**
     * Where the authority keeps it.
     */
    url?: string;
    /**
     * How far it is, in the words of ACME.
     */
    state?: string;
    /**
     * When it was begun.
     */
    since?: string;
  };
  /**
   * How many orders in a row have failed.
   */
  failures?: number;
  /**
   * Not tried again before.
   */
  retryAt?: string;
  /**
   * Names that the authority did not confirm when it was asked last.
   *
   * Items: One name.
   */
  problems?: {
    /**
     * The host name.
     */
    host?: string;
    /**
     * One word.
     */
    reason?: string;
    /**
     * What the authority said.
     */
    message?: string;
  }[];
}

/**
 * The secret values.
 */
export interface KeySpec {
  /**
   * What it is: the key and the chain of a Certificate, or the account at an ACME server.
   */
  type: 'Certificate' | 'AcmeAccount';
  /**
   * Values as text.
   */
  stringData: {
    [k: string]: string;
  };
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface KeyStatus {
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
  stopped?: StoppedStep;
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
  stopped?: StoppedStep;
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
 * How the domain is kept.
 */
export interface DomainSpec {
  /**
   * The DNS zone that holds its records: the domain itself or one above it. Default: the domain. It stays what it was when the domain was verified.
   */
  zone?: string;
  /**
   * Who keeps the zone. rfc2136: a name server that takes signed updates (BIND, Knot, PowerDNS). wildcard: you made a record for *.domain. manual: you make each record that you are told. noop: nobody, and nothing is checked.
   */
  provider: 'route53' | 'digitalocean' | 'cloudflare' | 'rfc2136' | 'wildcard' | 'manual' | 'noop';
  /**
   * The Secret with the provider's credentials. route53: accessKeyId, secretAccessKey, and region and endpoint where wanted. digitalocean, cloudflare: token. rfc2136: server, keyName, algorithm (hmac-sha256 or hmac-sha512) and key, and port where it is not 53.
   */
  credentials?: {
    /**
     * Name of the Secret.
     */
    secret: string;
  };
  /**
   * How long resolvers may keep the records, in seconds. Default 300.
   */
  ttl?: number;
  /**
   * true: records that somebody else made for a name that an App has are taken over and changed. Default false: they are left alone and told.
   */
  adopt?: boolean;
  /**
   * Marks the records that this server made. Default: an id of its own. Servers that share a zone need different ones; a server that takes the place of another is given the owner of that (status.owner).
   */
  owner?: string;
  /**
   * Asked whether a record is there, instead of those that the zone is delegated to: for a network with its own DNS.
   *
   * Items: A name or an address, with :port where it is not 53; an IPv6 address with a port stands in brackets.
   */
  nameServers?: string[];
  /**
   * Where the records of Apps lead to. Default: a public address of this machine's interfaces, else what servers outside see it as; it is followed when it changes.
   */
  address?: {
    /**
     * A fixed address. With one fixed, a family that is not fixed gets no records.
     */
    ipv4?: string;
    /**
     * A fixed address. With one fixed, a family that is not fixed gets no records.
     */
    ipv6?: string;
    /**
     * Takes the addresses of this network interface, private ones too.
     */
    interface?: string;
    /**
     * Where to ask, in this order, instead of the built-in ones: an https or http URL that answers with the address as text, or dns:NAME@SERVER.
     *
     * Items: A URL, or dns:NAME@SERVER.
     */
    from?: string[];
    /**
     * Which kinds of address get records. Default both, as far as there are any.
     *
     * Items: ipv4 or ipv6
     */
    families?: ('ipv4' | 'ipv6')[];
  };
  /**
   * Certificates of the names in the domain.
   */
  tls?: {
    /**
     * acme: Let's Encrypt, or the ACME server of acme.directory. internal: the platform's own authority. custom: the certificate of a Secret. Default acme, and internal for provider noop.
     */
    issuer?: 'acme' | 'internal' | 'custom';
    /**
     * The ACME server and how it is shown that the names are ours (with issuer acme).
     */
    acme?: {
      /**
       * URL of its directory. Default: Let's Encrypt's production server.
       */
      directory?: string;
      /**
       * Where the authority writes to.
       */
      email?: string;
      /**
       * External account binding: a Secret with kid and hmacKey.
       */
      eab?: {
        /**
         * Name of the Secret.
         */
        secret: string;
      };
      /**
       * http-01: over port 80. dns-01: by a record, for what is not reached from outside and for wildcards. Default: http-01, and dns-01 with wildcard.
       */
      challenge?: 'http-01' | 'dns-01';
      /**
       * Secret with ca.crt: the certificate of a private ACME server's own authority, in PEM.
       */
      caSecret?: string;
      /**
       * The same, as text here.
       */
      caBundle?: string;
    };
    /**
     * true: one certificate for the domain and for *.domain, by dns-01, which serves every App in it. Default false.
     */
    wildcard?: boolean;
    /**
     * A Secret with tls.crt and tls.key in PEM (with issuer custom).
     */
    certificate?: {
      /**
       * Name of the Secret.
       */
      secret: string;
    };
    /**
     * A Secret with tls.crt and tls.key in PEM, served while there is no other certificate. Default: the platform's own authority.
     */
    fallback?: {
      /**
       * Name of the Secret.
       */
      secret: string;
    };
    /**
     * Oldest version of TLS that is spoken. Default 1.2.
     */
    minVersion?: '1.2' | '1.3';
  };
  /**
   * Mail for the domain.
   */
  mail?: {
    /**
     * Default false.
     */
    enabled?: boolean;
  };
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface DomainStatus {
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
  stopped?: StoppedStep;
  /**
   * The zone that was verified. Its records are changed here and nowhere else.
   */
  zone?: string;
  /**
   * Who keeps the zone, as verified.
   */
  provider?: string;
  /**
   * The mark of the records that this server made.
   */
  owner?: string;
  /**
   * The zone's name servers, as its provider names them.
   *
   * Items: A host name.
   */
  nameServers?: string[];
  /**
   * The name servers that the rest of the world is sent to.
   *
   * Items: A host name.
   */
  delegatedTo?: string[];
  /**
   * Where the records of Apps lead to.
   */
  addresses?: {
    /**
     * The IPv4 address.
     */
    ipv4?: string;
    /**
     * The IPv6 address.
     */
    ipv6?: string;
    /**
     * fixed, an interface, or who was asked.
     */
    source?: string;
  };
}

/**
 * The records that are wanted.
 */
export interface DNSRecordSpec {
  /**
   * Name of the Domain whose zone it is in.
   */
  domain: string;
  /**
   * Full name without a dot at its end. Its first part may be *, and parts may begin with _.
   */
  name: string;
  /**
   * Type of the record.
   */
  type: 'A' | 'AAAA' | 'CNAME' | 'MX' | 'TXT' | 'SRV' | 'CAA';
  /**
   * One text a record, as in a zone file: 192.0.2.1, "10 mail.example.com", "0 issue letsencrypt.org". Text of TXT as it is, without quotes; what is longer than 255 letters is split.
   *
   * Items: One record.
   */
  values: string[];
  /**
   * How long resolvers may keep it, in seconds. Default: that of the Domain.
   */
  ttl?: number;
  /**
   * true: a record that somebody else made is taken over and changed.
   */
  adopt?: boolean;
  /**
   * true: looked at and planned, but nothing is changed.
   */
  suspend?: boolean;
}

/**
 * What was observed. Only reconcilers write it.
 */
export interface DNSRecordStatus {
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
  stopped?: StoppedStep;
  /**
   * The values that are wanted.
   *
   * Items: One record.
   */
  wanted?: string[];
  /**
   * The values that the provider has. Absent where nothing tells.
   *
   * Items: One record.
   */
  published?: string[];
  /**
   * What the zone's own name servers answer.
   *
   * Items: One name server at one of its addresses.
   */
  resolved?: {
    /**
     * Its name and address.
     */
    server?: string;
    /**
     * What it answers.
     *
     * Items: One record.
     */
    values?: string[];
    /**
     * Why there is no answer.
     */
    problem?: string;
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
      /**
       * Of drift: what is known of how it came.
       */
      known?: string;
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
  stopped?: StoppedStep;
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
