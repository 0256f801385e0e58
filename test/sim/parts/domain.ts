/** Domains: who may change the zone, where the world is sent to, and what stands in the zone that is not ours. */
import type { FakeZone } from '../../../reconcilers/drivers/dns/fake.ts';
import type { RecordSet } from '../../../reconcilers/drivers/dns/index.ts';
import { API_VERSION, condition } from '../../../resources/document.ts';
import type { Random } from '../../support/random.ts';
import type { Invariant } from '../invariants.ts';
import { SECRET } from '../secrets.ts';
import type { Simulation } from '../simulation.ts';
import { PUBLIC_ADDRESS } from '../world.ts';
import { anyAppName, patchApp } from './app.ts';
import type { Part } from './part.ts';
import { applySecret } from './secret.ts';

export const NAMES = 'names';
export const DOMAIN = 'example.com';
const CREDENTIALS = 'dns';
const TOKEN = `${SECRET}-token`;
/** What others write into a zone. */
export const THEIR_ADDRESS = '198.51.100.66';

const TLS = [
  { issuer: 'internal' },
  { issuer: 'acme' },
  { issuer: 'acme', acme: { challenge: 'dns-01' } },
  { issuer: 'acme', wildcard: true },
];

export function zoneIn({ world: { dns } }: Simulation): FakeZone {
  const zone = dns.zones.get(DOMAIN) ?? dns.addZone(DOMAIN);
  if (zone.tokens.size === 0) zone.tokens.add(TOKEN);
  return zone;
}

const theirs = new WeakMap<Simulation, Map<string, string>>();

/** Sets of others, by `name TYPE`, and how they must look. */
function foreign(sim: Simulation): Map<string, string> {
  const known = theirs.get(sim) ?? new Map<string, string>();
  theirs.set(sim, known);
  return known;
}

function addForeign(sim: Simulation, name: string, type: RecordSet['type'], value: string): void {
  const { sets } = zoneIn(sim);
  const key = `${name} ${type}`;
  if (sets.has(key)) return;
  const set: RecordSet = { name, type, ttl: 3600, values: [value] };
  sets.set(key, set);
  foreign(sim).set(key, JSON.stringify(set));
}

const zoneOfOthersStays: Invariant = {
  name: 'a record of somebody else is never touched',
  check(sim, moment) {
    if (moment.type !== 'done' || moment.call.driver !== 'dns') return undefined;
    const { sets } = zoneIn(sim);
    for (const [key, look] of foreign(sim)) {
      const found = JSON.stringify(sets.get(key));
      if (found !== look) return `${key} was ${look} and is ${found ?? 'gone'}`;
    }
    return undefined;
  },
};

const ownIsMarked: Invariant = {
  name: 'what is written into a zone carries a mark',
  check(sim, moment) {
    if (moment.type !== 'done' || moment.call.method !== 'change') return undefined;
    const bare = [...zoneIn(sim).sets].find(
      ([key, { mark, values }]) => !mark && !foreign(sim).has(key) && !values.includes(THEIR_ADDRESS),
    );
    return bare && `${bare[0]} has none`;
  },
};

function applyDomain(sim: Simulation, random: Random): void {
  const spec = {
    provider: 'cloudflare',
    credentials: { secret: CREDENTIALS },
    tls: random.pick(TLS),
    ...(random.next() < 0.3 ? { ttl: random.pick([60, 600]) } : {}),
  };
  const document = { apiVersion: API_VERSION, kind: 'Domain', metadata: { name: DOMAIN }, spec };
  sim.people(`apply domain/${DOMAIN}`, [{ verb: 'apply', document, manager: 'holdfast' }]);
}

export const domainPart: Part = {
  kind: 'Domain',
  theme: NAMES,
  opening: ['a domain is applied', 'an app is applied', 'an app is named in the domain', 'time goes by'],
  disturbances: [
    {
      name: 'a domain is applied',
      weight: 8,
      essential: true,
      act(sim, random) {
        zoneIn(sim);
        applyDomain(sim, random);
        const isFirst = !sim.memory.documents.has(`Secret/${CREDENTIALS}`);
        if (isFirst && random.next() < 0.7) applySecret(sim, CREDENTIALS, { token: TOKEN });
      },
    },
    {
      name: 'credentials of the zone are applied',
      weight: 4,
      essential: true,
      act(sim, random) {
        applySecret(sim, CREDENTIALS, { token: random.next() < 0.8 ? TOKEN : `${SECRET}-wrong` });
      },
    },
    {
      name: 'a domain is deleted',
      weight: 1,
      act(sim) {
        if (!sim.memory.documents.has(`Domain/${DOMAIN}`)) return;
        const reference = { kind: 'Domain', name: DOMAIN };
        sim.people(`delete domain/${DOMAIN}`, [{ verb: 'delete', reference }]);
      },
    },
    {
      name: 'an app is named in the domain',
      weight: 16,
      essential: true,
      act(sim, random) {
        const name = anyAppName(sim, random);
        const aliases = random.pick([null, [`${name}-alias.${DOMAIN}`], [DOMAIN]]);
        patchApp(sim, name, random.pick([{ domain: DOMAIN, aliases }, { domain: DOMAIN }, { domain: null }]));
      },
    },
    {
      name: 'the public address changes',
      weight: 1,
      announced: false,
      act({ world: { address } }, random) {
        const found = random.pick([
          { ipv4: PUBLIC_ADDRESS },
          { ipv4: '203.0.113.8' },
          { ipv4: PUBLIC_ADDRESS, ipv6: '2001:db8::7' },
        ]);
        address.addresses = random.next() < 0.2 ? undefined : found;
      },
    },
    {
      name: 'somebody has a record of their own',
      weight: 2,
      act(sim, random) {
        addForeign(sim, `theirs-${random.below(100)}.${DOMAIN}`, 'A', THEIR_ADDRESS);
        addForeign(sim, `${random.pick(sim.appNames)}.${DOMAIN}`, 'TXT', `theirs ${random.below(1000)}`);
      },
    },
    {
      name: 'a record of somebody else has the name',
      weight: 1,
      announced: false,
      act(sim, random) {
        const name = `${random.pick(sim.appNames)}.${DOMAIN}`;
        if (random.next() < 0.6) addForeign(sim, name, 'A', THEIR_ADDRESS);
        else addForeign(sim, name, 'CNAME', 'elsewhere.example.net');
      },
    },
    {
      name: 'the provider lets nobody in for a while',
      weight: 1,
      announced: false,
      act(sim, random) {
        const { tokens } = zoneIn(sim);
        tokens.delete(TOKEN);
        tokens.add('another');
        sim.clock.after(random.pick([20_000, 400_000]), () => tokens.add(TOKEN));
      },
    },
    {
      name: 'the provider refuses a name for a while',
      weight: 1,
      announced: false,
      act(sim, random) {
        const name = `${random.pick(sim.appNames)}.${DOMAIN}`;
        const { refuses } = sim.world.dns;
        refuses.set(name, 'rate limit exceeded');
        sim.clock.after(random.pick([5_000, 120_000]), () => refuses.delete(name));
      },
    },
    {
      name: 'no name server answers for a while',
      weight: 1,
      announced: false,
      act(sim, random) {
        const { dns } = sim.world;
        dns.silent = true;
        sim.clock.after(random.pick([5_000, 120_000]), () => {
          dns.silent = false;
        });
      },
    },
  ],
  invariants: [zoneOfOthersStays, ownIsMarked],
  lift(sim) {
    const { dns, address } = sim.world;
    dns.silent = false;
    dns.refuses.clear();
    address.addresses ??= { ipv4: PUBLIC_ADDRESS };
    const zone = dns.zones.get(DOMAIN);
    if (!zone) return;
    zone.tokens.add(TOKEN);
    for (const [key, { mark, name }] of [...zone.sets]) {
      if (mark || key.endsWith(' TXT') || name.startsWith('theirs-')) continue;
      zone.sets.delete(key);
      foreign(sim).delete(key);
    }
    const secret = sim.store?.get('Secret', CREDENTIALS)?.spec as
      | { stringData?: { token?: string } }
      | undefined;
    if (secret?.stringData?.token !== TOKEN) applySecret(sim, CREDENTIALS, { token: TOKEN });
  },
  problems(sim) {
    const domain = sim.memory.documents.get(`Domain/${DOMAIN}`);
    if (!domain) return [];
    const name = `domain/${DOMAIN}`;
    const ready = condition(domain, 'Ready');
    if (domain.metadata.deletionTimestamp)
      return isUsed(sim) ? [] : [`${name} is still being deleted, and nothing uses it`];
    if (domain.status?.observedGeneration !== domain.metadata.generation)
      return [`${name} has an old status`];
    const isRight = hasCredentials(sim);
    if ((ready?.status === 'True') === isRight) return [];
    return [`${name} is ${ready?.reason} with ${isRight ? 'good' : 'bad'} credentials: ${ready?.message}`];
  },
  leftovers(sim) {
    const zone = sim.world.dns.zones.get(DOMAIN);
    const marked = [...(zone?.sets ?? [])].filter(([, { mark }]) => mark);
    const domain = sim.memory.documents.has(`Domain/${DOMAIN}`) ? [`domain/${DOMAIN} is left`] : [];
    return [...domain, ...marked.map(([key]) => `the zone keeps ${key}`)];
  },
};

function hasCredentials(sim: Simulation): boolean {
  const secret = sim.memory.documents.get(`Secret/${CREDENTIALS}`);
  const { token } = (secret?.spec as { stringData?: { token?: string } } | undefined)?.stringData ?? {};
  return token !== undefined && zoneIn(sim).tokens.has(token);
}

function isUsed({ memory }: Simulation): boolean {
  return [...memory.documents.values()].some(
    ({ kind, spec }) => (kind === 'App' || kind === 'DNSRecord') && spec['domain'] === DOMAIN,
  );
}
