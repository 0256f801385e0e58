/**
 * The real driver against the dockerd of this machine. The image is made here from a busybox without libraries, so that no
 * registry is needed. Everything made carries the run's name and is removed afterwards.
 */
import type Dockerode from 'dockerode';
import { systemClock } from '../../controller/clock.ts';
import { cacheDocker } from '../../reconcilers/drivers/docker/cached.ts';
import { type DockerUnderTest, dockerConformance } from './docker.suite.ts';
import { makeReal } from './docker-made.ts';
import { realParts } from './docker-parts.ts';
import { until } from './until.ts';

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
