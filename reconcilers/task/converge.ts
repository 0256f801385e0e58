/** Does one step for a Task. A run is a container like the App's own, beside it: found by its mark, so that no time is run twice. */
import { ReconcileError } from '../../controller/engine/contract.ts';
import { ADDRESS_POOL, leaseAddress } from '../container/address.ts';
import { SETTINGS_LABEL } from '../container/description.ts';
import { isGone } from '../container/work.ts';
import { type ContainerDetails, type ContainerSpec, LABEL, type Mount } from '../drivers/docker/index.ts';
import type { Writing } from '../world.ts';
import type { TaskStep, TaskWork } from './diff.ts';

const STOP_SECONDS = 10;

export async function convergeTask({ work }: TaskStep, world: Writing): Promise<void> {
  const { docker, leases } = world;
  switch (work.type) {
    case 'LeaseAddress':
      return leaseAddress(work, leases);
    case 'StartRun':
      return startRun(work, world);
    case 'StopRun':
      return docker.stop(work.id, STOP_SECONDS);
    case 'RemoveRun':
      // With a grace, where it still runs: it may be in the middle of writing.
      await docker.stop(work.id, STOP_SECONDS).catch((error: unknown) => {
        if (!isGone(error)) throw error;
      });
      return docker.remove(work.id);
    case 'ReleaseAddress':
      return leases.release(ADDRESS_POOL, work.uid);
  }
}

type Work<T extends TaskWork['type']> = Extract<TaskWork, { type: T }>;

async function startRun(work: Work<'StartRun'>, { docker, leases }: Writing): Promise<void> {
  const found = (await docker.containers()).find(
    ({ labels, state }) => labels[LABEL.uid] === work.app && state === 'running',
  );
  const app = found && (await docker.container(found.id));
  const address = leases.of(ADDRESS_POOL, work.uid);
  if (!app || address === undefined)
    throw new ReconcileError('waiting', 'AppNotRunning', 'waits until the App runs');
  const present = (await docker.containers()).find(
    ({ labels }) => labels[LABEL.uid] === work.uid && labels[LABEL.scheduled] === work.scheduledAt,
  );
  // Made before a crash, perhaps beside a container of the App that is gone.
  const isSame = present?.labels[LABEL.hash] === app.labels[LABEL.hash];
  if (present && !isSame) await docker.remove(present.id);
  const id = present && isSame ? present.id : await docker.createContainer(runSpec(work, app, address));
  try {
    await docker.start(id);
  } catch (error) {
    const message = `the task ${work.task} cannot be started in the App's image: ${error instanceof Error ? error.message : String(error)}`;
    throw new ReconcileError('retryable', 'StartFailed', message, { cause: error });
  }
}

/** The App's container as it is: image, environment, folders, hosts, limits. Of its own: address, command, and that it ends. */
export function runSpec(work: Work<'StartRun'>, app: ContainerDetails, address: string): ContainerSpec {
  const { [SETTINGS_LABEL]: _settings, [LABEL.generation]: _generation, ...labels } = app.labels;
  const time = work.scheduledAt.replaceAll(/[^0-9]/g, '').slice(0, 12);
  return {
    ...app.settings,
    name: `holdfast-task-${work.name}-${time}`,
    image: app.imageId,
    command: ['/bin/sh', '-c', work.command],
    tty: false,
    labels: {
      ...labels,
      [LABEL.kind]: 'Task',
      [LABEL.name]: work.name,
      [LABEL.uid]: work.uid,
      [LABEL.app]: work.app,
      [LABEL.task]: work.task,
      [LABEL.scheduled]: work.scheduledAt,
    },
    network: { ...app.settings.network, address },
    mounts: app.settings.mounts.map(asItIs),
    ports: [],
    restartPolicy: 'no',
    stopSeconds: STOP_SECONDS,
  };
}

function asItIs({ type, source, target, readOnly }: Mount): Mount {
  const mount = { type, source, target, ...(readOnly ? { readOnly } : {}) };
  return type === 'volume' ? { ...mount, existing: true } : mount;
}
