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
import type { Condition, Document, Json, Manifest, Reference } from '../../resources/document.ts';

/** Worst thing that a step does to what is running. */
export type Impact = 'none' | 'reload' | 'restart' | 'replace' | 'data-loss';

/** Why a step is needed: one field that differs, and whose change it is. Secret values are never in here. */
export interface Because {
  /** Dotted path of the field, such as spec.image or container.state. */
  field: string;
  found?: Json;
  wanted?: Json;
  /** "generation 3 by root through cli", "drift", "dependency app/wiki", "first time". */
  cause: string;
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
  /** A newer generation of the document ends this step at once (pulls and waits). */
  readonly interruptible?: boolean;
  /** The steps after this one depend on what it finds: look again and plan anew before going on. */
  readonly replan?: boolean;
  /** What will only be known when it runs, for the plan: "address". */
  readonly knownLater?: readonly string[];
  /** Names of the documents that it is done for, where the key has many; an event is written about each. None: about the key. */
  readonly regarding?: readonly string[];
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
  delete(reference: Reference): Promise<void>;
  /** Also while it is being deleted. */
  exists(reference: Reference): boolean;
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
  /** What is still to do. Empty when converged. */
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
}

/** Thrown by observe and converge. Anything else that is thrown counts as retryable with reason Failed. */
export class ReconcileError extends Error {
  readonly kind: Failure['kind'];
  readonly reason: string;
  constructor(kind: Failure['kind'], reason: string, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'ReconcileError';
    this.kind = kind;
    this.reason = reason;
  }
}

/** A condition without what the engine adds (transition time, generation). */
export type ConditionDraft = Pick<Condition, 'type' | 'status' | 'reason' | 'message'>;

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
  /** Keys that are looked at even when no document leads to them: a shared target that must be there with nothing in it. */
  readonly always?: readonly string[];
  /** Usually the document's name; the shared target where many documents have one. */
  key(document: Document): string;
  /** Keys to wake when a document of `watches` changes. Pure. */
  wakes?(changed: Document, view: View): readonly string[];
  /** What should be, from documents alone. undefined: nothing is known of this key, nothing to do. */
  want(key: string, view: View): Want | undefined;
  /** Documents whose state the key speaks of: the one, or all that share the target. */
  documents(want: Want): readonly Document[];
  observe(want: Want, world: Reading): Promise<Have>;
  diff(want: Want, have: Have): S[];
  converge(step: S, world: Writing, run: Run): Promise<void>;
  status(want: Want, have: Have | undefined, outcome: Outcome<S>): StatusDraft[];
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

/** Every key that there is work for, as things stand: of the documents, and those that are there always. */
export function keysOf<Reading, Writing>(
  reconciler: AnyReconciler<Reading, Writing>,
  view: View,
): ReadonlySet<string> {
  const keys = view.list(reconciler.kind).map((document) => reconciler.key(document));
  return new Set([...(reconciler.always ?? []), ...keys]);
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
  /** Documents that a plan cannot be made for, with the reason. */
  problems: { document: Reference; reason: string; message: string; key?: string }[];
}
