/**
 * Making and removing networks. Called by the writing half; a network that is there already with our mark and the wanted
 * subnet is success, one without our mark is never removed.
 */
import { DriverError } from '../error.ts';
import type { Connection } from './connection.ts';
import type { NetworkSpec, NetworkSummary } from './index.ts';
import { foreign, isOurs, shortId, unlessMissing } from './ownership.ts';
import { type ListedNetwork, readNetwork } from './read.ts';
import { requireName } from './reference.ts';
import { renderNetwork } from './render.ts';

export async function createNetwork(connection: Connection, spec: NetworkSpec): Promise<string> {
  if (!isOurs(spec.labels)) throw foreign(`network ${spec.name}, as it is wanted,`);
  const about = `creating network ${spec.name} (${spec.subnet})`;
  try {
    return await connection.call(about, async (docker, abortSignal) => {
      const created = await docker.createNetwork({ ...renderNetwork(spec), abortSignal });
      return created.id;
    });
  } catch (caught) {
    if (!(caught instanceof DriverError) || caught.code !== 'conflict') throw caught;
    const holder = await findNetwork(connection, spec.name);
    const same = holder && isOurs(holder.labels) && holder.subnets.includes(spec.subnet);
    if (!same) throw caught;
    return holder.id;
  }
}

export async function removeNetwork(connection: Connection, id: string): Promise<void> {
  const found = await findNetwork(connection, id);
  if (!found) return;
  if (!isOurs(found.labels)) throw foreign(`network ${found.name}`);
  await connection.call(`removing network ${found.name}`, (docker, abortSignal) =>
    unlessMissing(docker.getNetwork(found.id).remove({ abortSignal } as object)),
  );
}

async function findNetwork(connection: Connection, idOrName: string): Promise<NetworkSummary | undefined> {
  requireName('network', idOrName);
  const found = await connection.call(`looking at network ${shortId(idOrName)}`, (docker, abortSignal) =>
    unlessMissing(
      // The types know no options here; dockerode takes them.
      (docker.getNetwork(idOrName) as unknown as { inspect(options: object): Promise<unknown> }).inspect({
        abortSignal,
      }),
    ),
  );
  return found === undefined ? undefined : readNetwork(found as ListedNetwork);
}
