/**
 * The real driver against the dockerd of this machine. The image is made here from a busybox without libraries, so that no
 * registry is needed. Everything made carries the run's name and is removed afterwards.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type Dockerode from 'dockerode';
import { systemClock } from '../../controller/clock.ts';
import { cacheDocker } from '../../reconcilers/drivers/docker/cached.ts';
import { createDocker } from '../../reconcilers/drivers/docker/dockerode.ts';
import { LABEL } from '../../reconcilers/drivers/docker/index.ts';
import { type DockerUnderTest, dockerConformance } from './docker.suite.ts';
import { freePort, importImage, realParts } from './docker-parts.ts';
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
  for (const network of networks) await engine.getNetwork(network.Id).remove();
}

async function makeReal(engine: Dockerode, busybox: string, name: string): Promise<DockerUnderTest> {
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
      docker: createDocker({ clock: systemClock }),
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

/** The same behind the cache. What is done behind the driver's back counts as done when its event has come. */
async function makeCached(engine: Dockerode, busybox: string): Promise<DockerUnderTest> {
  const made = await makeReal(engine, busybox, 'cache');
  const cached = cacheDocker(made.docker, { clock: systemClock });
  const over = new AbortController();
  let ups = 0;
  const onUp = () => {
    ups += 1;
  };
  const following = cached.follow({ onEvent() {}, onUp, onDown() {} }, over.signal);
  await until(() => ups === 1, 'the cache follows the events');
  const heard = async (id: string, act: () => Promise<unknown>) => {
    let seen = false;
    const stop = cached.onChange((change) => {
      seen ||= change.id === id;
    });
    await act();
    await until(() => seen, 'the event came').finally(stop);
  };
  const { behind } = made;
  return {
    ...made,
    docker: { ...cached, follow: made.docker.follow },
    behind: {
      kill: (id) => heard(id, () => behind.kill(id)),
      pause: (id) => heard(id, () => behind.pause(id)),
      setMemory: (id, memory, withSwap) => heard(id, () => behind.setMemory(id, memory, withSwap)),
      disconnect: (id, network) => heard(id, () => behind.disconnect(id, network)),
    },
    async cleanup() {
      over.abort();
      await following;
      await made.cleanup();
    },
  };
}

const parts = await realParts();
if ('reason' in parts) console.log(`SKIP: docker-real: ${parts.reason}`);
else {
  dockerConformance('real engine', () => makeReal(parts.engine, parts.busybox, 'conf'));
  dockerConformance('real engine behind the cache', () => makeCached(parts.engine, parts.busybox));
}
