/** A clock that stands still until it is told to go on. Seeded; nothing in it depends on the machine. */
import type { Clock } from '../../controller/clock.ts';

interface Timer {
  at: number;
  order: number;
  run: () => void;
}

export class VirtualClock implements Clock {
  #now = Date.parse('2026-01-01T00:00:00.000Z');
  #monotonic = 0;
  #order = 0;
  #ids = 0;
  #seed: number;
  readonly #timers = new Set<Timer>();

  constructor(seed = 1) {
    this.#seed = seed;
  }

  get pending(): number {
    return this.#timers.size;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer = { at: this.#monotonic + Math.max(0, milliseconds), order: this.#order++, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  /** mulberry32 */
  random(): number {
    this.#seed = (this.#seed + 0x6d2b79f5) | 0;
    let value = Math.imul(this.#seed ^ (this.#seed >>> 15), 1 | this.#seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  }

  uuid(): string {
    this.#ids += 1;
    return `00000000-0000-4000-8000-${String(this.#ids).padStart(12, '0')}`;
  }

  /** Lets this much time pass; timers run in order, those that they set included. */
  advance(milliseconds: number): void {
    const until = this.#monotonic + milliseconds;
    for (let next = this.#next(until); next; next = this.#next(until)) {
      this.#timers.delete(next);
      this.#now += next.at - this.#monotonic;
      this.#monotonic = next.at;
      next.run();
    }
    this.#now += until - this.#monotonic;
    this.#monotonic = until;
  }

  /** The wall clock jumps; durations do not notice. */
  jump(milliseconds: number): void {
    this.#now += milliseconds;
  }

  #next(until: number): Timer | undefined {
    const due = [...this.#timers].filter(({ at }) => at <= until);
    return due.sort((a, b) => a.at - b.at || a.order - b.order)[0];
  }
}
