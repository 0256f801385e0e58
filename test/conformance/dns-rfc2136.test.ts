/** Signed dynamic updates, against a real name server: with transfers, and name by name where they are not allowed. */
import { systemClock } from '../../controller/clock.ts';
import { createDns } from '../../reconcilers/drivers/dns/zones.ts';
import { type KnotOptions, knotMissing, startKnot } from '../support/knot.ts';
import { dnsConformance } from './dns.suite.ts';

const missing = knotMissing();
if (missing !== undefined) console.log(`SKIP: ${missing}`);
else {
  const make = (options: KnotOptions) => async () => {
    const knot = await startKnot({ records: 'other A 192.0.2.200\n', ...options });
    return {
      dns: createDns({ clock: systemClock }),
      access: { provider: 'rfc2136' as const, zone: knot.zone, credentials: knot.credentials },
      wrongCredentials: { ...knot.credentials, key: Buffer.from('another secret').toString('base64') },
      foreign: knot.add,
      dump: knot.dump,
      cleanup: knot.stop,
    };
  };
  dnsConformance('rfc2136 with transfers, HMAC-SHA256', make({}));
  dnsConformance('rfc2136 name by name, HMAC-SHA512', make({ transfer: false, algorithm: 'hmac-sha512' }));
}
