/** What can honestly be said of a Task: when it ran, how that ended, when it runs next, and which time was passed by. Pure. */
import type { ConditionDraft, Outcome, StatusDraft } from '../../controller/engine/contract.ts';
import type { TaskStatus } from '../../resources/generated.ts';
import type { TaskStep } from './diff.ts';
import { dueTime, handledUntil, isActive, isToBegin, passedBy, pendingTime } from './due.ts';
import type { SeenRun, TaskHave } from './observe.ts';
import type { TaskWant } from './want.ts';

type LastRun = NonNullable<TaskStatus['lastRun']>;

export function taskStatus(
  want: TaskWant,
  have: TaskHave | undefined,
  { pending, failure }: Outcome<TaskStep>,
): StatusDraft[] {
  const { document } = want;
  if (!have) {
    const reason = failure?.reason ?? 'NotLookedAt';
    const message = `it is not known how it is: ${failure?.message ?? 'it was not looked at yet'}`;
    return [{ document, conditions: [{ type: 'Ready', status: 'Unknown', reason, message }] }];
  }
  const last = lastRun(want, have);
  const conditions = [ready(want, have, failure), ...succeeded(last)];
  if (want.deleting || pending.length > 0) return [{ document, conditions, fields: { lastRun: last } }];
  return [{ document, conditions, fields: { ...times(want, have), address: have.address, lastRun: last } }];
}

function ready(
  want: TaskWant,
  have: TaskHave,
  failure: { reason: string; message: string } | undefined,
): ConditionDraft {
  const no = (reason: string, message: string): ConditionDraft => ({
    type: 'Ready',
    status: 'False',
    reason,
    message,
  });
  if (want.deleting) return no('Deleting', failure?.message ?? 'it is being taken down');
  if (failure) return no(failure.reason, failure.message);
  if (want.paused !== undefined) return no('Suspended', `it does not run: ${want.paused}`);
  if (!want.network) return no('PlatformNotReady', 'waits for the network of platform/platform');
  if (pendingTime(want, have) !== undefined && !have.app && !passedBy(want, have))
    return no('AppNotRunning', `a time has come; waits until app/${want.document.spec.app} runs`);
  const running = have.runs.some(isActive);
  const message = running ? 'it runs now' : `runs at ${want.schedule}`;
  return { type: 'Ready', status: 'True', reason: running ? 'Running' : 'Scheduled', message };
}

/** Only once there is a run that has ended. */
function succeeded(last: LastRun | undefined): ConditionDraft[] {
  if (!last || last.state === 'running') return [];
  if (last.state === 'succeeded') {
    const message = `it ended with exit code 0`;
    return [{ type: 'LastRunSucceeded', status: 'True', reason: 'Succeeded', message }];
  }
  const words: Record<string, [string, string]> = {
    failed: ['Failed', `it ended with exit code ${last.exitCode ?? '?'}`],
    timedOut: ['TimedOut', 'it took longer than its limit and was ended (spec.tasks, timeLimitSeconds)'],
    stopped: ['Stopped', 'it was ended before it was done'],
  };
  const [reason, message] = words[last.state ?? ''] ?? ['Failed', 'it is not known how it ended'];
  const hint = `${message}; holdfast logs app/NAME --task TASK shows what it wrote`;
  return [{ type: 'LastRunSucceeded', status: 'False', reason, message: hint }];
}

function times(want: TaskWant, have: TaskHave): Record<string, unknown> {
  const before = want.document.status;
  const isSame = before?.schedule === want.schedule && before.since !== undefined;
  const passed = passedBy(want, have);
  const handled = Math.max(handledUntil(want, have), passed?.at ?? 0);
  const since = isSame ? Date.parse(before.since ?? '') : have.now;
  const next = want.paused === undefined ? want.times.next(have.now) : undefined;
  return {
    schedule: want.schedule,
    since: iso(since),
    handledUntil: handled > since ? iso(handled) : undefined,
    // One that waits for its App comes at once.
    nextRunAt: next === undefined ? undefined : iso(dueTime(want, have) ?? next),
    skipped: passed ? { at: iso(passed.at), reason: passed.reason } : before?.skipped,
  };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

function lastRun(want: TaskWant, have: TaskHave): LastRun | undefined {
  const before = want.document.status?.lastRun;
  const [newest] = have.runs.filter((run) => !isToBegin(run));
  // Its container was removed: what is known of it stays.
  if (!newest) return before?.state === 'running' ? { ...before, state: 'stopped' } : before;
  if (!newest.details) return before?.container === newest.id ? before : undefined;
  return described(want, newest, newest.details);
}

function described({ document }: TaskWant, run: SeenRun, details: NonNullable<SeenRun['details']>): LastRun {
  const { finishedAt, exitCode } = details;
  const startedAt = run.state === 'created' ? undefined : details.startedAt;
  const began = {
    scheduledAt: iso(run.scheduledAt),
    container: run.id,
    ...(startedAt === undefined ? {} : { startedAt: iso(Date.parse(startedAt)) }),
  };
  if (isActive(run)) return { ...began, state: 'running' };
  const took = Date.parse(finishedAt ?? '') - Date.parse(startedAt ?? '');
  const isLate = took >= document.spec.timeLimitSeconds * 1000;
  const state = exitCode === 0 ? 'succeeded' : isLate ? 'timedOut' : exitCode === 143 ? 'stopped' : 'failed';
  const ended = finishedAt === undefined ? {} : { finishedAt: iso(Date.parse(finishedAt)) };
  return { ...began, ...ended, state, exitCode };
}
