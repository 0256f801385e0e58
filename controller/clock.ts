/**
 * Time and chance, as an argument: the controller takes neither from the runtime itself, so that a simulation can hold both.
 * The system clock is made in main.ts and in tests; nothing else calls Date.now, setTimeout or Math.random.
 */
import { randomUUID } from 'node:crypto';

export interface Clock {
  /** Milliseconds since 1970. May jump. */
  now(): number;
  /** Milliseconds from an arbitrary start. Never goes back; use it for durations. */
  monotonic(): number;
  /** Runs once after this many milliseconds; the answer cancels. */
  after(milliseconds: number, run: () => void): () => void;
  /** 0 up to 1, without 1. */
  random(): number;
  uuid(): string;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after(milliseconds, run) {
    const timer = setTimeout(run, Math.min(milliseconds, 2 ** 31 - 1));
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
  uuid: () => randomUUID(),
};

export function timestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString();
}

/** Resolves after this long; rejects with the signal's reason when it aborts first. */
export function delay(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const onAbort = () => {
      cancel();
      reject(signal?.reason);
    };
    const cancel = clock.after(milliseconds, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve();
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
