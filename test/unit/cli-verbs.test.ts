import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Plan } from '../../controller/engine/contract.ts';
import { FakeController, ready, until, withController } from './cli-fake-controller.ts';

const WIKI =
  'apiVersion: holdfast.dev/v1\nkind: App\nmetadata: {name: wiki}\nspec: {image: nginx:1, port: 80}\n';
const wiki = { kind: 'App', metadata: { name: 'wiki' }, spec: { image: 'nginx:1', port: 80 } };

test(
  'apply says what became of each document, and sends no server fields',
  withController(async (controller) => {
    const text = `${WIKI}status: {observedGeneration: 3}\n---\n${WIKI.replace('wiki}', 'blog, uid: x, resourceVersion: "1"}')}`;
    const first = await controller.run(['apply', '-f', '-', '--reason', 'because'], text);
    assert.equal(first, { code: 0, out: 'app/wiki created\napp/blog created\n', err: '' });
    const asked = controller.asked[0];
    assert.is(asked?.url.searchParams.get('reason'), 'because');
    assert.not.match(JSON.stringify(asked?.body), /status|resourceVersion|uid/);
    assert.is(
      (await controller.run(['apply', '-f', '-'], text)).out,
      'app/wiki unchanged\napp/blog unchanged\n',
    );
    const changed = await controller.run(
      ['apply', '-f', '-', '--dry-run'],
      WIKI.replace('nginx:1', 'nginx:2'),
    );
    assert.is(changed.out, 'app/wiki configured (dry run)\n');
    assert.is(controller.documents.get('App/wiki')?.spec['image'], 'nginx:1');
  }),
);

test(
  'a bad manifest is refused whole, before anything is asked',
  withController(async (controller) => {
    const ran = await controller.run(['apply', '-f', '-'], `${WIKI}---\n${WIKI.replace('image', 'imgae')}`);
    assert.is(ran.code, 1);
    assert.match(
      ran.err,
      /stdin:9:8: spec.imgae: unknown field; did you mean image\?\n {4}spec: \{imgae: .*\n {11}\^\n/,
    );
    assert.match(ran.err, /error: 2 problems in what was given; nothing was done\n$/);
    assert.equal(controller.asked, []);
  }),
);

test(
  'apply --wait ends when all that become Ready are',
  withController(async (controller) => {
    const secret = 'apiVersion: holdfast.dev/v1\nkind: Secret\nmetadata: {name: s}\nspec: {}\n';
    const running = controller.run(['apply', '-f', '-', '--wait'], `${WIKI}---\n${secret}`);
    await until('a watch', () => controller.isWatched('App'));
    controller.put({
      ...wiki,
      status: { operation: { id: '1', type: 'PullImage', percent: 12.3, startedAt: '' } },
    });
    controller.put({ ...wiki, status: ready('True', 'Running') });
    const { code, err } = await running;
    assert.is(code, 0);
    assert.match(err, /app\/wiki: PullImage 12%\napp\/wiki: Ready\n$/);
  }),
);

test(
  'wait says the last word of the condition when the time is over',
  withController(async (controller) => {
    controller.put({ ...wiki, status: ready('False', 'ImagePullFailed', 'no such image') });
    const ran = await controller.run(['wait', 'app/wiki', '--timeout', '200ms']);
    assert.is(ran.code, 1);
    assert.match(ran.err, /error: app\/wiki is not Ready in time: ImagePullFailed: no such image\n$/);
  }),
);

test(
  'wait does not take a condition of an older generation',
  withController(async (controller) => {
    controller.put({
      kind: 'App',
      metadata: { name: 'wiki', generation: 2 },
      status: ready('True', 'Running'),
    });
    assert.is((await controller.run(['wait', 'app/wiki', '--timeout', '100ms'])).code, 1);
  }),
);

test(
  'wait --for=delete and --for=jsonpath',
  withController(async (controller) => {
    controller.put(wiki);
    const gone = controller.run(['wait', 'app', 'wiki', '--for=delete']);
    await until('a watch', () => controller.isWatched('App'));
    controller.drop('App', 'wiki');
    assert.is((await gone).code, 0);
    assert.is((await controller.run(['wait', 'app/wiki', '--for', 'delete'])).code, 0);
    const missing = await controller.run(['wait', 'app/wiki']);
    assert.equal([missing.code, missing.err.includes('app/wiki is not there')], [1, true]);
    controller.put(wiki);
    const goal = await controller.run([
      'wait',
      'app/wiki',
      '--for=jsonpath={.spec.image}=nginx:1',
      '--timeout',
      '5s',
    ]);
    assert.is(goal.code, 0);
    assert.match(
      (await controller.run(['wait', 'app/wiki', '--for=nonsense'])).err,
      /--for takes condition=/,
    );
    assert.match((await controller.run(['wait', 'secret/x'])).err, /a Secret never becomes Ready/);
  }),
);

test(
  'get shows a table, one kind after another where several are asked for',
  withController(async (controller) => {
    controller.put({
      ...wiki,
      status: { ...ready('True', 'Running'), url: 'https://wiki.localhost' },
    });
    controller.put({ kind: 'Secret', metadata: { name: 's' }, spec: { stringData: { a: '(hidden)' } } });
    const table = await controller.run(['get', 'apps']);
    assert.is(
      table.out,
      'NAME  READY  STATUS   URL                     IMAGE    AGE\nwiki  True   Running  https://wiki.localhost  nginx:1  1h\n',
    );
    assert.match(
      (await controller.run(['get', 'app,sec'])).out,
      /^NAME .*\napp\/wiki .*\n\nNAME .*\nsecret\/s {2}Opaque {2}1/,
    );
    assert.is((await controller.run(['get', 'a', '--no-headers', '-o', 'name'])).out, 'app/wiki\n');
    assert.is(
      (await controller.run(['get', 'app/wiki', '-o', 'jsonpath={.status.url}'])).out,
      'https://wiki.localhost',
    );
    assert.is(
      (await controller.run(['get', 'apps', '-o', 'jsonpath={.items[*].metadata.name}'])).out,
      'wiki',
    );
    assert.equal(await controller.run(['get', 'sites']), { code: 0, out: '', err: 'no sites found\n' });
    const missing = await controller.run(['get', 'app', 'nope']);
    assert.equal(missing, { code: 1, out: '', err: 'error: apps "nope" not found\n' });
    assert.match((await controller.run(['get', 'apps', '-o', 'xml'])).err, /-o takes table/);
  }),
);

test(
  'get reads all pages',
  withController(async (controller) => {
    for (let index = 0; index < 1203; index++) controller.put({ ...wiki, metadata: { name: `app${index}` } });
    const { out } = await controller.run(['get', 'apps', '-o', 'name']);
    assert.is(out.trim().split('\n').length, 1203);
    assert.is(controller.asked.length, 3);
  }),
);

test(
  'what get -o yaml prints can be applied again and changes nothing',
  withController(async (controller) => {
    const spec = {
      image: 'nginx:1',
      port: 80,
      env: { A: 'yes', B: '010', C: '', D: 'a: b\nc # d', E: 'null' },
    };
    controller.put({ ...wiki, spec, status: ready('True', 'Running') });
    controller.put({ ...wiki, metadata: { name: 'b', labels: { a: '1' } }, spec });
    for (const format of ['yaml', 'json']) {
      const { out } = await controller.run(['get', 'apps', '-o', format]);
      assert.is(
        (await controller.run(['apply', '-f', '-'], out)).out,
        'app/wiki unchanged\napp/b unchanged\n',
      );
    }
    const exported = await controller.run(['export']);
    assert.not.match(exported.out, /status|uid|generation/);
    assert.is(
      (await controller.run(['apply', '-f', '-'], exported.out)).out,
      'app/wiki unchanged\napp/b unchanged\n',
    );
  }),
);

test(
  'get -w shows each change until it is interrupted, with 130',
  withController(async (controller) => {
    controller.put({ ...wiki, status: ready('False', 'Starting') });
    const interrupt = new AbortController();
    controller.signal = interrupt.signal;
    const running = controller.run(['get', 'app/wiki', '-w']);
    await until('a watch', () => controller.isWatched('App'));
    controller.put({ ...wiki, status: ready('True', 'Running') });
    controller.drop('App', 'other');
    let ran: Awaited<typeof running> | undefined;
    void running.then((value) => {
      ran = value;
    });
    // The line is there when the watcher has printed it; nothing else tells.
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.is(ran, undefined);
    interrupt.abort();
    const { code, out } = await running;
    assert.is(code, 130);
    assert.equal(
      out.split('\n').map((line) => line.split(/ +/).slice(0, 3).join(' ')),
      ['NAME READY STATUS', 'wiki False Starting', 'wiki True Running', ''],
    );
  }),
);

test(
  'delete goes on after one that fails, and takes documents of files',
  withController(async (controller) => {
    controller.put(wiki);
    const ran = await controller.run(['delete', 'app', 'nope', 'wiki', '--delete-data']);
    assert.equal(ran, { code: 1, out: 'app/wiki deleted\n', err: 'error: apps "nope" not found\n' });
    assert.is(controller.asked.at(-1)?.url.search, '?deleteData=true');
    assert.is((await controller.run(['delete', '-f', '-', '--ignore-not-found'], WIKI)).code, 0);
    assert.match((await controller.run(['delete'])).err, /delete what\?/);
    assert.match((await controller.run(['delete', 'apps'])).err, /which app\?/);
  }),
);

const PLAN: Plan = {
  documents: [
    { document: { kind: 'App', name: 'wiki' }, outcome: 'configured' },
    { document: { kind: 'App', name: 'new' }, outcome: 'created' },
    { document: { kind: 'App', name: 'old' }, outcome: 'deleted' },
    { document: { kind: 'App', name: 'same' }, outcome: 'unchanged' },
  ],
  steps: [
    {
      document: { kind: 'App', name: 'wiki' },
      step: {
        type: 'ReplaceContainer',
        target: 'container/holdfast-app-wiki',
        action: 'change',
        impact: 'replace',
        message: 'Replace the container.',
        because: [
          {
            field: 'spec.image',
            found: 'nginx:1',
            wanted: 'nginx:2',
            cause: 'generation 2 by root through cli',
          },
        ],
        knownLater: ['address'],
      },
    },
    {
      document: { kind: 'App', name: 'new' },
      step: {
        type: 'CreateContainer',
        target: 'container/x',
        action: 'create',
        impact: 'none',
        message: 'Create it.',
        because: [{ field: 'container', cause: 'first time' }],
      },
    },
    {
      document: { kind: 'App', name: 'old' },
      step: {
        type: 'RemoveData',
        target: 'folder/x',
        action: 'delete',
        impact: 'data-loss',
        message: 'Remove it.',
        because: [],
      },
    },
  ],
  problems: [
    { document: { kind: 'App', name: 'bad' }, reason: 'ReferenceNotFound', message: 'there is no Secret s' },
  ],
};

test(
  'plan prints marks, reasons and one line that sums up',
  withController(async (controller) => {
    controller.plan = PLAN;
    const { code, out } = await controller.run(['plan']);
    assert.is(code, 1);
    assert.is(
      out,
      `~ app/wiki
    ~ ReplaceContainer container/holdfast-app-wiki (replace)
        Replace the container.
        because spec.image: nginx:1 → nginx:2 (generation 2 by root through cli)
        known only later: address
+ app/new
    + CreateContainer container/x
        Create it.
        because container (first time)
- app/old
    - RemoveData folder/x (data-loss)
        Remove it.
! app/bad
    ReferenceNotFound: there is no Secret s
Plan: 1 to create, 1 to change, 1 to delete, 1 unknown; replaced: app/wiki; restarted: none; data lost: app/old
`,
    );
    controller.plan = { ...PLAN, problems: [] };
    assert.is((await controller.run(['plan', '--detailed-exitcode'])).code, 2);
    assert.is((await controller.run(['plan'])).code, 0);
    const json = JSON.parse((await controller.run(['plan', '-o', 'json'])).out);
    assert.equal([json.summary.replaced, json.summary.restarted], [['app/wiki'], []]);
    controller.plan = { documents: [], steps: [], problems: [] };
    const nothing = await controller.run(
      ['plan', '-f', '-', '--delete', 'app/x', '--detailed-exitcode'],
      WIKI,
    );
    assert.equal(nothing, {
      code: 0,
      out: 'Plan: 0 to create, 0 to change, 0 to delete; replaced: none; restarted: none; data lost: none\n',
      err: '',
    });
    assert.equal((controller.asked.at(-1) as { body: { delete: unknown } }).body.delete, [
      { kind: 'App', name: 'x' },
    ]);
  }),
);

test(
  'diff shows each field that would change, and stores nothing',
  withController(async (controller) => {
    controller.put({ ...wiki, spec: { image: 'nginx:1', port: 80, aliases: ['a.b'] } });
    const text = `${WIKI.replace('nginx:1', 'nginx:2, env: {A: x}')}---\n${WIKI.replace('wiki', 'new')}`;
    const { code, out } = await controller.run(['diff', '-f', '-', '--detailed-exitcode'], text);
    assert.is(code, 2);
    assert.match(out, /^~ app\/wiki\n {4}~ spec.image: nginx:1 → nginx:2\n/);
    assert.match(out, / {4}- spec.aliases: \["a.b"\]\n {4}\+ spec.env: \{"A":"x"\}\n\+ app\/new\n/);
    assert.is(controller.documents.size, 1);
    assert.equal(
      (await controller.run(['diff', '-f', '-'], WIKI.replace('80', '80, aliases: [a.b]'))).out,
      '',
    );
  }),
);

test(
  'restart, stop, start, suspend and resume patch one field each',
  withController(async (controller) => {
    controller.put(wiki);
    const rows: [string, string, unknown][] = [
      [
        'restart',
        'restarting',
        { metadata: { annotations: { 'holdfast.dev/restartedAt': '2026-01-01T01:00:00.000Z' } } },
      ],
      ['stop', 'stopped', { spec: { state: 'stopped' } }],
      ['start', 'started', { spec: { state: 'running' } }],
      ['suspend', 'suspended', { spec: { suspend: true } }],
      ['resume', 'resumed', { spec: { suspend: null } }],
    ];
    for (const [verb, word, patch] of rows) {
      const ran = await controller.run([verb, 'app/wiki']);
      assert.equal(ran, { code: 0, out: `app/wiki ${word}\n`, err: '' });
      assert.equal(controller.asked.at(-1)?.body, patch);
    }
    assert.is((await controller.run(['stop', 'wiki'])).out, 'app/wiki stopped\n');
    assert.match((await controller.run(['stop', 'secret/s'])).err, /stop is for Apps/);
  }),
);

test(
  'logs pass on every option and the text as it is',
  withController(async (controller) => {
    controller.put(wiki);
    controller.log = 'one\ntwo\n';
    const ran = await controller.run(['logs', 'wiki', '--tail', '5', '--timestamps', '--since', '10m']);
    assert.equal(ran, { code: 0, out: 'one\ntwo\n', err: '' });
    assert.is(
      decodeURIComponent(controller.asked[0]?.url.search ?? ''),
      '?timestamps=true&tailLines=5&sinceTime=2026-01-01T00:50:00.000Z',
    );
    assert.match((await controller.run(['logs', 'wiki', '--tail', 'x'])).err, /--tail takes a whole number/);
    assert.match(
      (await controller.run(['logs', 'wiki', '--since', 'yesteryear'])).err,
      /--since takes a duration/,
    );
  }),
);

test(
  'exec passes on input, both outputs and the exit code',
  withController(async (controller) => {
    controller.put(wiki);
    controller.exec = (input, command) => ({
      stdout: `${command.join(' ')}: ${input}`,
      stderr: 'oops',
      end: { exitCode: 42 },
    });
    const ran = await controller.run(['exec', '-i', 'wiki', '--', 'sh', '-c', 'cat -t'], 'hello');
    assert.equal(ran, { code: 42, out: 'sh -c cat -t: hello', err: 'oops' });
    assert.is((await controller.run(['exec', 'app/wiki', 'ls', '-t'])).out, 'ls -t: ');
    controller.exec = () => ({ stdout: '', stderr: '', end: { message: 'no such program: sh' } });
    assert.equal(await controller.run(['exec', 'wiki', '--', 'sh']), {
      code: 1,
      out: '',
      err: 'error: no such program: sh\n',
    });
    assert.match((await controller.run(['exec', 'nope', '--', 'sh'])).err, /no such app/);
    assert.match((await controller.run(['exec', 'wiki'])).err, /run what\?/);
  }),
);

test(
  'events of a document, oldest first, by type',
  withController(async (controller) => {
    const event = (name: string, type: string, at: string) => ({
      kind: 'Event',
      metadata: { name },
      spec: {
        regarding: { kind: 'App', name: 'wiki' },
        type,
        reason: 'Started',
        message: `${name} happened`,
      },
      status: { count: 1, lastTimestamp: at },
    });
    controller.put(event('b', 'Warning', '2026-01-01T00:30:00.000Z'));
    controller.put(event('a', 'Normal', '2026-01-01T00:10:00.000Z'));
    const { out } = await controller.run(['events', 'app/wiki']);
    assert.is(out.split('\n')[1], '50m        Normal   Started  app/wiki  a happened');
    assert.is(
      controller.asked[0]?.url.searchParams.get('fieldSelector'),
      'spec.regarding.kind=App,spec.regarding.name=wiki',
    );
    assert.is(
      (await controller.run(['events', '--types', 'warning', '--no-headers'])).out.trim().split('\n').length,
      1,
    );
    assert.is((await controller.run(['events', '--types', 'x'])).err, 'no events found\n');
  }),
);

test(
  'tree and describe show what belongs together',
  withController(async (controller) => {
    const app = controller.put({ ...wiki, status: ready('True', 'Running', 'It answers.') });
    const owner = { apiVersion: 'holdfast.dev/v1', kind: 'App', name: 'wiki', uid: app.metadata.uid };
    controller.put({
      kind: 'Site',
      metadata: { name: 'wiki', ownerReferences: [owner] },
      status: ready('True', 'Serving'),
    });
    assert.is(
      (await controller.run(['tree', 'app/wiki'])).out,
      'NAME          READY  REASON\napp/wiki      True   Running\n└─ site/wiki  True   Serving\n',
    );
    const { out } = await controller.run(['describe', 'app/wiki']);
    assert.match(out, /^Name: {9}wiki\nKind: {9}App\n/);
    assert.match(out, /Spec:\n {2}image: nginx:1\n/);
    assert.match(out, /Conditions:\n {2}Ready=True Running for 1h\n {6}It answers.\n/);
    assert.match(out, /Children:\n {2}site\/wiki: Serving: \n/);
  }),
);

test(
  'history and rollback',
  withController(async (controller) => {
    controller.put(wiki);
    controller.history = [
      {
        generation: 1,
        at: '2026-01-01T00:00:00.000Z',
        author: { user: 'root', via: 'cli', reason: 'start' },
        patch: [{ op: 'add', path: '', value: {} }],
      },
      {
        generation: 2,
        at: '2026-01-01T00:10:00.000Z',
        author: { user: 'root', via: 'api' },
        patch: [{ op: 'replace', path: '/image', value: 'nginx:1' }],
      },
    ];
    const { out } = await controller.run(['history', 'app/wiki']);
    assert.match(
      out,
      /^GENERATION {2}AT .*\n1 .*root {2}cli .*spec .*start\n2 .*root {2}api .*spec.image\n$/,
    );
    assert.match(
      (await controller.run(['history', 'app/wiki', '--patches'])).out,
      / {4}~ spec.image: nginx:1\n$/,
    );
    const back = await controller.run(['rollback', 'app/wiki', '--to', '1']);
    assert.is(back.out, '~ spec.image: nginx:1 → old\napp/wiki rolled back to generation 1\n');
    assert.equal(controller.asked.at(-1)?.body, { to: 1, dryRun: false });
    assert.match((await controller.run(['rollback', 'app/wiki'])).err, /to which generation\?/);
  }),
);

test(
  'edit stores what was changed, and keeps what was refused',
  withController(async (controller) => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-editor-'));
    try {
      const editor = join(folder, 'editor.mjs');
      controller.env = { EDITOR: `${process.execPath} ${editor}` };
      const editing = (script: string) =>
        writeFileSync(
          editor,
          `import fs from 'node:fs'; const f = process.argv.at(-1); const t = fs.readFileSync(f, 'utf8'); ${script}`,
        );
      controller.put({ ...wiki, status: ready('True', 'Running') });
      editing('');
      assert.equal(await controller.run(['edit', 'app/wiki']), {
        code: 0,
        out: '',
        err: 'app/wiki unchanged\n',
      });
      editing("fs.writeFileSync(f, t.replace('nginx:1', 'nginx:2'))");
      assert.is((await controller.run(['edit', 'app/wiki'])).out, 'app/wiki configured\n');
      assert.is(controller.documents.get('App/wiki')?.spec['image'], 'nginx:2');
      editing("fs.writeFileSync(f, t.replace('image', 'imgae'))");
      const refused = await controller.run(['edit', 'app/wiki']);
      assert.is(refused.code, 1);
      const file = /Your text is in (\S+);/.exec(refused.err)?.[1] ?? '';
      assert.match(readFileSync(file, 'utf8'), /imgae: nginx:2/);
      rmSync(join(file, '..'), { recursive: true });
      editing("fs.writeFileSync(f, t.replace('name: wiki', 'name: other'))");
      const renamed = await controller.run(['edit', 'app/wiki']);
      assert.match(renamed.err, /must hold app\/wiki and nothing else/);
      rmSync(join(/Your text is in (\S+);/.exec(renamed.err)?.[1] ?? folder, '..'), { recursive: true });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }),
);

test(
  'export writes a file for each document that people wrote',
  withController(async (controller) => {
    controller.put(wiki);
    controller.put({ kind: 'Secret', metadata: { name: 's' }, spec: { stringData: { a: '(hidden)' } } });
    controller.put({ kind: 'Site', metadata: { name: 'wiki' } });
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-export-'));
    try {
      const ran = await controller.run(['export', '-d', folder]);
      assert.equal(readdirSync(folder).sort(), ['app-wiki.yaml', 'secret-s.yaml']);
      assert.match(ran.err, /are \(hidden\)/);
      assert.match((await controller.run(['export', '-d', folder])).err, /is there already/);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }),
);

test(
  'doctor and version',
  withController(async (controller) => {
    const ran = await controller.run(['doctor']);
    assert.is(ran.code, 1);
    assert.match(ran.out, /^ok {4}controller {2}answers at .*\nFAIL {2}docker {6}is not there\n$/);
    assert.is((await controller.run(['version'])).out, 'holdfast 1.2.3\ncontroller 9.9.9\n');
  }),
);

test(
  'completion offers verbs, options, kinds, live names and fields',
  withController(async (controller) => {
    controller.put(wiki);
    const rows: [string[], string][] = [
      [['ap'], 'apply\napprove\napi-resources\n'],
      [['get', 'app/w'], 'app/wiki\n'],
      [['get', 'app', 'w'], 'wiki\n'],
      [['logs', 'w'], 'wiki\n'],
      [['apply', '--ma'], '--manager\n'],
      [['plan', '-o', ''], 'text\njson\n'],
      [['explain', 'app.spec.im'], 'app.spec.image\napp.spec.imagePullSecret\n'],
      [['nonsense', 'x'], ''],
    ];
    for (const [words, expected] of rows)
      assert.is((await controller.run(['__complete', '--', ...words])).out, expected, words.join(' '));
    for (const shell of ['bash', 'zsh', 'fish'])
      assert.match((await controller.run(['completion', shell])).out, /holdfast __complete --/);
  }),
);

test(
  'what cannot be understood ends with 1 and the near word',
  withController(async (controller) => {
    const rows: [string[], RegExp][] = [
      [['gett'], /Did you mean get\?/],
      [['get', 'aps'], /did you mean apps\?/],
      [['get', 'app/'], /names no document/],
      [['get', 'app/../x'], /names no document/],
      [['get', 'app', '..'], /is no name/],
      [['get', '--outpt', 'x'], /unknown option '--outpt'/],
      [['plan', '-o', 'xml'], /Allowed choices are text, json/],
      [['wait', 'app/wiki', '--timeout', 'soon'], /takes a duration/],
      [['describe'], /missing required argument/],
      [['apply'], /apply what\?/],
      [['apply', '-f', '/no/such.yaml'], /there is no such file/],
      [['explain', 'app.spec.prts'], /did you mean ports\?/],
    ];
    for (const [words, message] of rows) {
      const ran = await controller.run(words);
      assert.is(ran.code, 1, words.join(' '));
      assert.match(ran.err, message, words.join(' '));
      assert.is(ran.out, '');
    }
  }),
);

test('a controller that is not there is told with what to do', async () => {
  const controller = new FakeController();
  const ran = await controller.run(['get', 'apps']);
  assert.is(ran.code, 1);
  assert.match(ran.err, /^error: Holdfast is not running \(nothing listens at .*\)\. Start it with/);
  assert.not.ok(existsSync(controller.socketPath));
  assert.is((await controller.run(['validate', '-f', '-'], WIKI)).out, 'app/wiki valid\n');
  assert.match((await controller.run(['doctor'])).out, /^FAIL {2}controller/);
  rmSync(join(controller.socketPath, '..'), { recursive: true });
});

test.run();
