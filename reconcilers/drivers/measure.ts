/**
 * Counts what drivers are asked for: calls, errors and time, by driver and verb. Put around each driver in main.ts, below every
 * cache, so that the figures are those of the outside world. Changes nothing of what passes.
 */
import type { Clock } from '../../controller/clock.ts';

export interface VerbFigures {
  driver: string;
  verb: string;
  calls: number;
  errors: number;
  /** Of calls that ended; seconds. */
  seconds: number;
  ended: number;
  /** Called and not ended yet. */
  running: number;
}

export class DriverFigures {
  readonly #figures = new Map<string, VerbFigures>();

  all(): readonly Readonly<VerbFigures>[] {
    return [...this.#figures.values()];
  }

  of(driver: string, verb: string): VerbFigures {
    const key = `${driver} ${verb}`;
    const figures = this.#figures.get(key) ?? {
      driver,
      verb,
      calls: 0,
      errors: 0,
      seconds: 0,
      ended: 0,
      running: 0,
    };
    this.#figures.set(key, figures);
    return figures;
  }
}

/** The same drivers, each of whose methods is counted under the driver's name. */
export function measureDrivers<T extends object>(drivers: T, figures: DriverFigures, clock: Clock): T {
  const measured = Object.entries(drivers).map(([name, driver]) => [
    name,
    measure(name, driver as object, figures, clock),
  ]);
  return Object.fromEntries(measured) as T;
}

function measure<T extends object>(name: string, driver: T, figures: DriverFigures, clock: Clock): T {
  const wrapped = new Map<string | symbol, unknown>();
  return new Proxy(driver, {
    get(target, verb) {
      const value: unknown = Reflect.get(target, verb, target);
      if (typeof value !== 'function' || typeof verb !== 'string') return value;
      const known = wrapped.get(verb) ?? counted(value.bind(target), () => figures.of(name, verb), clock);
      wrapped.set(verb, known);
      return known;
    },
  });
}

type Verb = (...args: unknown[]) => unknown;

function counted(call: Verb, figuresOf: () => VerbFigures, clock: Clock): Verb {
  return (...args) => {
    const figures = figuresOf();
    const began = clock.monotonic();
    figures.calls += 1;
    try {
      const answer = call(...args);
      if (!(answer instanceof Promise)) return answer;
      figures.running += 1;
      const end = () => {
        figures.running -= 1;
        figures.ended += 1;
        figures.seconds += (clock.monotonic() - began) / 1000;
      };
      answer.then(end, () => {
        figures.errors += 1;
        end();
      });
      return answer;
    } catch (error) {
      figures.errors += 1;
      throw error;
    }
  };
}
