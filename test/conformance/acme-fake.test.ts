import { systemClock } from '../../controller/clock.ts';
import { FakeAcme } from '../../reconcilers/drivers/acme/fake.ts';
import { acmeConformance } from './acme.suite.ts';

acmeConformance('fake', async ({ bindings = {} }) => {
  const acme = new FakeAcme({ clock: systemClock });
  for (const [kid, key] of Object.entries(bindings)) acme.bindings.set(kid, key);
  acme.blocked.add('blocked.example.net');
  return {
    acme,
    server: acme.server,
    blocked: 'blocked.example.net',
    publish: async (host, type, value) => acme.publish(host, type, value),
    orders: () => acme.orders.length,
    root: () => acme.root(),
    halt: async () => {
      acme.down = true;
    },
    cleanup: async () => undefined,
  };
});
