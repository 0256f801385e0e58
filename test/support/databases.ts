/** Fake database servers in fake containers: one answers where a container of a server's image runs, on the folder that is mounted there. */
import { createFakeDatabases, type FakeDatabases } from '../../reconcilers/drivers/database/fake.ts';
import type { FakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import type { FakeHost } from '../../reconcilers/drivers/host/fake.ts';

export function databasesIn({ docker, host }: { docker: FakeDocker; host: FakeHost }): FakeDatabases {
  const databases = createFakeDatabases({
    locate({ address }) {
      const { containers, images } = docker.engine;
      const container = [...containers.values()].find(
        ({ state, addresses }) => state === 'running' && Object.values(addresses).includes(address),
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
