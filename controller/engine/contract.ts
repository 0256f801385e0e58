/**
 * What the engine asks of a reconciler. The engine knows no kind and no driver; reconcilers import these types and
 * nothing else of the controller. Rules that the types cannot say:
 *
 * - `want`, `diff` and `status` are pure: no I/O, no clock, no chance.
 * - `observe` looks at the world through `Reading`, which has nothing to write with.
 * - `converge` does one step. Done twice, it changes nothing the second time.
 * - What a step made carries a mark, and the next `observe` finds it by that mark: a crash between any two steps is
 *   repaired by looking again, never by remembering.
 */
import type {
  Condition,
  Document,
  Json,
  Manifest,
  Reference,
  StoppedStep,
} from '../../resources/document.ts';

/** Worst thing that a step does to what is running. */
export type Impact = 'none' | 'reload' | 'restart' | 'replace' | 'data-loss';

/** Why a step is needed: one field that differs, and whose change it is. Secret values are never in here. */
export interface Because {
  /** Dotted path of the field, such as spec.image or container.state. */
  field: string;
  found?: Json;
  wanted?: Json;
  /**
   * Whose change it is: "generation 3 by root through cli", "drift", "upgrade of Holdfast from 1.0.0 to 1.1.0", "first time". What begins
   * with drift or upgrade nobody asked for: it waits for a maintenance window where it would disturb what runs.
   */
  cause: string;
  /** Of drift: what is known of how it came, such as "Docker told of update at 2026-01-01T10:00:00Z". */
  known?: string;
  /** Name of the one document that this is a reason of, where the key has many. */
  regarding?: string;
}

/** Plain data: printed in a plan, written in an event, compared, saved. */
export interface Step {
  /** CamelCase verb and noun, such as CreateContainer. */
  readonly type: string;
  /** What it acts on, such as container/holdfast-app-wiki. */
  readonly target: string;
  readonly action: 'create' | 'change' | 'delete';
  readonly impact: Impact;
  readonly because: readonly Because[];
  /** A sentence for a person. */
  readonly message: string;
  /** How long it may take, in seconds. Default 120. */
  readonly deadlineSeconds?: number;
  /** What it disturbs does not do what it should, so that it waits for no maintenance window. */
  readonly urgent?: boolean;
  /** A newer generation of the document ends this step at once (pulls and waits). */
  readonly interruptible?: boolean;
  /** The steps after this one depend on what it finds: look again and plan anew before going on. */
  readonly replan?: boolean;
  /**
   * upgrade: no document and nobody behind our back asks for it; a newer Holdfast, or what has changed on the machine, wants it
   * otherwise. It waits, shown as a plan, for a maintenance window or for `holdfast approve`.
   */
  readonly held?: 'upgrade';
  /** What will only be known when it runs, for the plan: "address". */
  readonly knownLater?: readonly string[];
  /** Names of the documents that it is done for, where the key has many; an event is written about each. None: about the key. */
  readonly regarding?: readonly string[];
  /**
   * Digest of what it is to come to, where the reasons do not tell, such as of a secret value: with another aim it is another step, which
   * says nothing of a loop.
   */
  readonly aim?: string;
  /** Documents that the step writes or deletes: the plan follows them. */
  readonly child?: { apply: Manifest } | { delete: Reference };
}

/** Documents as a reconciler sees them: the store's, or an overlay of a plan. */
export interface View {
  get(kind: string, name: string): Document | undefined;
  list(kind: string): readonly Document[];
  /** Documents of a kind whose controller owner has this uid. */
  childrenOf(kind: string, ownerUid: string): readonly Document[];
  /**
   * A value computed over documents and kept until a spec, the metadata or the existence of one of these kinds changes.
   * For indexes, such as which App has which location. `App#status`: kept until the status changes, too.
   */
  derived<T>(name: string, kinds: readonly string[], compute: (view: View) => T): T;
  /** Who made the present generation: "generation 3 by root through cli". */
  causeOf(document: Document): string;
}

/** Documents that a reconciler may write: its children, never what people wrote. */
export interface ChildDocuments {
  /** Creates or updates a child owned by `owner`. */
  apply(owner: Document, child: Manifest): Promise<void>;
  /** `data`: with everything that it keeps in the world. */
  delete(reference: Reference, options?: { data: boolean }): Promise<void>;
  /** Makes a document that nobody owns, such as one that a person could have written. What is there stays as it is. */
  create(document: Manifest): Promise<void>;
  /** Also while it is being deleted. With a uid: that very one, and not its namesake. */
  exists(reference: Reference & { uid?: string }): boolean;
}

/** What a step is given while it runs. */
export interface Run {
  /** Aborts on the deadline, on cancel, on shutdown, and on a newer generation where the step is interruptible. */
  readonly signal: AbortSignal;
  /** Shown in status.operation. Cheap to call often; written at most once a second. */
  progress(percent: number | undefined, message: string): void;
  /** Kept in status.operation.checkpoint before going on; answers when it is on disk. */
  checkpoint(value: Json): Promise<void>;
  /** The checkpoint that a run before a crash left, for the same step. */
  readonly resumed: Json | undefined;
  readonly documents: ChildDocuments;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

/** How the last run went, for `status`. */
export interface Outcome<S extends Step> {
  /** What is still to do. Empty when converged, and when all that is left waits for a maintenance window. */
  pending: readonly S[];
  failure?: Failure;
  /** RFC 3339. */
  now: string;
}

export interface Failure {
  reason: string;
  message: string;
  /** retryable: with backoff. terminal: until something changes. waiting: until `because` changes, and not an error. */
  kind: 'retryable' | 'terminal' | 'waiting';
  step?: Step;
  /** The step is not done for now, also by a controller that is started anew. */
  stopped?: StoppedStep;
  /** Looked at again after this long at the latest, whatever the kind says; what waits, soon at first and then less often. */
  recheckSeconds?: number;
}

/** Thrown by observe and converge. Anything else that is thrown counts as retryable with reason Failed. */
export class ReconcileError extends Error {
  readonly kind: Failure['kind'];
  readonly reason: string;
  readonly recheckSeconds: number | undefined;
  constructor(
    kind: Failure['kind'],
    reason: string,
    message: string,
    options: { cause?: unknown; recheckSeconds?: number } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'ReconcileError';
    this.kind = kind;
    this.reason = reason;
    this.recheckSeconds = options.recheckSeconds;
  }
}

/** A condition without what the engine adds (transition time, generation). */
export type ConditionDraft = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

/** Something that happened by itself, or by somebody else. */
export interface Notice {
  document: Document;
  type: 'Normal' | 'Warning';
  /** CamelCase word. */
  reason: string;
  message: string;
  /** As for a step: which field, found and wanted or before. */
  because: readonly Because[];
}

/** The status of one document. The engine sets observedGeneration, observedAt, transition times and operation. */
export interface StatusDraft {
  document: Document;
  conditions: ConditionDraft[];
  /** Nothing can be done until a person changes something: shown as Stalled, and as a problem in a plan. */
  blocked?: { reason: string; message: string };
  /** Further fields of status; each replaces the field of the same name, undefined removes it. */
  fields?: Record<string, unknown>;
}

export interface Reconciler<Want, Have, S extends Step, Reading, Writing> {
  /** The kind whose documents wake it. */
  readonly kind: string;
  /** Keys at work at the same time. */
  readonly parallelism: number;
  /** Documents being deleted keep this until `diff` is empty for them. */
  readonly finalizer?: string;
  /** Changes of these kinds wake the keys that `wakes` names. */
  readonly watches?: readonly string[];
  /** Waits this long for more before it starts, in milliseconds: many documents, one reload. */
  readonly settleMilliseconds?: number;
  /**
   * Keys that are looked at even when no document leads to them: a shared target that must be there with nothing in it. A
   * function where other kinds' documents say which: pure.
   */
  readonly always?: readonly string[] | ((view: View) => readonly string[]);
  /** Usually the document's name; the shared target where many documents have one. */
  key(document: Document): string;
  /**
   * Keys to wake when a document of `watches` changes. Pure. `what`: whether more than its status has changed. Two kinds that wake each
   * other by their statuses alone would never come to rest while one of them fails.
   */
  wakes?(changed: Document, view: View, what: { substantial: boolean }): readonly string[];
  /** What should be, from documents alone. undefined: nothing is known of this key, nothing to do. */
  want(key: string, view: View): Want | undefined;
  /** Documents whose state the key speaks of: the one, or all that share the target. */
  documents(want: Want): readonly Document[];
  observe(want: Want, world: Reading): Promise<Have>;
  diff(want: Want, have: Have): S[];
  converge(step: S, world: Writing, run: Run): Promise<void>;
  status(want: Want, have: Have | undefined, outcome: Outcome<S>): StatusDraft[];
  /**
   * What happened to it that no step did, told by comparing what was observed with `status` as it was: each becomes an event. Pure.
   * `done`: the steps of this run.
   */
  notices?(want: Want, have: Have, done: readonly S[]): Notice[];
  /** There are no steps although it is not as wanted: something must come first. Pure. */
  isWaiting?(want: Want, have: Have): boolean;
  /** Look again after this many seconds even if nothing woke it. */
  requeueAfterSeconds?(want: Want, have: Have): number | undefined;
}

/** A reconciler whose own types only it knows: what the engine holds. */
export type AnyReconciler<Reading, Writing> = Reconciler<unknown, unknown, Step, Reading, Writing>;

/** Forgets the types of what a reconciler wants and has. Sound because the engine only hands back what it was given. */
export function anyReconciler<Want, Have, S extends Step, Reading, Writing>(
  reconciler: Reconciler<Want, Have, S, Reading, Writing>,
): AnyReconciler<Reading, Writing> {
  return reconciler as unknown as AnyReconciler<Reading, Writing>;
}

export type PlannedOutcome = 'created' | 'configured' | 'unchanged' | 'deleted';

/** What `holdfast plan` prints and what events name. */
export interface PlannedStep {
  document: Reference;
  step: Step;
  /** Only while the plan is being made. */
  key?: string;
}

export interface Plan {
  /** What becomes of each document that is written, and of the children that follow. */
  documents: { document: Reference; outcome: PlannedOutcome }[];
  steps: PlannedStep[];
  /** The documents that it rests on, where it is to be saved. */
  basis?: PlanBasis[];
  /** Documents that a plan cannot be made for, with the reason. */
  problems: { document: Reference; reason: string; message: string; key?: string }[];
}

/** What runs, waits or is tried again: `holdfast get operations`. */
export interface RunningOperation {
  kind: string;
  /** Name of the document, or of what many of them share. */
  key: string;
  /** Looking at the world; Running a step; Retrying after a failure; Waiting for a window or an approval. */
  state: 'Looking' | 'Running' | 'Retrying' | 'Waiting';
  /** Type of the step. */
  step?: string;
  target?: string;
  message?: string;
  percent?: number;
  /** Whose change it is done for: "generation 3 by root through cli", "drift". */
  cause?: string;
  /** RFC 3339: when the run began, and when this look or step did. */
  startedAt?: string;
  since?: string;
  /** When it is given up, or when it goes on. */
  until?: string;
}

/** One link of what a document waits for. */
export interface WhyLink {
  document: Reference;
  /** How deep below the one that was asked about, which is 0. */
  depth: number;
  /** Of the condition Ready; Missing where there is no such document. */
  status: 'True' | 'False' | 'Unknown' | 'Missing';
  reason: string;
  message: string;
  /** RFC 3339. */
  since?: string;
  /** Nothing below it explains it further. */
  isRoot: boolean;
}

/** Something that was done or noticed, from its events. */
export interface WhyEvent {
  document: Reference;
  at: string;
  count: number;
  type: string;
  reason: string;
  message: string;
  impact: Impact;
  because: readonly Because[];
}

/** `holdfast why`: is it Ready, what does it wait for, what was done to it and why, and what would change now. */
export interface Why {
  document: Reference;
  generation: number;
  /** Who made the present generation. */
  cause: string;
  /** RFC 3339: when the world was last looked at for it. */
  observedAt?: string;
  /** The document itself, then what it waits for. */
  chain: readonly WhyLink[];
  running?: RunningOperation;
  /** Newest first: what was restarted or replaced. */
  disturbed: readonly WhyEvent[];
  /** Newest first: whatever was done last. */
  done: readonly WhyEvent[];
  /** What would change now. */
  next: readonly PlannedStep[];
  problems: Plan['problems'];
}

/** A document as a saved plan found it. Without uid: there was none of that name. */
export interface PlanBasis extends Reference {
  uid?: string;
  generation?: number;
  resourceVersion?: string;
  /** Of labels, annotations and deletion, which no generation counts. */
  metadata?: string;
}
