/** From wanted and found records to changes: ownership, shared sets of TXT, SPF, CNAME. And marks, as they stand in a zone. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { diffRecords, foreignProblem } from '../../reconcilers/dnsrecord/diff.ts';
import { mergeSpf, withoutSpf } from '../../reconcilers/dnsrecord/spf.ts';
import { recordsWant, setKey } from '../../reconcilers/dnsrecord/want.ts';
import type { RecordSet } from '../../reconcilers/drivers/dns/index.ts';
import { markName, markText, parseMark, withMarks } from '../../reconcilers/drivers/dns/marks.ts';
import { valueDigest } from '../../reconcilers/drivers/dns/values.ts';
import type { Document } from '../../resources/document.ts';
import { makeDocument } from '../support/app.ts';
import { viewOf } from './site-world.ts';

const OWNER = 'this-server';
const domain: Document = {
  ...makeDocument('Domain', 'example.com', {
    provider: 'cloudflare',
    credentials: { secret: 'dns' },
    owner: OWNER,
  }),
  status: { zone: 'example.com' } as Document['status'] & { zone: string },
};
const secret = makeDocument('Secret', 'dns', { stringData: { token: 't' } });

let count = 0;
function record(name: string, type: string, values: string[], more: Record<string, unknown> = {}): Document {
  count += 1;
  const { deleted, owner = 'wiki', ...spec } = more;
  const uid = `uid-${count}`;
  return makeDocument(
    'DNSRecord',
    `r${count}`,
    { domain: 'example.com', name, type, values, ...spec },
    {
      uid,
      creationTimestamp: `2026-01-01T00:00:${String(count % 60).padStart(2, '0')}.000Z`,
      ownerReferences: [
        { apiVersion: 'holdfast.dev/v1', kind: 'App', name: String(owner), uid: 'o', controller: true },
      ],
      ...(deleted ? { deletionTimestamp: '2026-01-02T00:00:00.000Z' } : {}),
    },
  );
}

function found(
  name: string,
  type: RecordSet['type'],
  values: string[],
  ours: string[] | 'other' | undefined = undefined,
  spf?: string,
): RecordSet {
  const set = { name, type, ttl: 300, values: [...values].sort() };
  if (ours === undefined) return set;
  const owner = ours === 'other' ? 'another-server' : OWNER;
  const marked = ours === 'other' ? values : ours;
  const mark = {
    owner,
    resource: 'app/wiki',
    values: marked.map(valueDigest).sort(),
    ...(spf === undefined ? {} : { spf }),
  };
  return { ...set, mark };
}

function changes(records: Document[], zone: RecordSet[]): string[] {
  const want = recordsWant('example.com', viewOf([domain, secret, ...records]));
  if (!want) return [];
  const published = new Map(zone.map((set) => [setKey(set), set]));
  const have = { published, refused: new Map(), answers: new Map(), nameServers: [] };
  return diffRecords(want, have).flatMap((step) =>
    step.changes.map(({ name, type, before, after }) => {
      const verb = !after ? '-' : before ? '~' : '+';
      const marks = after?.mark
        ? ` [${after.values.filter((value) => after.mark?.values.includes(valueDigest(value))).join('|')}]`
        : '';
      return `${verb} ${type} ${name} ${after?.values.join('|') ?? ''}${marks}`.trim();
    }),
  );
}

const WIKI = 'wiki.example.com';

interface Row {
  name: string;
  records: Document[];
  zone: RecordSet[];
  changes: string[];
}

const rows: Row[] = [
  {
    name: 'what is missing is made, with a mark',
    records: [record(WIKI, 'A', ['192.0.2.1'])],
    zone: [],
    changes: [`+ A ${WIKI} 192.0.2.1 [192.0.2.1]`],
  },
  {
    name: 'what is there as wanted is left',
    records: [record(WIKI, 'A', ['192.0.2.1'])],
    zone: [found(WIKI, 'A', ['192.0.2.1'], ['192.0.2.1'])],
    changes: [],
  },
  {
    name: 'what is ours and differs is changed',
    records: [record(WIKI, 'A', ['192.0.2.1'])],
    zone: [found(WIKI, 'A', ['192.0.2.9'], ['192.0.2.1'])],
    changes: [`~ A ${WIKI} 192.0.2.1 [192.0.2.1]`],
  },
  {
    name: 'a mark that was left by a crash is taken up',
    records: [record(WIKI, 'A', ['192.0.2.1'])],
    zone: [found(WIKI, 'A', [], ['192.0.2.1'])],
    changes: [`~ A ${WIKI} 192.0.2.1 [192.0.2.1]`],
  },
  {
    name: 'what somebody else made is left',
    records: [record(WIKI, 'A', ['192.0.2.1'])],
    zone: [found(WIKI, 'A', ['198.51.100.1'])],
    changes: [],
  },
  {
    name: 'what another server of Holdfast made is left, even where it is the same',
    records: [record(WIKI, 'A', ['192.0.2.1'])],
    zone: [found(WIKI, 'A', ['192.0.2.1'], 'other')],
    changes: [],
  },
  {
    name: 'it is taken over with adopt',
    records: [record(WIKI, 'A', ['192.0.2.1'], { adopt: true })],
    zone: [found(WIKI, 'A', ['198.51.100.1'])],
    changes: [`~ A ${WIKI} 192.0.2.1 [192.0.2.1]`],
  },
  {
    name: 'a CNAME of somebody else is in the way',
    records: [record(WIKI, 'A', ['192.0.2.1'])],
    zone: [found(WIKI, 'CNAME', ['else.example.net'])],
    changes: [],
  },
  {
    name: 'a CNAME of somebody else goes with adopt, before the address comes',
    records: [record(WIKI, 'A', ['192.0.2.1'], { adopt: true })],
    zone: [found(WIKI, 'CNAME', ['else.example.net'])],
    changes: [`- CNAME ${WIKI}`, `+ A ${WIKI} 192.0.2.1 [192.0.2.1]`],
  },
  {
    name: 'an alias of the provider is never changed',
    records: [record(WIKI, 'A', ['192.0.2.1'], { adopt: true })],
    zone: [{ ...found(WIKI, 'A', ['an alias of x']), special: 'an alias of x' }],
    changes: [],
  },
  {
    name: 'what is deleted goes when it is ours',
    records: [record(WIKI, 'A', ['192.0.2.1'], { deleted: true })],
    zone: [found(WIKI, 'A', ['192.0.2.1'], ['192.0.2.1'])],
    changes: [`- A ${WIKI}`],
  },
  {
    name: 'what is deleted stays when it is somebody else’s',
    records: [record(WIKI, 'A', ['192.0.2.1'], { deleted: true })],
    zone: [found(WIKI, 'A', ['192.0.2.1'])],
    changes: [],
  },
  {
    name: 'what one owner gives up and another wants is not removed in between',
    records: [record(WIKI, 'A', ['192.0.2.1'], { deleted: true }), record(WIKI, 'A', ['192.0.2.1'])],
    zone: [found(WIKI, 'A', ['192.0.2.1'], ['192.0.2.1'])],
    changes: [],
  },
  {
    name: 'text stands beside that of others',
    records: [record('example.com', 'TXT', ['ours'])],
    zone: [found('example.com', 'TXT', ['theirs'])],
    changes: ['~ TXT example.com ours|theirs [ours]'],
  },
  {
    name: 'text of two owners is one set',
    records: [
      record('_acme-challenge.example.com', 'TXT', ['one'], { owner: 'a' }),
      record('_acme-challenge.example.com', 'TXT', ['two'], { owner: 'b' }),
    ],
    zone: [],
    changes: ['+ TXT _acme-challenge.example.com one|two [one|two]'],
  },
  {
    name: 'text of one of two owners goes alone',
    records: [
      record('_acme-challenge.example.com', 'TXT', ['one'], { owner: 'a' }),
      record('_acme-challenge.example.com', 'TXT', ['two'], { owner: 'b', deleted: true }),
    ],
    zone: [found('_acme-challenge.example.com', 'TXT', ['one', 'two', 'theirs'], ['one', 'two'])],
    changes: ['~ TXT _acme-challenge.example.com one|theirs [one]'],
  },
  {
    name: 'text that is ours goes and that of others stays, without a mark',
    records: [record('example.com', 'TXT', ['ours'], { deleted: true })],
    zone: [found('example.com', 'TXT', ['ours', 'theirs'], ['ours'])],
    changes: ['~ TXT example.com theirs'],
  },
  {
    name: 'SPF of somebody else is added to',
    records: [record('example.com', 'TXT', ['v=spf1 a:my.example.com ~all'])],
    zone: [found('example.com', 'TXT', ['v=spf1 include:_spf.example.net -all', 'theirs'])],
    changes: ['~ TXT example.com theirs|v=spf1 a:my.example.com include:_spf.example.net -all []'],
  },
  {
    name: 'SPF that was added to is left',
    records: [record('example.com', 'TXT', ['v=spf1 a:my.example.com ~all'])],
    zone: [
      found(
        'example.com',
        'TXT',
        ['v=spf1 a:my.example.com include:_spf.example.net -all'],
        [],
        'a:my.example.com',
      ),
    ],
    changes: [],
  },
  {
    name: 'SPF of somebody else is as before when ours goes',
    records: [record('example.com', 'TXT', ['v=spf1 a:my.example.com ~all'], { deleted: true })],
    zone: [
      found(
        'example.com',
        'TXT',
        ['v=spf1 a:my.example.com include:_spf.example.net -all'],
        [],
        'a:my.example.com',
      ),
    ],
    changes: ['~ TXT example.com v=spf1 include:_spf.example.net -all'],
  },
  {
    name: 'SPF of our own is a value like any other',
    records: [record('example.com', 'TXT', ['v=spf1 a:my.example.com ~all'])],
    zone: [],
    changes: ['+ TXT example.com v=spf1 a:my.example.com ~all [v=spf1 a:my.example.com ~all]'],
  },
  {
    name: 'what cannot be a record is left out, and the rest is made',
    records: [record('x.example.com', 'A', ['not-an-address']), record(WIKI, 'A', ['192.0.2.1'])],
    zone: [],
    changes: [`+ A ${WIKI} 192.0.2.1 [192.0.2.1]`],
  },
  {
    name: 'a name outside the domain is left out',
    records: [record('wiki.example.org', 'A', ['192.0.2.1'])],
    zone: [],
    changes: [],
  },
  {
    name: 'the zone itself cannot be a CNAME',
    records: [record('example.com', 'CNAME', ['other.example.net'])],
    zone: [],
    changes: [],
  },
  {
    name: 'of two owners that want one name the older has it',
    records: [
      record(WIKI, 'A', ['192.0.2.1'], { owner: 'old' }),
      record(WIKI, 'A', ['192.0.2.2'], { owner: 'new' }),
    ],
    zone: [],
    changes: [`+ A ${WIKI} 192.0.2.1 [192.0.2.1]`],
  },
  {
    name: 'how a provider writes addresses makes no difference',
    records: [record(WIKI, 'AAAA', ['2001:DB8::0:1'])],
    zone: [found(WIKI, 'AAAA', ['2001:db8::1'], ['2001:db8::1'])],
    changes: [],
  },
];

for (const row of rows) test(row.name, () => assert.equal(changes(row.records, row.zone), row.changes));

test('what stands in the way is told with its values and who made it', () => {
  const want = recordsWant('example.com', viewOf([domain, secret, record(WIKI, 'A', ['192.0.2.1'])]));
  const [set] = want?.sets ?? [];
  assert.ok(want && set);
  const other = found(WIKI, 'A', ['198.51.100.1'], 'other');
  const problem = foreignProblem(want, set, new Map([[setKey(other), other]]));
  assert.match(
    problem?.message ?? '',
    /198\.51\.100\.1, made by another Holdfast \(another-server, for app\/wiki\)/,
  );
});

test('what was done is not needed again, for every row', () => {
  for (const row of rows) {
    const want = recordsWant('example.com', viewOf([domain, secret, ...row.records]));
    if (!want) continue;
    const published = new Map(row.zone.map((set) => [setKey(set), set]));
    const have = { published, refused: new Map(), answers: new Map(), nameServers: [] };
    for (const { changes: list } of diffRecords(want, have)) {
      for (const { name, type, after } of list) {
        if (after) published.set(setKey({ name, type }), { name, type, ...after });
        else published.delete(setKey({ name, type }));
      }
    }
    assert.equal(diffRecords(want, have), [], row.name);
  }
});

const spf: [theirs: string, ours: string, merged: string][] = [
  ['v=spf1 -all', 'v=spf1 a:my.example.com ~all', 'v=spf1 a:my.example.com -all'],
  ['v=spf1 a:my.example.com -all', 'v=spf1 a:my.example.com ~all', 'v=spf1 a:my.example.com -all'],
  ['V=SPF1 mx', 'v=spf1 a:a.example ip4:192.0.2.1 ~all', 'V=SPF1 a:a.example ip4:192.0.2.1 mx'],
  ['v=spf1', 'v=spf1 mx', 'v=spf1 mx'],
  ['v=spf1 redirect=_spf.example.net', 'v=spf1 mx', 'v=spf1 mx redirect=_spf.example.net'],
];

for (const [theirs, ours, merged] of spf) {
  test(`SPF ${theirs} with ${ours} is ${merged}, and can be taken back`, () => {
    const { value, added } = mergeSpf(theirs, ours);
    assert.is(value, merged);
    assert.is(added === undefined ? value : withoutSpf(value, added), theirs);
  });
}

test('taking SPF back leaves what somebody changed since', () => {
  assert.is(
    withoutSpf('v=spf1 include:new.example a:my.example.com -all', 'a:my.example.com'),
    'v=spf1 include:new.example -all',
  );
});

test('a mark comes back from its text, and other text is none', () => {
  const mark = { owner: 'abc', resource: 'app/wiki', values: ['aa', 'bb'], spf: 'a:my.example.com mx' };
  assert.equal(parseMark(markText(mark)), mark);
  for (const text of ['', 'heritage=external-dns,external-dns/owner=x', 'v=spf1 -all', 'heritage=holdfast'])
    assert.is(parseMark(text), undefined);
});

test('marks of wildcards, the zone itself and challenges stand at names of their own', () => {
  const names = ['*.example.com', 'example.com', '_acme-challenge.example.com'].map((name) => ({
    name,
    type: 'TXT' as const,
  }));
  const raw = names.flatMap((of) => [
    { ...of, ttl: 60, values: ['x'] },
    {
      name: markName(of),
      type: 'TXT' as const,
      ttl: 300,
      values: [markText({ owner: 'me', resource: 'r', values: [] })],
    },
  ]);
  assert.equal(
    withMarks(raw).map(({ name, mark }) => [name, mark?.owner]),
    names.map(({ name }) => [name, 'me']),
  );
});

test.run();
