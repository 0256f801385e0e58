/**
 * Notices work that does not last: the same step for the same reason again before all was as wanted, or again and again over some
 * minutes. Then the key only looks, and does the step rarely; when the difference goes away, everything is as before. Called by
 * each run (run.ts); one for the engine. Counts are in memory; what was stopped is kept in status, and held to after a restart.
 */
import { createHash } from 'node:crypto';
import type { StoppedStep } from '../../resources/document.ts';
import type { Clock } from '../clock.ts';
import type { Because, Failure, Step } from './contract.ts';

/** Done so often while all was never as wanted in between, a step does not help. However long each takes, within an hour. */
const MOST_IN_A_ROW = 3;
const ROW_MILLISECONDS = 3_600_000;
/**
 * Done so often within the window, something else keeps changing it back. Counts what disturbs: to start what somebody ends again
 * and again is what we are for.
 */
const MOST_IN_WINDOW = 10;
/** All may be as wanted for a moment each time: so it counts by the minute, too. */
const MOST_IN_MINUTE = 3;
const MINUTE_MILLISECONDS = 60_000;
const WINDOW_MILLISECONDS = 600_000;
const FIRST_PAUSE_MILLISECONDS = 600_000;
const LONGEST_PAUSE_MILLISECONDS = 3_600_000;
/** Looking costs nothing, and it may have been put right without a word. */
const STOPPED = { kind: 'terminal', recheckSeconds: 60 } as const;

interface Stop {
  signature: string;
  pause: number;
  /** Monotonic. */
  retryAt: number;
  failure: Failure;
}

interface Trace {
  inRun: Set<string>;
  /** Monotonic times since all was as wanted, oldest first. */
  row: Map<string, number[]>;
  /** Monotonic times, oldest first. */
  done: Map<string, number[]>;
  stop?: Stop;
}

export class LoopBreaker {
  readonly #clock: Clock;
  readonly #traces = new Map<string, Trace>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A run begins: what is done now is in a row. */
  begin(id: string): void {
    this.#traces.get(id)?.inRun.clear();
  }

  done(id: string, step: Step): void {
    const trace = this.#trace(id);
    const signature = signatureOf(step);
    const now = this.#clock.monotonic();
    trace.inRun.add(signature);
    trace.row.set(signature, [...(trace.row.get(signature) ?? []), now].slice(-MOST_IN_A_ROW));
    if (step.impact === 'none') return;
    const times = [...this.#recent(trace, signature), now];
    trace.done.set(signature, times.slice(-MOST_IN_WINDOW));
  }

  /** Why none of these steps is done, or undefined. Each slow retry lets them through once. */
  check(id: string, steps: readonly Step[]): Failure | undefined {
    const trace = this.#traces.get(id);
    if (!trace) return undefined;
    const { stop } = trace;
    if (stop) {
      const again = steps.find((step) => signatureOf(step) === stop.signature);
      if (!again) delete trace.stop;
      else return this.#stillStopped(trace, stop, again);
    }
    const looping = steps.find((step) => this.#isTooOften(trace, signatureOf(step)));
    return looping && this.#stop(trace, looping, FIRST_PAUSE_MILLISECONDS);
  }

  /** Nothing is left to do: whatever it was, it has gone away. */
  settled(id: string): void {
    const trace = this.#traces.get(id);
    if (!trace) return;
    delete trace.stop;
    trace.row.clear();
    for (const signature of [...trace.done.keys()])
      if (this.#recent(trace, signature).length === 0) trace.done.delete(signature);
    if (trace.done.size === 0) this.#traces.delete(id);
  }

  /** Somebody changed what is wanted, or asks for another try. */
  forget(id: string): void {
    this.#traces.delete(id);
  }

  /** What a controller before this one had stopped. */
  restore(id: string, stopped: StoppedStep): void {
    const { reason, message, step, retryAt = '', pauseSeconds = 0 } = stopped;
    const failure: Failure = { ...STOPPED, reason, message, stopped };
    const left = Math.max(0, Date.parse(retryAt) - this.#clock.now()) || 0;
    this.#trace(id).stop = {
      signature: step,
      pause: Math.max(pauseSeconds * 1000, FIRST_PAUSE_MILLISECONDS),
      retryAt: this.#clock.monotonic() + left,
      failure,
    };
  }

  #trace(id: string): Trace {
    const trace = this.#traces.get(id) ?? { inRun: new Set(), row: new Map(), done: new Map() };
    this.#traces.set(id, trace);
    return trace;
  }

  #recent(trace: Trace, signature: string): number[] {
    const since = this.#clock.monotonic() - WINDOW_MILLISECONDS;
    return (trace.done.get(signature) ?? []).filter((time) => time > since);
  }

  #isTooOften(trace: Trace, signature: string): boolean {
    const hourAgo = this.#clock.monotonic() - ROW_MILLISECONDS;
    const row = (trace.row.get(signature) ?? []).filter((time) => time > hourAgo);
    if (row.length >= MOST_IN_A_ROW) return true;
    const recent = this.#recent(trace, signature);
    const minuteAgo = this.#clock.monotonic() - MINUTE_MILLISECONDS;
    return (
      recent.length >= MOST_IN_WINDOW || recent.filter((time) => time > minuteAgo).length >= MOST_IN_MINUTE
    );
  }

  #stillStopped(trace: Trace, stop: Stop, step: Step): Failure | undefined {
    if (trace.inRun.has(stop.signature))
      return this.#stop(trace, step, Math.min(stop.pause * 2, LONGEST_PAUSE_MILLISECONDS));
    return this.#clock.monotonic() < stop.retryAt ? stop.failure : undefined;
  }

  #stop(trace: Trace, step: Step, pause: number): Failure {
    const told = { reason: 'Looping', message: messageOf(step) };
    const signature = signatureOf(step);
    const stopped: StoppedStep = {
      ...told,
      step: signature,
      retryAt: new Date(this.#clock.now() + pause).toISOString(),
      pauseSeconds: pause / 1000,
    };
    const failure: Failure = { ...STOPPED, ...told, step, stopped };
    trace.stop = { signature, pause, retryAt: this.#clock.monotonic() + pause, failure };
    return failure;
  }
}

/**
 * What makes a step the same: its type and target, and which fields are the reason for whose sake. Not the value that was found: a
 * world that answers something else each time is a loop too. Ids of containers are new each time. What it is to come to is part of it.
 */
export function signatureOf({ type, target, because, aim }: Step): string {
  const fields = because.map(({ field, wanted, cause }) => [field, withoutIds(wanted), cause]);
  const text = JSON.stringify([type, withoutIds(target), fields, ...(aim === undefined ? [] : [aim])]);
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

function withoutIds(value: unknown): string {
  return (JSON.stringify(value) ?? '').replaceAll(/\b[0-9a-f]{12,64}\b/g, '*');
}

function messageOf(step: Step): string {
  const more = step.because.length - MOST_SHOWN;
  const differences = [
    ...step.because.slice(0, MOST_SHOWN).map(inWords),
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
  const words = differences.length > 0 ? ` (${differences.join('; ')})` : '';
  return `${step.type} on ${step.target} is needed again right after it was done${words}; something else changes it back. It is done rarely until that ends; holdfast retry does it at once`;
}

const MOST_SHOWN = 3;

function inWords({ field, found, wanted }: Because): string {
  // Values that may be secret are not told.
  if (found === undefined && wanted === undefined) return `${field}: found another value than is wanted`;
  const shown = (value: Because['found']) => (value === undefined ? 'nothing' : JSON.stringify(value));
  return `${field}: found ${shown(found)}, wanted ${shown(wanted)}`;
}
