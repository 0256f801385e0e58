/**
 * The engine: follows the store, wakes keys, runs them with bounded parallelism, tries again what failed, collects orphans.
 * It knows no kind and no driver. main.ts gives it reconcilers and tells it of changes in the world through `wake`.
 */
import { setMaxListeners } from 'node:events';
import type { Document } from '../../resources/document.ts';
import type { Clock } from '../clock.ts';
import type { Change, Store } from '../store/types.ts';
import { type AnyReconciler, type Failure, keysOf } from './contract.ts';
import { EventRecorder } from './events.ts';
import { OrphanCollector } from './orphans.ts';
import { WorkQueue } from './queue.ts';
import { KeyRun, type RunDependencies, type RunningStep, type RunResult, SupersededError } from './run.ts';
import { StoreView } from './view.ts';

/** A terminal failure is looked at again this often: what it was about may have changed without a word. */
const TERMINAL_RECHECK_MILLISECONDS = 600_000;
const WAITING_RECHECK_MILLISECONDS = 60_000;
const PRUNE_EVENTS_MILLISECONDS = 3_600_000;

export interface EngineLog {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

export interface EngineOptions<Reading, Writing> {
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
}

export interface RunningOperation {
  kind: string;
  key: string;
  step?: string;
  target?: string;
  startedAt: string;
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
    this.#dependencies = { ...options, view: this.view, events: this.events };
    this.#loops = options.reconcilers.map((reconciler) => {
      const loop: Loop<Reading, Writing> = {
        reconciler,
        running: new Map(),
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
    this.wakeAll();
  }

  /** Looks at one key soon. */
  wake(kind: string, key: string): void {
    this.#loop(kind)?.queue.add(key);
  }

  wakeAll(kind?: string): void {
    for (const loop of this.#loops) {
      if (kind !== undefined && loop.reconciler.kind !== kind) continue;
      for (const key of keysOf(loop.reconciler, this.view)) loop.queue.add(key);
    }
  }

  /** Ends what runs for a key; answers whether something did. It is tried again only when something changes. */
  cancel(kind: string, key: string, reason: Error): boolean {
    const run = this.#loop(kind)?.running.get(key);
    run?.running.abort(reason);
    return run !== undefined;
  }

  operations(): RunningOperation[] {
    return this.#loops.flatMap((loop) =>
      [...loop.running].map(([key, { running }]) => ({
        kind: loop.reconciler.kind,
        key,
        startedAt: running.startedAt,
        ...(running.step ? { step: running.step.type, target: running.step.target } : {}),
      })),
    );
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
    if (change.type === 'DELETED') void this.#orphans.collect(document.metadata.uid);
    for (const loop of this.#loops) {
      if (loop.reconciler.kind === document.kind && substantial) this.#wakeForDocument(loop, document);
      if (loop.reconciler.watches?.includes(document.kind)) {
        for (const key of loop.reconciler.wakes?.(document, this.view) ?? []) loop.queue.add(key);
      }
    }
  }

  #wakeForDocument(loop: Loop<Reading, Writing>, document: Document): void {
    const key = loop.reconciler.key(document);
    // Somebody changed it: earlier failures say nothing about this generation.
    loop.queue.forget(key);
    loop.queue.add(key);
    const running = loop.running.get(key)?.running;
    if (running && isOutdated(running, document)) {
      running.abort(new SupersededError(`generation ${document.metadata.generation} is wanted now`));
    }
  }

  #pump(loop: Loop<Reading, Writing>): void {
    while (loop.running.size < loop.reconciler.parallelism && !this.#shutdown.signal.aborted) {
      const key = loop.queue.take();
      if (key === undefined) return;
      const run = new KeyRun(loop.reconciler, key, this.#dependencies, this.#shutdown.signal);
      loop.running.set(key, run);
      const done = this.#run(loop, key, run).finally(() => {
        loop.running.delete(key);
        this.#runs.delete(done);
        loop.queue.done(key);
        this.#pump(loop);
      });
      this.#runs.add(done);
    }
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
    const { kind } = loop.reconciler;
    if (result.failure) {
      const { reason, message } = result.failure;
      this.#options.log.warn('not converged', { kind, key, outcome: result.outcome, reason, message });
    }
    if (result.outcome === 'retry') queue.retry(key);
    else if (result.outcome === 'terminal') queue.addAfter(key, TERMINAL_RECHECK_MILLISECONDS);
    else if (result.outcome === 'waiting') queue.addAfter(key, WAITING_RECHECK_MILLISECONDS);
    else queue.forget(key);
    if (result.requeueAfterSeconds !== undefined) queue.addAfter(key, result.requeueAfterSeconds * 1000);
  }

  #count(kind: string, outcome: string): void {
    const name = `${kind}/${outcome}`;
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }
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
