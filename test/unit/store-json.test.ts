/** The pure parts under the store: JSON copies, patches, the three-way merge, hidden values. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { copyJson, deepFreeze, type JsonObject, pointerToField } from '../../controller/store/json.ts';
import { mergeThreeWay, shapeOf } from '../../controller/store/merge.ts';
import { applyJsonPatch, applyMergePatch, patchBetween } from '../../controller/store/patch.ts';
import { hideRevision, hideSecrets, keepHidden } from '../../controller/store/secrets.ts';
import { StoreError } from '../../controller/store/types.ts';
import { equal } from '../../resources/json.ts';

const isInvalid = (error: unknown) => error instanceof StoreError && error.reason === 'Invalid';

const cycle: JsonObject = {};
cycle.self = cycle;

const refusedValues: [name: string, value: unknown, field: string][] = [
  ['a function', { run() {} }, 'spec.run'],
  ['a number that is none', { a: [1, Number.NaN] }, 'spec.a[1]'],
  ['a bigint', { a: 1n }, 'spec.a'],
  ['a date', { at: new Date(0) }, 'spec.at'],
  ['a map', { a: new Map() }, 'spec.a'],
  ['__proto__', JSON.parse('{"a":{"__proto__":{"x":1}}}'), 'spec.a.__proto__'],
  ['constructor', { constructor: 1 }, 'spec.constructor'],
  ['prototype', { prototype: 1 }, 'spec.prototype'],
];
for (const [name, value, field] of refusedValues) {
  test(`${name} is refused with its path`, () => {
    assert.throws(
      () => copyJson(value, 'spec'),
      (error: unknown) => error instanceof StoreError && error.causes[0]?.field === field,
    );
  });
}

test('a cycle is refused', () => {
  assert.throws(() => copyJson(cycle, 'spec'), isInvalid);
});

test('aliases that multiply are refused', () => {
  let bomb: unknown = 'x';
  for (let level = 0; level < 12; level += 1) bomb = Array(10).fill(bomb);
  assert.throws(() => copyJson(bomb, 'spec'), isInvalid);
});

test('a copy leaves out what is undefined and shares nothing', () => {
  const value = deepFreeze({ a: { b: [1, { c: null }] }, gone: undefined });
  const copy = copyJson(value, 'spec') as JsonObject;
  assert.equal(copy, { a: { b: [1, { c: null }] } });
  (copy.a as JsonObject).b = 2;
  assert.equal(value.a.b, [1, { c: null }]);
});

const equalRows: [a: unknown, b: unknown, same: boolean][] = [
  [{ a: 1, b: [1, 2] }, { b: [1, 2], a: 1 }, true],
  [{ a: 1, b: undefined }, { a: 1 }, true],
  [{ a: 1 }, { a: 1, b: 2 }, false],
  [{ a: undefined }, { b: undefined }, true],
  [[1, 2], [2, 1], false],
  [[], {}, false],
  [null, {}, false],
  [{ a: '1' }, { a: 1 }, false],
  [{ toString: 1 }, {}, false],
];
for (const [a, b, same] of equalRows) {
  test(`${JSON.stringify(a)} and ${JSON.stringify(b)} are ${same ? '' : 'not '}equal`, () => {
    assert.is(equal(a, b), same);
    assert.is(equal(b, a), same);
  });
}

test('a JSON pointer becomes a dotted path', () => {
  assert.is(pointerToField('/spec/volumes/0/path'), 'spec.volumes[0].path');
  assert.is(pointerToField('/metadata/annotations/a.b~1c'), 'metadata.annotations[a.b/c]');
  assert.is(pointerToField(''), 'document');
});

const base = deepFreeze({ spec: { image: 'a', list: ['x', 'y'], env: { A: '1' } } });

const patchRows: [name: string, patch: unknown[], spec: JsonObject][] = [
  ['add', [{ op: 'add', path: '/spec/port', value: 1 }], { ...base.spec, port: 1 }],
  [
    'add to the end',
    [{ op: 'add', path: '/spec/list/-', value: 'z' }],
    { ...base.spec, list: ['x', 'y', 'z'] },
  ],
  ['replace', [{ op: 'replace', path: '/spec/list/0', value: 'z' }], { ...base.spec, list: ['z', 'y'] }],
  ['remove', [{ op: 'remove', path: '/spec/env/A' }], { ...base.spec, env: {} }],
  ['move', [{ op: 'move', from: '/spec/env/A', path: '/spec/b' }], { ...base.spec, env: {}, b: '1' }],
  [
    'move onto something',
    [{ op: 'move', from: '/spec/env/A', path: '/spec/image' }],
    { image: '1', list: ['x', 'y'], env: {} },
  ],
  ['copy', [{ op: 'copy', from: '/spec/env', path: '/spec/e' }], { ...base.spec, e: { A: '1' } }],
  ['test', [{ op: 'test', path: '/spec/env', value: { A: '1' } }], base.spec],
];
for (const [name, patch, spec] of patchRows) {
  test(`JSON patch: ${name}`, () => assert.equal(applyJsonPatch(base, patch), { spec }));
}

const refusedPatches: [name: string, patch: unknown][] = [
  ['no list', { op: 'add', path: '/a', value: 1 }],
  ['an operation that is null', [null]],
  ['an unknown op', [{ op: 'set', path: '/spec/a', value: 1 }]],
  ['a path without slash', [{ op: 'add', path: 'spec', value: 1 }]],
  ['the whole document', [{ op: 'replace', path: '', value: {} }]],
  ['no value', [{ op: 'add', path: '/spec/a' }]],
  ['a parent that is missing', [{ op: 'add', path: '/spec/no/a', value: 1 }]],
  ['a text as parent', [{ op: 'add', path: '/spec/image/a', value: 1 }]],
  ['a replace of nothing', [{ op: 'replace', path: '/spec/no', value: 1 }]],
  ['a remove of nothing', [{ op: 'remove', path: '/spec/list/2' }]],
  ['a negative index', [{ op: 'remove', path: '/spec/list/-1' }]],
  ['an index beyond the end', [{ op: 'add', path: '/spec/list/3', value: 1 }]],
  ['a test that fails', [{ op: 'test', path: '/spec/image', value: 'b' }]],
  ['a test of nothing', [{ op: 'test', path: '/spec/no', value: null }]],
  ['an inherited member', [{ op: 'remove', path: '/spec/toString' }]],
  ['__proto__ in the path', [{ op: 'add', path: '/__proto__/polluted', value: 1 }]],
  ['constructor in the path', [{ op: 'add', path: '/constructor/prototype/polluted', value: 1 }]],
  [
    '__proto__ in the value',
    [{ op: 'add', path: '/spec/a', value: JSON.parse('{"__proto__":{"polluted":1}}') }],
  ],
  ['a move into itself', [{ op: 'move', from: '/spec/env', path: '/spec/env/B' }]],
];
for (const [name, patch] of refusedPatches) {
  test(`JSON patch is refused: ${name}`, () => {
    assert.throws(() => applyJsonPatch(base, patch), isInvalid);
    assert.is(({} as JsonObject).polluted, undefined);
  });
}

test('a patch that fails late leaves no trace of what it did before', () => {
  const patch = [
    { op: 'add', path: '/spec/new', value: 1 },
    { op: 'remove', path: '/spec/no' },
  ];
  assert.throws(() => applyJsonPatch(base, patch), /operation 2 of the patch \(remove \/spec\/no\)/);
  assert.not('new' in base.spec);
});

const mergeRows: [patch: unknown, result: JsonObject][] = [
  [{ spec: { image: 'b' } }, { spec: { ...base.spec, image: 'b' } }],
  [{ spec: { env: { A: null, B: '2' } } }, { spec: { ...base.spec, env: { B: '2' } } }],
  [{ spec: { list: ['z'] } }, { spec: { ...base.spec, list: ['z'] } }],
  [{ spec: { image: { name: 'b', tag: null } } }, { spec: { ...base.spec, image: { name: 'b' } } }],
  [{ spec: null }, {}],
];
for (const [patch, result] of mergeRows) {
  test(`merge patch ${JSON.stringify(patch)}`, () => assert.equal(applyMergePatch(base, patch), result));
}

test('a merge patch that is a list or reaches the prototype is refused', () => {
  assert.throws(() => applyMergePatch(base, []), isInvalid);
  assert.throws(() => applyMergePatch(base, JSON.parse('{"__proto__":{"polluted":1}}')), isInvalid);
});

test('the patch between two specs leads from one to the other, also for long lists', () => {
  const long = Array.from({ length: 3_000 }, (_, index) => index);
  const pairs: [JsonObject, JsonObject][] = [
    [{}, { a: { b: 1 } }],
    [{ a: [1, 2, 3] }, { a: [3, 1], 'x/y~z': null }],
    [{ a: long }, { a: [...long].reverse() }],
  ];
  for (const [before, after] of pairs) {
    assert.equal(applyJsonPatch(before, patchBetween(before, after)), after);
  }
});

interface MergeRow {
  name: string;
  present: JsonObject;
  last: JsonObject;
  wanted: JsonObject;
  result: JsonObject;
}

const threeWayRows: MergeRow[] = [
  {
    name: 'what others set stays',
    present: { image: 'a', memory: 5 },
    last: { image: 'a' },
    wanted: { image: 'b' },
    result: { image: 'b', memory: 5 },
  },
  {
    name: 'what was applied and is left out goes',
    present: { image: 'a', memory: 5 },
    last: { image: 'a', memory: 5 },
    wanted: { image: 'a' },
    result: { image: 'a' },
  },
  {
    name: 'it goes also when its value was changed since',
    present: { image: 'a', memory: 9 },
    last: { image: 'a', memory: 5 },
    wanted: { image: 'a' },
    result: { image: 'a' },
  },
  {
    name: 'of an object that is left out only the applied fields go',
    present: { env: { A: '1', B: '2' } },
    last: { env: { A: '1' } },
    wanted: {},
    result: { env: { B: '2' } },
  },
  {
    name: 'an object that is left out and empty then goes',
    present: { env: { A: '1' }, addons: { redis: {} } },
    last: { env: { A: '1' }, addons: { redis: {} } },
    wanted: {},
    result: {},
  },
  {
    name: 'lists are replaced whole',
    present: { list: [1, 2, 3] },
    last: { list: [1, 2] },
    wanted: { list: [4] },
    result: { list: [4] },
  },
  {
    name: 'another type replaces',
    present: { a: { b: 1 }, c: 1 },
    last: {},
    wanted: { a: 1, c: { d: 1 } },
    result: { a: 1, c: { d: 1 } },
  },
  {
    name: 'the first apply of a manager removes nothing',
    present: { a: 1, b: { c: 1 } },
    last: {},
    wanted: { b: { d: 2 } },
    result: { a: 1, b: { c: 1, d: 2 } },
  },
  {
    name: 'what was applied and is gone already is no error',
    present: {},
    last: { a: 1, b: { c: 1 } },
    wanted: {},
    result: {},
  },
];
for (const { name, present, last, wanted, result } of threeWayRows) {
  test(`three-way merge: ${name}`, () => assert.equal(mergeThreeWay(present, shapeOf(last), wanted), result));
}

test('a shape holds no values', () => {
  assert.equal(shapeOf({ b: { c: 'secret' }, a: ['secret'], d: undefined }), { a: 1, b: { c: 1 } });
});

const secret = deepFreeze({
  apiVersion: 'holdfast.dev/v1',
  kind: 'Secret',
  metadata: {
    name: 's',
    uid: 'u',
    generation: 1,
    resourceVersion: '1',
    creationTimestamp: 't',
    annotations: { 'kubectl.kubernetes.io/last-applied-configuration': '{"x":"hunter2"}', note: 'n' },
  },
  spec: { type: 'Opaque', stringData: { a: 'hunter2' }, data: { b: 'aHVudGVyMg==' } },
});

test('hidden secrets show keys and no value', () => {
  const hidden = hideSecrets(secret);
  assert.equal(hidden.spec, { type: 'Opaque', stringData: { a: '(hidden)' }, data: { b: '(hidden)' } });
  assert.equal(hidden.metadata.annotations, { note: 'n' });
  assert.is(secret.spec.stringData.a, 'hunter2');
});

test('hidden revisions show which keys changed and no value', () => {
  const patch = [
    { op: 'add', path: '/stringData', value: { a: 'hunter2' } },
    { op: 'replace', path: '/data/b', value: 'hunter2' },
    { op: 'add', path: '/type', value: 'Opaque' },
    { op: 'remove', path: '/data/c' },
  ];
  const revision = { generation: 1, at: 't', author: { user: 'root', via: 'cli' as const }, patch };
  assert.equal(hideRevision(revision).patch, [
    { op: 'add', path: '/stringData', value: { a: '(hidden)' } },
    { op: 'replace', path: '/data/b', value: '(hidden)' },
    { op: 'add', path: '/type', value: 'Opaque' },
    { op: 'remove', path: '/data/c' },
  ]);
});

test('the marker keeps what is stored, and is refused where nothing is', () => {
  const spec: JsonObject = { stringData: { a: '(hidden)', b: 'new' } };
  keepHidden(spec, secret.spec);
  assert.equal(spec, { stringData: { a: 'hunter2', b: 'new' } });
  assert.throws(() => keepHidden({ data: { a: '(hidden)' } }, secret.spec), /spec\.data\.a/);
  assert.throws(() => keepHidden({ data: { a: '(hidden)' } }, undefined), isInvalid);
});

test.run();
