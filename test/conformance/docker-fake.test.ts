/** The fake engine, held to the same text as the real one. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../controller/clock.ts';
import { cacheDocker } from '../../reconcilers/drivers/docker/cached.ts';
import { createFakeDocker, type FakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import type { FakeContainer } from '../../reconcilers/drivers/docker/fake-container.ts';
import type { Docker } from '../../reconcilers/drivers/docker/index.ts';
import { type DockerUnderTest, dockerConformance } from './docker.suite.ts';

async function makeFake(wrap: (fake: FakeDocker) => Docker): Promise<DockerUnderTest> {
  const docker = createFakeDocker({ clock: systemClock });
  const run = 'hffake';
  const image = `${run}-image:1`;
  docker.addImage(image, { volumes: ['/scratch'], command: ['sleep', '1000'], env: { PATH: '/bin' } });
  const foreign = { container: `${run}-foreign`, volume: `${run}-foreign` };
  docker.engine.addVolume(foreign.volume, {});
  docker.addForeign({ name: foreign.container, image });
  const folder = await mkdtemp(join(tmpdir(), `${run}-`));
  const find = (id: string): FakeContainer => {
    const found = docker.engine.find(id);
    if (!found) throw new Error(`no container ${id}`);
    return found;
  };
  let port = 20_000;
  const driver = wrap(docker);
  return {
    docker: driver,
    run,
    image,
    subnet: '10.251.1',
    folder,
    foreign,
    behind: {
      async kill(id) {
        docker.engine.stop(find(id), 'kill');
      },
      async pause(id) {
        docker.engine.pause(find(id));
      },
      async setMemory(id, memory, withSwap) {
        docker.engine.update(find(id), { Memory: memory, MemorySwap: withSwap });
      },
      async disconnect(id, network) {
        docker.engine.disconnect(find(id), network);
      },
    },
    async port() {
      port += 1;
      return port;
    },
    async volumes() {
      return [...docker.engine.volumes.keys()];
    },
    async volumesOf(id) {
      const { anonymousVolumes, spec } = find(id);
      return [
        ...anonymousVolumes,
        ...spec.mounts.filter(({ type }) => type === 'volume').map(({ source }) => source),
      ];
    },
    async cleanup() {
      for (const container of [...docker.engine.containers.values()]) docker.engine.remove(container);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

dockerConformance('fake engine', () => makeFake((fake) => fake));

const over = new AbortController();
dockerConformance('fake engine behind the cache', async () => {
  let up = () => {};
  const isUp = new Promise<void>((resolve) => {
    up = resolve;
  });
  const made = await makeFake((fake) => {
    const cached = cacheDocker(fake, { clock: systemClock });
    cached.follow({ onEvent() {}, onUp: up, onDown() {} }, over.signal);
    // A second listener, as the suite brings one, must not end what the first one keeps alive.
    return { ...cached, follow: fake.follow };
  });
  await isUp;
  return {
    ...made,
    async cleanup() {
      over.abort();
      await made.cleanup();
    },
  };
});
