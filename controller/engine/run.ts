/**
 * One run of one key: look, plan, do, look again, until nothing is left; then the status. Called by the engine with a key that
 * its queue gave out. It decides nothing about when to run again: it answers how it went.
 */
import type { Document, Json, Operation } from '../../resources/document.ts';
import { type Clock, timestamp } from '../clock.ts';
import type { Author, Store, Write } from '../store/types.ts';
import {
  type AnyReconciler,
  type ChildDocuments,
  type Failure,
  ReconcileError,
  type Run,
  type Step,
  type View,
} from './contract.ts';
import type { EventRecorder } from './events.ts';
import type { Held, Holds } from './holds.ts';
import type { EngineLog } from './log.ts';
import type { LoopBreaker } from './loops.ts';
import { composeStatus, type StatusContext, saysTheSame } from './status.ts';
import { eventStep, type Subject, subjectOf, subjectsOf } from './step.ts';

export const CONTROLLER: Author = { user: 'holdfast', via: 'controller' };
/** Looking and planning again this often in one run is a loop, not progress. */
const MOST_ROUNDS = 20;
const OBSERVE_DEADLINE_SECONDS = 90;
const STEP_DEADLINE_SECONDS = 120;
/** Shorter steps are not worth a write of status. */
const SHOW_OPERATION_AFTER_MILLISECONDS = 700;

export interface RunDependencies<Reading, Writing> {
  store: Store;
  view: View;
  clock: Clock;
  reading: Reading;
  writing: Writing;
  events: EventRecorder;
  log: EngineLog;
  loops: LoopBreaker;
  holds: Holds;
  /** Keys for which it was asked what a controller before this one had stopped. */
  restored: Set<string>;
  /** These were seen just now. */
  onLooked(documents: readonly Document[]): void;
  /** RFC 3339 time of the last look that succeeded. */
  lastSeen(document: Document): string | undefined;
  /** Nothing is changed for this kind at present. */
  isPaused?(kind: string): boolean;
  /** Seconds that a step may take, where it was set. */
  deadlineOf?(step: Step): number | undefined;
  /** Turns what a driver threw into a failure. */
  classify(error: unknown): Failure;
}

/** What runs now, for whoever asks, cancels or supersedes it. */
export interface RunningStep {
  documents: readonly Document[];
  step?: Step;
  /** When the run began. */
  startedAt: string;
  /** When the step, or the look, began, and when it is given up. */
  since: string;
  deadline?: string;
  progress?: { percent?: number; message: string };
  abort(reason: Error): void;
}

export type Superseded = 'superseded';
export interface RunResult {
  outcome: 'converged' | 'retry' | 'terminal' | 'waiting' | 'again';
  failure?: Failure;
  requeueAfterSeconds?: number;
}

/** Aborts a step because the document has a newer generation. The run goes on with that. */
export class SupersededError extends Error {}

/** Aborts because a person said so. The step is not tried again until it is asked for. */
export class CancelledError extends ReconcileError {
  constructor(message: string) {
    super('terminal', 'Cancelled', message);
    this.name = 'CancelledError';
  }
}

export class KeyRun<Reading, Writing> {
  readonly #reconciler: AnyReconciler<Reading, Writing>;
  readonly #key: string;
  readonly #dependencies: RunDependencies<Reading, Writing>;
  readonly #shutdown: AbortSignal;
  readonly running: RunningStep;
  #want: unknown;
  #have: unknown;
  #pending: Step[] = [];
  #operation: Operation | undefined;
  #stalled: StatusContext['stalled'];
  #held: Held | undefined;
  /** What of #pending does not wait. */
  #due: readonly Step[] = [];
  readonly #done: Step[] = [];
  #current: AbortController | undefined;

  constructor(
    reconciler: AnyReconciler<Reading, Writing>,
    key: string,
    dependencies: RunDependencies<Reading, Writing>,
    shutdown: AbortSignal,
  ) {
    this.#reconciler = reconciler;
    this.#key = key;
    this.#dependencies = dependencies;
    this.#shutdown = shutdown;
    this.running = {
      documents: [],
      startedAt: timestamp(dependencies.clock),
      since: timestamp(dependencies.clock),
      abort: (reason) => this.#current?.abort(reason),
    };
  }

  async run(): Promise<RunResult> {
    this.#wantAnew();
    if (this.#want === undefined) {
      this.#settled();
      return { outcome: 'converged' };
    }
    this.#restore();
    const failure = await this.#converge();
    if (this.#shutdown.aborted) return { outcome: 'again' };
    if (this.#want === undefined) return { outcome: 'converged' };
    this.#tellNotices();
    await this.#writeStatuses(failure);
    if (!failure && this.#pending.length === 0) await this.#removeFinalizers();
    if (failure) {
      const outcome = failure.kind === 'retryable' ? 'retry' : failure.kind;
      return { outcome, failure };
    }
    const requeueAfterSeconds = this.#requeueAfterSeconds();
    return { outcome: 'converged', ...(requeueAfterSeconds === undefined ? {} : { requeueAfterSeconds }) };
  }

  #requeueAfterSeconds(): number | undefined {
    if (this.#have === undefined) return undefined;
    const asked = this.#reconciler.requeueAfterSeconds?.(this.#want, this.#have);
    const { opensAt } = this.#held ?? {};
    if (opensAt === undefined) return asked;
    const untilOpen = Math.max(1, Math.ceil((opensAt - this.#dependencies.clock.now()) / 1000));
    return asked === undefined ? untilOpen : Math.min(asked, untilOpen);
  }

  /** Rounds of look, plan and do. Leaves what was seen last in #want, #have and #pending. */
  async #converge(): Promise<Failure | undefined> {
    const { loops } = this.#dependencies;
    loops.begin(this.#id);
    for (let round = 0; round < MOST_ROUNDS; round += 1) {
      if (round > 0) this.#wantAnew();
      const looked = await this.#look();
      if (looked) return looked;
      if (this.#isAsWanted()) this.#settled();
      if (this.#want === undefined || this.#pending.length === 0 || this.#isSuspended()) return undefined;
      const obstacle = this.#obstacle();
      if (obstacle || this.#due.length === 0) return obstacle;
      if (round === 0) await this.#tellDrift();
      const failure = await this.#doSteps();
      if (this.#shutdown.aborted) return undefined;
      if (failure) {
        this.#wantAnew();
        await this.#look();
        return failure;
      }
    }
    return this.#endless();
  }

  get #id(): string {
    return `${this.#reconciler.kind.toLowerCase()}/${this.#key}`;
  }

  #isAsWanted(): boolean {
    if (this.#want === undefined) return true;
    return this.#pending.length === 0 && !this.#reconciler.isWaiting?.(this.#want, this.#have);
  }

  /** Once for each key. What was stopped for another generation is not stopped for this one. */
  #restore(): void {
    const { restored, loops, holds } = this.#dependencies;
    if (restored.has(this.#id)) return;
    restored.add(this.#id);
    const isOfThis = ({ status, metadata }: Document) => status?.observedGeneration === metadata.generation;
    const documents = this.#reconciler.documents(this.#want).filter(isOfThis);
    const stopped = documents.find(({ status }) => status?.stopped)?.status?.stopped;
    if (stopped?.reason === 'Cancelled') holds.restore(this.#id, stopped);
    else if (stopped) loops.restore(this.#id, stopped);
  }

  #settled(): void {
    this.#dependencies.loops.settled(this.#id);
    this.#dependencies.holds.settled(this.#id);
  }

  /** Why none of the steps is done now. */
  #obstacle(): Failure | undefined {
    const { loops, holds } = this.#dependencies;
    const failure = holds.cancellation(this.#id, this.#due) ?? loops.check(this.#id, this.#due);
    if (failure) this.#stalled = { reason: failure.reason, message: failure.message };
    return failure;
  }

  #divide(): void {
    const { holds, clock } = this.#dependencies;
    const { due, held } = holds.divide(this.#id, this.#pending, this.running.documents, clock.now());
    this.#due = due;
    this.#held = held;
  }

  /** What somebody broke is told before it is repaired: Ready is true of what was seen only. */
  async #tellDrift(): Promise<void> {
    const isDrift = this.#due.some(({ because }) => because.some(({ cause }) => cause.startsWith('drift')));
    if (isDrift) await this.#writeStatuses(undefined);
  }

  #wantAnew(): void {
    this.#want = this.#reconciler.want(this.#key, this.#dependencies.view);
  }

  /** Sets have and pending anew, for what is wanted. Answers a failure when the world could not be looked at. */
  async #look(): Promise<Failure | undefined> {
    const { reading, classify } = this.#dependencies;
    if (this.#want === undefined) return undefined;
    this.running.documents = this.#reconciler.documents(this.#want);
    this.#begins(OBSERVE_DEADLINE_SECONDS);
    try {
      this.#have = await this.#bounded(OBSERVE_DEADLINE_SECONDS, 'looking', () =>
        this.#reconciler.observe(this.#want, reading),
      );
      this.#dependencies.onLooked(this.running.documents);
      this.#pending = this.#reconciler.diff(this.#want, this.#have);
      this.#divide();
      return undefined;
    } catch (error) {
      if (error instanceof SupersededError) {
        this.#wantAnew();
        return this.#look();
      }
      this.#have = undefined;
      this.#pending = [];
      this.#due = [];
      this.#held = undefined;
      return classify(error);
    }
  }

  /** Before the status is written: then what is told once is not told again. */
  #tellNotices(): void {
    if (this.#have === undefined) return;
    const notices = this.#reconciler.notices?.(this.#want, this.#have, this.#done) ?? [];
    for (const { document, type, reason, message, because } of notices) {
      const target = `${document.kind.toLowerCase()}/${document.metadata.name}`;
      const step: Step = { type: reason, target, action: 'change', impact: 'restart', because, message };
      this.#dependencies.events.record({ regarding: subjectOf(document), type, reason, message, step });
      this.#dependencies.log.info('noticed', {
        kind: document.kind,
        name: document.metadata.name,
        reason,
        because,
      });
    }
  }

  /** A look or a step begins: for whoever asks what runs. */
  #begins(deadlineSeconds: number): { since: string; deadline: string } {
    const { clock } = this.#dependencies;
    const deadline = new Date(clock.now() + deadlineSeconds * 1000).toISOString();
    Object.assign(this.running, { since: timestamp(clock), deadline });
    return { since: this.running.since, deadline };
  }

  async #doSteps(): Promise<Failure | undefined> {
    const steps = this.#due;
    for (const [index, step] of steps.entries()) {
      const failure = await this.#doStep(step, index, steps.length);
      if (failure === 'superseded') return undefined;
      if (failure || this.#shutdown.aborted) return failure;
      if (step.replan) return undefined;
    }
    return undefined;
  }

  async #doStep(step: Step, index: number, count: number): Promise<Failure | Superseded | undefined> {
    const { clock, classify, writing, loops, holds } = this.#dependencies;
    const deadlineSeconds =
      this.#dependencies.deadlineOf?.(step) ?? step.deadlineSeconds ?? STEP_DEADLINE_SECONDS;
    const { since, deadline } = this.#begins(deadlineSeconds);
    const resumed = this.#checkpointOf(step);
    this.#operation = {
      id: clock.uuid(),
      type: step.type,
      target: step.target,
      step: index + 1,
      steps: count,
      message: step.message,
      startedAt: since,
      deadline,
      ...(resumed === undefined ? {} : { checkpoint: resumed }),
    };
    this.running.step = step;
    const hideOperation = this.#showOperationLater();
    try {
      await this.#bounded(deadlineSeconds, step.type, (signal) =>
        this.#reconciler.converge(step, writing, this.#runFor(signal, resumed)),
      );
      loops.done(this.#id, step);
      this.#recordDone(step);
      return undefined;
    } catch (error) {
      if (this.#shutdown.aborted) return undefined;
      if (error instanceof SupersededError) return 'superseded';
      const cause = { ...classify(error), step };
      const failure = error instanceof CancelledError ? holds.cancelled(this.#id, cause) : cause;
      if (failure.kind !== 'waiting') this.#recordFailure(failure, step);
      return failure;
    } finally {
      await hideOperation();
      this.#operation = undefined;
      delete this.running.step;
      delete this.running.progress;
    }
  }

  #recordDone(step: Step): void {
    const { events, log } = this.#dependencies;
    const { type, message } = step;
    this.#done.push(step);
    for (const regarding of this.#subjects(step)) {
      events.record({ regarding, type: 'Normal', reason: type, message, step });
      log.info('step done', {
        kind: regarding.kind,
        name: regarding.name,
        ...eventStep(step, regarding.name),
      });
    }
  }

  #recordFailure(failure: Failure, step: Step): void {
    for (const regarding of this.#subjects(step)) {
      this.#dependencies.events.record({
        regarding,
        type: 'Warning',
        reason: failure.reason,
        message: failure.message,
        step,
      });
    }
  }

  #subjects(step: Pick<Step, 'regarding'>): readonly Subject[] {
    const key = { kind: this.#reconciler.kind, name: this.#key };
    return subjectsOf(step, key, this.running.documents);
  }

  #runFor(signal: AbortSignal, resumed: Json | undefined): Run {
    const { clock } = this.#dependencies;
    let lastShown = clock.monotonic();
    return {
      signal,
      resumed,
      progress: (percent, message) => {
        if (!this.#operation) return;
        this.running.progress = {
          message,
          ...(percent === undefined ? {} : { percent: Math.round(percent) }),
        };
        const { percent: _old, ...rest } = this.#operation;
        this.#operation = {
          ...rest,
          message,
          ...(percent === undefined ? {} : { percent: Math.round(percent) }),
        };
        if (clock.monotonic() - lastShown < 1000) return;
        lastShown = clock.monotonic();
        void this.#writeStatuses(undefined).catch(() => undefined);
      },
      checkpoint: async (value) => {
        if (this.#operation) this.#operation = { ...this.#operation, checkpoint: value };
        await this.#writeStatuses(undefined);
      },
      documents: this.#children(),
      event: (type, reason, message) => {
        for (const regarding of this.#subjects({})) {
          this.#dependencies.events.record({ regarding, type, reason, message });
        }
      },
    };
  }

  #children(): ChildDocuments {
    const { store } = this.#dependencies;
    return {
      exists: ({ kind, name, uid }) => {
        const found = store.get(kind, name);
        return found !== undefined && (uid === undefined || found.metadata.uid === uid);
      },
      apply: async (owner, child) => {
        const { apiVersion, kind, metadata } = owner;
        const reference = { apiVersion, kind, name: metadata.name, uid: metadata.uid, controller: true };
        const document = { ...child, metadata: { ...child.metadata, ownerReferences: [reference] } };
        await store.write([{ verb: 'applyChild', document }], CONTROLLER);
      },
      create: async (document) => {
        if (store.get(document.kind, document.metadata.name)) return;
        await store.write([{ verb: 'create', document }], CONTROLLER);
      },
      delete: async (reference, { data } = { data: false }) => {
        if (!store.get(reference.kind, reference.name)) return;
        await store.write([{ verb: 'delete', reference, deleteData: data }], CONTROLLER);
      },
    };
  }

  /** Runs with a signal that aborts on deadline, shutdown and `running.abort`, and does not wait for what ignores it. */
  async #bounded<T>(seconds: number, what: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { clock } = this.#dependencies;
    const controller = new AbortController();
    this.#current = controller;
    const late = () =>
      controller.abort(
        new ReconcileError(
          'retryable',
          'DeadlineExceeded',
          `${what} did not end within ${seconds} s; it is tried again`,
        ),
      );
    const cancelDeadline = clock.after(seconds * 1000, late);
    const onShutdown = () => controller.abort(this.#shutdown.reason);
    this.#shutdown.addEventListener('abort', onShutdown, { once: true });
    if (this.#shutdown.aborted) onShutdown();
    try {
      return await new Promise<T>((resolve, reject) => {
        const abandon = () => reject(controller.signal.reason);
        if (controller.signal.aborted) return abandon();
        controller.signal.addEventListener('abort', abandon, { once: true });
        work(controller.signal).then(resolve, (error) =>
          reject(controller.signal.aborted ? controller.signal.reason : error),
        );
      });
    } finally {
      cancelDeadline();
      this.#shutdown.removeEventListener('abort', onShutdown);
      this.#current = undefined;
    }
  }

  /** Shows a long step in status while it runs; the answer ends that, and waits for what is being written. */
  #showOperationLater(): () => Promise<void> {
    let written: Promise<unknown> = Promise.resolve();
    if (this.running.documents.length !== 1) return () => Promise.resolve();
    const cancel = this.#dependencies.clock.after(SHOW_OPERATION_AFTER_MILLISECONDS, () => {
      written = this.#writeStatuses(undefined).catch(() => undefined);
    });
    return async () => {
      cancel();
      await written;
    };
  }

  #checkpointOf(step: Step): Json | undefined {
    const left =
      this.running.documents.length === 1 ? this.running.documents[0]?.status?.operation : undefined;
    return left?.type === step.type && left.target === step.target ? left.checkpoint : undefined;
  }

  #isSuspended(): boolean {
    const { documents } = this.running;
    if (this.#dependencies.isPaused?.(this.#reconciler.kind)) return true;
    // A document that is being deleted cannot be written any more, so nobody could let it go on; whoever deletes it means it.
    const isHeld = ({ spec, metadata }: Document) =>
      spec['suspend'] === true && metadata.deletionTimestamp === undefined;
    return documents.length > 0 && documents.every(isHeld);
  }

  /** Each round had something else to do. */
  #endless(): Failure {
    const step = this.#pending[0];
    const message = `after ${MOST_ROUNDS} rounds there is still something to do: ${step?.message ?? 'a step'}; something else changes it meanwhile`;
    this.#stalled = { reason: 'Looping', message };
    return { kind: 'terminal', reason: 'Looping', message, ...(step ? { step } : {}) };
  }

  async #writeStatuses(failure: Failure | undefined): Promise<void> {
    const { store, clock } = this.#dependencies;
    const now = timestamp(clock);
    const drafts = this.#reconciler.status(this.#want, this.#have, {
      pending: this.#due,
      now,
      ...(failure ? { failure } : {}),
    });
    const common = this.#statusContext(now, failure);
    const writes: Write[] = [];
    for (const draft of drafts) {
      const { kind, metadata } = draft.document;
      const present = store.get(kind, metadata.name);
      if (!present || present.metadata.uid !== metadata.uid) continue;
      const context = this.#have === undefined ? { ...common, unseen: this.#unseen(present) } : common;
      if (saysTheSame(present.status, composeStatus(present, draft, context))) continue;
      writes.push({
        verb: 'status',
        reference: { kind, name: metadata.name },
        uid: metadata.uid,
        status: (document) => composeStatus(document, draft, context),
      });
    }
    // A document that goes meanwhile must not cost the others their status.
    await Promise.all(writes.map((write) => store.write([write], CONTROLLER).catch(ignoreGone)));
  }

  #unseen(document: Document): { since?: string } {
    const since = this.#dependencies.lastSeen(document);
    return since === undefined ? {} : { since };
  }

  #statusContext(now: string, failure: Failure | undefined): StatusContext {
    const context: StatusContext = { now };
    const step = this.#due[0] ?? this.#pending[0];
    if (this.#operation) context.operation = this.#operation;
    if (failure?.stopped) context.stopped = failure.stopped;
    if (this.#stalled) context.stalled = this.#stalled;
    else if (failure?.kind === 'terminal')
      context.stalled = { reason: failure.reason, message: failure.message };
    else if (failure) context.reconciling = { reason: failure.reason, message: failure.message };
    else if (this.#isSuspended()) {
      if (step)
        context.stalled = {
          reason: 'Suspended',
          message: `suspended with ${this.#pending.length} steps to do`,
        };
    } else if (this.#held && this.#due.length === 0)
      context.reconciling = { reason: this.#held.reason, message: this.#held.message };
    else if (this.#operation || step) {
      const message = this.#operation?.message ?? step?.message ?? '';
      context.reconciling = { reason: this.#operation?.type ?? step?.type ?? 'Working', message };
    }
    return context;
  }

  async #removeFinalizers(): Promise<void> {
    const { store } = this.#dependencies;
    const { finalizer } = this.#reconciler;
    if (!finalizer || this.#want === undefined) return;
    const gone = this.#reconciler
      .documents(this.#want)
      .filter(({ metadata }) => metadata.deletionTimestamp && metadata.finalizers?.includes(finalizer));
    const writes = gone.map(({ kind, metadata }): Write => {
      const reference = { kind, name: metadata.name };
      return { verb: 'finalizers', reference, uid: metadata.uid, remove: [finalizer] };
    });
    await Promise.all(writes.map((write) => store.write([write], CONTROLLER).catch(ignoreGone)));
  }
}

function ignoreGone(error: unknown): void {
  const reason = (error as { reason?: string }).reason;
  if (reason !== 'NotFound' && reason !== 'Conflict') throw error;
}
