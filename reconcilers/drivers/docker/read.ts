/**
 * The engine's answers in the words of this driver: lists, inspects, networks, images. Pure. Engines from 20.10 on leave
 * out, add and rename fields, so everything is optional here and filled in; what the engine filled in by itself is read
 * back as what a ContainerSpec would have said.
 */
import type {
  ContainerDetails,
  ContainerState,
  ContainerSummary,
  Deviation,
  ImageDetails,
  Mount,
  NetworkSummary,
  PublishedPort,
} from './index.ts';
import { NO_NEW_PRIVILEGES } from './render.ts';

interface Endpoint {
  IPAddress?: string;
  IPAMConfig?: { IPv4Address?: string } | null;
}

type Endpoints = Record<string, Endpoint> | null;

export interface ListedContainer {
  Id: string;
  Names?: string[] | null;
  Image?: string;
  ImageID?: string;
  State?: string;
  Labels?: Record<string, string> | null;
  /** Seconds since 1970. */
  Created?: number;
  Ports?: { PublicPort?: number; Type?: string }[] | null;
  NetworkSettings?: { Networks?: Endpoints } | null;
}

interface RawMount {
  Type?: string;
  Source?: string;
  Target?: string;
  ReadOnly?: boolean;
  VolumeOptions?: { DriverConfig?: { Options?: Record<string, string> | null } | null } | null;
}

interface HostConfig {
  Memory?: number;
  MemorySwap?: number;
  ReadonlyRootfs?: boolean;
  RestartPolicy?: { Name?: string } | null;
  LogConfig?: { Type?: string; Config?: Record<string, string> | null } | null;
  PidsLimit?: number | null;
  CpuShares?: number;
  CapAdd?: string[] | null;
  CapDrop?: string[] | null;
  SecurityOpt?: string[] | null;
  Dns?: string[] | null;
  DnsSearch?: string[] | null;
  ExtraHosts?: string[] | null;
  Mounts?: RawMount[] | null;
  Binds?: string[] | null;
  Devices?: unknown[] | null;
  PortBindings?: Record<string, { HostIp?: string; HostPort?: string }[] | null> | null;
  NetworkMode?: string;
  PidMode?: string;
  Privileged?: boolean;
}

export interface InspectedContainer {
  Id: string;
  Name?: string;
  Created?: string;
  /** Id of the image. */
  Image?: string;
  RestartCount?: number;
  State?: {
    Status?: string;
    ExitCode?: number;
    OOMKilled?: boolean;
    Error?: string;
    StartedAt?: string;
    FinishedAt?: string;
  };
  Config?: {
    Image?: string;
    Cmd?: string[] | null;
    Env?: string[] | null;
    Labels?: Record<string, string> | null;
    Tty?: boolean;
    StopTimeout?: number | null;
  };
  HostConfig?: HostConfig;
  NetworkSettings?: { Networks?: Endpoints } | null;
  Mounts?: { Type?: string; Name?: string }[] | null;
}

export function readSummary(listed: ListedContainer): ContainerSummary {
  return {
    id: listed.Id,
    // Legacy links add names with a second slash.
    name:
      (listed.Names ?? []).map((name) => name.replace(/^\//, '')).find((name) => !name.includes('/')) ?? '',
    image: listed.Image ?? '',
    imageId: listed.ImageID ?? '',
    state: readState(listed.State),
    labels: { ...listed.Labels },
    addresses: readAddresses(listed.NetworkSettings?.Networks),
    createdAt: (listed.Created ?? 0) * 1000,
  };
}

export function readContainer(inspected: InspectedContainer): ContainerDetails {
  const { State: state = {}, Config: config = {}, HostConfig: host = {} } = inspected;
  const startedAt = readTime(state.StartedAt);
  const finishedAt = readTime(state.FinishedAt);
  return {
    id: inspected.Id,
    name: (inspected.Name ?? '').replace(/^\//, ''),
    image: config.Image ?? '',
    imageId: inspected.Image ?? '',
    state: readState(state.Status),
    labels: { ...config.Labels },
    addresses: readAddresses(inspected.NetworkSettings?.Networks),
    // A list knows whole seconds only; both must agree.
    createdAt: Math.floor(Date.parse(inspected.Created ?? '1970-01-01T00:00:00Z') / 1000) * 1000,
    settings: readSettings(inspected, config, host),
    ...(startedAt === undefined ? {} : { startedAt }),
    ...(finishedAt === undefined ? {} : { finishedAt }),
    exitCode: state.ExitCode ?? 0,
    oomKilled: state.OOMKilled ?? false,
    restartCount: inspected.RestartCount ?? 0,
    error: state.Error ?? '',
    tty: config.Tty ?? false,
    deviations: readDeviations(host),
  };
}

function readSettings(
  inspected: InspectedContainer,
  config: NonNullable<InspectedContainer['Config']>,
  host: HostConfig,
): ContainerDetails['settings'] {
  const memoryWithSwap = readMemory(host);
  const profile = (host.SecurityOpt ?? [])
    .find((option) => /^apparmor[=:]/.test(option))
    ?.slice('apparmor='.length);
  const network = host.NetworkMode ?? '';
  return {
    ...(config.Cmd ? { command: [...config.Cmd] } : {}),
    env: readEnv(config.Env ?? []),
    tty: config.Tty ?? false,
    network: {
      name: network,
      address: inspected.NetworkSettings?.Networks?.[network]?.IPAMConfig?.IPv4Address ?? '',
    },
    dns: [...(host.Dns ?? [])],
    dnsSearch: [...(host.DnsSearch ?? [])],
    hosts: readHosts(host.ExtraHosts ?? []),
    mounts: [...(host.Mounts ?? []).map(readMount), ...(host.Binds ?? []).map(readBind)].sort(byTarget),
    ports: readPorts(host.PortBindings ?? {}),
    readOnlyRoot: host.ReadonlyRootfs ?? false,
    ...(memoryWithSwap === undefined ? {} : { memoryWithSwap }),
    cpuShares: host.CpuShares ?? 0,
    pidsLimit: host.PidsLimit ?? 0,
    restartPolicy: ['', 'no'].includes(host.RestartPolicy?.Name ?? '') ? 'no' : 'always',
    dropCapabilities: (host.CapDrop ?? []).map(normalCapability).sort(),
    ...(profile === undefined ? {} : { apparmorProfile: profile }),
    log: {
      maxSize: host.LogConfig?.Config?.['max-size'] ?? '',
      maxFiles: Number(host.LogConfig?.Config?.['max-file'] ?? 0),
    },
    // What the engine does where nothing is set.
    stopSeconds: config.StopTimeout ?? 10,
  };
}

/** Newer engines answer CAP_NET_RAW where NET_RAW was asked for. */
export function normalCapability(name: string): string {
  return name.toUpperCase().replace(/^CAP_/, '');
}

/** An engine without swap accounting keeps memory and answers -1 for memory with swap: that is its best, not a drift. */
function readMemory(host: HostConfig): number | undefined {
  const { Memory: memory = 0, MemorySwap: withSwap = 0 } = host;
  if (memory <= 0) return undefined;
  return withSwap > 0 ? withSwap : memory * 2;
}

function readEnv(lines: readonly string[]): Record<string, string> {
  const env: Record<string, string> = {};
  for (const line of lines) {
    const equals = line.indexOf('=');
    if (equals > 0) env[line.slice(0, equals)] = line.slice(equals + 1);
  }
  return env;
}

/** name:address, and name=address with newer engines. An address may hold colons itself. */
function readHosts(lines: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const at = line.search(/[:=]/);
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
}

function readMount(mount: RawMount): Mount {
  const device = mount.VolumeOptions?.DriverConfig?.Options?.['device'];
  return {
    type: mount.Type === 'volume' ? 'volume' : 'bind',
    source: mount.Source ?? '',
    target: mount.Target ?? '',
    ...(device === undefined ? {} : { device }),
    ...(mount.ReadOnly ? { readOnly: true } : {}),
  };
}

/** `docker run -v` of somebody else: source:target[:options]. */
function readBind(text: string): Mount {
  const [source = '', target = '', options = ''] = text.split(':');
  const readOnly = options.split(',').includes('ro');
  return {
    type: source.startsWith('/') ? 'bind' : 'volume',
    source,
    target,
    ...(readOnly ? { readOnly } : {}),
  };
}

function byTarget(left: Mount, right: Mount): number {
  return left.target < right.target ? -1 : left.target > right.target ? 1 : 0;
}

function readPorts(bindings: NonNullable<HostConfig['PortBindings']>): PublishedPort[] {
  const ports: PublishedPort[] = [];
  for (const [name, hosts] of Object.entries(bindings)) {
    const [number, protocol] = name.split('/');
    for (const host of hosts ?? []) {
      ports.push({
        containerPort: Number(number),
        protocol: protocol === 'udp' ? 'udp' : 'tcp',
        hostPort: Number(host.HostPort),
        hostAddress: host.HostIp || '0.0.0.0',
      });
    }
  }
  return ports.sort(
    (left, right) => left.hostPort - right.hostPort || left.containerPort - right.containerPort,
  );
}

function readDeviations(host: HostConfig): Deviation[] {
  const found: Deviation[] = [];
  const policy = host.RestartPolicy?.Name ?? '';
  if (!['', 'no', 'always'].includes(policy)) {
    found.push({ field: 'restartPolicy', found: policy, wanted: 'always' });
  }
  const { Memory: memory = 0, MemorySwap: withSwap = 0 } = host;
  const half = Math.floor(withSwap / 2);
  if (memory > 0 && withSwap > 0 && memory !== half)
    found.push({ field: 'memory', found: memory, wanted: half });
  if (host.Privileged) found.push({ field: 'privileged', found: true, wanted: false });
  if (host.CapAdd?.length) found.push({ field: 'addCapabilities', found: [...host.CapAdd], wanted: [] });
  if (host.Devices?.length) found.push({ field: 'devices', found: host.Devices.length, wanted: 0 });
  if (host.PidMode) found.push({ field: 'pidMode', found: host.PidMode, wanted: '' });
  const security = (host.SecurityOpt ?? []).filter((option) => !/^apparmor[=:]/.test(option));
  if (security.length !== 1 || !/^no-new-privileges([:=]true)?$/.test(security[0] ?? '')) {
    found.push({ field: 'security', found: security, wanted: [NO_NEW_PRIVILEGES] });
  }
  const driver = host.LogConfig?.Type ?? '';
  if (driver !== 'json-file') found.push({ field: 'log.driver', found: driver, wanted: 'json-file' });
  return found;
}

const STATES: readonly ContainerState[] = [
  'created',
  'running',
  'restarting',
  'paused',
  'exited',
  'dead',
  'removing',
];

function readState(text: string | undefined): ContainerState {
  return STATES.find((state) => state === text) ?? 'dead';
}

function readAddresses(networks: Endpoints | undefined): Record<string, string> {
  return Object.fromEntries(
    Object.entries(networks ?? {}).map(([name, { IPAddress }]) => [name, IPAddress ?? '']),
  );
}

/** The engine's zero time is the year 1. */
function readTime(text: string | undefined): string | undefined {
  return !text || text.startsWith('0001-') ? undefined : text;
}

export interface ListedNetwork {
  Id: string;
  Name: string;
  Driver?: string;
  Labels?: Record<string, string> | null;
  Options?: Record<string, string> | null;
  IPAM?: { Config?: { Subnet?: string; Gateway?: string }[] | null } | null;
}

export function readNetwork(network: ListedNetwork): NetworkSummary {
  const config = network.IPAM?.Config ?? [];
  const gateway = config.find((entry) => entry.Gateway)?.Gateway;
  return {
    id: network.Id,
    name: network.Name,
    driver: network.Driver ?? '',
    labels: { ...network.Labels },
    subnets: config.flatMap((entry) => (entry.Subnet ? [entry.Subnet] : [])),
    // 20.10 answers the gateway of some networks with its prefix.
    ...(gateway === undefined ? {} : { gateway: gateway.replace(/\/\d+$/, '') }),
    options: { ...network.Options },
  };
}

export interface InspectedImage {
  Id: string;
  RepoTags?: string[] | null;
  RepoDigests?: string[] | null;
  Config?: {
    Volumes?: Record<string, unknown> | null;
    Cmd?: string[] | null;
    Entrypoint?: string[] | null;
  } | null;
}

export function readImage(image: InspectedImage): ImageDetails {
  return {
    id: image.Id,
    tags: (image.RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'),
    digests: (image.RepoDigests ?? []).filter((digest) => !digest.startsWith('<none>')),
    volumes: Object.keys(image.Config?.Volumes ?? {}).sort(),
    hasCommand: Boolean(image.Config?.Cmd?.length || image.Config?.Entrypoint?.length),
  };
}
