/**
 * Which call is broken, and how. Some faults are armed by a disturbance for the next, or the n-th next, call that fits; others come by
 * chance, at rates that a seed sets: per seed some faults never happen and others are wild.
 */
import type { DriverErrorCode } from '../../reconcilers/drivers/error.ts';
import type { Random } from '../support/random.ts';
import type { Call, DriverName } from './drivers.ts';

export interface Fault {
  type: 'error' | 'slow' | 'hang';
  /** before: nothing has happened. after: it has, and the answer is lost or late. */
  place: 'before' | 'after';
  code?: DriverErrorCode;
  milliseconds?: number;
  /** Given instead of asking the driver, where that never throws. */
  answer?: unknown;
}

export interface Armed {
  fault: Fault;
  driver?: DriverName;
  /** Only calls that write, or only calls that look. */
  only?: 'writes' | 'looks';
  /** This many calls that fit go well before it. */
  after: number;
}

/** Chances, 0 to 1: of each call, and of each event. */
export interface Rates {
  error: number;
  slow: number;
  hang: number;
  eventLost: number;
  eventLate: number;
  eventDouble: number;
}

export const NO_FAULTS: Rates = { error: 0, slow: 0, hang: 0, eventLost: 0, eventLate: 0, eventDouble: 0 };

const BEFORE: readonly DriverErrorCode[] = ['unavailable', 'timeout', 'failed', 'storageFull'];
const AFTER: readonly DriverErrorCode[] = ['timeout', 'unavailable', 'failed'];

export function anyFault(type: Fault['type'], random: Random): Fault {
  const place = random.next() < 0.5 ? 'before' : 'after';
  if (type === 'slow') return { type, place, milliseconds: random.pick([50, 400, 3_000, 20_000]) };
  if (type === 'hang') return { type, place };
  return { type, place, code: random.pick(place === 'before' ? BEFORE : AFTER) };
}

export class Faults {
  rates: Rates = NO_FAULTS;
  readonly armed: Armed[] = [];
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  clear(): void {
    this.rates = NO_FAULTS;
    this.armed.length = 0;
  }

  next(call: Call): Fault | undefined {
    const at = this.armed.findIndex(({ driver, only }) => {
      if (driver !== undefined && driver !== call.driver) return false;
      return only === undefined || (only === 'writes') === call.writes;
    });
    const found = this.armed[at];
    if (found && found.after > 0) found.after -= 1;
    else if (found) {
      this.armed.splice(at, 1);
      return { ...found.fault };
    }
    return this.#byChance();
  }

  /** Delays in milliseconds, one for each time that the event is to come. */
  fates(): readonly number[] {
    const { eventLost, eventLate, eventDouble } = this.rates;
    if (eventLost + eventLate + eventDouble === 0) return AT_ONCE;
    const chance = this.#random.next();
    if (chance < eventLost) return [];
    const late = () => (this.#random.next() < eventLate ? 1 + this.#random.below(5_000) : 0);
    return chance < eventLost + eventDouble ? [late(), late()] : [late()];
  }

  #byChance(): Fault | undefined {
    const { error, slow, hang } = this.rates;
    if (error + slow + hang === 0) return undefined;
    const chance = this.#random.next();
    if (chance < hang) return anyFault('hang', this.#random);
    if (chance < hang + error) return anyFault('error', this.#random);
    if (chance < hang + error + slow) return anyFault('slow', this.#random);
    return undefined;
  }
}

const AT_ONCE: readonly number[] = [0];
