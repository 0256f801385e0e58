/** What each verb does, what it leaves alone, and what it is refused for. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Write } from '../../controller/store/types.ts';
import { controller, manifest, outcome, person, put, refusal, refused, withStore } from './store-fixture.ts';

const note = { kind: 'Note', name: 'a' };

test(
  'a new document gets uid, generation 1, a version, a time and the finalizers of its kind',
  withStore(async (store) => {
    const document = await put(store, {
      verb: 'create',
      document: {
        ...manifest('App', 'wiki', { image: 'a' }, { labels: { x: 'y' } }),
        status: { phase: 'wrong' },
      },
    });
    const { metadata } = document;
    assert.match(metadata.uid, /^[0-9a-f-]{36}$/);
    assert.is(metadata.generation, 1);
    assert.is(metadata.resourceVersion, '1');
    assert.match(metadata.creationTimestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(metadata.finalizers, ['holdfast.dev/app']);
    assert.equal(metadata.labels, { x: 'y' });
    assert.is(document.status, undefined);
    assert.is(store.get('App', 'wiki'), document);
    assert.is(store.version, 1);
  }),
);

test(
  'what is handed out is frozen all the way down',
  withStore(async (store) => {
    const document = await put(store, { verb: 'create', document: manifest('Note', 'a', { a: [{ b: 1 }] }) });
    assert.throws(() => Object.assign((document.spec.a as object[])[0] ?? {}, { b: 2 }), TypeError);
    assert.throws(() => Object.assign(document.metadata, { name: 'b' }), TypeError);
  }),
);

test(
  'the caller may change its manifest after it asked for the write',
  withStore(async (store) => {
    const document = manifest('Note', 'a', { a: 1 });
    const written = put(store, { verb: 'create', document });
    Object.assign(document.spec ?? {}, { a: 2 });
    assert.is((await written).spec.a, 1);
  }),
);

const kept = { uid: 'other', generation: 9, creationTimestamp: 'x', deletionTimestamp: 'x' };
test(
  'what the store keeps is ignored in a manifest that creates',
  withStore(async (store) => {
    const more = {
      ...kept,
      resourceVersion: '77',
      finalizers: ['f'],
      ownerReferences: [],
      managedFields: [{}],
    };
    for (const verb of ['create', 'apply'] as const) {
      const document = manifest('Note', verb, { a: 1 }, more);
      const { metadata } = await put(store, { verb, document, manager: 'cli' });
      assert.is.not(metadata.uid, 'other');
      assert.is(metadata.generation, 1);
      assert.is(metadata.deletionTimestamp, undefined);
      assert.is(metadata.finalizers, undefined);
    }
  }),
);

for (const verb of ['update', 'apply'] as const) {
  test(
    `what get gives can be written again with ${verb} and changes nothing`,
    withStore(async (store) => {
      const { metadata } = await put(store, {
        verb: 'create',
        document: manifest('App', 'wiki', { a: { b: 1 } }, { labels: { x: 'y' } }),
      });
      const { uid } = metadata;
      const reference = { kind: 'App', name: 'wiki' };
      const document = await put(
        store,
        { verb: 'status', reference, uid, status: () => ({ phase: 'Up' }) },
        controller,
      );
      const before = store.version;
      assert.is(await outcome(store, { verb, document, manager: 'cli' }), 'unchanged');
      assert.is(store.version, before);
      assert.is(store.get('App', 'wiki'), document);
    }),
  );
}

test(
  'generation moves with spec only, whatever the order of keys, and the version with each real change',
  withStore(async (store) => {
    await put(store, { verb: 'create', document: manifest('Note', 'a', { x: 1, y: { p: 1, q: 2 } }) });
    const rows: [spec: object, metadata: object, outcome: string, generation: number, version: number][] = [
      [{ y: { q: 2, p: 1 }, x: 1 }, {}, 'unchanged', 1, 1],
      [{ x: 1, y: { p: 1, q: 2 } }, { labels: { a: 'b' } }, 'configured', 1, 2],
      [{ x: 2, y: { p: 1, q: 2 } }, { labels: { a: 'b' } }, 'configured', 2, 3],
      [{ x: 2, y: { p: 1, q: 2 } }, { labels: {}, annotations: {} }, 'configured', 2, 4],
      [{ x: 2, y: { p: 1, q: 2 } }, {}, 'unchanged', 2, 4],
    ];
    for (const [spec, metadata, expected, generation, version] of rows) {
      assert.is(
        await outcome(store, { verb: 'update', document: manifest('Note', 'a', spec, metadata) }),
        expected,
      );
      assert.is(store.get('Note', 'a')?.metadata.generation, generation);
      assert.is(store.version, version);
    }
    assert.is(store.get('Note', 'a')?.metadata.labels, undefined);
  }),
);

test(
  'apply merges three ways for each manager',
  withStore(async (store) => {
    const apply = (manager: string, spec: object, metadata: object = {}) =>
      put(store, { verb: 'apply', manager, document: manifest('Note', 'a', spec, metadata) });
    await apply('cli', { image: 'a', env: { A: '1' } }, { labels: { x: '1' }, annotations: { n: '1' } });
    await apply('git', { env: { B: '2' } }, { labels: { y: '2' } });
    const merged = await apply('cli', { image: 'b' });
    assert.equal(merged.spec, { image: 'b', env: { B: '2' } });
    assert.equal(merged.metadata.labels, { y: '2' });
    assert.is(merged.metadata.annotations, undefined);
    assert.equal((await apply('git', {})).spec, { image: 'b' });
  }),
);

test(
  'the second manager of the same content changes nothing, and is remembered',
  withStore(async (store) => {
    const write = (manager: string, spec: object): Write => ({
      verb: 'apply',
      manager,
      document: manifest('Note', 'a', spec),
    });
    assert.is(await outcome(store, write('cli', { a: 1, b: 1 })), 'created');
    assert.is(await outcome(store, write('git', { a: 1, b: 1 })), 'unchanged');
    assert.is(store.version, 1);
    assert.is(await outcome(store, write('git', { a: 1 })), 'configured');
    assert.equal(store.get('Note', 'a')?.spec, { a: 1 });
  }),
);

const patchRows: [name: string, write: Partial<Extract<Write, { verb: 'patch' }>>, spec: object][] = [
  ['a merge patch', { type: 'merge', patch: { spec: { a: null, b: 2 } } }, { b: 2 }],
  [
    'a merge patch with its version',
    { type: 'merge', patch: { metadata: { resourceVersion: '1' }, spec: { a: 2 } } },
    { a: 2 },
  ],
  ['a JSON patch', { type: 'json', patch: [{ op: 'add', path: '/spec/b', value: 2 }] }, { a: 1, b: 2 }],
];
for (const [name, write, spec] of patchRows) {
  test(
    `${name} changes the document`,
    withStore(async (store) => {
      await put(store, { verb: 'create', document: manifest('Note', 'a', { a: 1 }) });
      const patched = await put(store, { verb: 'patch', reference: note, type: 'json', patch: [], ...write });
      assert.equal(patched.spec, spec);
      assert.is(patched.metadata.generation, 2);
    }),
  );
}

const refusedPatches: [name: string, type: 'json' | 'merge', patch: unknown, words: RegExp][] = [
  ['uid', 'merge', { metadata: { uid: 'x' } }, /metadata\.uid: cannot be changed/],
  ['name', 'merge', { metadata: { name: 'x' } }, /metadata\.name/],
  ['finalizers', 'json', [{ op: 'add', path: '/metadata/finalizers', value: ['x'] }], /metadata\.finalizers/],
  ['ownerReferences', 'merge', { metadata: { ownerReferences: [{}] } }, /metadata\.ownerReferences/],
  ['deletionTimestamp', 'merge', { metadata: { deletionTimestamp: 'x' } }, /metadata\.deletionTimestamp/],
  ['managedFields', 'merge', { metadata: { managedFields: [] } }, /metadata\.managedFields/],
  ['generation', 'json', [{ op: 'replace', path: '/metadata/generation', value: 9 }], /metadata\.generation/],
  ['status', 'merge', { status: { phase: 'x' } }, /status: cannot be changed/],
  ['kind', 'merge', { kind: 'App' }, /kind/],
  ['all metadata', 'merge', { metadata: 1 }, /metadata\.uid/],
  ['a field that no document has', 'merge', { spce: {} }, /spce: is not a known field; did you mean spec/],
  [
    'what is not there',
    'json',
    [{ op: 'remove', path: '/spec/no' }],
    /note\/a cannot be patched: operation 1/,
  ],
  [
    'a test that fails',
    'json',
    [{ op: 'test', path: '/spec/a', value: 9 }],
    /the value at path is another one/,
  ],
  ['what validation refuses', 'merge', { spec: { bad: 1 } }, /spec\.bad: must not be there/],
  ['the prototype', 'json', [{ op: 'add', path: '/spec/__proto__/x', value: 1 }], /__proto__/],
];
for (const [name, type, patch, words] of refusedPatches) {
  test(
    `a patch is refused: ${name}`,
    withStore(async (store) => {
      await put(store, { verb: 'create', document: manifest('Note', 'a', { a: 1 }) });
      const write = { verb: 'patch', reference: note, type, patch } as Write;
      await refused(store.write([write], person), 'Invalid', words);
      assert.is(store.version, 1);
    }),
  );
}

interface Refusal {
  name: string;
  write: (uid: string) => Write;
  reason: Parameters<typeof refused>[1];
  words: RegExp;
}
const refusals: Refusal[] = [
  {
    name: 'create of what exists',
    write: () => ({ verb: 'create', document: manifest('Note', 'a') }),
    reason: 'AlreadyExists',
    words: /note\/a exists already/,
  },
  {
    name: 'update of what does not exist',
    write: () => ({ verb: 'update', document: manifest('Note', 'b') }),
    reason: 'NotFound',
    words: /note\/b does not exist/,
  },
  ...(['update', 'apply'] as const).flatMap((verb): Refusal[] => [
    {
      name: `${verb} with an old version`,
      write: () => ({ verb, manager: 'm', document: manifest('Note', 'a', {}, { resourceVersion: '999' }) }),
      reason: 'Conflict',
      words: /is at version 1, the write is based on 999/,
    },
    {
      name: `${verb} with another uid`,
      write: () => ({ verb, manager: 'm', document: manifest('Note', 'a', {}, { uid: 'other' }) }),
      reason: 'Conflict',
      words: /another uid/,
    },
  ]),
  {
    name: 'patch with an old version',
    write: () => ({ verb: 'patch', reference: note, type: 'merge', patch: {}, resourceVersion: '9' }),
    reason: 'Conflict',
    words: /version/,
  },
  {
    name: 'merge patch with an old version inside',
    write: () => ({
      verb: 'patch',
      reference: note,
      type: 'merge',
      patch: { metadata: { resourceVersion: '9' } },
    }),
    reason: 'Conflict',
    words: /version/,
  },
  {
    name: 'delete with another uid',
    write: () => ({ verb: 'delete', reference: note, uid: 'other' }),
    reason: 'Conflict',
    words: /another uid/,
  },
  {
    name: 'delete with an old version',
    write: () => ({ verb: 'delete', reference: note, resourceVersion: '9' }),
    reason: 'Conflict',
    words: /version/,
  },
  {
    name: 'a kind that there is not',
    write: () => ({ verb: 'create', document: manifest('Nope', 'a') }),
    reason: 'Invalid',
    words: /no kind "Nope"; there are App/,
  },
  {
    name: 'a manifest without a name',
    write: () => ({ verb: 'create', document: { ...manifest('Note', 'a'), metadata: {} } as never }),
    reason: 'Invalid',
    words: /metadata\.name/,
  },
  {
    name: 'labels that are no texts',
    write: () => ({ verb: 'create', document: manifest('Note', 'b', {}, { labels: { a: 1 } }) }),
    reason: 'Invalid',
    words: /metadata\.labels\[a\]: must be a text/,
  },
  {
    name: 'a spec that is a list',
    write: () => ({ verb: 'create', document: manifest('Note', 'b', []) }),
    reason: 'Invalid',
    words: /spec: must be an object/,
  },
  {
    name: 'what validation refuses',
    write: () => ({ verb: 'create', document: manifest('Note', 'b', { bad: 1 }) }),
    reason: 'Invalid',
    words: /note\/b is not valid: spec\.bad: must not be there; did you mean good\?/,
  },
  {
    name: 'a second document of a singleton',
    write: () => ({ verb: 'create', document: manifest('Platform', 'other', {}) }),
    reason: 'Invalid',
    words: /there is one Platform only/,
  },
  {
    name: '__proto__ in a spec',
    write: () => ({ verb: 'create', document: manifest('Note', 'b', JSON.parse('{"__proto__":{"x":1}}')) }),
    reason: 'Invalid',
    words: /__proto__/,
  },
  {
    name: 'a document that is too large',
    write: () => ({ verb: 'create', document: manifest('Note', 'b', { a: 'x'.repeat(20_000) }) }),
    reason: 'Invalid',
    words: /too large/,
  },
  {
    name: 'a person who writes what reconcilers write',
    write: () => ({ verb: 'create', document: manifest('Site', 'a', {}) }),
    reason: 'Forbidden',
    words: /written by Holdfast's own reconcilers/,
  },
  {
    name: 'a person who writes status',
    write: (uid) => ({ verb: 'status', reference: note, uid, status: () => ({}) }),
    reason: 'Forbidden',
    words: /status/,
  },
  {
    name: 'a person who writes finalizers',
    write: (uid) => ({ verb: 'finalizers', reference: note, uid, add: ['x'] }),
    reason: 'Forbidden',
    words: /finalizers/,
  },
  {
    name: 'a person who applies a child',
    write: () => ({ verb: 'applyChild', document: manifest('Note', 'a', {}) }),
    reason: 'Forbidden',
    words: /child/,
  },
];
for (const { name, write, reason, words } of refusals) {
  test(
    `${name} is refused and changes nothing`,
    withStore(
      async (store) => {
        const { metadata } = await put(store, { verb: 'create', document: manifest('Note', 'a', { a: 1 }) });
        await refused(store.write([write(metadata.uid)], person), reason, words);
        assert.is(store.version, 1);
        assert.equal(store.problems(), []);
      },
      { limits: { documentBytes: 10_000 } },
    ),
  );
}

test(
  'an invalid document is refused with a cause for each field, as dotted paths',
  withStore(async (store) => {
    const document = { ...manifest('Note', 'a', { bad: 1 }), spce: {} };
    const error = await refusal(store.write([{ verb: 'apply', manager: 'cli', document }], person));
    assert.equal(
      error.causes.map((cause) => cause.field),
      ['spce', 'spec.bad'],
    );
    assert.equal(error.reference, { kind: 'Note', name: 'a' });
  }),
);

test(
  'a batch is all or nothing, and sees its own writes',
  withStore(async (store) => {
    const batch: Write[] = [
      { verb: 'create', document: manifest('Note', 'a', { a: 1 }) },
      { verb: 'update', document: manifest('Note', 'a', { a: 2 }) },
      { verb: 'create', document: manifest('Note', 'b', { bad: 1 }) },
    ];
    await refused(store.write(batch, person), 'Invalid');
    assert.is(store.version, 0);
    assert.is(store.get('Note', 'a'), undefined);
    const results = await store.write(batch.slice(0, 2), person);
    assert.equal(
      results.map((result) => [result.outcome, result.document.metadata.generation]),
      [
        ['created', 1],
        ['configured', 2],
      ],
    );
  }),
);

test(
  'of batches that are written together, one that fails does not disturb the others',
  withStore(async (store) => {
    const names = Array.from({ length: 300 }, (_, index) => `n${index}`);
    const writes = names.map((name, index) =>
      store.write(
        [{ verb: 'create', document: manifest('Note', name, index % 3 === 0 ? { bad: 1 } : {}) }],
        person,
      ),
    );
    const settled = await Promise.allSettled(writes);
    settled.forEach(({ status }, index) => {
      assert.is(status, index % 3 === 0 ? 'rejected' : 'fulfilled');
      assert.is(store.get('Note', `n${index}`) === undefined, index % 3 === 0);
    });
    assert.is(store.version, 200);
    assert.equal(store.problems(), []);
  }),
);

test(
  'a dry run checks and answers everything and stores nothing',
  withStore(async (store) => {
    const write: Write = { verb: 'create', document: manifest('Note', 'a', { a: 1 }) };
    const [dry, wet] = await Promise.all([
      store.write([write], person, { dryRun: true }),
      store.write([{ verb: 'create', document: manifest('Note', 'b') }], person),
    ]);
    assert.is(dry[0]?.outcome, 'created');
    assert.is(dry[0]?.document.metadata.generation, 1);
    assert.is(wet[0]?.document.metadata.resourceVersion, '1');
    assert.is(store.get('Note', 'a'), undefined);
    assert.is(store.version, 1);
    await refused(
      store.write([{ verb: 'create', document: manifest('Note', 'b') }], person, { dryRun: true }),
      'AlreadyExists',
    );
    assert.equal(store.problems(), []);
  }),
);

test.run();
