import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StoreError } from '../../controller/store/types.ts';
import { type MakeStore, withApi } from './api-client.ts';
import { memoryStore } from './api-memory-store.ts';

const makeStore: MakeStore = async (kinds) => {
  const store = memoryStore(kinds);
  return { store, end: () => store.close() };
};

test('discovery leads from the root to every kind of the registry', () =>
  withApi(makeStore, async ({ call }) => {
    assert.equal((await call('GET', '/api')).body.versions, ['v1']);
    const core = (await call('GET', '/api/v1')).body;
    assert.ok(core.resources.some(({ name }: { name: string }) => name === 'pods/exec'));
    const groups = (await call('GET', '/apis')).body;
    assert.is(groups.kind, 'APIGroupList');
    assert.is(groups.groups[0].preferredVersion.groupVersion, 'holdfast.dev/v1');
    const group = (await call('GET', '/apis/holdfast.dev')).body;
    assert.is(group.kind, 'APIGroup');
    assert.is(group.name, 'holdfast.dev');
    const { kind, groupVersion, resources } = (await call('GET', '/apis/holdfast.dev/v1')).body;
    assert.is(kind, 'APIResourceList');
    assert.is(groupVersion, 'holdfast.dev/v1');
    assert.equal(
      resources.map((resource: { name: string }) => resource.name),
      [
        'apps',
        'secrets',
        'sites',
        'sources',
        'apps/status',
        'secrets/status',
        'sites/status',
        'sources/status',
        'apps/log',
        'apps/exec',
      ],
    );
    assert.equal(resources[0], {
      name: 'apps',
      singularName: 'app',
      namespaced: false,
      kind: 'App',
      verbs: ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'],
      shortNames: ['ap'],
      categories: ['all'],
    });
    assert.equal(resources[2].verbs, ['get', 'list', 'watch']);
  }));

test('the version is that of the program', () =>
  withApi(makeStore, async ({ call }) => {
    const { body } = await call('GET', '/version');
    assert.is(body.gitVersion, 'v0.1.0');
    assert.is(body.minor, '1');
  }));

test('health says ok, and readiness what is not', async () => {
  await withApi(makeStore, async ({ call }) => {
    for (const url of ['/healthz', '/livez', '/readyz']) {
      const { code, text } = await call('GET', url);
      assert.equal([code, text], [200, 'ok']);
    }
    assert.match((await call('GET', '/readyz?verbose')).text, '[+]store ok\nreadyz check passed');
  });
  const ready = () => [{ name: 'docker', ok: false, message: 'no answer on /var/run/docker.sock' }];
  await withApi(
    makeStore,
    async ({ call }) => {
      const { code, text } = await call('GET', '/readyz');
      assert.is(code, 500);
      assert.match(text, '[-]docker failed: no answer on /var/run/docker.sock');
      assert.is((await call('GET', '/readyz?exclude=docker')).code, 200);
      assert.is((await call('GET', '/livez')).code, 200);
    },
    { ready },
  );
});

test('the doctor tells all checks', () =>
  withApi(makeStore, async ({ call }) => {
    const { body } = await call('GET', '/holdfast/v1/doctor');
    assert.equal(body, { checks: [{ name: 'disk', ok: true, message: '10 GiB are free' }] });
  }));

const failures: { name: string; error: Error; code: number; reason: string; message?: RegExp }[] = [
  { name: 'a full disk', error: new StoreError('StorageFull', 'no room'), code: 507, reason: 'StorageFull' },
  { name: 'a refusal', error: new StoreError('Forbidden', 'kept'), code: 403, reason: 'Forbidden' },
  {
    name: 'a store that failed',
    error: new StoreError('Internal', 'broken'),
    code: 500,
    reason: 'InternalError',
  },
  {
    name: 'a driver',
    error: driver('unavailable'),
    code: 503,
    reason: 'ServiceUnavailable',
    message: /dockerd/,
  },
  {
    name: 'a driver of tomorrow',
    error: driver('odd'),
    code: 500,
    reason: 'InternalError',
    message: /dockerd/,
  },
  { name: 'a bug', error: new Error('secret detail'), code: 500, reason: 'InternalError', message: /log/ },
];
for (const { name, error, code, reason, message } of failures) {
  test(`${name} becomes ${code} ${reason}`, async () => {
    const plan = () => Promise.reject(error);
    await withApi(
      makeStore,
      async ({ call }) => {
        const answer = await call('POST', '/holdfast/v1/plan', {});
        assert.is(answer.code, code);
        assert.is(answer.body.reason, reason);
        assert.not.match(answer.text, 'secret detail');
        if (message) assert.match(answer.body.message, message);
      },
      { plan },
    );
  });
}

function driver(code: string): Error {
  return Object.assign(new Error('dockerd: no answer'), { name: 'DriverError', code });
}

test.run();
