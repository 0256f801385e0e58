/** What an App makes of its addons: Bindings, what it waits for, and its environment. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { View } from '../../controller/engine/contract.ts';
import { addonsWant } from '../../reconcilers/app/addons.ts';
import { diffApp } from '../../reconcilers/app/diff.ts';
import { appStatus } from '../../reconcilers/app/status.ts';
import { credentialDigest } from '../../resources/credential.ts';
import type { Document } from '../../resources/document.ts';
import { effectiveApp } from '../../resources/effective.ts';
import type { AppSpec } from '../../resources/generated.ts';
import { makeDocument, makeHave, makeWant } from '../support/app.ts';

const UID = 'uid-wiki';

function viewOf(documents: readonly Document[]): View {
  return {
    get: (kind, name) => documents.find((entry) => entry.kind === kind && entry.metadata.name === name),
    list: (kind) => documents.filter((entry) => entry.kind === kind),
    childrenOf: (kind, uid) =>
      documents.filter(
        (entry) => entry.kind === kind && entry.metadata.ownerReferences?.some((owner) => owner.uid === uid),
      ),
    derived: (_name, _kinds, compute) => compute(viewOf(documents)),
    causeOf: () => 'a test',
  };
}

function binding(ready: [status: string, reason: string, message: string], status: object = {}): Document {
  const owner = { apiVersion: 'holdfast.dev/v1', kind: 'App', name: 'wiki', uid: UID, controller: true };
  const spec = { app: 'wiki', addon: 'postgresql', type: 'postgresql' };
  const [answer, reason, message] = ready;
  const Ready = { type: 'Ready', status: answer, reason, message, observedGeneration: 1 };
  const document = makeDocument('Binding', 'wiki-postgresql', spec, { ownerReferences: [owner] });
  return { ...document, status: { conditions: [Ready], ...status } } as unknown as Document;
}

const password = makeDocument('Secret', 'binding-wiki-postgresql', {
  stringData: { password: 'secret-word' },
});
const account = {
  host: 'postgresql',
  port: 5432,
  address: '10.213.0.9',
  account: { username: 'app_wiki', database: 'app_wiki' },
};
const isReady: [string, string, string] = ['True', 'Provisioned', 'it has its account'];

function addons(asked: Record<string, object>, ...documents: Document[]) {
  const manifest = { dockerImage: 'wiki:1', httpPort: 80, addons: asked } as NonNullable<AppSpec['manifest']>;
  const app = effectiveApp({ manifest }, 'wiki');
  return addonsWant(makeDocument('App', 'wiki', { manifest }, { uid: UID }), app, viewOf(documents));
}

const waits: { name: string; documents: Document[]; reason?: string; message?: RegExp }[] = [
  {
    name: 'an App whose Binding is not there yet waits',
    documents: [],
    reason: 'AddonNotReady',
    message: /wiki-postgresql: it is about to be made/,
  },
  {
    name: 'what the Binding waits for is passed on',
    documents: [binding(['False', 'AddonNotReady', 'addon/postgresql: the server does not answer yet'])],
    reason: 'AddonNotReady',
    message: /the server does not answer yet/,
  },
  {
    name: 'an Addon that cannot be is told with its own reason',
    documents: [binding(['False', 'AddonNotAvailable', 'addon/postgresql is of type mysql'])],
    reason: 'AddonNotAvailable',
    message: /is of type mysql/,
  },
  {
    name: 'a Binding without its password is not used',
    documents: [binding(isReady, account)],
    reason: 'AddonNotReady',
    message: /password is about to be made/,
  },
  {
    name: 'a password that the server does not have yet is waited for',
    documents: [binding(isReady, { ...account, credential: credentialDigest('before') }), password],
    reason: 'AddonNotReady',
    message: /is being changed/,
  },
  {
    name: 'an App whose account is there waits for nothing',
    documents: [binding(isReady, { ...account, credential: credentialDigest('secret-word') }), password],
  },
];

for (const row of waits) {
  test(row.name, () => {
    const { waiting } = addons({ postgresql: {} }, ...row.documents);
    assert.is(waiting?.reason, row.reason);
    if (row.message) assert.match(waiting?.message ?? '', row.message);
  });
}

test('the account is in the environment, and its host is known by name', () => {
  const known = binding(isReady, { ...account, credential: credentialDigest('secret-word') });
  const { env, hosts } = addons({ postgresql: {} }, known, password);
  assert.is(env['POSTGRESQL_URL'], 'postgres://app_wiki:secret-word@postgresql/app_wiki');
  assert.is(env['CLOUDRON_POSTGRESQL_PASSWORD'], 'secret-word');
  assert.equal(hosts, { postgresql: '10.213.0.9' });
});

for (const name of ['sendmail', 'recvmail', 'email', 'ldap', 'oauth', 'oidc', 'simpleauth']) {
  test(`an App that needs ${name} is told that it is not there`, () => {
    const { unavailable, bindings } = addons({ localstorage: {}, [name]: {} });
    assert.is(unavailable?.reason, 'AddonNotAvailable');
    assert.match(unavailable?.message ?? '', new RegExp(`addon ${name}`));
    assert.equal(bindings, []);
  });
}

test('an App asks for its accounts before anything else of it is made, and for its container when they are there', () => {
  const waiting = makeWant({ want: { addons: addons({ postgresql: {} }) } });
  const have = { ...makeHave(waiting), containers: [] };
  const steps = diffApp(waiting, have);
  assert.equal(
    steps.map(({ type }) => type),
    ['ApplyBinding'],
  );
  assert.equal(steps[0]?.child, {
    apply: {
      apiVersion: 'holdfast.dev/v1',
      kind: 'Binding',
      metadata: { name: 'wiki-postgresql' },
      spec: { app: 'wiki', addon: 'postgresql', type: 'postgresql' },
    },
  });
  const known = binding(isReady, { ...account, credential: credentialDigest('secret-word') });
  const want = makeWant({ want: { addons: addons({ postgresql: {} }, known, password) } });
  assert.equal(
    diffApp(want, have).map(({ type }) => type),
    ['CreateContainer', 'StartContainer'],
  );
});

test('a container that runs is left alone while the database is away, and the App says so', () => {
  const away = binding(['False', 'AddonNotReady', 'the server does not answer'], account);
  const want = makeWant({ want: { addons: addons({ postgresql: {} }, away, password) } });
  const have = makeHave(want);
  assert.equal(diffApp(want, have), []);
  const [draft] = appStatus(want, have, { pending: [], now: '' });
  assert.is(draft?.conditions[0]?.reason, 'AddonNotReady');
});

test('an account that is asked for no more is given up last, with its data kept', () => {
  const known = binding(isReady, account);
  const want = makeWant({ want: { addons: addons({}, known) } });
  const have = { ...makeHave(want), containers: [] };
  const steps = diffApp(want, have);
  assert.equal(
    steps.map(({ type }) => type),
    ['CreateContainer', 'StartContainer', 'DeleteBinding'],
  );
  assert.is(steps[2]?.impact, 'none');
});

test('only a deletion with --delete-data gives up the data of accounts', () => {
  for (const deleteData of [false, true]) {
    const owned = addons({}, binding(isReady, account));
    const want = makeWant({ want: { addons: owned, deleting: true, deleteData } });
    const step = diffApp(want, makeHave(want)).find(({ type }) => type === 'DeleteBinding');
    assert.is(step?.impact, deleteData ? 'data-loss' : 'none');
    assert.is((step?.work as { data?: boolean } | undefined)?.data, deleteData);
  }
});

test.run();
