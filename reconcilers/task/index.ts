/**
 * The reconciler of Task: runs a command of an App on its schedule, each time in a container like the App's own, never two at once,
 * and no time twice. What was missed while the machine was off is not made up in bulk.
 */
import type { Reconciler, View } from '../../controller/engine/contract.ts';
import type { Document } from '../../resources/document.ts';
import { TASK_FINALIZER } from '../../resources/task.ts';
import type { Reading, Writing } from '../world.ts';
import { convergeTask } from './converge.ts';
import { diffTask, type TaskStep } from './diff.ts';
import { isActive, limitOf } from './due.ts';
import { observeTask, type TaskHave } from './observe.ts';
import { taskStatus } from './status.ts';
import { type TaskWant, taskWant } from './want.ts';

/** A timer may fire a little early. */
const MARGIN_SECONDS = 0.05;
/** Clocks are put right, machines sleep: not longer than this without looking at the time. */
const LONGEST_SLEEP_SECONDS = 300;

export const taskReconciler: Reconciler<TaskWant, TaskHave, TaskStep, Reading, Writing> = {
  kind: 'Task',
  parallelism: 4,
  finalizer: TASK_FINALIZER,
  watches: ['App', 'Platform'],
  key: ({ metadata }) => metadata.name,
  wakes,
  want: taskWant,
  documents: ({ document }) => [document],
  observe: observeTask,
  diff: diffTask,
  converge: convergeTask,
  status: taskStatus,
  requeueAfterSeconds: nextLook,
};

function wakes({ kind, metadata }: Document, view: View): readonly string[] {
  const tasks = view.list('Task');
  const concerned = kind === 'App' ? tasks.filter(({ spec }) => spec['app'] === metadata.name) : tasks;
  return concerned.map((task) => task.metadata.name);
}

function nextLook(want: TaskWant, have: TaskHave): number | undefined {
  if (want.deleting) return undefined;
  const limits = have.runs.filter(isActive).flatMap((run) => limitOf(want, run) ?? []);
  const next = want.times.next(have.now);
  const soonest = Math.min(...limits, next ?? Number.POSITIVE_INFINITY);
  const seconds = Math.max(0, soonest - have.now) / 1000 + MARGIN_SECONDS;
  return Math.min(seconds, LONGEST_SLEEP_SECONDS);
}
