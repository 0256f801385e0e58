/** Task: a command that an App has run on a schedule. Written by the reconciler of the App, which owns it. */
import { createHash } from 'node:crypto';
import { AGE, MESSAGE, READY } from './columns.ts';
import { condition, type Document } from './document.ts';
import type { TaskSpec, TaskStatus } from './generated.ts';
import type { KindDefinition } from './kind.ts';
import { boundedName } from './names.ts';

export type Task = Document<TaskSpec, TaskStatus>;

export const TASK_FINALIZER = 'holdfast.dev/task';

export const taskKind: KindDefinition = {
  kind: 'Task',
  plural: 'tasks',
  singular: 'task',
  shortNames: [],
  schema: 'task.v1.json',
  writtenBy: 'reconcilers',
  finalizers: [TASK_FINALIZER],
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    { name: 'APP', value: 'spec.app' },
    { name: 'SCHEDULE', value: 'spec.schedule' },
    { name: 'LAST RUN', value: 'status.lastRun.startedAt', type: 'age', description: 'How long ago.' },
    { name: 'RESULT', value: (document) => result(document), description: 'Of the last run.' },
    { name: 'NEXT RUN', value: 'status.nextRunAt' },
    { name: 'COMMAND', value: 'spec.command', wide: true },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.app', 'spec.task'],
};

function result(document: Document): string {
  const run = (document as unknown as Task).status?.lastRun;
  if (run?.state === 'failed') return `failed (${run.exitCode ?? '?'})`;
  return run?.state ?? condition(document, 'Ready')?.reason ?? '';
}

/**
 * wiki-tidy. Names of tasks have no dash, so that no two pairs give the same name; what a name of a document cannot hold is told apart
 * by a hash.
 */
export function taskName(app: string, task: string): string {
  const plain = task
    .toLowerCase()
    .replaceAll('_', '-')
    .replace(/^-+|-+$/g, '');
  if (plain === task) return boundedName(`${app}-${task}`);
  const hash = createHash('sha256').update(task).digest('hex').slice(0, 6);
  return boundedName([app, plain, `x${hash}`].filter((part) => part !== '').join('-'));
}
