/** Which time of the schedule is to be run now. Pure. */
import type { SeenRun, TaskHave } from './observe.ts';
import type { TaskWant } from './want.ts';

/**
 * A time that was missed, for the machine was off or the App did not run, is made up until it is this late: once, for the last one,
 * however many there were.
 */
export const LATEST_START_MILLISECONDS = 3_600_000;

/** Running, or about to. */
export function isActive({ state }: SeenRun): boolean {
  return state === 'running' || state === 'restarting' || state === 'paused';
}

/** The image has no such program: starting it again would end in the same way. */
const CANNOT_RUN = [126, 127];

/** Made, and not started yet: a crash came between. */
export function isToBegin({ state, details }: SeenRun): boolean {
  return state === 'created' && !CANNOT_RUN.includes(details?.exitCode ?? 0);
}

export function hasEnded(run: SeenRun): boolean {
  return run.state === 'exited' || run.state === 'dead' || (run.state === 'created' && !isToBegin(run));
}

/** The last time of the schedule that was run or passed by, or before which nothing counts. */
export function handledUntil(want: TaskWant, have: TaskHave): number {
  const { status } = want.document;
  const isSame = status?.schedule === want.schedule && status.since !== undefined;
  const since = isSame ? Date.parse(status.since ?? '') : have.now;
  const noted = isSame && status.handledUntil !== undefined ? Date.parse(status.handledUntil) : 0;
  // A run that was made before a crash is known by its mark, whatever the status says. One that never began is still to be.
  const runs = have.runs.filter((run) => !isToBegin(run)).map(({ scheduledAt }) => scheduledAt);
  return Math.max(since, noted, ...runs);
}

/** The latest time of the schedule that nobody has dealt with; undefined when there is none. */
export function pendingTime(want: TaskWant, have: TaskHave): number | undefined {
  const latest = want.times.latest(have.now);
  return latest !== undefined && latest > handledUntil(want, have) ? latest : undefined;
}

export interface Passed {
  at: number;
  reason: string;
}

/** Why the pending time is not run and will not be, or undefined. */
export function passedBy(want: TaskWant, have: TaskHave): Passed | undefined {
  const at = pendingTime(want, have);
  if (at === undefined) return undefined;
  if (want.paused !== undefined) return { at, reason: want.paused };
  const active = have.runs.find((run) => isActive(run));
  if (active)
    return { at, reason: `the run of ${new Date(active.scheduledAt).toISOString()} was not at its end` };
  if (have.now - at > LATEST_START_MILLISECONDS)
    return { at, reason: 'it was more than an hour late, for Holdfast or the App did not run' };
  return undefined;
}

/** The time to run now: pending, not passed by, and the App is there to run beside. */
export function dueTime(want: TaskWant, have: TaskHave): number | undefined {
  if (!have.app || passedBy(want, have)) return undefined;
  return pendingTime(want, have);
}

/** When an active run is ended by the limit; undefined where it is not known when it began. */
export function limitOf({ document }: TaskWant, run: SeenRun): number | undefined {
  const { lastRun } = document.status ?? {};
  const noted = lastRun?.container === run.id ? lastRun.startedAt : undefined;
  const startedAt = run.details?.startedAt ?? noted;
  return startedAt === undefined ? undefined : Date.parse(startedAt) + document.spec.timeLimitSeconds * 1000;
}
