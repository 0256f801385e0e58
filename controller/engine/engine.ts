/**
 * The engine: follows the store, wakes keys, runs them with bounded parallelism, tries again what failed, collects orphans.
 * It knows no kind and no driver. main.ts gives it reconcilers and tells it of changes in the world through `wake`.
 */
import { setMaxListeners } from 'node:events';
import type { Document } from '../../resources/document.ts';
import type { Clock } from '../clock.ts';
import type { Change, Store } from '../store/types.ts';
import type { AnyReconciler, Failure, RunningOperation } from './contract.ts';
import { EventRecorder } from './events.ts';
import { cancelledBy, type HoldOptions, Holds } from './holds.ts';
import { allKeys } from './keys.ts';
import type { EngineLog } from './log.ts';
import { LoopBreaker } from './loops.ts';
import { heldOperation, runningOperation } from './operations.ts';
import { OrphanCollector } from './orphans.ts';
import { WorkQueue } from './queue.ts';
import {
  CancelledError,
  KeyRun,
  type RunDependencies,
  type RunningStep,
  type RunResult,
  SupersededError,
} from './run.ts';
import { subjectOf } from './step.ts';
import { StoreView } from './view.ts';

/** A terminal failure is looked at again this often: what it was about may have changed without a word. */
const TERMINAL_RECHECK_MILLISECONDS = 600_000;
const WAITING_RECHECK_MILLISECONDS = 60_000;
const PRUNE_EVENTS_MILLISECONDS = 3_600_000;
/** A run that takes longer holds no place any more that another key of its kind could have. */
const LONG_RUN_MILLISECONDS = 30_000;

export interface EngineOptions<Reading, Writing>
  extends HoldOptions,
    Pick<RunDependencies<Reading, Writing>, 'isPaused' | 'deadlineOf'> {
  store: Store;
  clock: Clock;
  log: EngineLog;
  /** All kinds that documents may have. */
  kinds: readonly string[];
  reconcilers: readonly AnyReconciler<Reading, Writing>[];
  reading: Reading;
  writing: Writing;
  classify(error: unknown): Failure;
  /** Everything is looked at again this often. Default 300. */
  resyncSeconds?: number;
  /** Called before each resync: refresh what is cached of the world. */
  beforeResync?(): Promise<void>;
}

interface Loop<Reading, Writing> {
  reconciler: AnyReconciler<Reading, Writing>;
  queue: WorkQueue;
  running: Map<string, KeyRun<Reading, Writing>>;
  /** Those that have taken long: a call that hangs costs its own key only. */
  long: Set<string>;
  /** What was last said in the log of each key that did not converge. */
  said: Map<string, string>;
}

/** A key, and the name that a person has for it. */
export interface Target {
  kind: string;
  key: string;
  /** As in "app/wiki" or "site/nginx". */
  id: string;
}

export class Engine<Reading, Writing> {
  readonly view: StoreView;
  readonly events: EventRecorder;
  /** Finished runs by kind and outcome, for metrics and tests. */
  readonly counts = new Map<string, number>();
  readonly #options: EngineOptions<Reading, Writing>;
  readonly #loops: Loop<Reading, Writing>[];
  readonly #dependencies: RunDependencies<Reading, Writing>;
  readonly #shutdown = new AbortController();
  readonly #orphans: OrphanCollector;
  readonly #seen = new Map<string, number>();
  readonly #breaker: LoopBreaker;
  readonly #holds: Holds;
  readonly #restored = new Set<string>();
  #endWatch: () => void = () => undefined;
  #cancelTimers: (() => void)[] = [];
  #runs = new Set<Promise<void>>();

  constructor(options: EngineOptions<Reading, Writing>) {
    this.#options = options;
    // One listener for each step under way, which are bounded by the queues.
    setMaxListeners(0, this.#shutdown.signal);
    const { store, clock, log } = options;
    this.view = new StoreView(store, options.kinds);
    this.events = new EventRecorder(store, clock, (error) =>
      log.warn('event not written', { error: String(error) }),
    );
    this.#orphans = new OrphanCollector(store, this.view, (error) =>
      log.warn('orphan not removed', { error: String(error) }),
    );
    this.#breaker = new LoopBreaker(clock);
    this.#holds = new Holds(options);
    this.#dependencies = {
      ...options,
      view: this.view,
      events: this.events,
      loops: this.#breaker,
      holds: this.#holds,
      restored: this.#restored,
      onLooked: (documents) => {
        for (const { metadata } of documents) this.#seen.set(metadata.uid, clock.now());
      },
      lastSeen: (document) => this.observedAt(document),
    };
    this.#loops = options.reconcilers.map((reconciler) => {
      const loop: Loop<Reading, Writing> = {
        reconciler,
        running: new Map(),
        long: new Set(),
        said: new Map(),
        queue: new WorkQueue({
          clock,
          onReady: () => this.#pump(loop),
          settleMilliseconds: reconciler.settleMilliseconds ?? 0,
        }),
      };
      return loop;
    });
  }

  /** Follows the store from now and looks at everything once. */
  start(): void {
    const { store, clock, resyncSeconds = 300 } = this.#options;
    this.#endWatch = store.watch({
      fromVersion: store.version,
      onChange: (change) => this.#onChange(change),
    });
    void this.#orphans.sweep();
    this.wakeAll();
    const every = (milliseconds: number, work: () => Promise<void>) => {
      const slot = this.#cancelTimers.push(() => undefined) - 1;
      const next = () => {
        this.#cancelTimers[slot] = clock.after(milliseconds, () => void work().finally(next));
      };
      next();
    };
    every(resyncSeconds * 1000, () => this.resync());
    every(PRUNE_EVENTS_MILLISECONDS, () => this.events.prune());
  }

  /** Refreshes what is cached and looks at everything. */
  async resync(): Promise<void> {
    try {
      await this.#options.beforeResync?.();
    } catch (error) {
      this.#options.log.warn('the world could not be refreshed', { error: String(error) });
    }
    // One that could not be removed when its owner went, such as while the disk was full.
    void this.#orphans.sweep();
    this.wakeAll();
  }

  /** Looks at one key soon. */
  wake(kind: string, key: string): void {
    this.#loop(kind)?.queue.add(key);
  }

  wakeAll(kind?: string): void {
    for (const loop of this.#loops) {
      if (kind !== undefined && loop.reconciler.kind !== kind) continue;
      for (const key of allKeys(loop.reconciler, this.view)) loop.queue.add(key);
    }
  }

  /** Ends what runs for a key; answers whether something did. It is tried again only when something changes. */
  cancel(kind: string, key: string, reason: Error): boolean {
    const run = this.#loop(kind)?.running.get(key);
    run?.running.abort(reason);
    return run !== undefined;
  }

  /** The key that a document belongs to; undefined where nothing is ever done for its kind. */
  targetOf(document: Document): Target | undefined {
    const reconciler = this.#loop(document.kind)?.reconciler;
    if (!reconciler) return undefined;
    const key = reconciler.key(document);
    return { kind: document.kind, key, id: idOf(document.kind, key) };
  }

  /** What runs for it, or waits for its next try, ends, and that step is not done until it is asked for. Answers what was ended. */
  cancelStep({ kind, key, id }: Target, by: string): RunningOperation | undefined {
    const loop = this.#loop(kind);
    const running = loop?.running.get(key)?.running;
    if (!running) {
      const retrying = this.operations().find(
        (one) => one.kind === kind && one.key === key && one.state === 'Retrying',
      );
      if (!retrying) return undefined;
      this.#holds.giveUp(id, by);
      loop?.queue.forget(key);
      loop?.queue.add(key);
      return retrying;
    }
    const operation = runningOperation(kind, key, running);
    const { step: type, target = '' } = operation;
    this.cancel(
      kind,
      key,
      new CancelledError(cancelledBy(by, type === undefined ? undefined : { type, target })),
    );
    return operation;
  }

  /** Forgets failures, loops and cancellations, ends what runs, and begins anew at once. */
  retry({ kind, key, id }: Target, regarding: Document, by: string): void {
    const loop = this.#loop(kind);
    const message = `another try was asked for by ${by}`;
    this.events.record({ regarding: subjectOf(regarding), type: 'Normal', reason: 'RetryAsked', message });
    this.#forget(id);
    loop?.queue.forget(key);
    loop?.queue.add(key);
    loop?.running.get(key)?.running.abort(new SupersededError('another try was asked for'));
  }

  /** RFC 3339 time when the world was last looked at for this document. Moves though an unchanged status is not written again. */
  observedAt({ metadata, status }: Document): string | undefined {
    const seen = this.#seen.get(metadata.uid);
    return seen === undefined ? status?.observedAt : new Date(seen).toISOString();
  }

  /** What runs, and what waits for its time. */
  operations(): RunningOperation[] {
    return this.#loops.flatMap(({ reconciler: { kind }, running, queue }) => {
      const now = [...running].map(([key, run]) => runningOperation(kind, key, run.running));
      const retries = queue
        .retries()
        .filter(({ key }) => !running.has(key))
        .map(({ key, inMilliseconds, failures }): RunningOperation => {
          const until = new Date(this.#options.clock.now() + inMilliseconds).toISOString();
          return { kind, key, state: 'Retrying', message: `failed ${failures} times in a row`, until };
        });
      return [...now, ...retries, ...this.#held(kind, running)];
    });
  }

  #held(kind: string, running: ReadonlyMap<string, unknown>): RunningOperation[] {
    const prefix = idOf(kind, '');
    return this.#holds
      .all()
      .filter(([id]) => id.startsWith(prefix) && !running.has(id.slice(prefix.length)))
      .map(([id, held]) => heldOperation(kind, id.slice(prefix.length), held));
  }

  /** Nothing waits and nothing runs; delayed retries do not count. */
  get isIdle(): boolean {
    return this.#loops.every((loop) => loop.queue.active === 0) && this.#runs.size === 0;
  }

  queueDepths(): Map<string, number> {
    return new Map(this.#loops.map((loop) => [loop.reconciler.kind, loop.queue.depth]));
  }

  /** Ends what runs as soon as it lets itself be ended, and waits for that this long at most. */
  async stop(waitMilliseconds = 10_000): Promise<void> {
    this.#endWatch();
    for (const cancel of this.#cancelTimers) cancel();
    for (const loop of this.#loops) loop.queue.close();
    this.#shutdown.abort(new Error('the controller is shutting down'));
    const patience = new Promise<void>((resolve) => this.#options.clock.after(waitMilliseconds, resolve));
    await Promise.race([Promise.all(this.#runs), patience]);
    await Promise.race([this.events.flush(), patience]);
  }

  #loop(kind: string): Loop<Reading, Writing> | undefined {
    return this.#loops.find((loop) => loop.reconciler.kind === kind);
  }

  #onChange(change: Change): void {
    const { document } = change;
    const substantial = this.view.accept(change) || change.type !== 'MODIFIED';
    if (change.type === 'DELETED') {
      this.#seen.delete(document.metadata.uid);
      void this.#orphans.collect(document.metadata.uid);
    }
    for (const loop of this.#loops) {
      if (loop.reconciler.kind === document.kind && substantial) this.#wakeForDocument(loop, document);
      if (loop.reconciler.watches?.includes(document.kind)) {
        for (const key of loop.reconciler.wakes?.(document, this.view, { substantial }) ?? [])
          loop.queue.add(key);
      }
    }
  }

  #wakeForDocument(loop: Loop<Reading, Writing>, document: Document): void {
    const key = loop.reconciler.key(document);
    // Somebody changed it: earlier failures say nothing about this generation.
    const id = idOf(document.kind, key);
    this.#forget(id);
    loop.queue.forget(key);
    loop.queue.add(key);
    const running = loop.running.get(key)?.running;
    if (running && isOutdated(running, document)) {
      running.abort(new SupersededError(`generation ${document.metadata.generation} is wanted now`));
    }
  }

  #forget(id: string): void {
    this.#breaker.forget(id);
    this.#holds.forget(id);
    this.#restored.add(id);
  }

  #pump(loop: Loop<Reading, Writing>): void {
    const { parallelism } = loop.reconciler;
    while (loop.running.size - loop.long.size < parallelism && !this.#shutdown.signal.aborted) {
      const key = loop.queue.take();
      if (key === undefined) return;
      const cancelLong = this.#afterLong(loop, key);
      const run = new KeyRun(loop.reconciler, key, this.#dependencies, this.#shutdown.signal);
      loop.running.set(key, run);
      const done = this.#run(loop, key, run).finally(() => {
        cancelLong();
        loop.long.delete(key);
        loop.running.delete(key);
        this.#runs.delete(done);
        loop.queue.done(key);
        this.#pump(loop);
      });
      this.#runs.add(done);
    }
  }

  /** Where one at a time is meant, it stays so. */
  #afterLong(loop: Loop<Reading, Writing>, key: string): () => void {
    if (loop.reconciler.parallelism === 1) return () => undefined;
    return this.#options.clock.after(LONG_RUN_MILLISECONDS, () => {
      loop.long.add(key);
      this.#pump(loop);
    });
  }

  async #run(loop: Loop<Reading, Writing>, key: string, run: KeyRun<Reading, Writing>): Promise<void> {
    const { kind } = loop.reconciler;
    try {
      const result = await run.run();
      this.#count(kind, result.outcome);
      this.#requeue(loop, key, result);
    } catch (error) {
      this.#count(kind, 'error');
      if (this.#shutdown.signal.aborted) return;
      const pause = loop.queue.retry(key);
      const retryInSeconds = Math.round(pause / 1000);
      this.#options.log.error('reconcile failed', { kind, key, retryInSeconds, error: describeError(error) });
    }
  }

  #requeue(loop: Loop<Reading, Writing>, key: string, result: RunResult): void {
    const { queue } = loop;
    this.#say(loop, key, result);
    const { recheckSeconds } = result.failure ?? {};
    // What it waits for may be over at once, or never.
    const isSoon = result.outcome === 'waiting' && recheckSeconds !== undefined;
    if (recheckSeconds !== undefined && !isSoon) queue.addAfter(key, recheckSeconds * 1000);
    if (result.outcome === 'retry' || isSoon) queue.retry(key);
    else if (result.outcome === 'terminal') queue.addAfter(key, TERMINAL_RECHECK_MILLISECONDS);
    else if (result.outcome === 'waiting') queue.addAfter(key, WAITING_RECHECK_MILLISECONDS);
    else queue.forget(key);
    if (result.requeueAfterSeconds !== undefined) queue.addAfter(key, result.requeueAfterSeconds * 1000);
  }

  /** Once for each new reason: what is looked at again each minute is told when something is new. */
  #say(
    { reconciler: { kind }, said }: Loop<Reading, Writing>,
    key: string,
    { failure, outcome }: RunResult,
  ): void {
    if (!failure) {
      said.delete(key);
      return;
    }
    const { reason, message } = failure;
    if (said.get(key) === message) return;
    said.set(key, message);
    this.#options.log.warn('not converged', { kind, key, outcome, reason, message });
  }

  #count(kind: string, outcome: string): void {
    const name = `${kind}/${outcome}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
}

function idOf(kind: string, key: string): string {
  return `${kind.toLowerCase()}/${key}`;
}

function isOutdated(running: RunningStep, changed: Document): boolean {
  if (!running.step?.interruptible) return false;
  const worked = running.documents.find((document) => document.metadata.uid === changed.metadata.uid);
  if (!worked) return false;
  return (
    worked.metadata.generation !== changed.metadata.generation ||
    worked.metadata.deletionTimestamp !== changed.metadata.deletionTimestamp
  );
}

function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
