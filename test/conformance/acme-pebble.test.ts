/** The real client against pebble: strict, and refusing one good nonce in five. */
import { systemClock } from '../../controller/clock.ts';
import { createAcme } from '../../reconcilers/drivers/acme/client.ts';
import { missingPebble, startPebble } from '../support/pebble.ts';
import { acmeConformance } from './acme.suite.ts';

const missing = missingPebble();
if (missing === undefined) {
  acmeConformance('pebble', async (options) => {
    const pebble = await startPebble({ ...options, blocked: ['blocked.example.net'] });
    return {
      acme: createAcme({ clock: systemClock }),
      server: { directory: pebble.directory, ca: pebble.ca },
      blocked: 'blocked.example.net',
      publish: (host, type, value) =>
        type === 'dns-01'
          ? pebble.putTxt(`_acme-challenge.${host}`, value)
          : pebble.putHttp(value.split('.')[0] ?? '', value),
      orders: () => pebble.orders(),
      root: () => pebble.root(),
      halt: () => pebble.halt(),
      cleanup: () => pebble.stop(),
    };
  });
} else {
  console.log(`SKIP: ACME driver against pebble: ${missing}`);
}
