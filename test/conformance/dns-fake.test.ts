/** The fake DNS, held to the same text as the real providers. */
import { createFakeDns } from '../../reconcilers/drivers/dns/fake.ts';
import { dnsConformance } from './dns.suite.ts';

dnsConformance('fake', async () => {
  const dns = createFakeDns();
  const zone = dns.addZone('example.com');
  zone.tokens.add('right');
  dns.refuses.set('bad.example.com', 'the provider does not like this name');
  return {
    dns,
    access: { provider: 'cloudflare', zone: 'example.com', credentials: { token: 'right' } },
    wrongCredentials: { token: 'wrong' },
    async foreign(set) {
      zone.sets.set(`${set.name} ${set.type}`, set);
    },
    async dump() {
      return JSON.stringify([...zone.sets].sort());
    },
    refused: async () => ({
      name: 'bad.example.com',
      type: 'A',
      after: { ttl: 300, values: ['192.0.2.1'] },
    }),
    cleanup: async () => {},
  };
});
