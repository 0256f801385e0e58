/** Fake database servers in fake containers: one answers where a container of a server's image runs, on the folder that is mounted there. */
import type { Clock } from '../../controller/clock.ts';
import { createFakeDatabases, type FakeDatabases } from '../../reconcilers/drivers/database/fake.ts';
import type { FakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import type { FakeHost } from '../../reconcilers/drivers/host/fake.ts';

/** A server answers some time after its container runs, whichever way the clock jumps meanwhile. */
const START_MILLISECONDS = 1_000;

export function databasesIn({
  docker,
  host,
  clock,
}: {
  docker: FakeDocker;
  host: FakeHost;
  clock: Pick<Clock, 'now'>;
}): FakeDatabases {
  const databases = createFakeDatabases({
    locate({ address }) {
      const { containers, images } = docker.engine;
      const container = [...containers.values()].find(
        ({ state, addresses, startedAt = 0 }) =>
          state === 'running' &&
          Object.values(addresses).includes(address) &&
          Math.abs(clock.now() - startedAt) >= START_MILLISECONDS,
      );
      const data = container?.spec.mounts.find(({ device }) => device !== undefined)?.device;
      if (!container || data === undefined) return undefined;
      const reference = [...images].find(
        ([name, { id }]) => id === container.imageId && /:\d/.test(name),
      )?.[0];
      return { data, version: /:([\d.]+)$/.exec(reference ?? '')?.[1] ?? '0' };
    },
  });
  host.state.onMoved.push((from, to) => databases.moved(from, to));
  return databases;
}
