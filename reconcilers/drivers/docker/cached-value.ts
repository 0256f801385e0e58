/**
 * One value that is dear to ask for: kept until it is said to be stale, asked for once however many want it. An answer whose
 * question was put before it was said to be stale is given to those who asked then, and not kept.
 */

export interface CachedValue<T> {
  get(): Promise<T>;
  /** What is kept, where it is still right. */
  peek(): T | undefined;
  invalidate(): void;
}

export function cacheValue<T>(load: () => Promise<T>): CachedValue<T> {
  let version = 0;
  let kept: { value: T } | undefined;
  let flight: { version: number; answer: Promise<T> } | undefined;

  function get(): Promise<T> {
    if (kept) return Promise.resolve(kept.value);
    if (flight?.version === version) return flight.answer;
    const mine = { version, answer: load() };
    flight = mine;
    mine.answer.then(
      (value) => {
        if (mine.version === version) kept = { value };
        if (flight === mine) flight = undefined;
      },
      () => {
        if (flight === mine) flight = undefined;
      },
    );
    return mine.answer;
  }

  return {
    get,
    peek: () => kept?.value,
    invalidate() {
      version += 1;
      kept = undefined;
    },
  };
}
