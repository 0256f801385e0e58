/** Looks at the runs of a Task, by mark, and at the App's container. From what is known of Docker; only a run that is news is inspected. */
import type { ContainerDetails, ContainerSummary } from '../drivers/docker/index.ts';
import { LABEL } from '../drivers/docker/index.ts';
import type { Reading } from '../world.ts';
import type { TaskWant } from './want.ts';

export interface SeenRun extends ContainerSummary {
  /** Milliseconds since 1970: the time of the schedule that it is for. */
  scheduledAt: number;
  details?: ContainerDetails;
}

export interface TaskHave {
  /** Milliseconds since 1970. */
  now: number;
  /** Newest first. */
  runs: SeenRun[];
  /** The App's container, where it runs: a run is made like it. */
  app?: ContainerSummary;
  address?: string;
}

export async function observeTask(want: TaskWant, world: Reading): Promise<TaskHave> {
  const { uid } = want.document.metadata;
  const containers = await world.docker.containers();
  const runs: SeenRun[] = [];
  for (const container of containers.filter(({ labels }) => labels[LABEL.uid] === uid)) {
    const details = isKnown(want, container) ? undefined : await world.docker.container(container.id);
    const scheduledAt = Date.parse(container.labels[LABEL.scheduled] ?? '');
    const state = details?.state ?? container.state;
    runs.push({ ...container, state, scheduledAt, ...(details ? { details } : {}) });
  }
  const app = containers.find(({ labels, state }) => labels[LABEL.uid] === want.app && state === 'running');
  const address = world.leases.of('address', uid);
  return {
    now: world.clock.now(),
    runs: runs.sort((a, b) => b.scheduledAt - a.scheduledAt || b.createdAt - a.createdAt),
    ...(app && want.app !== undefined ? { app } : {}),
    ...(address === undefined ? {} : { address }),
  };
}

/** Its end is in the status, or it is older than the run that is. */
function isKnown({ document }: TaskWant, { id, state, labels }: ContainerSummary): boolean {
  if (state !== 'exited' && state !== 'dead') return false;
  const last = document.status?.lastRun;
  if (last?.container === id) return last.finishedAt !== undefined;
  return (labels[LABEL.scheduled] ?? '') < (last?.scheduledAt ?? '');
}
