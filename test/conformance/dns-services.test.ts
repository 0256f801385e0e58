/**
 * Route 53, DigitalOcean and Cloudflare, emulated from their public API references; and the real services, where the environment
 * has credentials and a zone to work in that holds nothing else:
 *
 *   HOLDFAST_TEST_ROUTE53_ZONE       with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
 *   HOLDFAST_TEST_DIGITALOCEAN_ZONE  with DIGITALOCEAN_TOKEN
 *   HOLDFAST_TEST_CLOUDFLARE_ZONE    with CLOUDFLARE_API_TOKEN
 */
import { systemClock } from '../../controller/clock.ts';
import type { ProviderName, RecordSet, ZoneAccess } from '../../reconcilers/drivers/dns/index.ts';
import { canonicalValues, quoteText } from '../../reconcilers/drivers/dns/values.ts';
import { createDns } from '../../reconcilers/drivers/dns/zones.ts';
import { CLOUDFLARE_TOKEN, startCloudflare } from '../support/dns/cloudflare.ts';
import { DIGITALOCEAN_TOKEN, startDigitalOcean } from '../support/dns/digitalocean.ts';
import { ROUTE53_CREDENTIALS, startRoute53 } from '../support/dns/route53.ts';
import { type DnsUnderTest, dnsConformance } from './dns.suite.ts';

const ZONE = 'example.com';
const clash = {
  name: `bad.${ZONE}`,
  type: 'CNAME' as const,
  after: { ttl: 300, values: ['else.example.net'] },
};

dnsConformance('Route 53, emulated', async () => {
  const service = await startRoute53({ pageSize: 100 });
  service.addZone('aaa.example.com');
  service.addZone(ZONE, { private: true });
  const id = service.addZone(ZONE);
  const foreign = async ({ name, type, ttl, values }: Omit<RecordSet, 'mark'>) =>
    service.put(id, { name, type, ttl, values: type === 'TXT' ? values.map(quoteText) : [...values] });
  return {
    dns: createDns({ clock: systemClock }),
    access: {
      provider: 'route53',
      zone: ZONE,
      credentials: { ...ROUTE53_CREDENTIALS, endpoint: service.endpoint },
    },
    wrongCredentials: { ...ROUTE53_CREDENTIALS, secretAccessKey: 'wrong', endpoint: service.endpoint },
    foreign,
    dump: async () =>
      JSON.stringify(
        service
          .sets(id)
          .map((set) => JSON.stringify(set))
          .sort(),
      ),
    async refused() {
      await foreign({ name: clash.name, type: 'A', ttl: 300, values: ['192.0.2.9'] });
      return clash;
    },
    cleanup: () => service.stop(),
  };
});

dnsConformance('DigitalOcean, emulated', async () => {
  const service = await startDigitalOcean({ pageSize: 50 });
  service.addZone(ZONE);
  const relative = (name: string) => (name === ZONE ? '@' : name.slice(0, -ZONE.length - 1));
  const foreign = async ({ name, type, ttl, values }: Omit<RecordSet, 'mark'>) => {
    for (const data of values) service.put(ZONE, { name: relative(name), type, ttl, data });
  };
  return {
    dns: createDns({ clock: systemClock }),
    access: {
      provider: 'digitalocean',
      zone: ZONE,
      credentials: { token: DIGITALOCEAN_TOKEN, endpoint: service.endpoint },
    },
    wrongCredentials: { token: 'wrong', endpoint: service.endpoint },
    foreign,
    dump: async () =>
      JSON.stringify(
        service
          .records(ZONE)
          .map(({ id: _id, ...record }) => JSON.stringify(record))
          .sort(),
      ),
    async refused() {
      await foreign({ name: clash.name, type: 'A', ttl: 300, values: ['192.0.2.9'] });
      return clash;
    },
    cleanup: () => service.stop(),
  };
});

dnsConformance('Cloudflare, emulated', async () => {
  const service = await startCloudflare({ pageSize: 100 });
  service.addZone(ZONE);
  const foreign = async ({ name, type, ttl, values }: Omit<RecordSet, 'mark'>) => {
    for (const content of values)
      service.put(ZONE, { name, type, ttl, content: type === 'TXT' ? quoteText(content) : content });
  };
  return {
    dns: createDns({ clock: systemClock }),
    access: {
      provider: 'cloudflare',
      zone: ZONE,
      credentials: { token: CLOUDFLARE_TOKEN, endpoint: service.endpoint },
    },
    wrongCredentials: { token: 'wrong', endpoint: service.endpoint },
    foreign,
    dump: async () =>
      JSON.stringify(
        service
          .records(ZONE)
          .map(({ id: _id, ...record }) => JSON.stringify(record))
          .sort(),
      ),
    async refused() {
      await foreign({ name: clash.name, type: 'A', ttl: 300, values: ['192.0.2.9'] });
      return clash;
    },
    cleanup: () => service.stop(),
  };
});

/** The real service: what the test makes is removed again, and nothing else is touched. */
function real(
  provider: ProviderName,
  zone: string | undefined,
  credentials: Record<string, string | undefined>,
): void {
  if (zone === undefined || Object.values(credentials).some((value) => value === undefined)) return;
  const access: ZoneAccess = { provider, zone, credentials: credentials as Record<string, string> };
  const make = async (): Promise<DnsUnderTest> => {
    const dns = createDns({ clock: systemClock });
    const all = () => dns.records(access, []);
    const removeAll = async () => {
      const sets = (await all()).filter((set) => set.special === undefined);
      await dns.change(
        access,
        sets.map((before) => ({ name: before.name, type: before.type, before })),
      );
    };
    await removeAll();
    return {
      dns,
      access,
      wrongCredentials: Object.fromEntries(Object.keys(credentials).map((key) => [key, 'wrong'])),
      async foreign({ name, type, ttl, values }) {
        await dns.change(access, [{ name, type, after: { ttl, values: canonicalValues(type, values) } }]);
      },
      dump: async () => JSON.stringify((await all()).map((set) => JSON.stringify(set)).sort()),
      cleanup: removeAll,
    };
  };
  dnsConformance(`${provider}, the real service`, make, { many: 20 });
}

const { env } = process;
real('route53', env['HOLDFAST_TEST_ROUTE53_ZONE'], {
  accessKeyId: env['AWS_ACCESS_KEY_ID'],
  secretAccessKey: env['AWS_SECRET_ACCESS_KEY'],
});
real('digitalocean', env['HOLDFAST_TEST_DIGITALOCEAN_ZONE'], { token: env['DIGITALOCEAN_TOKEN'] });
real('cloudflare', env['HOLDFAST_TEST_CLOUDFLARE_ZONE'], { token: env['CLOUDFLARE_API_TOKEN'] });
