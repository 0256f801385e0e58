/**
 * Named volumes of ours. They live as long as the container that they were made for: what must last is bound from a
 * folder. Called by the driver when containers are created and removed; never touches a volume without our mark.
 */
import { DriverError } from '../error.ts';
import type { Connection } from './connection.ts';
import { statusOf } from './errors.ts';
import { type ContainerSpec, LABEL } from './index.ts';
import { foreign, isOurs, unlessMissing } from './ownership.ts';
import type { InspectedContainer } from './read.ts';
import { requireName } from './reference.ts';

/** Names of the volumes that the container was given by name, in contrast to anonymous ones. */
export function namedVolumes(container: InspectedContainer): string[] {
  return (container.HostConfig?.Mounts ?? [])
    .filter((mount) => mount.Type === 'volume')
    .flatMap((mount) => (mount.Source ? [mount.Source] : []));
}

export type VolumeLabels = ReadonlyMap<string, Record<string, string>>;

/** All volumes, ours and others'. */
export async function listVolumes(connection: Connection): Promise<VolumeLabels> {
  const { Volumes: found } = await connection.call('listing volumes', (docker, abortSignal) =>
    docker.listVolumes({ abortSignal } as Parameters<typeof docker.listVolumes>[0]),
  );
  return new Map((found ?? []).map(({ Name, Labels }) => [Name, { ...Labels }]));
}

/** Makes room for a new container: a crash may have left its volumes. One that a container uses stays. */
export async function removeLeftVolumes(
  connection: Connection,
  spec: ContainerSpec,
  present: VolumeLabels,
): Promise<void> {
  for (const mount of spec.mounts) {
    if (mount.type !== 'volume') continue;
    requireName('volume', mount.source);
    const labels = present.get(mount.source);
    // The engine would make an empty one, without our mark.
    if (mount.existing && !labels) throw new DriverError('notFound', `volume ${mount.source} is gone`);
    if (mount.existing && isOurs(labels)) continue;
    if (labels === undefined) continue;
    if (!isOurs(labels)) throw foreign(`volume ${mount.source}`);
    const owner = labels[LABEL.uid];
    if (owner !== spec.labels[LABEL.uid]) {
      const message = `volume ${mount.source} belongs to ${labels[LABEL.kind] ?? 'another document'} ${labels[LABEL.name] ?? ''} with uid ${owner ?? '(none)'}: remove it, or use another name`;
      throw new DriverError('conflict', message);
    }
    await removeVolume(connection, mount.source);
  }
}

/** What is not ours, or used by another container, stays. */
export async function removeVolumesOfContainer(
  connection: Connection,
  names: readonly string[],
  present: VolumeLabels,
): Promise<void> {
  for (const name of names) if (isOurs(present.get(name))) await removeVolume(connection, name);
}

/** A volume that is left. Gone is success; used is `conflict`. */
export async function removeLeftVolume(
  connection: Connection,
  name: string,
  present: VolumeLabels,
): Promise<void> {
  requireName('volume', name);
  const labels = present.get(name);
  if (labels === undefined) return;
  if (!isOurs(labels)) throw foreign(`volume ${name}`);
  if (await removeVolume(connection, name)) return;
  throw new DriverError('conflict', `removing volume ${name}: a container still uses it`);
}

/** False when a container uses it, running or not: the engine itself refuses then. */
async function removeVolume(connection: Connection, name: string): Promise<boolean> {
  return connection.call(`removing volume ${name}`, async (docker, abortSignal) => {
    try {
      await unlessMissing(docker.getVolume(name).remove({ abortSignal }));
      return true;
    } catch (caught) {
      if (statusOf(caught) === 409) return false;
      throw caught;
    }
  });
}
