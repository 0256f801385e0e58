import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { areaOf, checkArrows } from '../../scripts/check/arrows.ts';
import { checkCycles } from '../../scripts/check/cycles.ts';
import { checkPurity } from '../../scripts/check/purity.ts';
import { scan } from '../../scripts/check/scan.ts';
import { checkSimulated } from '../../scripts/check/simulated.ts';

const filesOf = (sources: Record<string, string>) =>
  new Map(Object.entries(sources).map(([path, text]) => [path, scan(text)]));

const imports: [source: string, expected: [specifier: string, typeOnly: boolean, line: number][]][] = [
  ["import { a } from './a.ts';", [['./a.ts', false, 1]]],
  ["import type { A } from './a.ts';", [['./a.ts', true, 1]]],
  ["import { type A, type B } from './a.ts';", [['./a.ts', false, 1]]],
  [
    "import {\n  a,\n  b,\n} from './a.ts';\nimport './b.ts';",
    [
      ['./a.ts', false, 4],
      ['./b.ts', false, 5],
    ],
  ],
  [
    "export { a } from './a.ts';\nexport type { B } from './b.ts';\nexport * from './c.ts';",
    [
      ['./a.ts', false, 1],
      ['./b.ts', true, 2],
      ['./c.ts', false, 3],
    ],
  ],
  ["const x = await import('./a.ts');", [['./a.ts', false, 1]]],
  ['import * as a from "./a.ts";', [['./a.ts', false, 1]]],
  [
    "// import './a.ts';\n/* import './b.ts' */\nconst s = \"import './c.ts'\";\nconst t = `\nimport './d.ts';\n`;",
    [],
  ],
  ["export const a = './a.ts';\nexport function b() { return 'x'; }", []],
  ["const r = /'/; import { a } from './a.ts';\nimport './b.ts';", [['./b.ts', false, 2]]],
  [`const t = \`\${\`\${'}'}\`}\`;\nimport './a.ts';`, [['./a.ts', false, 2]]],
];

for (const [source, expected] of imports) {
  test(`imports of ${JSON.stringify(source)}`, () =>
    assert.equal(
      scan(source).imports.map(({ specifier, typeOnly, line }) => [specifier, typeOnly, line]),
      expected,
    ));
}

const arrows: [name: string, file: string, source: string, refused: RegExp | undefined][] = [
  [
    'the cli uses resources',
    'controller/cli/get.ts',
    "import { a } from '../../resources/registry.ts';",
    undefined,
  ],
  [
    'the cli uses types of the contract',
    'controller/cli/plan.ts',
    "import type { Plan } from '../engine/contract.ts';",
    undefined,
  ],
  [
    'the cli uses no values of the contract',
    'controller/cli/plan.ts',
    "import { Plan } from '../engine/contract.ts';",
    /import type/,
  ],
  [
    'the cli uses no engine',
    'controller/cli/get.ts',
    "import { a } from '../engine/queue.ts';",
    /cli must not import controller\/engine\/queue.ts/,
  ],
  ['serve uses everything', 'controller/cli/serve.ts', "import { a } from '../engine/queue.ts';", undefined],
  [
    'the api uses no reconciler',
    'controller/api/a.ts',
    "import { a } from '../../reconcilers/app/index.ts';",
    /api must not import/,
  ],
  [
    'the api and the cli keep apart',
    'controller/api/a.ts',
    "import { a } from '../cli/get.ts';",
    /api must not import/,
  ],
  [
    'the engine knows no kind',
    'controller/engine/a.ts',
    "import { kinds } from '../../resources/registry.ts';",
    /engine must not import/,
  ],
  [
    'the engine knows the types of the store',
    'controller/engine/a.ts',
    "import { StoreError } from '../store/types.ts';",
    undefined,
  ],
  [
    'the engine knows no sqlite',
    'controller/engine/a.ts',
    "import { a } from '../store/sqlite-store.ts';",
    /engine must not import/,
  ],
  [
    'the store knows documents',
    'controller/store/a.ts',
    "import { a } from '../../resources/document.ts';",
    undefined,
  ],
  [
    'the store knows no validation',
    'controller/store/a.ts',
    "import { a } from '../../resources/validation.ts';",
    /store must not import/,
  ],
  [
    'resources look nowhere',
    'resources/a.ts',
    "import { a } from '../controller/clock.ts';",
    /resources must not import/,
  ],
  [
    'a reconciler uses the interface of a driver',
    'reconcilers/app/a.ts',
    "import { LABEL } from '../drivers/docker/index.ts';",
    undefined,
  ],
  [
    'a reconciler uses the clock that it is given',
    'reconcilers/app/a.ts',
    "import { delay } from '../../controller/clock.ts';",
    undefined,
  ],
  [
    'a driver answers in the types of the world',
    'reconcilers/drivers/authority/a.ts',
    "import type { IssuedCertificate } from '../../world.ts';",
    undefined,
  ],
  [
    'a driver uses no values of the world',
    'reconcilers/drivers/authority/a.ts',
    "import { a } from '../../world.ts';",
    /import type/,
  ],
  [
    'a reconciler throws the error of the contract',
    'reconcilers/app/a.ts',
    "import { ReconcileError } from '../../controller/engine/contract.ts';",
    undefined,
  ],
  [
    'a reconciler knows no store',
    'reconcilers/app/a.ts',
    "import type { Store } from '../../controller/store/types.ts';",
    /reconcilers must not import/,
  ],
  [
    'a driver knows no reconciler',
    'reconcilers/drivers/docker/a.ts',
    "import { a } from '../../app/index.ts';",
    /drivers must not import/,
  ],
  ['a file of no area', 'other/a.ts', '', /stands in no known folder/],
  ['packages are free', 'resources/a.ts', "import { a } from 'yaml';", undefined],
];

for (const [name, file, source, refused] of arrows) {
  test(name, () => {
    const [problem, ...more] = checkArrows(filesOf({ [file]: source }));
    if (refused === undefined) return assert.is(problem, undefined);
    assert.ok(problem);
    assert.match(`${problem.message}; ${problem.remedy}`, refused);
    assert.equal([problem.file, problem.line, more.length], [file, 1, 0]);
  });
}

const pure: [source: string, isRefused: boolean][] = [
  ['const a = Date.now();', true],
  ['const a = new Date();', true],
  ['const a = new Date;', true],
  ['const a = new Date(clock.now());', false],
  ['setTimeout(f, 1);', true],
  ['Math.random()', true],
  ["import { randomUUID } from 'node:crypto';", true],
  ["import { createHash } from 'node:crypto';", false],
  ["import { readFile } from 'node:fs/promises';", true],
  ["import type { Socket } from 'node:net';", false],
  ["import { isIP } from 'node:net';", false],
  ["import { connect, isIP } from 'node:net';", true],
  ["import { systemClock } from '../../controller/clock.ts';", true],
  ['// Date.now() is forbidden\nconst s = "Math.random";', false],
];

for (const [source, isRefused] of pure) {
  test(`${JSON.stringify(source)} in a reconciler is ${isRefused ? 'refused' : 'allowed'}`, () => {
    assert.is(checkPurity(filesOf({ 'reconcilers/app/a.ts': source })).length > 0, isRefused);
    assert.is(checkPurity(filesOf({ 'controller/engine/a.ts': source })).length > 0, isRefused);
    assert.is(checkPurity(filesOf({ 'reconcilers/drivers/docker/a.ts': source })).length, 0);
    assert.is(checkPurity(filesOf({ 'controller/cli/a.ts': source })).length, 0);
  });
}

test('a reconciler uses a pure file of a driver, and none that reaches outside', () => {
  const [problem, ...more] = checkPurity(
    filesOf({
      'reconcilers/app/a.ts':
        "import { words } from '../drivers/nginx/words.ts';\nimport { ask } from '../drivers/nginx/ask.ts';",
      'reconcilers/drivers/nginx/words.ts': "import { posix } from 'node:path';",
      'reconcilers/drivers/nginx/ask.ts': "import { run } from './run.ts';",
      'reconcilers/drivers/nginx/run.ts': "import { execFile } from 'node:child_process';",
    }),
  );
  assert.ok(problem);
  assert.match(
    problem.message,
    /by reconcilers\/drivers\/nginx\/ask.ts → reconcilers\/.*run.ts → node:child_process/,
  );
  assert.equal([problem.file, problem.line, more.length], ['reconcilers/app/a.ts', 2, 0]);
});

test('a circle of values is told with its way, once; one of types is none', () => {
  const [problem, ...more] = checkCycles(
    filesOf({
      'resources/a.ts': "\nimport { b } from './b.ts';",
      'resources/b.ts': "import { c } from './c.ts';",
      'resources/c.ts': "import { a } from './a.ts';\nimport type { D } from './d.ts';",
      'resources/d.ts': "import { c } from './c.ts';",
    }),
  );
  assert.ok(problem);
  assert.is(
    problem.message,
    'imports in a circle: resources/a.ts → resources/b.ts → resources/c.ts → resources/a.ts',
  );
  assert.equal([problem.file, problem.line, more.length], ['resources/a.ts', 2, 0]);
});

test('a file imports itself in a circle', () => {
  assert.is(checkCycles(filesOf({ 'resources/a.ts': "import { a } from './a.ts';" })).length, 1);
});

test('the wiring files of the command line are of the composition root', () => {
  assert.is(areaOf('controller/cli/up.ts')?.name, 'the composition root');
  assert.is(areaOf('controller/cli/update.ts')?.name, 'cli');
  assert.is(areaOf('controller/main.ts')?.name, 'the composition root');
  assert.is(areaOf('controller/clock.ts')?.name, 'shared');
});

const simulated: [name: string, parts: string[], without: Record<string, string>, refused: RegExp[]][] = [
  ['every kind has a part, or a reason', ['App'], { Token: 'read by the API alone' }, []],
  ['a kind without a part is refused', ['App'], {}, [/^Token has no part.*write test\/sim\/parts\/token.ts/]],
  ['an empty reason is none', ['App'], { Token: '' }, [/^Token has no part/]],
  [
    'a part and a reason are one too many',
    ['App', 'Token'],
    { Token: 'r' },
    [/^Token has a part and a reason/],
  ],
  ['a part of no kind is refused', ['App', 'Token', 'Ap'], {}, [/^Ap is no kind/]],
  ['a reason of no kind is refused', ['App', 'Token'], { Tokn: 'r' }, [/^Tokn is no kind/]],
];

for (const [name, parts, without, refused] of simulated) {
  test(`the simulation: ${name}`, () => {
    const problems = checkSimulated(['App', 'Token'], parts, without);
    assert.is(problems.length, refused.length);
    for (const [index, words] of refused.entries())
      assert.match(`${problems[index]?.message}; ${problems[index]?.remedy}`, words);
  });
}

test('npm run check fails, and names the kind, once one has no part', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const copy = await mkdtemp(join(tmpdir(), 'holdfast-check-'));
  try {
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    assert.match(scripts['check'] ?? '', /scripts\/check\.ts/);
    for (const folder of ['controller', 'docs', 'reconcilers', 'resources', 'schemas', 'scripts', 'test'])
      await cp(join(root, folder), join(copy, folder), { recursive: true });
    await cp(join(root, 'package.json'), join(copy, 'package.json'));
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'));
    const index = join(copy, 'test/sim/parts/index.ts');
    const text = await readFile(index, 'utf8');
    assert.match(text, /^ {2}secretPart,\n/m);
    await writeFile(index, text.replace('  secretPart,\n', ''));
    const command = [...process.execArgv, join(copy, 'scripts/check.ts')];
    const { status, stderr } = spawnSync(process.execPath, command, { cwd: copy, encoding: 'utf8' });
    assert.is(status, 1);
    assert.match(stderr, /^test\/sim\/parts\/index.ts:1: Secret has no part in the simulation; write /m);
    assert.is(stderr.trim().split('\n').length, 2, stderr);
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
});

test.run();
