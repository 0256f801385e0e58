/**
 * Holdfast and nginx replaced under load: ten Apps are asked all the while, and so is the API. What is counted is what was lost, and
 * which containers are the same. The versions are built like this checkout, with another number and the change that the test is about.
 * nginx is replaced less than three times in a minute: more often, and the controller would take it for a loop.
 */
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { condition } from '../../resources/document.ts';
import { telling } from '../support/before.ts';
import { type Host, project, startHost } from './host.ts';
import { appManifest, apps, buildHello, stream, succeeded } from './product.ts';
import { until } from './until.ts';

const names = Array.from({ length: 10 }, (_, index) => `app-${index + 1}`);
const SOCKET = '/run/holdfast/holdfast.sock';

interface Counted {
  pages: number;
  lost: number;
  api: number;
  apiLost: number;
  words: string[];
}

type Change = { file: string; from: string; to: string };

/** The built program under another number and with these changes, which are made in the sources and compiled file by file. */
async function makeVersion(host: Host, version: string, changes: readonly Change[]): Promise<string> {
  const folder = `/opt/holdfast-${version}`;
  await host.sh(`
    mkdir ${folder} && cd ${project}
    [ -e dist/.built ] || { echo 'dist is not built: npm test builds it'; exit 1; }
    for entry in *; do
      case $entry in node_modules|controller|reconcilers|resources) ;; *) cp -r $entry ${folder}/ ;; esac
    done
    ln -s ${project}/node_modules ${folder}/node_modules
    cd ${folder} && sed -i 's/"version": ".*"/"version": "${version}"/' package.json
  `);
  const texts = new Map<string, string>();
  for (const { file, from, to } of changes) {
    const text = texts.get(file) ?? (await host.sh(`cat ${project}/${file}`));
    assert.ok(text.includes(from), `${file} has no ${from}`);
    texts.set(
      file,
      text.replace(from, () => to),
    );
  }
  for (const [file, input] of texts) {
    const compile = `${project}/node_modules/.bin/esbuild --loader=ts --format=esm --target=node20`;
    const built = `${folder}/dist/${file.replace(/ts$/, 'js')}`;
    await host.sh(`${compile} | sed -E 's#(from "[.][^"]*)[.]ts"#\\1.js"#' >${built}`, { input });
  }
  return `${folder}/bin/holdfast`;
}

/** Every container is described with one setting more, which has the value that it always had, or another one. */
function oneMore(value: string): Change[] {
  const file = 'reconcilers/container/description.ts';
  const [known, said] = ['  tty: true,\n', '    tty: inputs.tty ?? true,\n'];
  return [
    { file, from: known, to: `${known}  oneMore: 'as before',\n` },
    { file, from: said, to: `${said}    oneMore: '${value}',\n` },
  ];
}

const opens = '  const store = openStore(';
const broken: Change[] = [
  {
    file: 'controller/main.ts',
    from: opens,
    to: `  if (version) throw new Error('this one is broken');\n${opens}`,
  },
];
/** Breaks after it has brought the database to another schema. */
const brokenLater: Change[] = [
  {
    file: 'controller/store/schema.ts',
    from: '\n];\n',
    to: "\n  'CREATE TABLE later (name TEXT) STRICT',\n];\n",
  },
  {
    file: 'controller/engine/engine.ts',
    from: '  start(): void {\n',
    to: "  start(): void {\n    if (this.#runs) throw new Error('broken later');\n",
  },
];

async function startLoad(host: Host, keepAlive: boolean): Promise<() => Promise<Counted>> {
  const child = host.spawn(['node', '/root/load.mjs', keepAlive ? 'yes' : 'no', SOCKET, ...names]);
  let text = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  await until('the load goes on', async () => text.includes('going'));
  return async () => {
    await host.kill('/root/load.mjs', 'TERM');
    await ended;
    return JSON.parse(text.split('\n')[1] ?? '') as Counted;
  };
}

const told = ({ pages, lost, api, apiLost, words }: Counted) =>
  `${lost} of ${pages} pages and ${apiLost} of ${api} API requests lost${words.length > 0 ? ` (${[...new Set(words)].join(', ')})` : ''}`;

const lives = (host: Host) =>
  host.sh(
    "docker inspect --format '{{.Name}} {{.Id}} {{.State.StartedAt}}' $(docker ps -q --no-trunc --filter label=dev.holdfast.kind=App) | sort",
  );

const master = async (host: Host) => (await host.readFile('/var/lib/holdfast/nginx/run/nginx.pid')).trim();
const version = async (host: Host) =>
  /^controller (.+)$/m.exec((await host.holdfast(['version'])).stdout)?.[1] ?? '';

for (const init of ['systemd', 'none'] as const) {
  const test = suite<{ host: Host; before: string }>(`upgrade with init ${init}`);

  test.before(
    telling(async (context) => {
      const host = await startHost({ name: `upgrade-${init}`, init });
      context.host = host;
      await buildHello(host);
      await host.copyIn(fileURLToPath(new URL('../support/load.mjs', import.meta.url)), '/root/load.mjs');
      const first = await makeVersion(host, '1.0.0', []);
      succeeded(await host.exec([first, 'up'], { timeoutSeconds: 240 }));
      succeeded(
        await host.holdfast(['apply', '-f', '-'], { input: stream(names.map((name) => appManifest(name))) }),
      );
      const wait = ['wait', 'app', ...names, '--for', 'condition=Ready', '--timeout', '120s'];
      succeeded(await host.holdfast(wait, { timeoutSeconds: 150 }));
      context.before = await lives(host);
      assert.is(await version(host), '1.0.0');
    }),
  );
  test.after(async ({ host }) => {
    await host?.remove();
  });

  test('a version with one more default takes over: no container replaced, no request lost', async ({
    host,
    before,
  }) => {
    const next = await makeVersion(host, '1.1.0', oneMore('as before'));
    const finish = await startLoad(host, false);
    const result = await host.exec([next, 'upgrade'], { timeoutSeconds: 240 });
    const counted = await finish();
    succeeded(result);
    console.log(`\ncontroller upgraded (${init}): ${told(counted)}`);
    assert.match(result.stderr, /Holdfast 1\.1\.0 runs; it was 1\.0\.0/);
    assert.is(await version(host), '1.1.0');
    assert.equal([counted.lost, counted.apiLost], [0, 0], told(counted));
    assert.ok(counted.pages > 100 && counted.api > 10, told(counted));
    assert.is(await lives(host), before);
    assert.match((await host.exec([next, 'upgrade'])).stderr, /Nothing to upgrade: 1\.1\.0 runs/);
  });

  test('a version that does not start goes back to the one before, and no request is lost', async ({
    host,
    before,
  }) => {
    const next = await makeVersion(host, '1.2.0', broken);
    const finish = await startLoad(host, false);
    const result = await host.exec([next, 'upgrade', '--timeout', '8s'], { timeoutSeconds: 240 });
    const counted = await finish();
    console.log(`\nbroken upgrade (${init}): ${told(counted)}`);
    assert.is(result.code, 1);
    assert.match(result.stderr, /Not upgraded: 1\.2\.0 did not become ready within 8 s; 1\.1\.0 runs again/);
    assert.is(await version(host), '1.1.0');
    assert.equal([counted.lost, counted.apiLost], [0, 0], told(counted));
    assert.is(await lives(host), before);
  });

  /** Once is enough of what does not depend on who supervises. */
  const once: typeof test = init === 'systemd' ? test : suite('not here');

  once(
    'one that breaks after it has migrated the database gets back the copy from before',
    async ({ host, before }) => {
      const next = await makeVersion(host, '1.3.0', brokenLater);
      const document = async () =>
        succeeded(await host.holdfast(['get', 'app', 'app-3', '-o', 'json'])).stdout;
      const { metadata, spec } = JSON.parse(await document());
      const result = await host.exec([next, 'upgrade', '--timeout', '8s'], { timeoutSeconds: 240 });
      assert.is(result.code, 1);
      if (!result.stderr.includes('1.1.0 runs again'))
        throw new Error(`${result.stderr}\n${await lastWords(host)}`);
      const after = JSON.parse(await document());
      assert.equal(
        [after.metadata.uid, after.metadata.generation, after.spec],
        [metadata.uid, metadata.generation, spec],
      );
      assert.match(await host.sh('ls /var/lib/holdfast/store'), /store\.db\.of-1\.3\.0/);
      assert.is(await lives(host), before);
    },
  );

  test('a new nginx takes over: none is lost by clients that close', async ({ host, before }) => {
    const old = await master(host);
    const finish = await startLoad(host, false);
    await replaceNginx(host);
    const counted = await finish();
    console.log(`\nnginx replaced (${init}), clients that close: ${told(counted)}`);
    assert.is(counted.lost, 0, told(counted));
    assert.is.not(await master(host), old);
    assert.is((await host.exec(['kill', '-0', old])).code, 1, 'the old master is gone');
    assert.is(await lives(host), before);
    if (init === 'systemd')
      assert.is(
        await host.sh('systemctl show -p MainPID --value holdfast-nginx.service'),
        await master(host),
      );
  });

  once('by clients that keep connections no more is lost than by a reload', async ({ host }) => {
    const finishReloads = await startLoad(host, true);
    const pid = await master(host);
    const workers = () => host.sh(`pgrep -P ${pid} | sort | tr '\\n' ' '`);
    const present = await workers();
    await host.sh(`kill -HUP ${pid}`);
    await until(
      'the workers are new',
      async () => !(await workers()).split(' ').some((one) => one !== '' && present.includes(one)),
    );
    const reloads = await finishReloads();
    const finish = await startLoad(host, true);
    await replaceNginx(host);
    const upgrades = await finish();
    console.log(
      `\nclients that keep connections (${init}): a reload ${told(reloads)}; an upgrade ${told(upgrades)}`,
    );
    // What a reload loses is chance: a connection that is closed just when it is used again.
    assert.ok(upgrades.lost <= Math.max(reloads.lost, upgrades.pages / 100), told(upgrades));
  });

  once(
    'what a version wants of running containers waits, and goes when it is approved',
    async ({ host, before }) => {
      const next = await makeVersion(host, '1.4.0', oneMore('otherwise'));
      const result = succeeded(await host.exec([next, 'upgrade'], { timeoutSeconds: 240 }));
      const waiting = async () =>
        (await apps(host)).filter((app) => condition(app, 'Reconciling')?.reason === 'UpgradePending');
      await until('all wait', async () => (await waiting()).length === names.length);
      assert.match(result.stderr, /Holdfast 1\.4\.0 runs/);
      assert.is(await lives(host), before);
      assert.ok((await apps(host)).every((app) => condition(app, 'Ready')?.status === 'True'));
      const plan = succeeded(await host.holdfast(['plan'])).stdout;
      assert.match(plan, /oneMore.*\(an upgrade of Holdfast \(1\.1\.0 to 1\.4\.0\)\)|upgrade of Holdfast/);
      succeeded(await host.holdfast(['approve', 'app/app-1']));
      const id = (text: string) => /app-1 (\S+)/.exec(text)?.[1];
      await until('the approved one is made anew', async () => {
        const now = id(await lives(host));
        return now !== undefined && now !== id(before);
      });
      assert.is((await waiting()).length, names.length - 1);
      const [was, is] = [before, await lives(host)].map((text) => new Set(text.split('\n')));
      assert.equal(
        [...(is ?? [])].filter((line) => !was?.has(line)).map((line) => line.split(' ')[0]),
        ['/holdfast-app-app-1'],
      );
    },
  );

  test.run();
}

async function lastWords(host: Host): Promise<string> {
  const units = await host.exec([
    'systemctl',
    'status',
    '--no-pager',
    '-n',
    '30',
    'holdfast.service',
    'holdfast.socket',
  ]);
  return `${units.stdout}${(await host.readFile('/var/lib/holdfast/logs/controller.log')).slice(-3000)}`;
}

/** As an upgrade of the package does it; answers when the new master serves. */
async function replaceNginx(host: Host): Promise<void> {
  const old = await master(host);
  await host.sh('cp /usr/sbin/nginx /usr/sbin/nginx.next && mv /usr/sbin/nginx.next /usr/sbin/nginx');
  await until(
    'another nginx serves, and the one before is gone',
    async () => (await master(host)) !== old && (await host.exec(['kill', '-0', old])).code !== 0,
    { seconds: 60 },
  ).catch(async (error) => {
    const events = (await host.holdfast(['events'])).stdout.split('\n').slice(-15).join('\n');
    const log = (await host.readFile('/var/lib/holdfast/nginx/logs/error.log')).slice(-3000);
    throw new Error(`${error.message}\n${events}\n${log}`);
  });
}
