/** Domains, DNSRecords and the names of Apps, through the whole controller on fakes. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { makePlan } from '../../controller/engine/plan.ts';
import { DriverError } from '../../reconcilers/drivers/error.ts';
import { classifyFailure } from '../../reconcilers/failure.ts';
import type { Document } from '../../resources/document.ts';
import { IMAGE } from '../support/controller.ts';
import { type Small, startSmall, type Wanted } from '../support/dns/controller.ts';

const test = suite<{ small: Small }>('DNS');
test.before.each(async (context) => {
  context.small = await startSmall();
  context.small.dns.addZone('example.com');
});
test.after.each(({ small }) => small.controller.close());

const APP = { image: IMAGE, port: 8080 };

const SECRET: Wanted = ['Secret', 'dns', { stringData: { token: 'right' } }];
const cloudflare = { provider: 'cloudflare', credentials: { secret: 'dns' } };
const DOMAIN: Wanted = ['Domain', 'example.com', cloudflare];
const OPEN: Wanted = ['Platform', 'platform', { http: { addresses: ['0.0.0.0', '::'] } }];
const app = (name: string, spec: Record<string, unknown> = {}): Wanted => [
  'App',
  name,
  { ...APP, domain: 'example.com', ...spec },
];

const statusOf = (document: Document | undefined) => (document?.status ?? {}) as Record<string, unknown>;

test('an App in a Domain gets its record, whatever is applied first', async ({ small }) => {
  await small.apply(OPEN, app('wiki'));
  await small.pass(3_000);
  assert.is(small.condition('App', 'wiki')?.reason, 'ReferenceNotFound');
  await small.apply(DOMAIN);
  await small.pass(3_000);
  assert.match(small.condition('App', 'wiki')?.message ?? '', /secret\/dns/);
  await small.apply(SECRET);
  await small.pass(30_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  assert.equal(small.condition('App', 'wiki')?.reason, 'Serving');
  const status = statusOf(small.record('wiki.example.com'));
  assert.equal([status['wanted'], status['published']], [['192.0.2.1'], ['192.0.2.1']]);
  assert.is((status['resolved'] as unknown[]).length, 2);
});

test('an App that goes takes its record with it, and only that', async ({ small }) => {
  small.dns.zones.get('example.com')?.sets.set('theirs.example.com A', {
    name: 'theirs.example.com',
    type: 'A',
    ttl: 60,
    values: ['198.51.100.1'],
  });
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'), app('blog'));
  await small.pass(20_000);
  const before = small.zone();
  assert.is(before.length, 3);
  await small.remove('App', 'wiki');
  await small.pass(10_000);
  assert.equal(
    small.zone(),
    before.filter((line) => !line.includes('wiki')),
  );
  assert.is(small.get('App', 'wiki'), undefined);
  assert.is(small.record('wiki.example.com'), undefined);
});

test('records of 200 Apps go out in at most 5 batches, and a second look changes nothing', async ({
  small,
}) => {
  await small.apply(OPEN, SECRET, DOMAIN);
  await small.pass(5_000);
  await small.apply(...Array.from({ length: 200 }, (_, index) => app(`app-${index}`)));
  await small.pass(30_000);
  assert.is(small.zone().length, 200);
  assert.ok(small.dns.batches.length <= 5, `${small.dns.batches.length} batches`);
  // On a busy machine the clock of the test runs ahead of two hundred Apps.
  let { version } = small.controller.store;
  for (let round = 0, before = -1; before !== version && round < 60; round += 1) {
    before = version;
    await small.pass(2_000);
    version = small.controller.store.version;
  }
  const batches = small.dns.batches.length;
  await small.controller.core.engine.resync();
  await small.pass(5_000);
  assert.is(small.dns.batches.length, batches);
  assert.is(small.controller.store.version, version);
});

test('what somebody else made is not overwritten, told, and taken over when that is asked for', async ({
  small,
}) => {
  const theirs = { name: 'wiki.example.com', type: 'A' as const, ttl: 60, values: ['198.51.100.1'] };
  small.dns.zones.get('example.com')?.sets.set('wiki.example.com A', theirs);
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'), app('blog'));
  await small.pass(20_000);
  assert.equal(small.zone(), ['A blog.example.com 192.0.2.1', 'A wiki.example.com 198.51.100.1']);
  const record = small.record('wiki.example.com');
  const ready = (record?.status?.conditions ?? []).find(({ type }) => type === 'Ready');
  assert.is(ready?.reason, 'RecordExists');
  assert.match(ready?.message ?? '', /198\.51\.100\.1, made by somebody else.*adopt/);
  assert.match(small.condition('App', 'wiki')?.message ?? '', /made by somebody else/);
  assert.is(small.condition('App', 'blog')?.reason, 'Serving', 'it holds up nobody else');
  await small.apply(app('wiki', { adopt: true }));
  await small.pass(20_000);
  assert.equal(small.zone(), ['A blog.example.com 192.0.2.1', 'A wiki.example.com 192.0.2.1']);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
});

test('a record that somebody else made as it is wanted is left to them', async ({ small }) => {
  const theirs = { name: 'wiki.example.com', type: 'A' as const, ttl: 60, values: ['192.0.2.1'] };
  small.dns.zones.get('example.com')?.sets.set('wiki.example.com A', theirs);
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  assert.is(small.dns.batches.length, 0);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
  await small.remove('App', 'wiki');
  await small.pass(10_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
});

test('a record that somebody changes or removes is put right', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  const { sets } = small.dns.zones.get('example.com') ?? { sets: new Map() };
  const ours = sets.get('wiki.example.com A');
  sets.set('wiki.example.com A', { ...ours, values: ['203.0.113.9'] });
  await small.pass(310_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  sets.delete('wiki.example.com A');
  await small.pass(310_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
});

test('the public address is followed, and kept when it cannot be found for a while', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  small.address.addresses = undefined;
  await small.pass(600_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  assert.is(small.condition('Domain', 'example.com', 'AddressKnown')?.status, 'Unknown');
  assert.is(small.condition('Domain', 'example.com')?.status, 'True');
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
  small.address.addresses = { ipv4: '192.0.2.77', ipv6: '2001:db8::77' };
  await small.pass(330_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.77', 'AAAA wiki.example.com 2001:db8::77']);
  small.address.addresses = { ipv4: '192.0.2.77' };
  await small.pass(330_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.77']);
});

test('an address that is never found keeps records from being made and nothing else', async ({ small }) => {
  small.address.addresses = undefined;
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'), ['App', 'local', APP]);
  await small.pass(20_000);
  assert.is(small.condition('Domain', 'example.com')?.status, 'True');
  assert.is(small.condition('Domain', 'example.com', 'AddressKnown')?.reason, 'AddressUnknown');
  assert.match(small.condition('App', 'wiki', 'Named')?.message ?? '', /spec\.address/);
  assert.is(small.condition('App', 'local')?.reason, 'Serving');
});

test('fixed addresses are taken as they are, and the other family gets no records', async ({ small }) => {
  small.address.addresses = undefined;
  const domain = { ...cloudflare, address: { ipv4: '203.0.113.5' } };
  await small.apply(OPEN, SECRET, ['Domain', 'example.com', domain], app('wiki', { location: '' }));
  await small.pass(20_000);
  assert.equal(small.zone(), ['A example.com 203.0.113.5']);
});

test('a family that nginx does not listen on gets no records', async ({ small }) => {
  small.address.addresses = { ipv4: '192.0.2.1', ipv6: '2001:db8::1' };
  await small.apply(
    ['Platform', 'platform', { http: { addresses: ['0.0.0.0'] } }],
    SECRET,
    DOMAIN,
    app('wiki'),
  );
  await small.pass(20_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  await small.apply(OPEN);
  await small.pass(20_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1', 'AAAA wiki.example.com 2001:db8::1']);
});

test('a Domain tells when nginx listens on the loopback only', async ({ small }) => {
  await small.apply(SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  assert.is(small.condition('Domain', 'example.com', 'Listening')?.reason, 'LoopbackOnly');
  assert.match(small.condition('App', 'wiki', 'Named')?.message ?? '', /spec\.http\.addresses/);
});

test('an alias in a Domain gets a record, one elsewhere tells where to point it and where it points', async ({
  small,
}) => {
  small.dns.addZone('other.net');
  small.dns.elsewhere.set('shop.friend.org', { cnames: [], addresses: ['198.51.100.9'] });
  await small.apply(OPEN, SECRET, DOMAIN, ['Domain', 'other.net', cloudflare]);
  await small.apply(app('wiki', { aliases: ['www.other.net', 'other.net', 'shop.friend.org'] }));
  await small.pass(20_000);
  assert.equal(small.zone('other.net'), ['A other.net 192.0.2.1', 'A www.other.net 192.0.2.1']);
  const status = statusOf(small.get('App', 'wiki'));
  assert.is(status['cnameTarget'], 'wiki.example.com');
  assert.equal(status['aliases'], [{ name: 'shop.friend.org', leadsTo: ['198.51.100.9'], here: false }]);
  assert.match(
    small.condition('App', 'wiki', 'AliasesLeadHere')?.message ?? '',
    /shop\.friend\.org leads to 198\.51\.100\.9, and not here.*CNAME of wiki\.example\.com/,
  );
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
  small.dns.elsewhere.set('shop.friend.org', { cnames: ['wiki.example.com'], addresses: ['192.0.2.1'] });
  await small.pass(130_000);
  assert.is(small.condition('App', 'wiki', 'AliasesLeadHere')?.status, 'True');
  await small.apply(app('wiki', { aliases: ['www.other.net'] }));
  await small.pass(20_000);
  assert.equal(small.zone('other.net'), ['A www.other.net 192.0.2.1']);
  assert.is(statusOf(small.get('App', 'wiki'))['cnameTarget'], undefined);
});

interface Bad {
  name: string;
  prepare: (small: Small) => void;
  spec?: Record<string, unknown>;
  reason: string;
  words: RegExp;
}

const bad: Bad[] = [
  {
    name: 'wrong credentials',
    prepare: ({ dns }) => dns.addZone('bad.org').tokens.add('another'),
    reason: 'AccessDenied',
    words: /refuses.*secret\/dns/,
  },
  {
    name: 'a zone that is not there',
    prepare: () => undefined,
    reason: 'ZoneNotFound',
    words: /no zone bad\.org.*Add the zone there/,
  },
  {
    name: 'a name in somebody else’s zone',
    prepare: ({ dns }) => {
      dns.delegations.set('bad.org', ['ns1.somebody.example']);
    },
    reason: 'ZoneNotFound',
    words: /sent to ns1\.somebody\.example for bad\.org.*somebody else/,
  },
  {
    name: 'name servers that are another provider’s',
    prepare: ({ dns }) => {
      dns.addZone('bad.org');
      dns.delegations.set('bad.org', ['ns1.old.example']);
    },
    reason: 'WrongNameServers',
    words: /sent to ns1\.old\.example.*set its name servers to ns1\.bad\.org/,
  },
  {
    name: 'a zone that the world does not know',
    prepare: ({ dns }) => {
      dns.addZone('bad.org');
      dns.delegations.set('bad.org', []);
    },
    reason: 'NotDelegated',
    words: /where the domain is registered, set its name servers/,
  },
];

for (const { name, prepare, reason, words, spec } of bad) {
  test(`${name}: a condition that says what to do, and other Domains go on`, async ({ small }) => {
    prepare(small);
    await small.apply(OPEN, SECRET, DOMAIN, ['Domain', 'bad.org', { ...cloudflare, ...spec }]);
    await small.apply(app('wiki'), app('stuck', { domain: 'bad.org' }));
    await small.pass(20_000);
    const ready = small.condition('Domain', 'bad.org');
    assert.equal([ready?.status, ready?.reason], ['False', reason]);
    assert.match(ready?.message ?? '', words);
    assert.is(small.condition('App', 'stuck')?.reason, 'DomainNotReady');
    assert.match(small.condition('App', 'stuck')?.message ?? '', words);
    assert.is(statusOf(small.get('Domain', 'bad.org'))['zone'], undefined);
    assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
    assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  });
}

test('a provider that never answers costs its own Domain only', async ({ small }) => {
  small.dns.addZone('slow.org');
  small.dns.before = (_verb, zone) => (zone === 'slow.org' ? new Promise<never>(() => undefined) : undefined);
  await small.apply(OPEN, SECRET, ['Domain', 'slow.org', cloudflare], app('slow', { domain: 'slow.org' }));
  await small.apply(DOMAIN, app('wiki'));
  await small.pass(20_000);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
  await small.pass(100_000);
  assert.is(small.condition('Domain', 'slow.org')?.status, 'Unknown');
});

test('DNS that is down after all was well takes no App down', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  small.dns.silent = true;
  await small.pass(310_000);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
  small.dns.before = () => {
    throw new DriverError('unavailable', 'the provider cannot be reached');
  };
  await small.pass(310_000);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
  assert.is(small.condition('Domain', 'example.com')?.reason, 'ProviderUnavailable');
  Object.assign(small.dns, { before: undefined, silent: false });
  await small.pass(310_000);
  assert.is(small.condition('Domain', 'example.com')?.status, 'True');
});

test('other credentials never change the zone', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  small.dns.zones.get('example.com')?.tokens.add('new');
  await small.pass(310_000);
  assert.is(small.condition('Domain', 'example.com')?.reason, 'AccessDenied');
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
  await small.apply(['Secret', 'dns', { stringData: { token: 'new' } }]);
  await small.pass(20_000);
  assert.is(statusOf(small.get('Domain', 'example.com'))['zone'], 'example.com');
  assert.is(small.condition('Domain', 'example.com')?.status, 'True');
});

test('the zone of a Domain that was verified cannot be changed', async ({ small }) => {
  await small.apply(OPEN, SECRET, ['Domain', 'apps.example.com', { ...cloudflare, zone: 'example.com' }]);
  await small.apply(app('wiki', { domain: 'apps.example.com' }));
  await small.pass(20_000);
  assert.equal(small.zone(), ['A wiki.apps.example.com 192.0.2.1']);
  await small.apply(['Domain', 'apps.example.com', { ...cloudflare, zone: 'apps.example.com' }]);
  await small.pass(20_000);
  assert.is(small.condition('Domain', 'apps.example.com')?.reason, 'ZoneChanged');
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
});

test('a Domain in use is deleted when nothing uses it any more, with its records gone', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  await small.remove('Domain', 'example.com');
  await small.pass(10_000);
  const ready = small.condition('Domain', 'example.com');
  assert.equal([ready?.reason, /app\/wiki/.test(ready?.message ?? '')], ['InUse', true]);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  await small.remove('App', 'wiki');
  await small.pass(10_000);
  assert.equal(small.zone(), []);
  assert.is(small.get('Domain', 'example.com'), undefined);
});

test('without its credentials a record is not forgotten but waits to be removed', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  await small.remove('Secret', 'dns');
  await small.remove('App', 'wiki');
  await small.pass(10_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  assert.is(small.get('App', 'wiki'), undefined);
  assert.ok(small.record('wiki.example.com'));
  await small.apply(SECRET);
  await small.pass(10_000);
  assert.equal(small.zone(), []);
  assert.is(small.record('wiki.example.com'), undefined);
});

test('an App that is made again at once keeps its record all the time', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(20_000);
  await small.remove('App', 'wiki');
  await small.pass(500);
  await small.pass(10_000);
  await small.apply(app('wiki'));
  await small.pass(20_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
});

test('what the provider refuses is told, is not tried in a loop, and holds up nobody', async ({ small }) => {
  small.dns.refuses.set('wiki.example.com', 'the provider does not like wiki');
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'), app('blog'));
  await small.pass(30_000);
  const batches = small.dns.batches.length;
  assert.match(small.condition('App', 'wiki')?.message ?? '', /does not like wiki/);
  assert.is(small.condition('App', 'blog')?.reason, 'Serving');
  await small.pass(310_000);
  assert.is(small.dns.batches.length, batches);
});

test('manual: each record says exactly what to make, and is Ready when it is there', async ({ small }) => {
  await small.apply(OPEN, ['Domain', 'example.com', { provider: 'manual' }], app('wiki'));
  await small.pass(20_000);
  assert.is(small.condition('App', 'wiki')?.reason, 'DNSNotReady');
  assert.match(
    small.condition('App', 'wiki')?.message ?? '',
    /make "wiki\.example\.com\. 300 A 192\.0\.2\.1"/,
  );
  assert.is(small.dns.batches.length, 0);
  const made = { name: 'wiki.example.com', type: 'A' as const, ttl: 300, values: ['192.0.2.1'] };
  small.dns.zones.get('example.com')?.sets.set('wiki.example.com A', made);
  await small.pass(40_000);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
  await small.remove('App', 'wiki');
  await small.pass(10_000);
  assert.is(small.record('wiki.example.com'), undefined);
});

test('noop: nobody keeps records, and the App serves', async ({ small }) => {
  await small.apply(OPEN, ['Domain', 'nowhere.internal', { provider: 'noop' }]);
  await small.apply(app('wiki', { domain: 'nowhere.internal' }));
  await small.pass(20_000);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
});

test('a suspended Domain is looked at and not changed', async ({ small }) => {
  await small.apply(OPEN, SECRET, ['Domain', 'example.com', { ...cloudflare, suspend: true }], app('wiki'));
  await small.pass(20_000);
  assert.equal(small.zone(), []);
  assert.match(small.condition('App', 'wiki')?.message ?? '', /suspended/);
});

test('a crash at any time leaves nothing behind and loses nothing', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN, app('wiki'));
  await small.pass(1_500);
  await small.controller.restart();
  await small.pass(20_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  const batches = small.dns.batches.length;
  await small.controller.restart();
  await small.pass(20_000);
  assert.is(small.dns.batches.length, batches);
  assert.is(small.condition('App', 'wiki')?.reason, 'Serving');
});

test('a plan of an App shows its record down to the zone, and writes nothing', async ({ small }) => {
  await small.apply(OPEN, SECRET, DOMAIN);
  await small.pass(5_000);
  const [kind, name, spec] = app('wiki');
  const { version } = small.controller.store;
  const plan = await makePlan({
    dryRun: (writes, by) => small.controller.store.write([...writes], by, { dryRun: true }),
    view: small.controller.core.engine.view,
    reading: small.controller.core.reading,
    reconcilers: small.controller.core.reconcilers,
    classify: classifyFailure,
    author: { user: 'root', via: 'cli' },
    now: '2026-01-01T00:00:00.000Z',
    documents: [{ apiVersion: 'holdfast.dev/v1', kind, metadata: { name }, spec }],
    deletions: [],
    manager: 'test',
  });
  const steps = plan.steps.map(({ step }) => `${step.type} ${step.message}`);
  assert.ok(
    steps.some((step) => step === 'ApplyRecord ask for the record A wiki.example.com'),
    steps.join('\n'),
  );
  assert.ok(
    steps.some((step) => step === 'ChangeRecords make A wiki.example.com'),
    steps.join('\n'),
  );
  assert.not(JSON.stringify(plan).includes('right'), 'no credentials in it');
  assert.is(small.controller.store.version, version);
  assert.equal(small.zone(), []);
});

test('secret values are in no document but the Secret, and in no event', async ({ small }) => {
  await small.apply(OPEN, ['Secret', 'dns', { stringData: { token: 'wortvonmir' } }], DOMAIN, app('wiki'));
  small.dns.zones.get('example.com')?.tokens.add('wortvonmir');
  await small.pass(20_000);
  assert.equal(small.zone(), ['A wiki.example.com 192.0.2.1']);
  const all: Document[] = ['Domain', 'DNSRecord', 'App', 'Site', 'Event'].flatMap((kind) => [
    ...small.controller.store.list(kind).items,
  ]);
  assert.not(JSON.stringify(all).includes('wortvonmir'));
});

test.run();
