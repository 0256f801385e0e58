/**
 * From the runs that there are and the time to the steps between. Pure.
 *
 *   a time has come, nothing runs     start one
 *   a time has come, one still runs   pass it by (status.ts tells)
 *   one runs too long, or the App is stopped   end it
 *   more than the last few have ended          remove the oldest
 */
import type { Because, Step } from '../../controller/engine/contract.ts';
import type { Json } from '../../resources/document.ts';
import { inSubnet, type Network } from '../container/address.ts';
import { dueTime, hasEnded, isActive, isToBegin, LATEST_START_MILLISECONDS, limitOf } from './due.ts';
import type { SeenRun, TaskHave } from './observe.ts';
import type { TaskWant } from './want.ts';

/** Ended runs are kept for their logs: so many of each Task. */
const KEPT_RUNS = 3;

export type TaskWork =
  | { type: 'LeaseAddress'; uid: string; network: Network }
  | {
      type: 'StartRun';
      task: string;
      uid: string;
      app: string;
      scheduledAt: string;
      command: string;
      name: string;
    }
  | { type: 'StopRun'; id: string }
  | { type: 'RemoveRun'; id: string }
  | { type: 'ReleaseAddress'; uid: string };

export interface TaskStep extends Step {
  readonly type: TaskWork['type'];
  readonly work: TaskWork;
}

type Words = Pick<TaskStep, 'target' | 'message' | 'because' | 'action'> & Partial<Pick<TaskStep, 'replan'>>;

function step(work: TaskWork, words: Words): TaskStep {
  return { impact: 'none', ...words, type: work.type, work };
}

export function diffTask(want: TaskWant, have: TaskHave): TaskStep[] {
  if (want.deleting) return teardown(want, have);
  const ended = [...stopRuns(want, have), ...removeOld(have)];
  if (ended.some(({ type }) => type === 'StopRun')) return ended;
  if (have.address === undefined || !inSubnet(have.address, want.network))
    return [...ended, ...leaseAddress(want, have)];
  return [...ended, ...startRun(want, have)];
}

function because(field: string, found: Json, wanted: Json, cause: string): Because[] {
  return [{ field, found, wanted, cause }];
}

function leaseAddress({ document, network, cause }: TaskWant, { address }: TaskHave): TaskStep[] {
  if (!network) return [];
  const { uid } = document.metadata;
  const words = {
    target: `address/${uid}`,
    action: 'create',
    message: `take a free address of ${network.subnet}`,
    because: because('status.address', address ?? null, 'an address of the network', cause()),
    replan: true,
  } as const;
  return [step({ type: 'LeaseAddress', uid, network }, words)];
}

function startRun(want: TaskWant, have: TaskHave): TaskStep[] {
  const due = dueTime(want, have);
  if (due === undefined || want.app === undefined) return [];
  const { name, uid } = want.document.metadata;
  const { task, command } = want.document.spec;
  const scheduledAt = new Date(due).toISOString();
  const work: TaskWork = { type: 'StartRun', task, uid, app: want.app, scheduledAt, command, name };
  const reason = because('schedule', scheduledAt, 'a run', `the schedule ${want.schedule}`);
  return [
    step(work, { target: `run/${name}`, action: 'create', message: `run the task ${task}`, because: reason }),
  ];
}

function stopRuns(want: TaskWant, have: TaskHave): TaskStep[] {
  return have.runs.filter(isActive).flatMap((run) => {
    const limit = limitOf(want, run);
    const late = limit !== undefined && have.now >= limit;
    if (want.paused === undefined && !late) return [];
    const cause = want.paused ?? `it took longer than ${want.document.spec.timeLimitSeconds} s`;
    return [
      step(
        { type: 'StopRun', id: run.id },
        {
          target: `run/${run.name}`,
          action: 'change',
          message: `end the run: ${cause}`,
          because: because('run.state', run.state, 'ended', cause),
        },
      ),
    ];
  });
}

/** Those that never began and are too late now go, too. */
function removeOld({ runs, now }: TaskHave): TaskStep[] {
  const late = runs.filter((run) => isToBegin(run) && now - run.scheduledAt > LATEST_START_MILLISECONDS);
  const old = runs.filter(hasEnded).slice(KEPT_RUNS);
  return [...late, ...old].map((run) => removeRun(run, 'its log was kept long enough'));
}

function removeRun(run: SeenRun, cause: string): TaskStep {
  return step(
    { type: 'RemoveRun', id: run.id },
    {
      target: `run/${run.name}`,
      action: 'delete',
      message: 'remove the container of an earlier run',
      because: because('run', run.name, null, cause),
    },
  );
}

function teardown({ document }: TaskWant, have: TaskHave): TaskStep[] {
  const { uid, name } = document.metadata;
  const cause = `task/${name} is deleted`;
  const steps = have.runs.map((run) => removeRun(run, cause));
  if (have.address === undefined) return steps;
  const words = {
    target: `address/${uid}`,
    action: 'delete',
    message: `give back ${have.address}`,
    because: because('status.address', have.address, null, cause),
  } as const;
  return [...steps, step({ type: 'ReleaseAddress', uid }, words)];
}
