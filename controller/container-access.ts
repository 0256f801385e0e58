/** What the API shows of containers, from what is known of Docker. Part of the wiring: called by main.ts. */
import { once } from 'node:events';
import { connect as connectTo } from 'node:net';
import type { CachedDocker } from '../reconcilers/drivers/docker/cached.ts';
import { type ContainerDetails, type ContainerSummary, LABEL } from '../reconcilers/drivers/docker/index.ts';
import { madeFor } from '../reconcilers/drivers/docker/ownership.ts';
import { DriverError } from '../reconcilers/drivers/error.ts';
import type { Document } from '../resources/document.ts';
import type {
  ApiDependencies,
  LogLine,
  LogRequest,
  PodAccess,
  RunningContainer,
} from './api/dependencies.ts';

/** To a port on the containers' own network; milliseconds. */
const CONNECT_DEADLINE = 10_000;

/** The container of an App that a person means: the one that runs, else the newest. */
export function containerAccess(docker: CachedDocker): ApiDependencies['containers'] {
  const find = async (app: Document) => {
    const ours = (await docker.containers())
      .filter(({ labels }) => labels[LABEL.uid] === app.metadata.uid)
      .sort(
        (a, b) => Number(b.state === 'running') - Number(a.state === 'running') || b.createdAt - a.createdAt,
      );
    const [container] = ours;
    if (container) return container;
    throw Object.assign(new Error(`app/${app.metadata.name} has no container yet`), { code: 'notFound' });
  };
  return {
    async *logs(app, { task, ...options }) {
      if (task === undefined) yield* docker.logs((await find(app)).id, options);
      else yield* taskLogs(docker, app, task, options);
    },
    exec: async (app, options) => docker.exec((await find(app)).id, options),
  };
}

/** Of the runs that are kept, oldest first, each under a line that says which it is; only the newest is followed. */
async function* taskLogs(
  docker: CachedDocker,
  app: Document,
  task: string,
  options: Omit<LogRequest, 'task'>,
): AsyncIterable<LogLine> {
  const time = (labels: Record<string, string>) => labels[LABEL.scheduled] ?? '';
  const runs = (await docker.containers())
    .filter(({ labels }) => labels[LABEL.app] === app.metadata.uid && labels[LABEL.task] === task)
    .sort((a, b) => (time(a.labels) < time(b.labels) ? -1 : 1));
  if (runs.length === 0) {
    const message = `app/${app.metadata.name} has no run of a task ${task}; holdfast get tasks shows its tasks`;
    throw Object.assign(new Error(message), { code: 'notFound' });
  }
  for (const [index, { id, labels }] of runs.entries()) {
    yield { stream: 'stdout', text: `=== ${task}, ${time(labels)} ===` };
    yield* docker.logs(id, index === runs.length - 1 ? options : { ...options, follow: false });
  }
}

export function podAccess(docker: CachedDocker, node: string): PodAccess {
  return {
    node,
    async list() {
      const containers = (await docker.containers()).filter(
        ({ labels }) => labels[LABEL.kind] !== undefined && labels[LABEL.name] !== undefined,
      );
      const found = await Promise.all(
        containers.map(async (summary) => {
          const details = await docker.container(summary.id);
          return details && { ...asRunning(summary, details), image: await imageName(docker, summary) };
        }),
      );
      // One that went between the two looks is left out.
      return found.filter((container) => container !== undefined);
    },
    onChange: (listener) => docker.onChange(listener),
    logs: (id, options) => docker.logs(id, options),
    exec: (id, options) => docker.exec(id, options),
    connect,
  };
}

/** A container is made from an image's id; people know it by its name. */
async function imageName(docker: CachedDocker, { image, imageId }: ContainerSummary): Promise<string> {
  const found = await docker.image(imageId).catch(() => undefined);
  return found?.tags[0] ?? found?.digests[0] ?? image;
}

function asRunning(summary: ContainerSummary, details: ContainerDetails): RunningContainer {
  const { labels, state, addresses } = summary;
  const { settings, startedAt, finishedAt } = details;
  return {
    id: summary.id,
    name: summary.name,
    owner: madeFor(labels),
    image: summary.image,
    imageId: summary.imageId,
    state,
    address: Object.values(addresses).find((address) => address !== '') ?? '',
    createdAt: summary.createdAt,
    ...(startedAt !== undefined && { startedAt }),
    ...(finishedAt !== undefined && { finishedAt }),
    exitCode: details.exitCode,
    oomKilled: details.oomKilled,
    restarts: details.restartCount,
    tty: details.tty,
    ...(settings.memoryWithSwap !== undefined && { memory: settings.memoryWithSwap }),
    ports: settings.ports.map(({ containerPort, hostPort, protocol }) => ({
      containerPort,
      hostPort,
      protocol,
    })),
  };
}

async function connect({ address, name }: RunningContainer, port: number) {
  if (address === '') throw new DriverError('unavailable', `${name} has no address`);
  const socket = connectTo({ host: address, port, timeout: CONNECT_DEADLINE });
  socket.once('timeout', () => socket.destroy(new Error(`${address}:${port} does not answer`)));
  try {
    await once(socket, 'connect');
  } catch (error) {
    const { message } = error as Error;
    throw new DriverError('unavailable', `port ${port} of ${name} cannot be reached: ${message}`, {
      cause: error,
    });
  }
  socket.setTimeout(0);
  return socket;
}
