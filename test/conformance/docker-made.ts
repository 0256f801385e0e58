/** A driver on a real engine with all that the suite wants around it: an image, things of somebody else, a free subnet. Removed by `cleanup`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Dockerode from 'dockerode';
import { systemClock } from '../../controller/clock.ts';
import { createDocker } from '../../reconcilers/drivers/docker/dockerode.ts';
import { LABEL } from '../../reconcilers/drivers/docker/index.ts';
import type { DockerUnderTest } from './docker.suite.ts';
import { freePort, importImage } from './docker-parts.ts';
import { until } from './until.ts';

async function freeSubnet(engine: Dockerode): Promise<string> {
  const networks = await engine.listNetworks();
  const used = networks.flatMap((network) =>
    (network.IPAM?.Config ?? []).map((config) => config.Subnet ?? ''),
  );
  for (let third = 200 + (process.pid % 40); third < 256; third += 1) {
    if (!used.some((subnet) => subnet.startsWith(`10.251.${third}.`))) return `10.251.${third}`;
  }
  throw new Error('no free subnet in 10.251.0.0/16');
}

async function removeAll(engine: Dockerode, run: string): Promise<void> {
  const label = [`${LABEL.name}=${run}`];
  const containers = await engine.listContainers({ all: true, filters: { label } });
  const others = await engine.listContainers({ all: true, filters: { name: [`^/${run}-`] } });
  const ids = new Set([...containers, ...others].map(({ Id }) => Id));
  await Promise.all([...ids].map((id) => engine.getContainer(id).remove({ force: true, v: true })));
  const { Volumes: volumes } = await engine.listVolumes({ filters: { name: [`${run}-`] } as never });
  for (const volume of volumes ?? []) await engine.getVolume(volume.Name).remove();
  const networks = await engine.listNetworks({ filters: { name: [`${run}-`] } });
  for (const { Id, Name } of networks) {
    const gone = until(() => removeNetwork(engine.getNetwork(Id)), `the network ${Name} is gone`);
    await gone.catch((error: Error) => console.log(`left until the engine starts again: ${error.message}`));
  }
}

/**
 * A container that the engine was just starting again when it was removed may leave its end in the network; the engine then counts an end
 * that nobody has until it starts anew.
 */
async function removeNetwork(network: Dockerode.Network): Promise<boolean> {
  try {
    await network.remove();
    return true;
  } catch (error) {
    const { statusCode } = error as { statusCode?: number };
    if (statusCode === 404) return true;
    if (statusCode !== 403) throw error;
    const { Containers: ends = {} } = await network.inspect();
    for (const { Name } of Object.values<{ Name: string }>(ends))
      await network.disconnect({ Container: Name, Force: true }).catch(() => {});
    return false;
  }
}

/** The real driver, over the engine's own socket or over another that leads to it. */
export async function makeReal(
  engine: Dockerode,
  busybox: string,
  name: string,
  socketPath?: string,
): Promise<DockerUnderTest> {
  const run = `hf${name}${process.pid}`;
  const image = `${run}-image:1`;
  const folder = await mkdtemp(join(tmpdir(), `${run}-`));
  const foreign = { container: `${run}-foreign`, volume: `${run}-foreign` };
  const cleanup = async () => {
    await removeAll(engine, run);
    await engine
      .getImage(image)
      .remove({ force: true })
      .catch(() => {});
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await importImage(engine, image, busybox);
    await engine.createVolume({ Name: foreign.volume });
    const other = await engine.createContainer({
      name: foreign.container,
      Image: image,
      HostConfig: { NetworkMode: 'none' },
    });
    await other.start();
    return {
      docker: createDocker({ clock: systemClock, ...(socketPath === undefined ? {} : { socketPath }) }),
      run,
      image,
      subnet: await freeSubnet(engine),
      folder,
      foreign,
      behind: {
        kill: (id) => engine.getContainer(id).kill(),
        pause: (id) => engine.getContainer(id).pause(),
        setMemory: (id, memory, withSwap) =>
          engine.getContainer(id).update({ Memory: memory, MemorySwap: withSwap }),
        disconnect: (id, network) => engine.getNetwork(network).disconnect({ Container: id, Force: true }),
      },
      port: freePort,
      async volumes() {
        return ((await engine.listVolumes()).Volumes ?? []).map(({ Name }) => Name);
      },
      async volumesOf(id) {
        const { Mounts } = await engine.getContainer(id).inspect();
        return Mounts.flatMap((mount) => (mount.Type === 'volume' && mount.Name ? [mount.Name] : []));
      },
      cleanup,
    };
  } catch (caught) {
    await cleanup();
    throw caught;
  }
}
