/** What happens to a document after it is written: deletion, status, owners, history, hidden values; and leases. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Write } from '../../controller/store/types.ts';
import type { Json } from '../../resources/document.ts';
import {
  controller,
  manifest,
  outcome,
  person,
  put,
  refused,
  stoppedClock,
  withStore,
} from './store-fixture.ts';

const note = { kind: 'Note', name: 'a' };

test(
  'a document without finalizers is gone at once; its name can be used again with another uid',
  withStore(async (store) => {
    const first = await put(store, { verb: 'create', document: manifest('Note', 'a', { a: 1 }) });
    const [result] = await store.write([{ verb: 'delete', reference: note }], person);
    assert.is(result?.outcome, 'deleted');
    assert.equal(result?.document.spec, { a: 1 });
    assert.is(store.get('Note', 'a'), undefined);
    assert.equal(store.history('Note', 'a'), []);
    const second = await put(store, { verb: 'create', document: manifest('Note', 'a', { a: 1 }) });
    assert.is.not(second.metadata.uid, first.metadata.uid);
    assert.is(store.history('Note', 'a').length, 1);
  }),
);

test(
  'a document with finalizers stays until the last one is taken off',
  withStore(async (store) => {
    const reference = { kind: 'App', name: 'wiki' };
    const { metadata } = await put(store, { verb: 'create', document: manifest('App', 'wiki', { a: 1 }) });
    const { uid } = metadata;
    await put(store, { verb: 'finalizers', reference, uid, add: ['x', 'holdfast.dev/app'] }, controller);
    assert.is(await outcome(store, { verb: 'delete', reference, deleteData: true }), 'deleting');
    const deleting = store.get('App', 'wiki');
    assert.is.not(deleting?.metadata.deletionTimestamp, undefined);
    assert.is(deleting?.metadata.generation, 1);
    assert.equal(deleting?.metadata.annotations, { 'holdfast.dev/delete-data': 'true' });

    assert.is(await outcome(store, { verb: 'delete', reference }), 'deleting');
    assert.is(store.get('App', 'wiki'), deleting);

    const wait = /is being deleted; wait until it is gone/;
    const document = manifest('App', 'wiki', { a: 2 });
    await refused(store.write([{ verb: 'create', document }], person), 'Conflict', wait);
    await refused(store.write([{ verb: 'apply', document, manager: 'cli' }], person), 'Conflict', wait);
    await refused(store.write([{ verb: 'update', document }], person), 'Conflict', wait);
    await refused(store.write([{ verb: 'applyChild', document }], controller), 'Conflict', wait);
    const patch: Write = { verb: 'patch', reference, type: 'merge', patch: { spec: { a: 2 } } };
    await refused(store.write([patch], person), 'Conflict', wait);
    await refused(
      store.write([{ verb: 'finalizers', reference, uid, add: ['y'] }], controller),
      'Conflict',
      wait,
    );

    const status: Write = { verb: 'status', reference, uid, status: () => ({ phase: 'Going' }) };
    assert.is(await outcome(store, status, controller), 'configured');
    const take = (remove: string[]): Write => ({ verb: 'finalizers', reference, uid, remove });
    assert.is(await outcome(store, take(['x']), controller), 'configured');
    assert.is(await outcome(store, take(['none']), controller), 'unchanged');
    assert.is(await outcome(store, take(['holdfast.dev/app']), controller), 'deleted');
    assert.is(store.get('App', 'wiki'), undefined);
  }),
);

test(
  'what is kept cannot be deleted until the annotation is off',
  withStore(async (store) => {
    const keep = (value: string) =>
      manifest('Note', 'a', {}, { annotations: { 'holdfast.dev/keep': value } });
    await put(store, { verb: 'create', document: keep('true') });
    for (const author of [person, controller]) {
      await refused(
        store.write([{ verb: 'delete', reference: note }], author),
        'Forbidden',
        /Take the annotation off/,
      );
    }
    await put(store, { verb: 'update', document: keep('false') });
    assert.is(await outcome(store, { verb: 'delete', reference: note }), 'deleted');
  }),
);

test(
  'status is written only when more than the time of looking differs',
  withStore(async (store) => {
    const { metadata } = await put(store, { verb: 'create', document: manifest('Note', 'a', { a: 1 }) });
    const status = (next: unknown): Write => ({
      verb: 'status',
      reference: note,
      uid: metadata.uid,
      status: (document) => (next === 'same' ? document.status : next),
    });
    const rows: [next: unknown, outcome: string][] = [
      [undefined, 'unchanged'],
      [{ phase: 'Up', observedAt: '1' }, 'configured'],
      [{ phase: 'Up', observedAt: '2' }, 'unchanged'],
      ['same', 'unchanged'],
      [{ phase: 'Up' }, 'unchanged'],
      [{ phase: 'Down', observedAt: '3' }, 'configured'],
    ];
    for (const [next, expected] of rows) assert.is(await outcome(store, status(next), controller), expected);
    const document = store.get('Note', 'a');
    assert.equal(document?.status, { phase: 'Down', observedAt: '3' });
    assert.is(document?.metadata.generation, 1);
    assert.is(store.version, 3);
    await refused(store.write([{ ...status({}), uid: 'other' } as Write], controller), 'Conflict', /uid/);
    await refused(
      store.write([{ ...status({}), reference: { kind: 'Note', name: 'b' } } as Write], controller),
      'NotFound',
    );
    await refused(store.write([status(1)], controller), 'Invalid', /status: must be an object/);
    const throwing: Write = {
      ...(status({}) as Extract<Write, { verb: 'status' }>),
      status: () => {
        throw new Error('oops');
      },
    };
    await refused(store.write([throwing], controller), 'Internal', /oops/);
  }),
);

/** A document that is there, as its children refer to it. */
async function owner(store: SqliteStore, name: string) {
  const { apiVersion, kind, metadata } = await put(store, {
    verb: 'create',
    document: manifest('App', name, {}),
  });
  return { apiVersion, kind, name, uid: metadata.uid, controller: true };
}

test(
  'a child gets owners, labels, finalizers and spec, and keeps what others put on it',
  withStore(async (store) => {
    const ownerReferences = [await owner(store, 'wiki')];
    const child = (spec: object, metadata: object): Write => ({
      verb: 'applyChild',
      document: manifest('Site', 's', spec, metadata),
    });
    const metadata = { ownerReferences, labels: { a: '1' }, finalizers: ['x'] };
    const made = await put(store, child({ a: 1, b: 1 }, metadata), controller);
    assert.equal(made.metadata.ownerReferences, ownerReferences);
    assert.equal(made.metadata.finalizers, ['x']);
    assert.is(await outcome(store, child({ b: 1, a: 1 }, metadata), controller), 'unchanged');
    await put(
      store,
      { verb: 'finalizers', reference: { kind: 'Site', name: 's' }, uid: made.metadata.uid, add: ['y'] },
      controller,
    );
    const next = await put(store, child({ a: 2 }, { ownerReferences, labels: { b: '2' } }), controller);
    assert.equal(next.spec, { a: 2 });
    assert.equal(next.metadata.labels, { b: '2' });
    assert.equal(next.metadata.finalizers, ['x', 'y']);
  }),
);

test(
  'a child is not taken from its owner, nor from the person who wrote it',
  withStore(async (store) => {
    const [wiki, blog] = [await owner(store, 'wiki'), await owner(store, 'blog')];
    const child = (kind: string, one: typeof wiki): Write => ({
      verb: 'applyChild',
      document: manifest(kind, 's', { by: one.uid }, { ownerReferences: [one] }),
    });
    await put(store, child('Site', wiki), controller);
    await refused(store.write([child('Site', blog)], controller), 'Conflict', /belongs to app\/wiki/);
    await put(store, { verb: 'create', document: manifest('Note', 's', {}) });
    await refused(store.write([child('Note', wiki)], controller), 'Conflict', /was not made for app\/wiki/);
  }),
);

test(
  'nothing is made for a document that is gone, nor for its namesake',
  withStore(async (store) => {
    const gone = await owner(store, 'wiki');
    const reference = { kind: 'App', name: 'wiki' };
    const child: Write = {
      verb: 'applyChild',
      document: manifest('Site', 's', {}, { ownerReferences: [gone] }),
    };
    await store.write([{ verb: 'delete', reference }], person);
    await put(store, child, controller);
    await store.write([{ verb: 'delete', reference: { kind: 'Site', name: 's' } }], controller);
    const remove: Write = { verb: 'finalizers', reference, uid: gone.uid, remove: ['holdfast.dev/app'] };
    await store.write([remove], controller);
    const words = /site\/s is not made: app\/wiki, which it would be for, is gone/;
    await refused(store.write([child], controller), 'NotFound', words);
    await owner(store, 'wiki');
    await refused(store.write([child], controller), 'NotFound', words);
  }),
);

test(
  'people are told whose child it is that they cannot write',
  withStore(async (store) => {
    const document = manifest('Site', 's', {}, { ownerReferences: [await owner(store, 'wiki')] });
    await put(store, { verb: 'applyChild', document }, controller);
    await refused(
      store.write([{ verb: 'delete', reference: { kind: 'Site', name: 's' } }], person),
      'Forbidden',
      /change app\/wiki instead/,
    );
    await refused(
      store.write([{ verb: 'update', document }], person),
      'Forbidden',
      /change app\/wiki instead/,
    );
  }),
);

test(
  'history says who changed what and when, and gives each spec back',
  withStore(
    async (store) => {
      const specs = [{ a: 1 }, { a: 1, list: [1, 2] }, { list: [2], 'x/y': { deep: true } }, {}];
      await put(store, { verb: 'create', document: manifest('Note', 'a', specs[0]) });
      for (const spec of specs.slice(1))
        await put(store, { verb: 'update', document: manifest('Note', 'a', spec) });
      const history = store.history('Note', 'a');
      assert.equal(
        history.map((revision) => revision.generation),
        [1, 2, 3, 4],
      );
      assert.equal(history[0], {
        generation: 1,
        at: '2026-01-01T00:00:00.000Z',
        author: person,
        patch: [{ op: 'add', path: '/a', value: 1 }],
      });
      for (const [index, spec] of specs.entries()) assert.equal(store.specAt('Note', 'a', index + 1), spec);
      assert.equal(store.specs('Note', 'a'), specs.toReversed());
      assert.equal(store.specs('Note', 'none'), []);
      assert.is(store.specAt('Note', 'a', 5), undefined);
      assert.is(store.specAt('Note', 'a', 0), undefined);
      assert.is(store.specAt('Note', 'none', 1), undefined);
    },
    { clock: stoppedClock() },
  ),
);

test(
  'only the last revisions are kept, and each of them can still be given back',
  withStore(
    async (store) => {
      for (let index = 1; index <= 50; index += 1) {
        const document = manifest('Note', 'a', {
          count: index,
          list: Array.from({ length: index }, (_, n) => n),
        });
        await put(store, { verb: 'apply', manager: 'cli', document });
        const history = store.history('Note', 'a');
        assert.is(history.length, Math.min(index, 9));
        const oldest = history[0]?.generation ?? 0;
        for (let generation = oldest; generation <= index; generation += 1) {
          assert.is(store.specAt('Note', 'a', generation)?.count, generation);
        }
        assert.is(store.specAt('Note', 'a', oldest - 1), undefined);
        const kept = Array.from({ length: index - oldest + 1 }, (_, n) => index - n);
        assert.equal(
          store.specs('Note', 'a').map(({ count }) => count),
          kept,
        );
      }
      assert.equal(store.problems(), []);
    },
    { limits: { revisions: 9 } },
  ),
);

test(
  'a kind without history keeps none',
  withStore(async (store) => {
    await put(store, { verb: 'applyChild', document: manifest('Event', 'e', { a: 1 }) }, controller);
    await put(store, { verb: 'applyChild', document: manifest('Event', 'e', { a: 2 }) }, controller);
    assert.equal(store.history('Event', 'e'), []);
    assert.equal(store.specAt('Event', 'e', 2), { a: 2 });
    assert.is(store.specAt('Event', 'e', 1), undefined);
    assert.equal(store.problems(), []);
  }),
);

test(
  'a hidden value that comes back in a manifest keeps what is stored',
  withStore(async (store) => {
    const write = (verb: 'create' | 'update' | 'apply', stringData: object): Write => ({
      verb,
      manager: 'cli',
      document: manifest('Secret', 's', { stringData }),
    });
    await refused(
      store.write([write('create', { a: '(hidden)' })], person),
      'Invalid',
      /spec\.stringData\.a/,
    );
    await put(store, write('create', { a: 'one', b: 'two' }));
    assert.is(await outcome(store, write('apply', { a: '(hidden)', b: '(hidden)' })), 'unchanged');
    const next = await put(store, write('update', { a: '(hidden)', b: 'three' }));
    assert.equal(next.spec.stringData, { a: 'one', b: 'three' });
    const reference = { kind: 'Secret', name: 's' };
    const merge: Write = {
      verb: 'patch',
      reference,
      type: 'merge',
      patch: { spec: { stringData: { a: '(hidden)' } } },
    };
    assert.is(await outcome(store, merge), 'unchanged');
    await refused(store.write([write('apply', { c: '(hidden)' })], person), 'Invalid', /spec\.stringData\.c/);
  }),
);

test(
  'a lease answers the same value again, never one that another has, and survives',
  withStore(async (store) => {
    const { leases } = store;
    function* pool(): Iterable<string> {
      yield* ['10.0.0.1', '10.0.0.2', '10.0.0.3'];
    }
    const owners = ['a', 'b', 'c', 'd'];
    const values = await Promise.all(owners.map((name) => leases.lease('ip', name, pool())));
    assert.equal(values, ['10.0.0.1', '10.0.0.2', '10.0.0.3', undefined]);
    assert.is(await leases.lease('ip', 'b', pool()), '10.0.0.2');
    assert.is(await leases.lease('other', 'x', pool()), '10.0.0.1');
    assert.is(leases.of('ip', 'b'), '10.0.0.2');
    assert.is(leases.of('ip', 'd'), undefined);
    await leases.release('ip', 'a');
    await leases.release('ip', 'nobody');
    assert.is(leases.of('ip', 'a'), undefined);
    assert.is(await leases.lease('ip', 'd', pool()), '10.0.0.1');
    assert.equal([...leases.all('ip').keys()].sort(), ['b', 'c', 'd']);
    assert.is(store.version, 0);
  }),
);

test(
  'what others use is not deleted by people; they are named, and reconcilers may',
  withStore(async (store) => {
    await put(store, { verb: 'create', document: manifest('Server', 'pg') });
    const ownerReferences = [await owner(store, 'wiki')];
    const use = manifest('Use', 'wiki-pg', { server: 'pg' }, { ownerReferences });
    await put(store, { verb: 'applyChild', document: use }, controller);
    await put(store, { verb: 'applyChild', document: manifest('Use', 'x', { server: 'other' }) }, controller);
    const reference = { kind: 'Server', name: 'pg' };
    await refused(
      store.write([{ verb: 'delete', reference }], person),
      'Conflict',
      /in use by app\/wiki: stop them/,
    );
    // When the last of those that use it is gone, it may go.
    const last: Write = { verb: 'delete', reference: { kind: 'Use', name: 'wiki-pg' } };
    await store.write([last], controller);
    assert.is(await outcome(store, { verb: 'delete', reference }), 'deleted');
  }),
);

test(
  'people may ask by the annotations that a kind names, and change nothing else of what reconcilers write',
  withStore(async (store) => {
    await put(store, { verb: 'applyChild', document: manifest('Use', 'a', { server: 'pg' }) }, controller);
    const reference = { kind: 'Use', name: 'a' };
    const patch = (patch: Json): Write => ({ verb: 'patch', reference, type: 'merge', patch });
    await put(store, patch({ metadata: { annotations: { 'holdfast.dev/again': 'now' } } }), person);
    assert.equal(store.get('Use', 'a')?.metadata.annotations, { 'holdfast.dev/again': 'now' });
    const more: Json[] = [
      { metadata: { annotations: { other: 'x' } } },
      { metadata: { annotations: { 'holdfast.dev/again': 'x' }, labels: { a: 'b' } } },
      { metadata: { annotations: { 'holdfast.dev/again': 'x' } }, spec: { server: 'x' } },
      { spec: { server: 'x' } },
    ];
    for (const each of more) await refused(store.write([patch(each)], person), 'Forbidden', /reconcilers/);
  }),
);

test.run();
