import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { View } from '../../controller/engine/contract.ts';
import { appWant } from '../../reconcilers/app/want.ts';
import type { Document } from '../../resources/document.ts';
import { makeDocument, NETWORK } from '../support/app.ts';

const platform = {
  ...makeDocument('Platform', 'platform', {}),
  status: { network: { id: 'n', ...NETWORK } },
} as Document;

function viewOf(documents: readonly Document[]): View {
  return {
    get: (kind, name) => documents.find((entry) => entry.kind === kind && entry.metadata.name === name),
    list: (kind) => documents.filter((entry) => entry.kind === kind),
    childrenOf: () => [],
    derived: (_name, _kinds, compute) => compute(viewOf(documents)),
    causeOf: () => 'a test',
  };
}

function app(
  name: string,
  spec: Record<string, unknown>,
  day = 1,
  status?: Record<string, unknown>,
): Document {
  const creationTimestamp = `2026-01-0${day}T00:00:00.000Z`;
  const document = makeDocument(
    'App',
    name,
    { image: 'x:1', port: 80, ...spec },
    { uid: `uid-${name}`, creationTimestamp },
  );
  return (status ? { ...document, status } : document) as Document;
}

const SSH = { tcpPorts: { SSH: { containerPort: 22 } } };

interface Row {
  name: string;
  documents: Document[];
  /** Reason and, in parts, message of what stands in the way of `new`. */
  blocked?: string[];
  waiting?: string[];
}

const rows: Row[] = [
  { name: 'nothing stands in the way of an App alone', documents: [app('new', {})] },
  {
    name: 'a location that an older App has is named with its holder',
    documents: [app('old', { location: 'www' }, 1), app('new', { location: 'www' }, 2)],
    blocked: ['LocationConflict', 'www.localhost', 'app/old'],
  },
  {
    name: 'an alias counts as a location',
    documents: [app('old', { aliases: ['new.localhost'] }, 1), app('new', {}, 2)],
    blocked: ['LocationConflict', 'new.localhost', 'app/old'],
  },
  {
    name: 'who has it already keeps it against an older App that comes later',
    documents: [
      app('new', { location: 'www' }, 1),
      app('younger', { location: 'www' }, 2, { hosts: ['www.localhost'] }),
    ],
    blocked: ['LocationConflict', 'www.localhost', 'app/younger'],
  },
  {
    name: 'who had it and wants it no more does not keep it',
    documents: [
      app('old', { location: 'other' }, 1, { hosts: ['www.localhost'] }),
      app('new', { location: 'www' }, 2),
    ],
  },
  {
    name: 'a public port that an older App has is named with its holder',
    documents: [
      app('old', { ...SSH, ports: { SSH: 2222 } }, 1),
      app('new', { ...SSH, ports: { SSH: 2222 } }, 2),
    ],
    blocked: ['PortConflict', '2222', 'app/old'],
  },
  {
    name: 'the ports of the edge are nobody else’s',
    documents: [app('new', { ...SSH, ports: { SSH: 443 } })],
    blocked: ['PortConflict', '443', 'platform'],
  },
  {
    name: 'a domain that is not there is waited for',
    documents: [app('new', { domain: 'example.com' })],
    waiting: ['ReferenceNotFound', 'domain/example.com'],
  },
  {
    name: 'a Secret that is not there is waited for, with its key',
    documents: [app('new', { env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] })],
    waiting: ['ReferenceNotFound', 'key k of secret/s'],
  },
  {
    name: 'a key that may be missing is not waited for',
    documents: [
      app('new', {
        env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional: true } } }],
      }),
    ],
  },
  {
    name: 'registry credentials that are not there are waited for',
    documents: [app('new', { imagePullSecret: 'registry' })],
    waiting: ['ReferenceNotFound', 'secret/registry'],
  },
];

for (const { name, documents, blocked, waiting } of rows) {
  test(name, () => {
    const want = appWant('new', viewOf([platform, ...documents]));
    assert.ok(want);
    const found = { blocked: want.blocked, waiting: want.waiting };
    for (const [key, parts] of Object.entries({ blocked, waiting }) as [
      'blocked' | 'waiting',
      string[] | undefined,
    ][]) {
      const text = found[key] ? `${found[key].reason} ${found[key].message}` : undefined;
      if (parts === undefined) assert.is(text, undefined);
      else for (const part of parts) assert.ok(text?.includes(part), `${text} names ${part}`);
    }
  });
}

test('values come from stringData and from base64 data, and names that objects inherit are not keys', () => {
  const secret = makeDocument('Secret', 's', {
    stringData: { a: 'one' },
    data: { b: Buffer.from('two').toString('base64') },
  });
  const from = (name: string, key: string) => ({
    name,
    valueFrom: { secretKeyRef: { name: 's', key, optional: true } },
  });
  const document = app('new', { env: [from('A', 'a'), from('B', 'b'), from('C', 'constructor')] });
  const want = appWant('new', viewOf([platform, secret, document]));
  assert.is(want?.env['A'], 'one');
  assert.is(want?.env['B'], 'two');
  assert.is(want?.env['C'], undefined);
});

test('packages find the variables of the older platform, and their ports', () => {
  const document = app('new', { ...SSH, ports: { SSH: 2222 } });
  const want = appWant('new', viewOf([platform, document]));
  const { CLOUDRON, APP_ORIGIN, APP_DOMAIN, API_ORIGIN, CLOUDRON_APP_DOMAIN, SSH: ssh } = want?.env ?? {};
  assert.equal(
    { CLOUDRON, APP_ORIGIN, APP_DOMAIN, API_ORIGIN, CLOUDRON_APP_DOMAIN, ssh },
    {
      CLOUDRON: '1',
      APP_ORIGIN: 'https://new.localhost',
      APP_DOMAIN: 'new.localhost',
      API_ORIGIN: 'https://my.localhost',
      CLOUDRON_APP_DOMAIN: 'new.localhost',
      ssh: '2222',
    },
  );
});

test('without a network of the platform an App waits and says for what', () => {
  const want = appWant('new', viewOf([makeDocument('Platform', 'platform', {}), app('new', {})]));
  assert.is(want?.waiting?.reason, 'PlatformNotReady');
});

test.run();
