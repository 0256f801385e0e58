/** Certificates of an ACME authority: how they are asked for, renewed and served, and what a bad day of the authority is. */
import { X509Certificate } from 'node:crypto';
import { fits } from '../../../reconcilers/certificate/pem.ts';
import { coversAll } from '../../../resources/certificate.ts';
import { ANNOTATION, condition, type Document } from '../../../resources/document.ts';
import type { CertificateSpec, CertificateStatus } from '../../../resources/generated.ts';
import type { Call } from '../drivers.ts';
import type { Invariant } from '../invariants.ts';
import type { Simulation } from '../simulation.ts';
import { annotate } from './app.ts';
import { DOMAIN, NAMES } from './domain.ts';
import type { Part } from './part.ts';

const isOpen = ({ status }: { status: string }) => status !== 'valid' && status !== 'invalid';
const namesOf = ({ hosts, account }: { hosts: readonly string[]; account: string }) =>
  `${account} ${[...hosts].sort().join()}`;

/** Of a certificate's own memory, which goes with its documents: what was asked for by one that is gone is of nobody. */
interface Memory {
  forgotten: number;
  /** URLs of orders with what had been forgotten when they were asked for. */
  orders: Map<string, number>;
  asked: WeakMap<Call, number>;
}

const memories = new WeakMap<Simulation, Memory>();

function memoryOf(sim: Simulation): Memory {
  const memory = memories.get(sim) ?? { forgotten: 0, orders: new Map(), asked: new WeakMap() };
  memories.set(sim, memory);
  return memory;
}

const neverTwoOrders: Invariant = {
  name: 'no certificate is ordered a second time while the first order is open',
  check(sim, moment) {
    const memory = memoryOf(sim);
    const { forgotten, orders, asked } = memory;
    if (moment.type === 'change' && moment.change.type === 'DELETED' && moment.change.document.kind === 'Key')
      memory.forgotten += 1;
    // Its names were others for a while, so that nobody needed it.
    if (moment.type === 'log' && moment.text.includes('"type":"ForgetOrder"')) memory.forgotten += 1;
    if (moment.type !== 'call' && moment.type !== 'done') return undefined;
    if (moment.call.method !== 'placeOrder') return undefined;
    if (moment.type === 'call') {
      asked.set(moment.call, forgotten);
      return undefined;
    }
    // It may have waited for long, or be the late one of a controller that died.
    const since = asked.get(moment.call) ?? forgotten;
    for (const { url } of sim.world.acme.orders) if (!orders.has(url)) orders.set(url, since);
    const known = sim.world.acme.orders.filter(({ url }) => orders.get(url) === forgotten);
    const newest = known.at(-1);
    const before = known.at(-2);
    const isTwice =
      newest && before && isOpen(newest) && isOpen(before) && namesOf(newest) === namesOf(before);
    return isTwice ? `${before.url} and ${newest.url} are both open for ${newest.hosts.join()}` : undefined;
  },
};

const servedStays: Invariant = {
  name: 'what is served is not taken away before there is another',
  check({ memory, world: { nginx } }, moment) {
    if (moment.type !== 'done' || moment.call.method !== 'removeCertificate') return undefined;
    const file = String(moment.call.args[0]);
    // Another one took its place just then.
    if (nginx.pems.has(file)) return undefined;
    const owner = certificates(memory.documents).find(({ status }) => fileOf(status) === file);
    const domain = memory.documents.get(`Domain/${DOMAIN}`);
    const { issuer } = (domain?.spec['tls'] ?? {}) as { issuer?: string };
    const hosts = (owner?.spec['hosts'] ?? []) as string[];
    const isSite = ({ kind, spec }: Document) =>
      kind === 'Site' && (spec['hosts'] as string[]).some((host) => hosts.includes(host));
    const isNeeded = issuer === 'acme' && [...memory.documents.values()].some(isSite);
    return owner && isNeeded && !owner.metadata.deletionTimestamp
      ? `${file} of certificate/${owner.metadata.name} is removed`
      : undefined;
  },
};

const pairsFit: Invariant = {
  name: 'nginx is given no certificate with another key',
  check({ world: { nginx } }, moment) {
    if (moment.type !== 'done' || moment.call.method !== 'writeCertificate') return undefined;
    const file = String(moment.call.args[0]);
    const pair = file.startsWith('domain_') ? nginx.pems.get(file) : undefined;
    return pair && !fits(pair) ? `the key of ${file} is another` : undefined;
  },
};

const fileOf = (status: unknown) => (status as CertificateStatus | undefined)?.file;

function certificates(documents: ReadonlyMap<string, Document>): Document[] {
  return [...documents.values()].filter(({ kind }) => kind === 'Certificate');
}

export const certificatePart: Part = {
  kind: 'Certificate',
  theme: NAMES,
  disturbances: [
    {
      name: 'the authority is away for a while',
      weight: 2,
      announced: false,
      act(sim, random) {
        const { acme } = sim.world;
        acme.down = true;
        sim.clock.after(random.pick([2_000, 200_000]), () => {
          acme.down = false;
        });
      },
    },
    {
      name: 'the authority limits orders for a while',
      weight: 1,
      announced: false,
      act({ world: { acme }, clock }, random) {
        acme.limitedUntil = clock.now() + random.pick([60_000, 3_600_000]);
      },
    },
    {
      name: 'the authority does not issue for a name',
      weight: 1,
      announced: false,
      act: (sim, random) => void sim.world.acme.blocked.add(`${random.pick(sim.appNames)}.${DOMAIN}`),
    },
    {
      name: 'it is time to renew',
      weight: 2,
      announced: false,
      act: ({ clock }, random) => clock.jump(random.pick([55, 65, 100]) * 86_400_000),
    },
    {
      name: 'a certificate in the folder of nginx is another',
      weight: 1,
      announced: false,
      act({ world: { nginx } }, random) {
        const names = [...nginx.pems.keys()].filter((name) => name.startsWith('domain_'));
        if (names.length > 0) nginx.pems.set(random.pick(names), { certificate: 'other', key: 'other' });
      },
    },
  ],
  invariants: [neverTwoOrders, servedStays, pairsFit],
  lift(sim) {
    const { acme } = sim.world;
    acme.down = false;
    acme.limitedUntil = 0;
    acme.blocked.clear();
    const held = certificates(sim.memory.documents).flatMap(({ status }) => {
      const { retryAt } = (status ?? {}) as CertificateStatus;
      return retryAt === undefined ? [] : [Date.parse(retryAt)];
    });
    if (held.length === 0) return;
    // A limit is sat out.
    const until = Math.max(...held);
    if (until > sim.clock.now()) sim.clock.jump(until + 1_000 - sim.clock.now());
    const domain = sim.memory.documents.get(`Domain/${DOMAIN}`);
    if (domain) annotate(sim, domain, ANNOTATION.retriedAt);
  },
  problems: (sim) =>
    certificates(sim.memory.documents).flatMap((certificate) =>
      problemsOf(sim, certificate).map((problem) => `certificate/${certificate.metadata.name}: ${problem}`),
    ),
  leftovers: ({ memory }) =>
    certificates(memory.documents).map(({ metadata }) => `certificate/${metadata.name} is left`),
};

function problemsOf(sim: Simulation, certificate: Document): string[] {
  const { metadata, status } = certificate;
  const { hosts, issuer } = certificate.spec as unknown as CertificateSpec;
  const domain = sim.memory.documents.get(`Domain/${DOMAIN}`);
  if (metadata.deletionTimestamp) return ['it is still being deleted'];
  // What needs a record waits with it; what nobody needs is only kept.
  if (issuer !== 'acme' || hosts.length === 0 || !domain || condition(domain, 'Ready')?.status !== 'True')
    return [];
  const isServed = hosts.every((host) => host.startsWith('*.') || isSiteThere(sim, host));
  const ready = condition(certificate, 'Ready');
  if (ready?.status !== 'True') return isServed ? [`it is ${ready?.reason}: ${ready?.message}`] : [];
  const pair = sim.world.nginx.pems.get(fileOf(status) ?? '');
  if (!pair || !fits(pair)) return ['nginx has no certificate with its key'];
  const leaf = new X509Certificate(pair.certificate);
  const names = (leaf.subjectAltName ?? '').split(', ').map((entry) => entry.slice(4));
  const until = Date.parse(leaf.validTo);
  if (!coversAll(names, hosts)) return isServed ? [`it is for ${names.join()}, not for ${hosts.join()}`] : [];
  if (until < sim.clock.now()) return [`it ended on ${leaf.validTo}`];
  const { renewAt } = (status ?? {}) as CertificateStatus;
  const isLate = renewAt !== undefined && Date.parse(renewAt) < sim.clock.now();
  return isLate && isServed ? [`it was to be renewed at ${renewAt}`] : [];
}

/** http-01 waits until nginx answers for the host. */
function isSiteThere({ store }: Simulation, host: string): boolean {
  const site = store?.list('Site').items.find(({ spec }) => (spec['hosts'] as string[]).includes(host));
  return site !== undefined && condition(site, 'Ready')?.status === 'True';
}
