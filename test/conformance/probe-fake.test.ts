/** The fake probe, held to the same text as the real one. */
import { systemClock } from '../../controller/clock.ts';
import { createFakeProbe } from '../../reconcilers/drivers/probe/fake.ts';
import { probeConformance } from './probe.suite.ts';

probeConformance('fake', async () => {
  const probe = createFakeProbe({ clock: systemClock });
  return {
    probe,
    async target(behaviour) {
      if (behaviour !== 'refused') probe.answers.set('127.0.0.1:1', behaviour);
      return {
        address: '127.0.0.1',
        port: 1,
        path: '/',
        host: 'wiki.localhost',
        timeoutMilliseconds: 10_000,
      };
    },
    cleanup: async () => {},
  };
});
