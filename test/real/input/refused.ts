/** Bad input through the real command line and controller: each is refused at its place, at once, and nothing of it is stored. */
import * as assert from 'uvu/assert';
import { telling } from '../../support/before.ts';
import { app, type Desk, holdfast, names, type Suite, write } from './desk.ts';

const secret = (name: string) =>
  `apiVersion: holdfast.dev/v1\nkind: Secret\nmetadata: {name: ${name}}\nspec: {stringData: {a: b}}\n`;

const misspelt = `${secret('good')}---
apiVersion: holdfast.dev/v1
kind: App
metadata:
  name: bad
spec:
  imge: x
  port: many
  domain: localhost
`;

interface Row {
  name: string;
  file: string;
  text: string;
  says: RegExp[];
}

const rows: Row[] = [
  {
    name: 'a misspelt field is named with its place, the near name and the line; a wrong value with what was expected',
    file: 'misspelt.yaml',
    text: misspelt,
    says: [
      /misspelt\.yaml:11:3: spec\.imge: unknown field; did you mean image\?\n {4} {2}imge: x\n {6}\^/,
      /misspelt\.yaml:12:9: spec\.port: must be .*(integer|whole number).*found "many"/,
    ],
  },
  {
    name: 'text that is no YAML is named with its place',
    file: 'tab.yaml',
    text: 'kind: App\n\tname: x\n',
    says: [/tab\.yaml:2:1: tabs cannot indent YAML; use spaces/],
  },
  {
    name: 'a name that is a path is no name',
    file: 'path.yaml',
    text: app('../../etc/passwd'),
    says: [/path\.yaml:1:\d+: metadata\.name: must be lower-case letters.*found "\.\.\/\.\.\/etc\/passwd"/],
  },
  {
    name: 'a location and a volume that are paths out of their folder are refused',
    file: 'volume.yaml',
    text: app('bad', { location: '../x', volumes: [{ path: '/data/../../etc' }] }),
    says: [/spec\.location: /, /spec\.volumes\[0\]\.path: /],
  },
  {
    name: 'a kind that there is not is named with the near one',
    file: 'kind.yaml',
    text: secret('x').replace('Secret', 'Secrt'),
    says: [/kind\.yaml:2:7: kind: .*Secret/],
  },
  {
    name: 'one name twice is refused with both places',
    file: 'twice.yaml',
    text: `${secret('x')}---\n${secret('x')}`,
    says: [/twice\.yaml:8:18: metadata\.name: secret\/x stands twice: also at .*twice\.yaml:3/],
  },
  {
    name: 'aliases that grow into millions are refused',
    file: 'aliases.yaml',
    text: ['a: &a [x,x,x,x,x,x,x,x,x,x]', ...[...'bcdefgh'].map(grown)].join('\n'),
    says: [/aliases add more than/],
  },
];

function grown(name: string): string {
  const before = String.fromCharCode(name.charCodeAt(0) - 1);
  return `${name}: &${name} [${Array(10).fill(`*${before}`).join()}]`;
}

async function refused(host: Desk['host'], args: string[], says: RegExp[], input = '') {
  const { stdout, stderr } = await holdfast(host, ['apply', ...args], { code: 1, input });
  assert.is(stdout, '');
  for (const pattern of says) assert.match(stderr, pattern);
  return stderr;
}

export function refusals(test: Suite): void {
  test.before(
    telling(async ({ host }) => {
      await host.sh('mkdir -p /root/bad /root/good/below');
      for (const { file, text } of rows) await write(host, `/root/bad/${file}`, text);
    }),
  );

  for (const { name, file, says } of rows)
    test(name, ({ host }) => refused(host, ['-f', `/root/bad/${file}`], says).then(() => {}));

  test('ten megabytes are refused quickly, and in few words', async ({ host }) => {
    await host.sh(`yes 'key: value' | head -c 10000000 > /root/bad/large.yaml
      yes -- '- a' | head -c 5000000 > /root/bad/many.yaml`);
    const begun = performance.now();
    await refused(host, ['-f', '/root/bad/large.yaml'], [/large\.yaml: is 9\.5 MiB; 5 MiB is the most/]);
    await refused(host, ['-f', '/root/bad/many.yaml'], [/many\.yaml: has more than .* words and marks/]);
    const seconds = (performance.now() - begun) / 1000;
    assert.ok(seconds < 10, `it took ${seconds} s`);
    const body = 'curl -s --unix-socket /run/holdfast/holdfast.sock -H content-type:application/json';
    const url = 'http://localhost/apis/holdfast.dev/v1/secrets';
    const answer = await host.sh(`${body} --data-binary @/root/bad/large.yaml ${url}`);
    assert.is((JSON.parse(answer) as { code: number }).code, 413, answer);
  });

  test('the controller refuses what the command line would have', async ({ host }) => {
    const ask =
      'curl -s --unix-socket /run/holdfast/holdfast.sock -H content-type:application/json --data @-';
    const input = app('bad', { imge: 'x' });
    const answer = await host.sh(`${ask} http://localhost/apis/holdfast.dev/v1/apps`, { input });
    const status = JSON.parse(answer) as { kind: string; code: number; message: string };
    assert.is(status.kind, 'Status');
    assert.is(status.code, 422, answer);
    assert.match(status.message, /spec\.imge/);
  });

  test('a directory with one bad file is refused whole, and so is what is not there', async ({ host }) => {
    await write(host, '/root/bad/fine.yaml', secret('fine'));
    const stderr = await refused(
      host,
      ['-f', '/root/bad'],
      [
        /misspelt\.yaml:11:3/,
        /twice\.yaml:8:18/,
        /large\.yaml: is/,
        /problems in what was given; nothing was done/,
      ],
    );
    assert.not.match(stderr, /fine\.yaml/);
    await refused(host, ['-f', '/root/none.yaml'], [/none\.yaml: there is no such file or directory/]);
    await refused(host, ['-f', '-'], [/there are no documents in -/]);
    await refused(host, ['-f', '-'], [/stdin:\d+:\d+: /], '{"apiVersion": ');
  });

  test('nothing of all that was stored', async ({ host }) => {
    assert.equal(await names(host, 'apps,secrets'), []);
  });

  test('documents in a row, anchors, JSON, a directory and stdin are read', async ({ host }) => {
    const two = `apiVersion: holdfast.dev/v1
kind: Secret
metadata: {name: anchors, labels: {tier: &tier web}}
spec: {stringData: {a: &text b, c: *text, d: *tier}}
---
# Nothing here.
---
${secret('more')}`;
    await write(host, '/root/good/below/two.yml', two);
    await write(host, '/root/good/one.json', json('json'));
    await write(host, '/root/good/notes.txt', 'no manifest');
    const args = ['apply', '-f', '/root/good', '-f', '-'];
    const all = ['anchors', 'more', 'json', 'stdin'].sort();
    const dry = await holdfast(host, [...args, '--dry-run'], { input: secret('stdin') });
    assert.equal(
      dry.stdout.split('\n').filter(Boolean).sort(),
      all.map((name) => `secret/${name} created (dry run)`).sort(),
    );
    assert.equal(await names(host, 'secrets'), []);
    await holdfast(host, args, { input: secret('stdin') });
    assert.equal(
      (await names(host, 'secrets')).sort(),
      all.map((name) => `secret/${name}`),
    );
    const deleted = await holdfast(host, ['delete', '-f', '/root/good', '-f', '-'], {
      input: secret('stdin'),
    });
    assert.is(deleted.stdout.split('\n').filter(Boolean).length, 4);
  });
}

function json(name: string): string {
  const spec = { stringData: { a: 'b' } };
  return JSON.stringify({ apiVersion: 'holdfast.dev/v1', kind: 'Secret', metadata: { name }, spec });
}
