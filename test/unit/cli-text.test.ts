import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { differences, valueText } from '../../controller/cli/differences.ts';
import { jsonpath, pathValues } from '../../controller/cli/jsonpath.ts';
import { parseReferences, parseTargets } from '../../controller/cli/references.ts';
import { forExport, withoutServerFields } from '../../controller/cli/server-fields.ts';
import { painter, table, visible } from '../../controller/cli/terminal.ts';
import { durationOption } from '../../controller/cli/verb.ts';
import type { Document } from '../../resources/document.ts';
import { defaultOf, typeText } from '../../resources/fields.ts';

const DATA = {
  items: [
    { metadata: { name: 'a', labels: { 'app.io/x': 'one' } }, spec: { port: 80 }, ok: true },
    { metadata: { name: 'b' }, spec: { port: 8080 }, ok: false, list: [1, 2, 3] },
  ],
  empty: null,
};

const templates: [template: string, expected: string][] = [
  ['{.items[0].metadata.name}', 'a'],
  ['.items[0].metadata.name', 'a'],
  ['items[1].metadata.name', 'b'],
  ['{$.items[-1].metadata.name}', 'b'],
  ['{.items[*].metadata.name}', 'a b'],
  ['{.items[0:1].spec.port}', '80'],
  ['{.items[1].list[1:]}', '2 3'],
  ['{.items[1].list[0,2]}', '1 3'],
  ["{.items[0].metadata.labels['app.io/x']}", 'one'],
  ['{.items[0].metadata.labels.app\\.io/x}', 'one'],
  ["{.items[0]['metadata','spec']}", '{"name":"a","labels":{"app.io/x":"one"}} {"port":80}'],
  ['{..name}', 'a b'],
  ['{.items[?(@.metadata.name=="b")].spec.port}', '8080'],
  ["{.items[?(@.metadata.name=='b')].spec.port}", '8080'],
  ['{.items[?(@.spec.port>80)].metadata.name}', 'b'],
  ['{.items[?(@.spec.port <= 80)].metadata.name}', 'a'],
  ['{.items[?(@.metadata.name!="b")].metadata.name}', 'a'],
  ['{.items[?(@.list)].metadata.name}', 'b'],
  ['{.items[?(@.ok==true)].metadata.name}', 'a'],
  ['{range .items[*]}{.metadata.name}={.spec.port}{"\\n"}{end}', 'a=80\nb=8080\n'],
  ['{range .items[*]}[{range .list[*]}{@}{","}{end}]{end}', '[][1,2,3,]'],
  ['name: {.items[0].metadata.name}\\n', 'name: a\n'],
  ['{"{"}{.items[0].ok}{"}"}', '{true}'],
  ['{.no.such.path}{.items[9].x}{.empty}', ''],
  ['{.items[0].spec.*}', '80'],
  ['{.items[0].constructor}', ''],
];

for (const [template, expected] of templates)
  test(`jsonpath ${template} is ${JSON.stringify(expected)}`, () =>
    assert.is(jsonpath(template, DATA), expected));

for (const template of ['{.a', '{.a[}', '{.a[?(@.x==}', '{range .a}x', '{end}', '{.a b}'])
  test(`jsonpath ${template} is refused`, () =>
    assert.throws(() => jsonpath(template, DATA), /jsonpath: expected/));

test('a path alone finds values, with braces and without', () => {
  assert.equal(pathValues('{.items[*].spec.port}', DATA), [80, 8080]);
  assert.equal(pathValues('.items[0].ok', DATA), [true]);
});

const targets: [words: string[], expected: [kind: string, name: string | undefined][]][] = [
  [[], []],
  [['apps'], [['App', undefined]]],
  [
    ['app', 'wiki', 'blog'],
    [
      ['App', 'wiki'],
      ['App', 'blog'],
    ],
  ],
  [
    ['APP/wiki', 'sec/s'],
    [
      ['App', 'wiki'],
      ['Secret', 's'],
    ],
  ],
  [
    ['apps,sites'],
    [
      ['App', undefined],
      ['Site', undefined],
    ],
  ],
  [
    ['app,site', 'wiki'],
    [
      ['App', 'wiki'],
      ['Site', 'wiki'],
    ],
  ],
];

for (const [words, expected] of targets) {
  test(`"${words.join(' ')}" points at ${JSON.stringify(expected)}`, () =>
    assert.equal(
      parseTargets(words).map(({ kind, name }) => [kind.kind, name]),
      expected,
    ));
}

test('with a default kind, a word that is no kind is a name', () => {
  const options = { defaultKind: 'App' };
  assert.equal(
    parseReferences(['wiki', 'blog'], options).map((entry) => entry.name),
    ['wiki', 'blog'],
  );
  assert.equal(parseReferences(['app', 'wiki'], options), [{ kind: 'App', name: 'wiki' }]);
  assert.equal(parseReferences(['site'], options), [{ kind: 'App', name: 'site' }], 'it stands alone');
});

for (const [words, message] of [
  [['aps'], /did you mean apps/],
  [['app/wiki', 'blog'], /"blog" names no document/],
  [['app/a/b'], /names no document/],
  [['app', '../x'], /names no document|is no name|no kind/],
  [['app', 'Wiki'], /is no name/],
  [['app'], /which app\?/],
] as [string[], RegExp][])
  test(`"${words.join(' ')}" is refused`, () => assert.throws(() => parseReferences(words), message));

test('a table has columns two spaces apart, and text of others cannot break it', () => {
  assert.is(
    table(
      ['A', 'BB'],
      [
        ['xxx', 'y\nz\u001b[31m'],
        ['', 'ü'],
      ],
    ),
    'A    BB\nxxx  y z[31m\n     ü\n',
  );
  assert.is(table(['A'], [['x']], true), 'x\n');
  assert.is(visible('a\u0007b\tc\n\u009b1m'), 'ab\tc\n1m');
});

test('colour is for terminals only, and NO_COLOR is heard', () => {
  const terminal = { write: () => {}, isTTY: true };
  assert.is(painter({ env: {} }, terminal)('red', 'x'), '\u001b[31mx\u001b[0m');
  assert.is(painter({ env: { NO_COLOR: '1' } }, terminal)('red', 'x'), 'x');
  assert.is(painter({ env: {} }, { write: () => {} })('red', 'x'), 'x');
});

test('differences are told field by field', () => {
  const found = { a: 1, b: { c: [1, 2] }, d: 'x', same: [{}] };
  const wanted = { a: 2, b: { c: [1, 3, 4] }, e: null, same: [{}] };
  assert.equal(
    differences(found, wanted).map(({ mark, path }) => `${mark} ${path}`),
    ['~ a', '~ b.c[1]', '+ b.c[2]', '- d', '+ e'],
  );
  assert.is(valueText('a\nb'), 'a b');
  assert.is(valueText(''), '""');
  assert.is(valueText(undefined), '(nothing)');
});

const document: Document = {
  apiVersion: 'holdfast.dev/v1',
  kind: 'App',
  metadata: {
    name: 'a',
    uid: 'u',
    generation: 3,
    resourceVersion: '9',
    creationTimestamp: 't',
    finalizers: ['f'],
    labels: {},
    annotations: { 'holdfast.dev/restartedAt': 't', note: 'n' },
  },
  spec: { image: 'x', port: 80 },
  status: {},
};

test('what people wrote is left when server fields are taken off', () => {
  const spec = document.spec;
  const base = { apiVersion: 'holdfast.dev/v1', kind: 'App', spec };
  assert.equal(withoutServerFields(document), {
    ...base,
    metadata: { name: 'a', annotations: { 'holdfast.dev/restartedAt': 't', note: 'n' } },
  });
  assert.equal(forExport(document), { ...base, metadata: { name: 'a', annotations: { note: 'n' } } });
});

for (const [text, milliseconds] of [
  ['90', 90_000],
  ['500ms', 500],
  ['1h30m', 5_400_000],
] as const)
  test(`${text} is ${milliseconds} ms`, () =>
    assert.is(durationOption({ timeout: text }, 'timeout'), milliseconds));

test('a schema is told in words', () => {
  assert.is(typeText({ type: 'array', items: { type: 'string' } }), 'list of text');
  assert.is(typeText({ type: 'object', additionalProperties: { type: 'integer' } }), 'map of whole number');
  assert.is(typeText({ oneOf: [{ type: 'integer' }, { type: 'string' }] }), 'whole number or text');
  assert.is(typeText({ enum: ['a', 'b'] }), 'a or b');
  assert.is(defaultOf({ description: 'Port. Default 80.' }), '80');
  assert.is(defaultOf({ description: 'Servers. Default: those of the host.' }), 'those of the host');
  assert.is(defaultOf({ description: 'A name.' }), '');
});

test.run();
