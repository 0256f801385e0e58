/**
 * What the API is given by main.ts, and nothing more: it reaches the store, a planner and the containers through these
 * types and imports neither a driver nor a reconciler.
 */
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Document, Manifest, Reference } from '../../resources/document.ts';
import type { FieldProblem, KindDefinition } from '../../resources/kind.ts';
import type { Clock } from '../clock.ts';
import type { Plan, PlanBasis, PlannedStep, RunningOperation, Why } from '../engine/contract.ts';
import type { Log } from '../log.ts';
import type { Author, Store } from '../store/types.ts';

/** One thing that was looked at, for `holdfast doctor` and /readyz. */
export interface Check {
  name: string;
  ok: boolean;
  /** What was seen, and what to do when it is not well. */
  message: string;
}

export interface LogRequest {
  /** Last lines only. */
  tail?: number;
  follow?: boolean;
  timestamps?: boolean;
  /** RFC 3339. */
  since?: string;
  /** What a task of the App wrote in its last runs, instead. */
  task?: string;
  /** RFC 3339: nothing that was written later. */
  until?: string;
  /** Aborts when the client is gone. */
  signal?: AbortSignal;
}

export interface LogLine {
  stream: 'stdout' | 'stderr';
  /** Without the line break. */
  text: string;
}

/** A command in an App's container. Streams end when it does. */
export interface ExecSession {
  stdin: Writable;
  stdout: Readable;
  /** Empty with a terminal. */
  stderr: Readable;
  resize(columns: number, rows: number): Promise<void>;
  exitCode: Promise<number>;
}

/**
 * The containers of an App. What goes wrong is thrown as an error whose `code` is one of the drivers' words (notFound,
 * unavailable, …).
 */
interface ContainerAccess {
  logs(app: Document, options: LogRequest): AsyncIterable<LogLine>;
  exec(app: Document, options: { command: string[]; tty: boolean }): Promise<ExecSession>;
}

/** A container of ours as it runs, in the words that Pods are made of. Nothing of its environment is in it. */
export interface RunningContainer {
  id: string;
  name: string;
  /** The document that it was made for. */
  owner: Reference & { uid: string };
  image: string;
  imageId: string;
  state: 'created' | 'running' | 'restarting' | 'paused' | 'exited' | 'dead' | 'removing';
  /** Empty while it does not run. */
  address: string;
  /** Milliseconds since 1970. */
  createdAt: number;
  /** RFC 3339; of its latest start and its latest end. */
  startedAt?: string;
  finishedAt?: string;
  exitCode: number;
  oomKilled: boolean;
  restarts: number;
  tty: boolean;
  /** Bytes. */
  memory?: number;
  ports: { containerPort: number; hostPort: number; protocol: 'tcp' | 'udp' }[];
}

/** Containers one by one, for the projection as Pods. Errors as with ContainerAccess. */
export interface PodAccess {
  /** Of this machine. */
  node: string;
  /** Cheap: from what is known of Docker. */
  list(): Promise<RunningContainer[]>;
  /** Called after something changed, perhaps more often. Answers how to stop. */
  onChange(listener: () => void): () => void;
  logs(id: string, options: LogRequest): AsyncIterable<LogLine>;
  exec(id: string, options: { command: string[]; tty: boolean }): Promise<ExecSession>;
  /** A TCP connection to a port of it, over the containers' own network. */
  connect(container: RunningContainer, port: number): Promise<Duplex>;
}

export interface ApiLimits {
  /** A watcher with more than this unsent is not fed until it has read; bytes. */
  watchBuffer: number;
  /** A watcher that does not read for this long then is cut; milliseconds. */
  watchDrain: number;
  /** Time between two bookmarks; milliseconds. */
  bookmark: number;
  /** Watches, logs and exec sessions open at once. */
  streams: number;
  /** Body of one document; bytes. */
  document: number;
  /** Body of an apply or a plan; bytes. */
  documents: number;
}

export const LIMITS: ApiLimits = {
  watchBuffer: 1024 * 1024,
  watchDrain: 5_000,
  bookmark: 60_000,
  streams: 5_000,
  document: 3 * 1024 * 1024,
  documents: 16 * 1024 * 1024,
};

/** PEM texts. */
export interface Certificate {
  key: string;
  cert: string;
  /** Of the authority that signed it. */
  ca: string;
}

/** One thing that is measured, as Prometheus has it. */
export interface Metric {
  name: string;
  help: string;
  type: 'counter' | 'gauge';
  samples: { labels: Record<string, string>; value: number }[];
}

/** Where HTTPS is served. */
export interface HttpsState {
  /** The Platform's spec asks for it. */
  wanted: boolean;
  listening: { address: string; port: number }[];
  /** Why not everywhere, and what to do. */
  problem?: string;
}

/** A plan as it was kept: what is needed to see whether it still holds. */
export interface KeptPlan {
  basis: readonly PlanBasis[];
  steps: readonly PlannedStep[];
}

/** The engine at work. */
export interface EngineAccess {
  operations(): RunningOperation[];
  /** RFC 3339: when the world was last looked at for it. Moves while an unchanged status is not written again. */
  observedAt(document: Document): string | undefined;
  /** Ends what runs and answers it. `idle`: nothing does. `never`: nothing ever does for its kind. */
  cancel(document: Document, by: string): RunningOperation | 'idle' | 'never';
  /** Forgets failures and begins anew. False: there is nothing that could. */
  retry(document: Document, by: string): boolean;
  why(document: Document, author: Author): Promise<Why>;
  /** In what way things are not as the kept plan found them, a sentence each. `now`: the plan of the same documents, made now. */
  moved(kept: KeptPlan, now: Plan): string[];
}

export interface ApiDependencies {
  store: Store;
  kinds: readonly KindDefinition[];
  validate(manifest: Manifest): FieldProblem[];
  /** What would be done if these were applied and those deleted; with neither, what is left to do now. Writes nothing. */
  plan(documents: Manifest[], deletions: Reference[], author: Author): Promise<Plan>;
  engine: EngineAccess;
  containers: ContainerAccess;
  pods: PodAccess;
  doctor(): Promise<Check[]>;
  /** For clients over HTTPS: where it is served, and the certificate of the authority that they must trust. */
  https(): Promise<HttpsState & { ca: string }>;
  /** Cheap: asked for at each /readyz. */
  ready(): Check[];
  /** Of queues, reconciles and the store, read when asked. Cheap. */
  metrics(): Metric[];
  /** Of the program, such as 0.1.0. */
  version: string;
  log: Log;
  clock: Clock;
  limits?: Partial<ApiLimits>;
}
