/**
 * One life of the controller, from its start to its crash. When it dies, its memory is gone: its timers never fire, its calls never
 * come back, its waiting writes are never settled. The world and the files of its store go on.
 */
import type { Clock } from '../../controller/clock.ts';

export class Life {
  readonly clock: Clock;
  /** What the store has put off until the next turn. */
  readonly deferred: (() => void)[] = [];
  /** Aborted when it dies: lets the fakes forget its listeners. Nothing of the controller hears of it. */
  readonly over = new AbortController();
  #dead: string | undefined;
  readonly #timers = new Set<() => void>();

  constructor(world: Clock) {
    this.clock = {
      now: () => world.now(),
      monotonic: () => world.monotonic(),
      random: () => world.random(),
      uuid: () => world.uuid(),
      after: (milliseconds, run) => this.#after(world, milliseconds, run),
    };
  }

  /** Why it died; undefined while it lives. */
  get death(): string | undefined {
    return this.#dead;
  }

  get isDead(): boolean {
    return this.#dead !== undefined;
  }

  die(why: string): void {
    if (this.isDead) return;
    this.#dead = why;
    for (const cancel of this.#timers) cancel();
    this.#timers.clear();
    this.deferred.length = 0;
    this.over.abort();
  }

  #after(world: Clock, milliseconds: number, run: () => void): () => void {
    if (this.isDead) return () => undefined;
    const cancel = world.after(milliseconds, () => {
      this.#timers.delete(cancel);
      run();
    });
    this.#timers.add(cancel);
    return () => {
      this.#timers.delete(cancel);
      cancel();
    };
  }
}

/** What a dead controller is told: nothing. */
export function never<T>(): Promise<T> {
  return new Promise<T>(() => undefined);
}
