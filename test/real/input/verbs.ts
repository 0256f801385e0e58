/** Every way to look at an App and to reach into it, with the exit codes that scripts rely on. */
import * as assert from 'uvu/assert';
import { app, documentOf, following, holdfast, page, type Suite, shows, write } from './desk.ts';

const FILE = '/root/look.yaml';
/** `a` is a short name of the kind App, too. */
const NAME = 'a';

export function looking(test: Suite): void {
  test('before it is applied, plan and diff tell what would be, and exit with 2', async ({ host }) => {
    await write(host, FILE, app(NAME, { env: { GREETING: 'one' } }, { labels: { tier: 'web' } }));
    const plan = await holdfast(host, ['plan', '-f', FILE, '--detailed-exitcode'], { code: 2 });
    for (const step of ['LeaseAddress', 'ApplySite', 'CreateContainer', 'StartContainer', 'PublishSites'])
      assert.match(plan.stdout, new RegExp(`^ {4}[+~] ${step} `, 'm'));
    assert.match(
      plan.stdout,
      /^Plan: 2 to create, 0 to change, 0 to delete; replaced: none; restarted: none; data lost: none$/m,
    );
    const diff = await holdfast(host, ['diff', '-f', FILE, '--detailed-exitcode'], { code: 2 });
    assert.match(diff.stdout, /^\+ app\/a$/m);
    await holdfast(host, ['get', `app/${NAME}`], { code: 1 });
  });

  test('after it is applied, neither finds anything, also in what get -o yaml prints', async ({ host }) => {
    await holdfast(host, ['apply', '-f', FILE, '--wait']);
    for (const verb of ['plan', 'diff']) await holdfast(host, [verb, '-f', FILE, '--detailed-exitcode']);
    const { stdout } = await holdfast(host, ['get', `app/${NAME}`, '-o', 'yaml']);
    assert.match(stdout, /^status:$/m);
    const again = await holdfast(host, ['apply', '-f', '-'], { input: stdout });
    assert.is(again.stdout, 'app/a unchanged\n');
    assert.is((await documentOf(host, 'app/a')).metadata.generation, 1);
  });

  test('every output shows it, and selectors choose', async ({ host }) => {
    const shown = async (...args: string[]) => (await holdfast(host, ['get', ...args])).stdout;
    assert.match(await shown('apps'), /^NAME +READY .*\na +True +Serving +https:\/\/a\.localhost /);
    assert.match(await shown('apps', '-o', 'wide'), /CONTAINER.*\na .*holdfast-app-a/);
    assert.is(await shown('app', 'a', '-o', 'name'), 'app/a\n');
    assert.is(await shown('apps', '-o', 'jsonpath={.items[*].metadata.name}'), 'a');
    assert.is(await shown('app/a', '-o', 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'), 'True');
    assert.is((JSON.parse(await shown('apps', '-o', 'json')) as { kind: string }).kind, 'List');
    assert.is(await shown('apps', '-l', 'tier=web', '-o', 'name'), 'app/a\n');
    assert.is(await shown('apps', '-l', 'tier!=web', '-o', 'name'), '');
    assert.is(await shown('apps', '--field-selector', 'spec.domain=localhost', '-o', 'name'), 'app/a\n');
    assert.is(await shown('apps', '--field-selector', 'spec.domain=other', '-o', 'name'), '');
    assert.match((await holdfast(host, ['tree', 'app/a'])).stdout, /app\/a.*\n.*site\/a/);
    assert.match((await holdfast(host, ['describe', 'app/a'])).stdout, /Conditions:\n {2}Ready=True Serving/);
    assert.match(
      (await holdfast(host, ['explain', 'app.spec.volumes'])).stdout,
      /path {2}<text> \(required\)/,
    );
    await host.sh('/opt/holdfast/bin/holdfast completion bash | bash -n');
  });

  test('what is exported applies unchanged', async ({ host }) => {
    const { stdout } = await holdfast(host, ['export']);
    const again = await holdfast(host, ['apply', '-f', '-', '--dry-run'], { input: stdout });
    assert.is(again.stdout, 'platform/platform unchanged (dry run)\napp/a unchanged (dry run)\n');
  });

  test('a command runs in it with its input, both outputs, its exit code and a terminal', async ({
    host,
  }) => {
    const both = await holdfast(host, ['exec', 'a', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'], {
      code: 7,
    });
    assert.is(both.stdout, 'out\n');
    assert.is(both.stderr, 'err\n');
    const input = 'line\n'.repeat(100_000);
    const counted = await holdfast(host, ['exec', '-i', 'app/a', '--', 'sha256sum'], { input });
    assert.is(counted.stdout, `${await host.sh('sha256sum', { input })}\n`);
    const size = 'stty size; until stty size | grep -q 99; do sleep 0.1; done; stty size; exit 3';
    const command = `stty rows 33 cols 99; /opt/holdfast/bin/holdfast exec -it a -- sh -c "${size}"`;
    const typed = await host.exec(['script', '-qec', command, '/dev/null'], { timeoutSeconds: 20 });
    assert.is(typed.code, 3, typed.stdout);
    assert.match(typed.stdout, /33 99[\r\n]/);
  });

  test('a watch, events and logs go on until an interrupt, and exit with 130', async ({ host }) => {
    await following(host, ['logs', '-f', 'a'], async (output) => {
      await shows(output, /^it starts$/m);
      await host.sh(page('a', '/looked-at'));
      await shows(output, /^asked GET \/looked-at$/m);
    });
    await following(
      host,
      ['get', 'apps', '-w', '-o', 'jsonpath={.metadata.labels.tier}{"\\n"}'],
      async (output) => {
        await shows(output, /^web$/m);
        await following(host, ['events', '-w', 'app/a'], async (events) => {
          await shows(events, /CreateContainer/);
          await write(host, '/root/editor', '#!/bin/sh\nsed -i "s/tier: web/tier: db/" "$2"\n');
          await host.sh('chmod 755 /root/editor');
          const edited = await holdfast(host, ['edit', 'app/a'], { env: { EDITOR: '/root/editor --wait' } });
          assert.is(edited.stdout, 'app/a configured\n');
          await shows(output, /^db$/m);
          await holdfast(host, ['restart', 'a']);
          await shows(events, /^.*RestartContainer.*$/m);
        });
      },
    );
  });

  test('an edit that is wrong is refused and kept; one that changes nothing stores nothing', async ({
    host,
  }) => {
    const wrong = { code: 1, env: { EDITOR: 'sed -i s/port:/prot:/' } };
    const { stderr } = await holdfast(host, ['edit', 'app/a'], wrong);
    assert.match(stderr, /spec\.prot: unknown field; did you mean port\?/);
    const file = /Your text is in (\S+);/.exec(stderr)?.[1] ?? '';
    assert.match(await host.readFile(file), /prot: 8080/);
    const same = await holdfast(host, ['edit', 'app/a'], { env: { EDITOR: 'true' } });
    assert.match(same.stderr, /app\/a unchanged/);
    await holdfast(host, ['edit', 'app/a'], { code: 1, env: { EDITOR: 'false' } });
  });

  test('wait ends when it is so, and with 1 when the time is over', async ({ host }) => {
    await holdfast(host, ['wait', 'apps', '--timeout', '60s']);
    await holdfast(host, ['wait', 'app/a', '--for=jsonpath={.metadata.labels.tier}=db']);
    const late = await holdfast(host, ['wait', 'app/a', '--for=condition=Nonsense', '--timeout', '1s'], {
      code: 1,
    });
    assert.match(late.stderr, /app\/a/);
  });

  test('mistakes exit with 1, and say what would be right', async ({ host }) => {
    const rows: [string[], RegExp][] = [
      [['aplly'], /unknown command 'aplly'/],
      [['get', 'aps'], /did you mean apps/],
      [['get', 'apps', '--outpt', 'yaml'], /unknown option '--outpt'/],
      [['get', 'app/none'], /"none" not found/],
      [['get', 'apps', '-o', 'xml'], /xml/],
      [['apply'], /Name a file, a directory or - for stdin with -f/],
      [['--socket', '/root/none.sock', 'get', 'apps'], /Holdfast is not running.*Start it with/],
    ];
    for (const [args, says] of rows) assert.match((await holdfast(host, args, { code: 1 })).stderr, says);
  });
}
