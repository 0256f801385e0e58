/**
 * Bounds how many calls run at once, first come first served, but for those that come soon. The Docker driver uses it for writes and pulls: more than
 * a handful in parallel only makes each of them slower. Waiting ends when the signal aborts; a running task is not touched.
 */
import { DriverError } from './error.ts';

export interface Semaphore {
  run<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Its turn comes before that of all who wait by `run`. */
  runSoon<T>(task: () => Promise<T>, signal?: AbortSignal): Promise<T>;
}

export function createSemaphore(places: number): Semaphore {
  let free = places;
  const soon: (() => void)[] = [];
  const later: (() => void)[] = [];

  function enter(waiting: (() => void)[], signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.reject(aborted(signal));
    if (free > 0) {
      free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const onTurn = () => {
        signal?.removeEventListener('abort', onAbort);
        resolve();
      };
      const onAbort = () => {
        waiting.splice(waiting.indexOf(onTurn), 1);
        reject(aborted(signal));
      };
      waiting.push(onTurn);
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  function leave(): void {
    const next = soon.shift() ?? later.shift();
    if (next) next();
    else free += 1;
  }

  async function runIn<T>(waiting: (() => void)[], task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await enter(waiting, signal);
    try {
      return await task();
    } finally {
      leave();
    }
  }

  return {
    run: (task, signal) => runIn(later, task, signal),
    runSoon: (task, signal) => runIn(soon, task, signal),
  };
}

/** A semaphore for each key: who waits, waits for others of that key alone. */
export function createSemaphores(places: number): (key: string) => Semaphore {
  const all = new Map<string, Semaphore>();
  return (key) => {
    const semaphore = all.get(key) ?? createSemaphore(places);
    all.set(key, semaphore);
    return semaphore;
  };
}

function aborted(signal: AbortSignal | undefined): DriverError {
  return new DriverError('aborted', 'cancelled while it waited for its turn', { cause: signal?.reason });
}
