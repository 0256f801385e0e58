/** What a Task should do, from documents alone. Pure. */
import type { View } from '../../controller/engine/contract.ts';
import { type Document, refText, type StatusBase } from '../../resources/document.ts';
import type { PlatformSpec, PlatformStatus, TaskSpec, TaskStatus } from '../../resources/generated.ts';
import { type Times, timesOf } from '../../resources/schedule.ts';
import type { Network } from '../container/address.ts';

export type TaskDocument = Document<TaskSpec & Record<string, unknown>, TaskStatus & StatusBase>;

export interface TaskWant {
  document: TaskDocument;
  /** Uid of the App; undefined when it is gone. */
  app?: string;
  /** Schedule and timezone: a change of either begins anew. */
  schedule: string;
  times: Times;
  network?: Network & { name: string };
  /** Why it does not run now, and what runs is ended: the App is stopped, or somebody asked for it. */
  paused?: string;
  cause: () => string;
  deleting: boolean;
}

export function taskWant(name: string, view: View): TaskWant | undefined {
  const document = view.get('Task', name) as TaskDocument | undefined;
  if (!document) return undefined;
  const app = view.get('App', document.spec.app);
  const platform = view.get('Platform', 'platform');
  const timezone = (platform?.spec as PlatformSpec | undefined)?.timezone ?? 'UTC';
  const network = (platform?.status as PlatformStatus | undefined)?.network;
  const paused = pausedBy(document, app);
  return {
    document,
    ...(app ? { app: app.metadata.uid } : {}),
    schedule: `${document.spec.schedule} (${timezone})`,
    times: timesOf(document.spec.schedule, timezone),
    ...(isNetwork(network) ? { network } : {}),
    ...(paused === undefined ? {} : { paused }),
    cause: () => view.causeOf(document),
    deleting: document.metadata.deletionTimestamp !== undefined,
  };
}

function isNetwork(value: PlatformStatus['network']): value is Network & { name: string } {
  return value?.name !== undefined && value.subnet !== undefined && value.gateway !== undefined;
}

function pausedBy(task: TaskDocument, app: Document | undefined): string | undefined {
  if (task.spec.suspend === true) return 'it is suspended';
  if (!app) return `there is no app/${task.spec.app}`;
  if (app.metadata.deletionTimestamp) return `${refText(app)} is being deleted`;
  if (app.spec['state'] === 'stopped') return `${refText(app)} is stopped`;
  return app.spec['suspend'] === true ? `${refText(app)} is suspended` : undefined;
}
