/**
 * What an App's spec comes to once defaults, packages and plain images are made one. Pure; called by the App reconciler, which
 * renders it, and by whoever wants to show it. A plain image becomes the manifest that a package of it would have.
 */
import { isServerType, type ServerType, serverHost } from './addons.ts';
import type { AppSpec } from './generated.ts';
import { parseMemory, parsePackageMemory } from './memory.ts';
import { boundedName } from './names.ts';
import { normalVolumePath, volumeFolder } from './volume.ts';

export type AppManifest = NonNullable<AppSpec['manifest']>;

export interface TcpPort {
  /** Environment variable that tells the App the public port. */
  name: string;
  containerPort: number;
  hostPort: number;
}

export type EnvEntry =
  | { name: string; value: string }
  | { name: string; secret: string; key: string; optional: boolean };

export interface ServerChoice {
  type: ServerType;
  /** Name of the Addon that it is in. */
  addon: string;
  options: { multipleDatabases?: boolean };
}

/** A command that is run on a schedule. */
export interface EffectiveTask {
  name: string;
  schedule: string;
  command: string;
  timeLimitSeconds: number;
  suspend?: boolean;
}

export interface EffectiveApp {
  /** Shape of a package's manifest, also for a plain image. */
  manifest: AppManifest;
  image: string;
  httpPort: number;
  healthCheckPath: string;
  /** Bytes of memory with swap; memory alone is half of it. undefined: no limit. */
  memoryWithSwap: number | undefined;
  /** Those that have a public port; in the order of the manifest. */
  tcpPorts: TcpPort[];
  /** Path in the container, and the folder under the App's data that is there. */
  mounts: { path: string; folder: string }[];
  readOnlyRoot: boolean;
  /** undefined: the image's own. */
  command: string[] | undefined;
  /** In the order written. */
  env: EnvEntry[];
  debug: boolean;
  state: 'running' | 'stopped';
  /** Empty: the domain itself. */
  location: string;
  domain: string;
  aliases: string[];
  /** Aliases send to the main name. */
  redirectAliases: boolean;
  /** undefined: as the edge has it. */
  xFrameOptions: string | undefined;
  loginPaths: string[];
  /** Records of its names that somebody else made are taken over. */
  adopt: boolean;
  /** Empty: those of the Platform. */
  dns: string[];
  pidsLimit: number;
  /** Names of those that it is to have, in the order of the manifest. */
  addons: string[];
  /** Those of them that are accounts in servers. */
  servers: ServerChoice[];
  imagePullSecret: string | undefined;
  /** Those of the package, as the App's own spec changes them, and those that it adds. */
  tasks: EffectiveTask[];
}

const MEBIBYTE = 2 ** 20;
const DEFAULT_MEMORY = 256 * MEBIBYTE;
/** Docker takes no less than 6 MiB of memory, and memory is half of what memory and swap are together. */
const LEAST_MEMORY = 12 * MEBIBYTE;

export function effectiveApp(spec: AppSpec, name: string): EffectiveApp {
  const plain = spec.manifest === undefined;
  const manifest = spec.manifest ?? manifestOfImage(spec);
  const { debug } = spec;
  return {
    manifest,
    image: manifest.dockerImage,
    httpPort: manifest.httpPort,
    healthCheckPath: withSlash(manifest.healthCheckPath ?? '/'),
    memoryWithSwap: debug === undefined ? memoryOf(spec, manifest, plain) : undefined,
    tcpPorts: boundPorts(spec, manifest),
    mounts: plain ? volumeMounts(spec) : packageMounts(manifest),
    readOnlyRoot: debug === undefined ? (spec.readOnly ?? true) : (debug.readOnly ?? false),
    command: debug?.command ?? spec.command,
    env: envEntries(spec),
    debug: debug !== undefined,
    state: spec.state ?? 'running',
    location: spec.location ?? name,
    domain: spec.domain ?? 'localhost',
    aliases: spec.aliases ?? [],
    redirectAliases: spec.redirectAliases ?? false,
    xFrameOptions: spec.xFrameOptions,
    loginPaths: spec.loginPaths ?? [],
    adopt: spec.adopt ?? false,
    dns: spec.dns ?? [],
    pidsLimit: spec.pidsLimit ?? 4096,
    addons: addonNames(spec, manifest),
    servers: addonNames(spec, manifest)
      .filter(isServerType)
      .map((type) => serverChoice(type, spec, manifest, name)),
    imagePullSecret: spec.imagePullSecret,
    tasks: tasksOf(spec, manifest),
  };
}

const DEFAULT_TASK_LIMIT = 3600;

function tasksOf(spec: AppSpec, manifest: AppManifest): EffectiveTask[] {
  const packaged = manifest.addons?.scheduler ?? {};
  const names = [...new Set([...Object.keys(packaged), ...Object.keys(spec.tasks ?? {})])];
  return names.map((name) => {
    const { schedule = '', command = '', ...own } = { ...packaged[name], ...spec.tasks?.[name] };
    const { timeLimitSeconds = DEFAULT_TASK_LIMIT, suspend } = own as Partial<EffectiveTask>;
    return { name, schedule, command, timeLimitSeconds, ...(suspend === true ? { suspend } : {}) };
  });
}

/** The manifest that a package of this image would have. Volumes are data folders, which is what localstorage gives. */
function manifestOfImage(spec: AppSpec): AppManifest {
  if (spec.image === undefined || spec.port === undefined)
    throw new Error('an App needs either manifest, or image and port');
  return {
    dockerImage: spec.image,
    httpPort: spec.port,
    healthCheckPath: spec.healthCheckPath ?? '/',
    ...(spec.tcpPorts === undefined ? {} : { tcpPorts: spec.tcpPorts }),
    ...addonsOfImage(spec),
  };
}

function addonsOfImage({ volumes = [], addons = {} }: AppSpec): Pick<AppManifest, 'addons'> {
  const options = (type: string) =>
    type === 'mysql' && addons.mysql?.multipleDatabases === true ? { multipleDatabases: true } : {};
  const entries = Object.keys(addons).map((type) => [type, options(type)]);
  if (volumes.length > 0) entries.push(['localstorage', {}]);
  return entries.length === 0 ? {} : { addons: Object.fromEntries(entries) };
}

const SIGN_ON = ['ldap', 'oauth', 'oidc', 'simpleauth'];

function addonNames(spec: AppSpec, manifest: AppManifest): string[] {
  const without = spec.sso === false && manifest.optionalSso === true ? SIGN_ON : [];
  return Object.keys(manifest.addons ?? {}).filter((name) => !without.includes(name));
}

/** Redis is a server of the App's own; of the others all Apps share one, unless they name another. */
function serverChoice(type: ServerType, spec: AppSpec, manifest: AppManifest, app: string): ServerChoice {
  const chosen: { addon?: string; multipleDatabases?: boolean } = spec.addons?.[type] ?? {};
  const asked = manifest.addons?.[type] as { multipleDatabases?: boolean } | undefined;
  const addon = type === 'redis' ? boundedName(serverHost(type, app)) : (chosen.addon ?? type);
  const multiple = type === 'mysql' && (asked?.multipleDatabases ?? false);
  return { type, addon, options: multiple ? { multipleDatabases: true } : {} };
}

function memoryOf(spec: AppSpec, manifest: AppManifest, plain: boolean): number | undefined {
  const own = parseMemory(spec.memory ?? 0) ?? 0;
  if (own < 0) return undefined;
  if (plain) return own === 0 ? DEFAULT_MEMORY : Math.max(own, LEAST_MEMORY);
  const limit = manifest.memoryLimit === undefined ? undefined : parsePackageMemory(manifest.memoryLimit);
  return Math.max(own === 0 ? (limit ?? DEFAULT_MEMORY) : own, DEFAULT_MEMORY);
}

function boundPorts(spec: AppSpec, manifest: AppManifest): TcpPort[] {
  const bound: TcpPort[] = [];
  for (const [name, port] of Object.entries(manifest.tcpPorts ?? {})) {
    const hostPort = spec.ports?.[name];
    if (hostPort !== undefined) bound.push({ name, containerPort: port.containerPort ?? hostPort, hostPort });
  }
  return bound;
}

function packageMounts(manifest: AppManifest): EffectiveApp['mounts'] {
  return manifest.addons?.localstorage === undefined ? [] : [{ path: '/app/data', folder: 'data' }];
}

function volumeMounts(spec: AppSpec): EffectiveApp['mounts'] {
  return (spec.volumes ?? []).map(({ path }) => ({
    path: normalVolumePath(path),
    folder: volumeFolder(path),
  }));
}

function envEntries(spec: AppSpec): EnvEntry[] {
  if (!Array.isArray(spec.env))
    return Object.entries(spec.env ?? {}).map(([name, value]) => ({ name, value }));
  return spec.env.map(({ name, value, valueFrom }) => {
    if (valueFrom === undefined) return { name, value: value ?? '' };
    const { name: secret, key, optional } = valueFrom.secretKeyRef;
    return { name, secret, key, optional: optional ?? false };
  });
}

function withSlash(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}
