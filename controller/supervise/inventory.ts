/**
 * What an installation has in the Docker engine, found by its marks alone, so that down and purge work while the controller is
 * dead. Looks and, for `stopContainer` and `remove…`, acts on exactly what was found; without our mark nothing is touched.
 */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import Dockerode from 'dockerode';

/** The words of reconcilers/drivers/docker; a test holds them to each other. */
export const MARK = {
  managed: 'dev.holdfast.managed',
  /** State folder of the installation, where the engine serves more than one. */
  state: 'dev.holdfast.state',
  /** On images that we build, with the hash of their content. Another word, for containers inherit the labels of images. */
  image: 'dev.holdfast.image.content',
} as const;

export interface Inventory {
  containers: { id: string; name: string; running: boolean }[];
  networks: { id: string; name: string }[];
  volumes: string[];
  images: { id: string; name: string }[];
}

export const NOTHING: Inventory = { containers: [], networks: [], volumes: [], images: [] };

/** The engine that the docker command would use. undefined when it does not answer. */
export async function findEngine(): Promise<Dockerode | undefined> {
  const docker = new Dockerode();
  try {
    await docker.ping();
    return docker;
  } catch {
    return undefined;
  }
}

type Labels = Record<string, string> | null | undefined;

/** Marked as managed, and not as another installation's. */
export function isOurs(labels: Labels, state: string): boolean {
  return labels?.[MARK.managed] === 'true' && (labels[MARK.state] ?? state) === state;
}

/** Whether the engine serves another installation, whose network it has then. */
export async function networkOfAnother(docker: Dockerode, state: string): Promise<boolean> {
  const filters = { label: [`${MARK.managed}=true`] };
  const networks = await docker.listNetworks({ filters });
  return networks.some(({ Labels }) => !isOurs(Labels, state));
}

export async function takeInventory(docker: Dockerode, state: string): Promise<Inventory> {
  const filters = { label: [`${MARK.managed}=true`] };
  const [containers, networks, { Volumes: volumes }, images] = await Promise.all([
    docker.listContainers({ all: true, filters }),
    docker.listNetworks({ filters }),
    docker.listVolumes({ filters }),
    imagesOf(docker, state),
  ]);
  return {
    containers: containers
      .filter((entry) => isOurs(entry.Labels, state))
      .map((entry) => ({
        id: entry.Id,
        name: (entry.Names[0] ?? entry.Id).replace(/^\//, ''),
        running: ['running', 'restarting', 'paused'].includes(entry.State),
      })),
    networks: networks
      .filter((entry) => isOurs(entry.Labels, state))
      .map((entry) => ({ id: entry.Id, name: entry.Name })),
    volumes: (volumes ?? []).filter((entry) => isOurs(entry.Labels, state)).map((entry) => entry.Name),
    images,
  };
}

/** Those that were built here, and those whose pull this installation wrote down: an id and its name a line. */
async function imagesOf(docker: Dockerode, state: string): Promise<Inventory['images']> {
  const list = await readFile(path.join(state, 'pulled-images'), 'utf8').catch(() => '');
  const pulled = new Set(
    list
      .split('\n')
      .map((line) => line.split(' ')[0])
      .filter(Boolean),
  );
  return (await docker.listImages())
    .filter((image) => image.Labels?.[MARK.image] !== undefined || pulled.has(image.Id))
    .map((image) => ({ id: image.Id, name: (image.RepoTags ?? []).join(', ') || image.Id }));
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : undefined;
}

/** What is gone already is success (404), and so is what is as wanted (304). */
async function settled(call: Promise<unknown>): Promise<void> {
  await call.catch((error: unknown) => {
    if (![304, 404].includes(statusOf(error) ?? 0)) throw error;
  });
}

/** Takes its restart policy first: the engine starts an `always` container again when it is started itself. */
export async function stopContainer(docker: Dockerode, id: string, graceSeconds: number): Promise<void> {
  const container = docker.getContainer(id);
  await settled(container.update({ RestartPolicy: { Name: 'no' } }));
  await settled(container.stop({ t: graceSeconds }));
}

export function removeContainer(docker: Dockerode, id: string): Promise<void> {
  return settled(docker.getContainer(id).remove({ force: true, v: true }));
}

export function removeNetwork(docker: Dockerode, id: string): Promise<void> {
  return settled(docker.getNetwork(id).remove());
}

export function removeVolume(docker: Dockerode, name: string): Promise<void> {
  return settled(docker.getVolume(name).remove());
}

/** False when somebody else's container still uses it. */
export async function removeImage(docker: Dockerode, id: string): Promise<boolean> {
  const tags = await docker
    .getImage(id)
    .inspect()
    .then(
      (image) => image.RepoTags,
      () => [],
    );
  try {
    // By its names, one after another: an id with two names is not removed without force.
    for (const name of tags.length > 0 ? tags : [id]) await settled(docker.getImage(name).remove());
    return true;
  } catch (error) {
    if (statusOf(error) === 409) return false;
    throw error;
  }
}
