/**
 * What an App's spec comes to once defaults, packages and plain images are made one. Pure; called by the App reconciler, which
 * renders it, and by whoever wants to show it. A plain image becomes the manifest that a package of it would have.
 */
import type { AppSpec } from './generated.ts';
import { parseMemory, parsePackageMemory } from './memory.ts';
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
  /** Empty: those of the Platform. */
  dns: string[];
  pidsLimit: number;
  /** Names, in the order of the manifest. */
  addons: string[];
  imagePullSecret: string | undefined;
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
    dns: spec.dns ?? [],
    pidsLimit: spec.pidsLimit ?? 4096,
    addons: Object.keys(manifest.addons ?? {}),
    imagePullSecret: spec.imagePullSecret,
  };
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
    ...(spec.volumes === undefined || spec.volumes.length === 0 ? {} : { addons: { localstorage: {} } }),
  };
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
