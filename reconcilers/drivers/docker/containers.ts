/**
 * Making and removing containers, with the named volumes that live as long as they do. Called by the writing half; what
 * does not carry our mark is refused, what is already as wanted is success.
 */
import type { ContainerCreateOptions } from 'dockerode';
import { delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { Context } from './context.ts';
import { engineText } from './errors.ts';
import type { ContainerSpec } from './index.ts';
import { foreign, isOurs, shortId, unlessMissing } from './ownership.ts';
import { requireName } from './reference.ts';
import { renderContainer } from './render.ts';
import { namedVolumes, removeLeftVolumes, removeVolumesOfContainer, type VolumeLabels } from './volumes.ts';

/**
 * A name that is taken by the very container that is wanted (a call whose answer was lost) is success; everything else
 * that is in the way is told.
 */
export async function createContainer(
  context: Context,
  spec: ContainerSpec,
  volumes: VolumeLabels,
): Promise<string> {
  const { connection, log, ownership } = context;
  if (!isOurs(spec.labels)) throw foreign(`container ${spec.name}, as it is wanted,`);
  requireName('container', spec.name);
  await removeLeftVolumes(connection, spec, volumes);
  const about = `creating container ${spec.name}`;
  try {
    const id = await connection.call(about, async (docker, abortSignal) => {
      const created = await docker.createContainer(inBody(renderContainer(spec), abortSignal));
      return created.id;
    });
    ownership.remember(id);
    return id;
  } catch (caught) {
    if (!(caught instanceof DriverError) || caught.code !== 'conflict') throw caught;
    const holder = await ownership.find(spec.name).catch(() => undefined);
    const labels = holder?.Config?.Labels ?? {};
    const same = Object.entries(spec.labels).every(([name, value]) => labels[name] === value);
    if (!holder || !same) throw caught;
    log?.warn(`${about}: it was there already, made for the same settings`);
    return holder.Id;
  }
}

/** dockerode would put all of it into the URL as well, where engines and proxies log it: the environment holds secrets. */
function inBody(options: ContainerCreateOptions, abortSignal: AbortSignal): ContainerCreateOptions {
  const { name, ...settings } = options;
  return { _query: { name }, _body: settings, abortSignal } as ContainerCreateOptions;
}

export async function removeContainer(context: Context, id: string): Promise<void> {
  const { connection, clock, ownership } = context;
  const about = `removing container ${shortId(id)}`;
  const found = await ownership.find(id);
  if (!found) return;
  const { Id: fullId } = found;
  const names = namedVolumes(found);
  const volumes = names.length > 0 ? await context.volumes() : new Map();
  await connection.call(about, async (docker, abortSignal) => {
    const container = docker.getContainer(fullId);
    try {
      await unlessMissing(container.remove({ force: true, v: true, abortSignal }));
    } catch (caught) {
      if (!/already in progress/i.test(engineText(caught))) throw caught;
      while (await unlessMissing(container.inspect({ abortSignal }))) await delay(clock, 100, abortSignal);
    }
  });
  await removeVolumesOfContainer(connection, names, volumes);
}
