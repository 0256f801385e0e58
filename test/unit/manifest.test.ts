import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LARGEST_FILE, MOST_TOKENS, readManifests, readPath } from '../../resources/manifest.ts';
import { formatProblem, MOST_PROBLEMS } from '../../resources/manifest-problem.ts';

const HEAD = 'apiVersion: holdfast.dev/v1\nkind: App\nmetadata: {name: wiki}\n';
const APP = `${HEAD}spec: {image: nginx, port: 80}\n`;
const named = (name: string) => APP.replace('wiki', name);

const good: [name: string, text: string, names: string[]][] = [
  ['one document', APP, ['wiki']],
  [
    'several documents, empty ones between',
    `---\n---\n# nothing\n${APP}---\n${named('b')}...\n---\n`,
    ['wiki', 'b'],
  ],
  ['nothing at all', '', []],
  ['only a comment', '# x\n', []],
  ['null', 'null', []],
  ['a byte order mark', `\uFEFF${APP}`, ['wiki']],
  ['Windows line ends', APP.replaceAll('\n', '\r\n'), ['wiki']],
  [
    'JSON',
    JSON.stringify({
      apiVersion: 'holdfast.dev/v1',
      kind: 'App',
      metadata: { name: 'j' },
      spec: { image: 'x', port: 1 },
    }),
    ['j'],
  ],
  [
    'JSON indented by tabs',
    '{\n\t"apiVersion": "holdfast.dev/v1",\n\t"kind": "Secret",\n\t"metadata": {"name": "s"},\n\t"spec": {}\n}',
    ['s'],
  ],
  [
    'a List',
    `apiVersion: v1\nkind: List\nitems:\n- ${APP.replaceAll('\n', '\n  ')}\n- ${named('b').replaceAll('\n', '\n  ')}`,
    ['wiki', 'b'],
  ],
  ['an AppList', `apiVersion: holdfast.dev/v1\nkind: AppList\nitems: []\n`, []],
];

for (const [name, text, names] of good) {
  test(`${name} is read`, () => {
    const { manifests, problems } = readManifests(text, { file: 'f.yaml' });
    assert.equal(
      problems.map((problem) => formatProblem(problem)),
      [],
    );
    assert.equal(
      manifests.map((entry) => entry.manifest.metadata.name),
      names,
    );
  });
}

test('anchors, aliases and merge keys give values of their own', () => {
  const text = `${HEAD}spec:\n  image: nginx\n  port: 80\n  manifest: &x {}\n`;
  assert.ok(readManifests(text, { file: 'f' }).problems.length > 0);
  const { manifests, problems } = readManifests(
    `${HEAD}spec:\n  image: nginx\n  port: 80\n  tcpPorts:\n    A: &port {title: One, containerPort: 22}\n    B: {<<: *port, containerPort: 23}\n    C: *port\n`,
    { file: 'f' },
  );
  assert.equal(problems, []);
  assert.equal(manifests[0]?.manifest.spec?.['tcpPorts'], {
    A: { title: 'One', containerPort: 22 },
    B: { title: 'One', containerPort: 23 },
    C: { title: 'One', containerPort: 22 },
  });
});

function bomb(): string {
  let text = 'a: &a [x,x,x,x,x,x,x,x,x,x]\n';
  for (const [before, after] of ['ab', 'bc', 'cd', 'de', 'ef', 'fg', 'gh', 'hi'].map((pair) => [...pair]))
    text += `${after}: &${after} [${Array(10).fill(`*${before}`).join(',')}]\n`;
  return text;
}

const bad: [name: string, text: string, line: number, column: number, field: string, message: RegExp][] = [
  ['a misspelt field', `${HEAD}spec:\n  imge: nginx\n`, 5, 3, 'spec.imge', /unknown field/],
  [
    'a wrong value',
    `${HEAD}spec:\n  image: nginx\n  port: http\n`,
    6,
    9,
    'spec.port',
    /must be a whole number/,
  ],
  ['a missing field', `${HEAD}spec:\n  image: nginx\n`, 4, 1, 'spec.port', /is required/],
  ['a key twice', `${HEAD}spec:\n  image: nginx\n  image: caddy\n`, 6, 3, 'spec.image', /stands twice/],
  ['a tab', `${HEAD}spec:\n\timage: nginx\n`, 5, 1, '', /use spaces/],
  ['a tag', `${HEAD}spec: !!map {image: x, port: 80}\n`, 4, 13, 'spec', /tag !!map is not read/],
  [
    'a tag of its own',
    `${HEAD}spec: {image: !secret x, port: 80}\n`,
    4,
    23,
    'spec.image',
    /tag !secret is not read/,
  ],
  ['__proto__', `${HEAD}spec:\n  __proto__: {port: 80}\n`, 5, 3, 'spec.__proto__', /no name for a field/],
  ['YAML 1.1', `%YAML 1.1\n---\n${APP}`, 2, 1, '', /says YAML 1.1/],
  [
    'an alias of nothing',
    `${HEAD}spec: {image: *x, port: 80}\n`,
    4,
    15,
    'spec.image',
    /names no anchor before it/,
  ],
  [
    'an alias of itself',
    `${HEAD}spec: &s {image: *s, port: 80}\n`,
    4,
    18,
    'spec.image',
    /names no anchor before it/,
  ],
  ['aliases that multiply', bomb(), 1, 12, 'e[7][0][7][5][2]', /aliases add more than/],
  ['a number that is none', `${HEAD}spec: {image: x, port: .inf}\n`, 4, 24, 'spec.port', /no number/],
  ['an open bracket', `${HEAD}spec: [1\n`, 5, 1, '', /is no YAML/],
  ['text', 'hello', 1, 1, '', /must be an object/],
  ['two in one', `${APP}---\n${APP}`, 8, 18, 'metadata.name', /app\/wiki stands twice: also at f.yaml:3/],
  [
    'a bad item of a List',
    `apiVersion: v1\nkind: List\nitems:\n- ${HEAD.replaceAll('\n', '\n  ')}spec: {image: x, port: 0}\n`,
    7,
    26,
    'spec.port',
    /from 1 to 65535/,
  ],
  [
    'a field under a quoted name',
    `apiVersion: holdfast.dev/v1\nkind: App\nmetadata:\n  name: w\n  annotations: {a.b/c: 1}\nspec: {image: x, port: 1}\n`,
    5,
    24,
    'metadata.annotations["a.b/c"]',
    /must be text/,
  ],
  ['brackets without end', `a: ${'['.repeat(5000)}`, 1, 0, '', /nested too deeply/],
];

for (const [name, text, line, column, field, message] of bad) {
  test(`${name} is refused at its place`, () => {
    const { manifests, problems } = readManifests(text, { file: 'f.yaml' });
    assert.equal(manifests, []);
    const problem = problems.find((entry) => message.test(entry.message));
    assert.ok(problem, JSON.stringify(problems.slice(0, 3)));
    assert.equal([problem.line, problem.field], [line, field]);
    if (column > 0) assert.is(problem.column, column);
  });
}

test('problems of all documents are told, and nothing is answered', () => {
  const { manifests, problems } = readManifests(`${named('a')}---\n${HEAD}spec: {}\n---\nkind: X\n`, {
    file: 'f',
  });
  assert.equal(manifests, []);
  assert.equal([...new Set(problems.map((problem) => problem.field))].sort(), ['apiVersion', 'kind', 'spec']);
});

test('a problem is shown with its line, a caret and the near name', () => {
  const text = `${HEAD}spec:\n  imge: nginx\n`;
  const [, problem] = readManifests(text, { file: 'wiki.yaml' }).problems;
  assert.ok(problem);
  assert.is(
    formatProblem(problem),
    'wiki.yaml:5:3: spec.imge: unknown field; did you mean image?\n      imge: nginx\n      ^',
  );
});

test('a line of a Secret is not shown', () => {
  const text =
    'apiVersion: holdfast.dev/v1\nkind: Secret\nmetadata: {name: s}\nspec: {stringData: {password: 31337}}\n';
  assert.not.match(
    readManifests(text, { file: 'f' })
      .problems.map((problem) => formatProblem(problem))
      .join(),
    /31337/,
  );
});

test('a control character of the file does not reach the terminal', () => {
  const { problems } = readManifests(`${HEAD}spec: {imge: "\u001b[31m"}\n`, { file: 'f' });
  const text = problems.map((problem) => formatProblem(problem)).join();
  assert.not.ok(text.includes('\u001b'));
});

test('no more than fifty problems are told', () => {
  const fields = Array.from({ length: 200 }, (_, index) => `  nonsense${index}: 1\n`).join('');
  assert.is(readManifests(`${HEAD}spec:\n${fields}`, { file: 'f' }).problems.length, MOST_PROBLEMS);
});

test('more than 5 MiB are refused before they are parsed', () => {
  const [problem] = readManifests('x'.repeat(LARGEST_FILE + 1), { file: 'f' }).problems;
  assert.match(problem?.message ?? '', /5 MiB is the most/);
});

test('an object of fifty thousand fields takes seconds, not minutes', () => {
  const fields = Array.from({ length: 50_000 }, (_, index) => `    key${index}: value\n`).join('');
  const text = `apiVersion: holdfast.dev/v1\nkind: Secret\nmetadata: {name: s}\nspec:\n  stringData:\n${fields}`;
  const start = performance.now();
  assert.is(readManifests(text, { file: 'f' }).manifests.length, 1);
  assert.ok(performance.now() - start < 20_000);
});

for (const [name, text] of [
  ['list entries in brackets', `a: [${'1,'.repeat(MOST_TOKENS / 2)}]`],
  ['list entries', '- a\n'.repeat(MOST_TOKENS / 4)],
  ['fields', 'a: b\n'.repeat(MOST_TOKENS / 6)],
  ['empty lines', '\n'.repeat(MOST_TOKENS + 1)],
] as const) {
  test(`more ${name} than the parser bears are refused`, () => {
    const [problem] = readManifests(text, { file: 'f' }).problems;
    assert.match(problem?.message ?? '', /words and marks/);
  });
}

test('a long text in one place is one word, however many lines it has', () => {
  const lines = '      a: b\n'.repeat(200_000);
  const text = `apiVersion: holdfast.dev/v1\nkind: Secret\nmetadata: {name: s}\nspec:\n  stringData:\n    hosts: |\n${lines}`;
  assert.is(readManifests(text, { file: 'f' }).manifests.length, 1);
});

test('a directory is read with what is below it, in order, without hidden and other files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-manifest-'));
  try {
    mkdirSync(join(folder, 'sub'));
    symlinkSync(folder, join(folder, 'sub', 'up'));
    writeFileSync(join(folder, 'b.yaml'), named('b'));
    writeFileSync(join(folder, 'a.yml'), named('a'));
    writeFileSync(
      join(folder, 'sub', 'c.json'),
      '{"apiVersion":"holdfast.dev/v1","kind":"Secret","metadata":{"name":"c"},"spec":{}}',
    );
    writeFileSync(join(folder, '.hidden.yaml'), 'nonsense');
    writeFileSync(join(folder, 'README.md'), 'nonsense');
    const { manifests, problems } = await readPath(folder);
    assert.equal(problems, []);
    assert.equal(
      manifests.map((entry) => entry.manifest.metadata.name),
      ['a', 'b', 'c'],
    );
    writeFileSync(join(folder, 'z.yaml'), named('a'));
    writeFileSync(join(folder, 'y.yaml'), Buffer.from([0xff, 0xfe, 0x00]));
    const second = await readPath(folder);
    assert.equal(second.manifests, []);
    assert.match(
      second.problems.map((problem) => problem.message).join('\n'),
      /not text in UTF-8\napp\/a stands twice: also at .*a.yml:3/,
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('stdin and missing files', async () => {
  const { manifests } = await readPath('-', {
    stdin: (async function* () {
      yield APP;
    })(),
  });
  assert.is(manifests[0]?.file, 'stdin');
  assert.match((await readPath('/no/such/file')).problems[0]?.message ?? '', /no such file/);
});

test.run();
