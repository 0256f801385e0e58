/** A clock that stands still until it is told to go on. Seeded; nothing in it depends on the machine. */
import type { Clock } from '../../controller/clock.ts';

interface Timer {
  at: number;
  order: number;
  /** undefined: cancelled, and thrown away when its time comes. */
  run: (() => void) | undefined;
}

export class VirtualClock implements Clock {
  #now = Date.parse('2026-01-01T00:00:00.000Z');
  #monotonic = 0;
  #order = 0;
  #ids = 0;
  #seed: number;
  /** A heap: the first is the next. */
  readonly #timers: Timer[] = [];
  #pending = 0;
  hasJumped = false;

  constructor(seed = 1) {
    this.#seed = seed;
  }

  get pending(): number {
    return this.#pending;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#monotonic;
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer: Timer = { at: this.#monotonic + Math.max(0, milliseconds), order: this.#order++, run };
    this.#push(timer);
    this.#pending += 1;
    return () => {
      if (timer.run === undefined) return;
      timer.run = undefined;
      this.#pending -= 1;
    };
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
    while (this.runNext(until));
    this.rest(until);
  }

  /** Goes on to the next timer that is due by this monotonic time and runs it; false when there is none. */
  runNext(until: number): boolean {
    let next = this.#timers[0];
    while (next && next.run === undefined) {
      this.#pop();
      next = this.#timers[0];
    }
    if (!next?.run || next.at > until) return false;
    this.#pop();
    this.#pending -= 1;
    const { run } = next;
    next.run = undefined;
    this.rest(next.at);
    run();
    return true;
  }

  /** Goes on to this monotonic time and runs nothing. */
  rest(until: number): void {
    this.#now += until - this.#monotonic;
    this.#monotonic = until;
  }

  /** The wall clock jumps; durations do not notice. */
  jump(milliseconds: number): void {
    this.#now += milliseconds;
    this.hasJumped = true;
  }

  #push(timer: Timer): void {
    const heap = this.#timers;
    let index = heap.push(timer) - 1;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above] as Timer;
      if (!isBefore(timer, parent)) break;
      heap[index] = parent;
      index = above;
    }
    heap[index] = timer;
  }

  #pop(): void {
    const heap = this.#timers;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let index = 0;
    for (;;) {
      let below = 2 * index + 1;
      const right = heap[below + 1];
      if (right && isBefore(right, heap[below] as Timer)) below += 1;
      const child = heap[below];
      if (!child || !isBefore(child, last)) break;
      heap[index] = child;
      index = below;
    }
    heap[index] = last;
  }
}

function isBefore(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
