/**
 * Containers, networks and images, as far as reconcilers need them. ContainerSpec is neutral: what is wanted, with no word of
 * how an engine says it; dockerode.ts renders it, fake.ts imitates it, and one conformance suite holds both to this text.
 *
 * Everything made here carries the label `dev.holdfast.managed=true`. Nothing without it is ever changed or removed.
 * Every call may be made twice: removing what is gone, starting what runs, stopping what stands still is success.
 * A call that cannot reach the engine rejects with DriverError `unavailable`.
 */
import type { Readable, Writable } from 'node:stream';
import type { Json } from '../../../resources/document.ts';

export const LABEL = {
  managed: 'dev.holdfast.managed',
  /** Kind, name and uid of the document it was made for. */
  kind: 'dev.holdfast.kind',
  name: 'dev.holdfast.name',
  uid: 'dev.holdfast.uid',
  /** Hash of the wanted settings (specHash). */
  hash: 'dev.holdfast.hash',
  generation: 'dev.holdfast.generation',
  /** On containers of tasks: uid of the App, name of the task, and the time of the schedule that the run is for. */
  app: 'dev.holdfast.app',
  task: 'dev.holdfast.task',
  scheduled: 'dev.holdfast.scheduled',
  /** State folder of the installation, where one engine serves more than one. */
  state: 'dev.holdfast.state',
  /** Version of Holdfast that made it. For people and for reasons; never a reason to make it anew. */
  version: 'dev.holdfast.version',
} as const;

export interface Mount {
  /** bind: a host path. volume: a named volume, made with our labels and filled from the image where new. */
  type: 'bind' | 'volume';
  source: string;
  target: string;
  /**
   * volume only: the host folder behind it. An empty folder is filled from the image, with its owners and modes, as a plain
   * bind never is; removing the volume leaves the folder.
   */
  device?: string;
  /** volume only: it was made for another container of ours, and is used as it is. */
  existing?: boolean;
  readOnly?: boolean;
}

export interface PublishedPort {
  containerPort: number;
  protocol: 'tcp' | 'udp';
  hostPort: number;
  /** Default 0.0.0.0. */
  hostAddress?: string;
}

export interface ContainerSpec {
  name: string;
  /** Image id or repository@digest: what exactly runs. */
  image: string;
  command?: string[];
  env: Record<string, string>;
  labels: Record<string, string>;
  tty: boolean;
  network: { name: string; address: string };
  dns: string[];
  dnsSearch: string[];
  /** Host name → address, in the container's own /etc/hosts. */
  hosts: Record<string, string>;
  mounts: Mount[];
  ports: PublishedPort[];
  readOnlyRoot: boolean;
  /** Bytes of memory with swap; memory alone is half of it. undefined: no limit. */
  memoryWithSwap?: number;
  cpuShares: number;
  pidsLimit: number;
  restartPolicy: 'always' | 'no';
  dropCapabilities: string[];
  /** Name of an AppArmor profile, where the kernel has it. */
  apparmorProfile?: string;
  log: { maxSize: string; maxFiles: number };
  /** Seconds between SIGTERM and SIGKILL. */
  stopSeconds: number;
}

export type ContainerState = 'created' | 'running' | 'restarting' | 'paused' | 'exited' | 'dead' | 'removing';

/** From a list: cheap, cached. */
export interface ContainerSummary {
  id: string;
  name: string;
  /** As it was asked for. */
  image: string;
  imageId: string;
  state: ContainerState;
  labels: Record<string, string>;
  /** Address on each network, by the network's name. Empty text while not running. */
  addresses: Record<string, string>;
  /** Milliseconds since 1970. */
  createdAt: number;
}

/** From an inspect: what the engine says was set, in the words of ContainerSpec, and how it runs. */
export interface ContainerDetails extends ContainerSummary {
  settings: Omit<ContainerSpec, 'labels' | 'image' | 'name'>;
  /** RFC 3339; undefined when it never ran. */
  startedAt?: string;
  finishedAt?: string;
  exitCode: number;
  oomKilled: boolean;
  restartCount: number;
  /** Text that the engine keeps of a failed start. */
  error: string;
  tty: boolean;
  /** Settings that no ContainerSpec renders, such as privileged, in the engine's words. Empty for what was made here. */
  deviations?: Deviation[];
}

/** One setting that differs. Never a value of the environment. */
export interface Deviation {
  /** Dotted path in the words of ContainerSpec, such as ports.22/tcp or env.TOKEN. */
  field: string;
  found?: Json;
  wanted?: Json;
}

export interface NetworkSummary {
  id: string;
  name: string;
  driver: string;
  labels: Record<string, string>;
  /** CIDR. */
  subnets: string[];
  gateway?: string;
  options: Record<string, string>;
}

export interface NetworkSpec {
  name: string;
  subnet: string;
  gateway: string;
  labels: Record<string, string>;
  options: Record<string, string>;
}

/** A named volume. */
export interface VolumeSummary {
  name: string;
  /** Those of the container that it was made for. */
  labels: Record<string, string>;
}

export interface ImageDetails {
  id: string;
  tags: string[];
  /** repository@sha256:… */
  digests: string[];
  /** Paths that the image declares as volumes. */
  volumes: string[];
  hasCommand: boolean;
}

export interface RegistryAuth {
  username: string;
  password: string;
  server?: string;
}

export interface PullProgress {
  /** 0 to 100 over all layers, undefined until sizes are known. */
  percent?: number;
  message: string;
}

export interface EngineInfo {
  version: string;
  apiVersion: string;
  /** Security options that the daemon has, such as apparmor. */
  security: string[];
  /** Where it keeps everything on its host. Empty where it does not say. */
  rootFolder: string;
}

/** What takes room in the engine, largest first. */
export interface EngineUsage {
  images: { id: string; names: string[]; bytes: number }[];
  /** What containers wrote beside their volumes. */
  containers: { id: string; name: string; bytes: number }[];
  /** Those that are not ours: ours are folders of the state folder. */
  volumes: { name: string; bytes: number }[];
  buildCacheBytes: number;
}

export interface LogOptions {
  /** Last lines only. */
  tail?: number;
  follow?: boolean;
  timestamps?: boolean;
  /** RFC 3339. */
  since?: string;
  /** RFC 3339: nothing that was written later. */
  until?: string;
  signal?: AbortSignal;
}

export interface LogLine {
  stream: 'stdout' | 'stderr';
  /** Without the line break, with the engine's timestamp in front where asked for. */
  text: string;
}

/** What changed, from the engine's event stream. Only of containers that carry our mark, and of all networks, volumes and images. */
export interface DockerEvent {
  type: 'container' | 'network' | 'image' | 'volume';
  /** The engine's word: create, start, die, destroy, update, rename, oom, connect, disconnect, … */
  action: string;
  id: string;
  name: string;
  labels: Record<string, string>;
  exitCode?: number;
  /** The container that a network's connect or disconnect is about. */
  containerId?: string;
}

/** A command in a running container. Streams end when it does. */
export interface ExecSession {
  stdin: Writable;
  stdout: Readable;
  /** Empty with a terminal. */
  stderr: Readable;
  resize(columns: number, rows: number): Promise<void>;
  exitCode: Promise<number>;
}

export interface DockerReading {
  info(): Promise<EngineInfo>;
  /** All that carry our mark, running or not. */
  containers(): Promise<ContainerSummary[]>;
  /** Any container, by id or name. undefined when there is none. */
  container(idOrName: string): Promise<ContainerDetails | undefined>;
  /** All networks, ours and others'. */
  networks(): Promise<NetworkSummary[]>;
  /** Volumes that carry our mark, used or not. */
  volumes(): Promise<VolumeSummary[]>;
  image(reference: string): Promise<ImageDetails | undefined>;
  /** Ids of all images, ours and others'. */
  imageIds(): Promise<Set<string>>;
  /** Ids of images that any container is made of, running or not, ours or others'. */
  imagesInUse(): Promise<Set<string>>;
  /** Name of the running container, ours or another's, that publishes a TCP port of the host. */
  publisherOf(hostPort: number): Promise<string | undefined>;
  /** Slow: the engine walks its folders. */
  usage(): Promise<EngineUsage>;
  logs(id: string, options?: LogOptions): AsyncIterable<LogLine>;
}

export interface DockerWriting {
  createNetwork(spec: NetworkSpec): Promise<string>;
  /** Refuses (foreign) what does not carry our mark. */
  removeNetwork(id: string): Promise<void>;
  /**
   * Pulls and answers what came. Ends with `timeout` when nothing moves for `stallSeconds` (60), with `aborted` when the
   * signal says so. `notFound` when the registry has no such image, `denied` when it wants other credentials.
   */
  pull(
    reference: string,
    options: {
      auth?: RegistryAuth;
      onProgress?(progress: PullProgress): void;
      signal?: AbortSignal;
      stallSeconds?: number;
    },
  ): Promise<ImageDetails>;
  /** Removes named volumes of ours that are left from a container of the same name and settings, then creates. Answers the id. */
  createContainer(spec: ContainerSpec): Promise<string>;
  start(id: string): Promise<void>;
  /** SIGTERM, then SIGKILL after this long. */
  stop(id: string, graceSeconds: number): Promise<void>;
  restart(id: string, graceSeconds: number): Promise<void>;
  /** With force and its anonymous volumes, and the named volumes of ours that it alone used. */
  remove(id: string): Promise<void>;
  rename(id: string, name: string): Promise<void>;
  unpause(id: string): Promise<void>;
  exec(
    id: string,
    options: { command: string[]; tty: boolean; env?: Record<string, string>; user?: string },
  ): Promise<ExecSession>;
  setRestartPolicy(id: string, policy: 'always' | 'no'): Promise<void>;
  /** Refuses (foreign) what does not carry our mark; `conflict` while a container uses it, running or not. */
  removeVolume(name: string): Promise<void>;
  /**
   * Takes the name `reference` from an image, and removes the image when that was its last name. Answers `kept` when somebody
   * else's name, container or image still needs it: then that much is left as it is. Only for what notePulled was told of.
   */
  removeImage(id: string, reference: string): Promise<'gone' | 'kept'>;
}

export interface Docker extends DockerReading, DockerWriting {
  /**
   * Follows the event stream until the signal aborts, connecting again when it breaks. `onUp` is called at each (re)connect
   * after which events may have been missed, `onDown` when the engine is gone.
   */
  follow(
    listener: { onEvent(event: DockerEvent): void; onUp(): void; onDown(error: Error): void },
    signal: AbortSignal,
  ): Promise<void>;
}
