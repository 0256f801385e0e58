/**
 * A work queue of keys: a key that is added ten times is done once, a key is never given out while it is being worked on, and
 * a key that is added meanwhile comes back when that work is done. Backoff with jitter for what failed.
 * The engine has one per reconciler.
 */
import type { Clock } from '../clock.ts';

export interface QueueOptions {
  clock: Clock;
  /** Called when a key may be taken. */
  onReady(): void;
  /** A key waits until nobody added it for this long, ten times this long at most. Default 0. */
  settleMilliseconds?: number;
  /** First and longest pause after a failure. Defaults 1 s and 5 min. */
  backoff?: { first: number; longest: number };
}

interface Delayed {
  at: number;
  cancel: () => void;
}

export class WorkQueue {
  readonly #options: QueueOptions;
  /** Keys to give out, oldest first. */
  readonly #waiting = new Set<string>();
  /** Keys given out and not done. */
  readonly #working = new Set<string>();
  /** Keys added while they were worked on. */
  readonly #again = new Set<string>();
  readonly #delayed = new Map<string, Delayed>();
  readonly #settling = new Map<string, { since: number; cancel: () => void }>();
  readonly #failures = new Map<string, number>();
  #closed = false;

  constructor(options: QueueOptions) {
    this.#options = options;
  }

  /** Keys that wait or are worked on now; delayed ones do not count. */
  get active(): number {
    return this.#waiting.size + this.#working.size + this.#settling.size;
  }

  get depth(): number {
    return this.#waiting.size;
  }

  failures(key: string): number {
    return this.#failures.get(key) ?? 0;
  }

  add(key: string): void {
    if (this.#closed) return;
    const settle = this.#options.settleMilliseconds ?? 0;
    if (settle === 0) {
      this.#ready(key);
      return;
    }
    const { clock } = this.#options;
    const settling = this.#settling.get(key);
    const since = settling?.since ?? clock.monotonic();
    settling?.cancel();
    const wait = Math.max(0, Math.min(settle, since + settle * 10 - clock.monotonic()));
    const cancel = clock.after(wait, () => {
      this.#settling.delete(key);
      this.#ready(key);
    });
    this.#settling.set(key, { since, cancel });
  }

  /** Adds it after this long. Of two delays for one key the earlier holds. */
  addAfter(key: string, milliseconds: number): void {
    if (this.#closed) return;
    const { clock } = this.#options;
    const at = clock.monotonic() + milliseconds;
    const present = this.#delayed.get(key);
    if (present && present.at <= at) return;
    present?.cancel();
    const cancel = clock.after(milliseconds, () => {
      this.#delayed.delete(key);
      this.#ready(key);
    });
    this.#delayed.set(key, { at, cancel });
  }

  /** Adds it again after a pause that doubles with each failure; answers the pause in milliseconds. */
  retry(key: string): number {
    const failures = this.failures(key);
    this.#failures.set(key, failures + 1);
    const { first, longest } = this.#options.backoff ?? { first: 1_000, longest: 300_000 };
    const pause = Math.min(longest, first * 2 ** Math.min(failures, 30));
    const jittered = pause * (0.75 + this.#options.clock.random() / 2);
    this.addAfter(key, jittered);
    return jittered;
  }

  /** Keys that failed and are tried again, and when. */
  retries(): { key: string; failures: number; inMilliseconds: number }[] {
    const now = this.#options.clock.monotonic();
    return [...this.#failures].flatMap(([key, failures]) => {
      const delayed = this.#delayed.get(key);
      return delayed ? [{ key, failures, inMilliseconds: Math.max(0, delayed.at - now) }] : [];
    });
  }

  /** It went well: the next failure starts with the first pause again. */
  forget(key: string): void {
    this.#failures.delete(key);
  }

  /** The next key, which must be given back with `done`. */
  take(): string | undefined {
    for (const key of this.#waiting) {
      this.#waiting.delete(key);
      this.#working.add(key);
      this.#delayed.get(key)?.cancel();
      this.#delayed.delete(key);
      return key;
    }
    return undefined;
  }

  done(key: string): void {
    this.#working.delete(key);
    if (this.#again.delete(key)) this.add(key);
  }

  /** Whether it was added again while it is worked on: what is being done may be out of date. */
  isStale(key: string): boolean {
    return this.#again.has(key);
  }

  close(): void {
    this.#closed = true;
    for (const entry of this.#delayed.values()) entry.cancel();
    for (const entry of this.#settling.values()) entry.cancel();
    this.#delayed.clear();
    this.#settling.clear();
    this.#waiting.clear();
    this.#again.clear();
  }

  #ready(key: string): void {
    if (this.#closed) return;
    if (this.#working.has(key)) {
      this.#again.add(key);
      return;
    }
    if (this.#waiting.has(key)) return;
    this.#waiting.add(key);
    this.#options.onReady();
  }
}
