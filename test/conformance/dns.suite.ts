/** What every provider of DNS must do. The fake, the name server and the emulated and real services each call this in a file of their own. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type {
  DnsReading,
  DnsWriting,
  Mark,
  RecordSet,
  SetChange,
  ZoneAccess,
} from '../../reconcilers/drivers/dns/index.ts';
import { valueDigest } from '../../reconcilers/drivers/dns/values.ts';
import type { RecordType } from '../../resources/dnsrecord.ts';
import { rejects } from './docker.suite.ts';

export interface DnsUnderTest {
  dns: DnsReading & DnsWriting;
  /** The zone to work in. */
  access: ZoneAccess;
  wrongCredentials: Readonly<Record<string, string>>;
  /** Makes a record without a mark, as a person would in the provider's console. */
  foreign(set: Omit<RecordSet, 'mark'>): Promise<void>;
  /** Everything in the zone, in an order of its own, to compare before and after. */
  dump(): Promise<string>;
  /** Prepares a change that the service itself refuses, where there is one. */
  refused?: () => Promise<Pick<SetChange, 'name' | 'type' | 'after'>>;
  cleanup(): Promise<void>;
}

const OWNER = 'conformance';

function marked(values: readonly string[], resource = 'app/wiki'): Mark {
  return { owner: OWNER, resource, values: values.map(valueDigest) };
}

export interface SuiteOptions {
  /** How many record sets are changed at once. Default 250. */
  many?: number;
}

export function dnsConformance(
  name: string,
  make: () => Promise<DnsUnderTest>,
  { many = 250 }: SuiteOptions = {},
): void {
  const test = suite(`DNS driver: ${name}`);
  let under: DnsUnderTest;
  test.before.each(async () => {
    under = await make();
  });
  test.after.each(() => under.cleanup());

  const full = (label: string) => (label === '' ? under.access.zone : `${label}.${under.access.zone}`);
  const find = async (label: string, type: RecordType) => {
    const sets = await under.dns.records(under.access, [{ name: full(label), type }]);
    return sets.find((set) => set.name === full(label) && set.type === type);
  };
  const create = (label: string, type: RecordType, values: readonly string[], ttl = 300): SetChange => ({
    name: full(label),
    type,
    after: { ttl, values, mark: marked(values) },
  });
  const change = async (...changes: SetChange[]) => {
    const refused = await under.dns.change(under.access, changes);
    assert.equal(
      refused.map(({ message }) => message),
      [],
    );
  };
  const remove = (before: RecordSet): SetChange => ({ name: before.name, type: before.type, before });
  const existing = async (label: string, type: RecordType): Promise<RecordSet> => {
    const set = await find(label, type);
    if (!set) throw new Error(`${type} ${full(label)} is not there`);
    return set;
  };

  test('a zone tells its name servers', async () => {
    const zone = await under.dns.zone(under.access);
    assert.is(zone.name, under.access.zone);
    assert.ok(zone.nameServers.length > 0);
    for (const server of zone.nameServers) assert.match(server, /^[a-z0-9.-]*[a-z0-9]$/);
  });

  test('a zone that is not there is not found', async () => {
    await rejects('notFound', under.dns.zone({ ...under.access, zone: 'not-there.example.net' }));
  });

  test('a zone above or below it is another zone', async () => {
    await rejects('notFound', under.dns.zone({ ...under.access, zone: full('below') }));
  });

  test('wrong credentials are denied, for looking and for changing', async () => {
    const access = { ...under.access, credentials: under.wrongCredentials };
    await rejects('denied', under.dns.zone(access));
    await rejects('denied', under.dns.records(access, []));
    await rejects('denied', under.dns.change(access, [create('wiki', 'A', ['192.0.2.1'])]));
    assert.is(await find('wiki', 'A'), undefined);
  });

  const rows: [type: RecordType, label: string, first: string[], second: string[]][] = [
    ['A', 'wiki', ['192.0.2.1'], ['192.0.2.1', '192.0.2.2']],
    ['A', '', ['192.0.2.1'], ['192.0.2.3']],
    ['A', '*', ['192.0.2.1'], ['192.0.2.3']],
    ['A', 'a.b.c', ['192.0.2.1'], ['192.0.2.3']],
    ['AAAA', 'wiki', ['2001:db8::1'], ['2001:db8::1:2', '2001:db8::2']],
    ['CNAME', 'www', ['wiki.example.net'], ['other.example.net']],
    ['MX', 'post', ['10 mail.example.net'], ['10 mail.example.net', '20 backup.example.net']],
    [
      'TXT',
      '_acme-challenge.wiki',
      ['aHR0cHM6Ly9leGFtcGxl'],
      ['one-more', 'v=text; with "signs" and \\ too'],
    ],
    ['TXT', '', ['v=spf1 a:my.example.com ~all'], ['v=spf1 -all']],
    ['TXT', 'long', ['k=rsa; p='.padEnd(700, 'ab9/')], ['k=rsa; p='.padEnd(256, 'x')]],
    [
      'SRV',
      '_imaps._tcp',
      ['0 5 993 mail.example.net'],
      ['0 5 993 mail.example.net', '5 5 993 m2.example.net'],
    ],
    [
      'CAA',
      'caa',
      ['0 issue letsencrypt.org'],
      ['0 issue letsencrypt.org', '128 iodef mailto:me@example.com'],
    ],
  ];

  for (const [type, label, first, second] of rows) {
    test(`${type} at "${label}" is made, changed and removed, and nothing is left of it`, async () => {
      const before = await under.dump();
      await change(create(label, type, first));
      const made = await existing(label, type);
      assert.equal([made.values, made.ttl], [first, 300]);
      assert.equal(made.mark && { ...made.mark, values: [...made.mark.values] }, marked(first));
      await change({ ...create(label, type, second, 600), before: made });
      const changed = await existing(label, type);
      assert.equal([[...changed.values].sort(), changed.ttl], [[...second].sort(), 600]);
      assert.equal([...(changed.mark?.values ?? [])].sort(), second.map(valueDigest).sort());
      await change(remove(changed));
      assert.is(await find(label, type), undefined);
      assert.is(await under.dump(), before);
    });
  }

  test('what somebody else made has no mark, and stays when ours beside it goes', async () => {
    await under.foreign({ name: full('theirs'), type: 'A', ttl: 300, values: ['192.0.2.9'] });
    await under.foreign({ name: full(''), type: 'TXT', ttl: 300, values: ['google-site-verification=x'] });
    const before = await under.dump();
    assert.is((await existing('theirs', 'A')).mark, undefined);
    await change(create('theirs', 'TXT', ['ours']), create('ours', 'A', ['192.0.2.1']));
    await change(remove(await existing('theirs', 'TXT')), remove(await existing('ours', 'A')));
    assert.is(await under.dump(), before);
  });

  test('a set of TXT is shared: our value is marked, the other is not, and each goes alone', async () => {
    await under.foreign({ name: full(''), type: 'TXT', ttl: 300, values: ['theirs'] });
    const dump = await under.dump();
    const before = await existing('', 'TXT');
    await change({
      name: full(''),
      type: 'TXT',
      before,
      after: { ttl: before.ttl, values: ['ours', 'theirs'], mark: marked(['ours']) },
    });
    const both = await existing('', 'TXT');
    assert.equal([...both.values].sort(), ['ours', 'theirs']);
    assert.equal(both.mark?.values, [valueDigest('ours')]);
    await change({
      name: full(''),
      type: 'TXT',
      before: both,
      after: { ttl: both.ttl, values: ['theirs'] },
    });
    assert.is(await under.dump(), dump);
  });

  test('a record that somebody else made meanwhile is not overwritten', async () => {
    await under.foreign({ name: full('wiki'), type: 'A', ttl: 300, values: ['192.0.2.9'] });
    const before = await under.dump();
    await rejects('conflict', under.dns.change(under.access, [create('wiki', 'A', ['192.0.2.1'])]));
    assert.is(await under.dump(), before);
  });

  test('a record that somebody changed meanwhile is not changed, and not removed', async () => {
    await change(create('wiki', 'A', ['192.0.2.1']));
    const seen = await existing('wiki', 'A');
    await change({ ...create('wiki', 'A', ['192.0.2.7']), before: seen });
    const before = await under.dump();
    await rejects(
      'conflict',
      under.dns.change(under.access, [{ ...create('wiki', 'A', ['192.0.2.2']), before: seen }]),
    );
    await rejects('conflict', under.dns.change(under.access, [remove(seen)]));
    assert.is(await under.dump(), before);
  });

  test('a record is taken over where that is asked for', async () => {
    await under.foreign({ name: full('wiki'), type: 'A', ttl: 120, values: ['192.0.2.9'] });
    const before = await existing('wiki', 'A');
    await change({ ...create('wiki', 'A', ['192.0.2.1']), before });
    const after = await existing('wiki', 'A');
    assert.equal([after.values, after.mark?.owner], [['192.0.2.1'], OWNER]);
  });

  test(`${many} record sets are made and removed at once`, async () => {
    const before = await under.dump();
    const labels = Array.from({ length: many }, (_, index) => `app-${index}`);
    await change(...labels.map((label) => create(label, 'A', ['192.0.2.1'])));
    const questions = labels.map((label) => ({ name: full(label), type: 'A' as const }));
    const made = (await under.dns.records(under.access, questions)).filter(
      ({ mark }) => mark?.owner === OWNER,
    );
    assert.equal(made.map((set) => set.name).sort(), labels.map(full).sort());
    await change(...made.map(remove));
    assert.is(await under.dump(), before);
  });

  test('of many changes the one that is refused is left out and told, and the rest is done', async () => {
    if (!under.refused) return;
    const bad = await under.refused();
    const refused = await under.dns.change(under.access, [
      create('one', 'A', ['192.0.2.1']),
      bad,
      create('two', 'A', ['192.0.2.2']),
    ]);
    assert.equal(
      refused.map(({ change: { name: which } }) => which),
      [bad.name],
    );
    assert.ok((refused[0]?.message ?? '').length > 10);
    assert.equal((await existing('one', 'A')).values, ['192.0.2.1']);
    assert.equal((await existing('two', 'A')).values, ['192.0.2.2']);
    assert.ok(under.dns.refusal(under.access, bad), 'it is remembered for a while');
  });

  test('what was read lately is not asked again, unless it was changed here', async () => {
    const questions = [{ name: full('wiki'), type: 'A' as const }];
    await under.dns.records(under.access, questions);
    await change(create('wiki', 'A', ['192.0.2.1']));
    const sets = await under.dns.records(under.access, questions, 3600);
    assert.ok(sets.some((set) => set.name === full('wiki')));
  });

  test.run();
}
