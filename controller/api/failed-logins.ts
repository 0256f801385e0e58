/**
 * Slows down who tries tokens that do not fit: each failure from an address is answered later than the one before. A token
 * that fits is never held up, so that nobody can lock others out. Memory is bounded, whoever tries from wherever.
 */
import { type Clock, delay } from '../clock.ts';
import { refuse } from './status.ts';

const FIRST_DELAY = 200;
const LONGEST_DELAY = 10_000;
/** So long after its last failure an address is forgotten; milliseconds. */
const FORGET = 15 * 60_000;
const MOST_ADDRESSES = 10_000;
/** Answers held back at a time: for one address, and for all. */
const MOST_HELD = 8;
const MOST_HELD_IN_ALL = 256;

interface Failures {
  count: number;
  last: number;
  held: number;
}

export class FailedLogins {
  readonly #clock: Clock;
  readonly #addresses = new Map<string, Failures>();
  #held = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get size(): number {
    return this.#addresses.size;
  }

  /** Resolves when the failure may be told. Rejects with 429 at once where too many wait already. */
  async hold(address: string): Promise<void> {
    const failures = this.#of(address);
    failures.count += 1;
    failures.last = this.#clock.monotonic();
    if (failures.held >= MOST_HELD || this.#held >= MOST_HELD_IN_ALL) {
      throw refuse.tooMany('too many logins failed; wait a while and use a token that is valid');
    }
    failures.held += 1;
    this.#held += 1;
    try {
      await delay(this.#clock, Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(failures.count - 1, 20)));
    } finally {
      failures.held -= 1;
      this.#held -= 1;
    }
  }

  #of(address: string): Failures {
    const known = this.#addresses.get(address);
    this.#addresses.delete(address);
    const isOld = known && known.held === 0 && this.#clock.monotonic() - known.last > FORGET;
    const failures = known && !isOld ? known : { count: 0, last: 0, held: 0 };
    // Put last, so that the first in the map is the one that is quiet the longest.
    this.#addresses.set(address, failures);
    for (const oldest of this.#addresses.keys()) {
      if (this.#addresses.size <= MOST_ADDRESSES) break;
      this.#addresses.delete(oldest);
    }
    return failures;
  }
}
