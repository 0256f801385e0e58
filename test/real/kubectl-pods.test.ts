/**
 * What kubectl and the Kubernetes client library show of an App that really runs: its container as a Pod, with log, commands and
 * ports, and its Events. A whole host with the real controller; the clients run here and reach it over HTTPS. Both protocols of exec
 * and port-forward are spoken, where this kubectl knows both. KUBECTL=path takes another kubectl.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import {
  CoreV1Api,
  CustomObjectsApi,
  Exec,
  KubeConfig,
  type KubernetesListObject,
  type KubernetesObject,
  KubernetesObjectApi,
  makeInformer,
  PatchStrategy,
  setHeaderOptions,
} from '@kubernetes/client-node';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { type Result, run } from './docker.ts';
import { type Host, project, startHost } from './host.ts';
import { appManifest, apps, buildHello, isReady, platformIsReady, succeeded, unready } from './product.ts';
import { until } from './until.ts';

const KUBECTL = process.env['KUBECTL'] ?? 'kubectl';
const GROUP = { group: 'holdfast.dev', version: 'v1', plural: 'apps' } as const;
/** As it was before 1.31. */
const SPDY = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false', KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false' };
const PROTOCOLS: { name: string; env: NodeJS.ProcessEnv }[] = [
  { name: 'as this kubectl does it', env: {} },
  { name: 'over SPDY', env: SPDY },
];

const test = suite('kubectl with what runs');
const hasKubectl = (await run(KUBECTL, ['version', '--client']).catch(() => undefined)) !== undefined;
let host: Host;
let folder = '';
let environment: NodeJS.ProcessEnv = {};

test.before(
  telling(async () => {
    folder = mkdtempSync(join(tmpdir(), 'holdfast-pods-'));
    host = await startHost({ name: 'pods' });
    await buildHello(host);
    // Killed, it comes back as it does under a supervisor.
    const serve = `while [ ! -e /root/stop ]; do ${project}/bin/holdfast serve >>/root/controller.log 2>&1; sleep 0.2; done`;
    host.spawn(['sh', '-c', serve]);
    await until('the controller is ready', () => platformIsReady(host), { seconds: 120 });
    const address = await host.address();
    const spec = { api: { addresses: [address] } };
    const platform = {
      apiVersion: 'holdfast.dev/v1',
      kind: 'Platform',
      metadata: { name: 'platform' },
      spec,
    };
    succeeded(await host.holdfast(['apply', '-f', '-'], { input: JSON.stringify(platform) }));
    succeeded(
      await host.holdfast(['apply', '-f', '-'], { input: appManifest('wiki', { env: { PASS: 'hunter2' } }) }),
    );
    await appsAreReady();
    const written = succeeded(await host.holdfast(['kubeconfig', '--server', `https://${address}:6443`]));
    environment = { PATH: process.env['PATH'], HOME: folder, KUBECONFIG: save('kubeconfig', written.stdout) };
  }),
);
test.after(async () => {
  await host?.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function appsAreReady(): Promise<void> {
  await until(
    'the App is ready',
    async () => {
      const all = await apps(host);
      if (all.every(isReady)) return true;
      throw new Error(unready(all));
    },
    { seconds: 120 },
  );
}

function save(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text, { mode: 0o600 });
  return path;
}

/** Runs to its end; the input is sent and ended. */
function kubectl(args: string[], input: string | Buffer = '', env: NodeJS.ProcessEnv = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(KUBECTL, args, { env: { ...environment, ...env } });
    const timer = setTimeout(() => child.kill('SIGKILL'), 60_000);
    const result = { code: 0, stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (result.stdout += String(chunk)));
    child.stderr.on('data', (chunk) => (result.stderr += String(chunk)));
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ ...result, code: code ?? -1 });
    });
  });
}

async function ok(args: string[], input: string | Buffer = '', env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input, env);
  assert.is(code, 0, `kubectl ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout.trim();
}

/** One that goes on, with what it has printed so far. */
function following(args: string[], env: NodeJS.ProcessEnv = {}): { child: ChildProcess; text(): string } {
  const child = spawn(KUBECTL, args, { env: { ...environment, ...env } });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  child.stderr.on('data', (chunk) => (text += String(chunk)));
  return { child, text: () => text };
}

/** Ends the run of the container, and waits until everybody knows of the next one. */
async function endRun(): Promise<void> {
  const status =
    '{.status.containerStatuses[0].state.running.startedAt} {.status.containerStatuses[0].ready}';
  const look = () => ok(['get', 'pod', 'wiki', '-o', `jsonpath=${status}`]);
  const before = await look();
  await host.sh('docker restart -t 0 holdfast-app-wiki >/dev/null');
  await until(
    'it runs again and is ready',
    async () => {
      const now = await look();
      return now !== before && /^\S+ true$/.test(now);
    },
    { seconds: 60 },
  );
}

function addKubectlTests(): void {
  test('the App is a Pod, without its environment', async () => {
    const table = await ok(['get', 'pods', '-o', 'wide']);
    assert.match(
      table,
      /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +IMAGE\nwiki +1\/1 +Running .*hello:1$/,
    );
    const pod = await ok(['get', 'pod', 'wiki', '-o', 'yaml']);
    assert.not.match(pod, 'hunter2');
    assert.match(await ok(['get', 'pods', '-A', '-o', 'name']), 'pod/wiki');
    assert.is(await ok(['get', 'pods', '-n', 'other', '-o', 'name']), '');
    assert.is(await ok(['get', 'pods', '--field-selector', 'status.phase=Failed', '-o', 'name']), '');
    assert.match(await ok(['get', 'all']), /pod\/wiki[\s\S]*app\.holdfast\.dev\/wiki/);
    assert.match(await ok(['describe', 'pod', 'wiki']), /Controlled By: +App\/wiki/);
    const refused = await kubectl(['delete', 'pod', 'wiki']);
    assert.is(refused.code, 1);
    assert.match(refused.stderr, 'holdfast restart');
  });

  test('describe shows the events of an App', async () => {
    assert.match(await ok(['describe', 'app', 'wiki']), /Events:[\s\S]*StartContainer/);
    assert.match(await ok(['get', 'events', '--field-selector', 'involvedObject.name=wiki']), 'app/wiki');
  });

  test('logs come whole, in part, as they are written, and of the run before', async () => {
    assert.match(await ok(['logs', 'wiki']), 'serving on port 8080');
    assert.match(await ok(['logs', '-l', 'holdfast.dev/name=wiki', '--tail=1']), 'serving');
    const none = await kubectl(['logs', 'wiki', '--previous']);
    assert.match(none.stderr, 'previous terminated container "app" in pod "wiki" not found');
    const follower = following(['logs', '-f', 'wiki', '--tail=0', '--timestamps']);
    try {
      await until(
        'the follower is there',
        async () => /\n/.test(follower.text()) || ((await mark('seen')) && follower.text().includes('seen')),
      );
    } finally {
      follower.child.kill();
    }
    assert.match(follower.text(), /^\d{4}-\d\d-\d\dT\S+Z seen/m);
    await endRun();
    assert.match(await ok(['logs', 'wiki', '-p']), 'seen');
    assert.is((await ok(['logs', 'wiki', '-p', '--tail=1'])).split('\n').length, 1);
    assert.match(await ok(['logs', 'wiki', '--since=1h', '--tail=1']), 'serving');
    assert.is(await ok(['logs', 'wiki', '--limit-bytes=5']), 'hello');
    assert.match((await kubectl(['logs', 'wiki', '-c', 'other'])).stderr, 'other');
  });

  /** Writes a line into the log of the App. */
  async function mark(word: string): Promise<boolean> {
    await host.sh(`docker exec holdfast-app-wiki sh -c 'echo ${word} >/proc/1/fd/1'`);
    return true;
  }

  for (const { name, env } of PROTOCOLS) {
    test(`exec has input, both outputs and the exit code, ${name}`, async () => {
      const both = await kubectl(
        ['exec', 'wiki', '--', 'sh', '-c', 'echo out; echo err >&2; exit 7'],
        '',
        env,
      );
      assert.is(both.code, 7);
      assert.is(both.stdout, 'out\n');
      assert.match(both.stderr, /^err\n/);
      assert.is(await ok(['exec', '-i', 'wiki', '--', 'cat'], 'some input\n', env), 'some input');
      const sent = Buffer.alloc(2_000_000, 'x');
      assert.is(await ok(['exec', '-i', 'wiki', '--', 'wc', '-c'], sent, env), '2000000');
      const counted = 'i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done';
      const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index}`).join('\n');
      assert.is(hash(await ok(['exec', 'wiki', '--', 'sh', '-c', counted], '', env)), hash(lines));
      const absent = await kubectl(['exec', 'none', '--', 'sh'], '', env);
      assert.match(absent.stderr, 'pods "none" not found');
    });

    test(`exec -it is a terminal, ${name}`, async () => {
      // script(1) gives kubectl a terminal of its own; the input comes from a person, and so do the line ends.
      const command = `stty rows 33 cols 99; ${KUBECTL} exec -it wiki -- sh -c '[ -t 0 ] && echo is a terminal; read line; echo got $line; exit 3'`;
      const child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...environment, ...env } });
      let text = '';
      child.stdout.on('data', (chunk) => (text += String(chunk)));
      const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
      try {
        await until('the terminal is there', async () => text.includes('is a terminal'));
        child.stdin.write('words\n');
        assert.is(await ended, 3, text);
        assert.match(text, 'got words');
      } finally {
        child.kill();
      }
    });

    test(`port-forward reaches the App, and says what it cannot reach, ${name}`, async () => {
      const forward = following(['port-forward', 'pod/wiki', ':8080'], env);
      try {
        const port = await until('it listens', async () => /127\.0\.0\.1:(\d+)/.exec(forward.text())?.[1]);
        const answers = await Promise.all(
          Array.from({ length: 5 }, async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).status),
        );
        assert.equal(answers, [200, 200, 200, 200, 200]);
      } finally {
        forward.child.kill();
      }
      const closed = following(['port-forward', 'pod/wiki', ':9999'], env);
      try {
        const port = await until('it listens', async () => /127\.0\.0\.1:(\d+)/.exec(closed.text())?.[1]);
        await fetch(`http://127.0.0.1:${port}/`).then(
          () => assert.unreachable('nothing listens there'),
          () => undefined,
        );
        await until('it says why', async () =>
          closed.text().includes('port 9999 of holdfast-app-wiki cannot be reached'),
        );
      } finally {
        closed.child.kill();
      }
    });
  }

  test('get -w shows that a Pod runs anew', async () => {
    const watcher = following(['get', 'pods', '-w']);
    const lines = () =>
      watcher
        .text()
        .split('\n')
        .filter((line) => /^wiki /.test(line));
    try {
      await until('the first line', async () => lines().length > 0);
      const before = lines().length;
      await endRun();
      await until('lines come, and it is ready at last', async () => {
        const now = lines();
        return now.length > before && /^wiki +1\/1 +Running/.test(now.at(-1) ?? '');
      });
    } finally {
      watcher.child.kill();
    }
  });

  test('a token that reads sees logs and runs nothing', async () => {
    const address = await host.address();
    const words = [
      'kubeconfig',
      '--scope',
      'read',
      '--token-name',
      'reader',
      '--server',
      `https://${address}:6443`,
    ];
    const reader = { KUBECONFIG: save('reader', succeeded(await host.holdfast(words)).stdout) };
    assert.match(await ok(['logs', 'wiki', '--tail=1'], '', reader), /./);
    for (const { env } of PROTOCOLS) {
      const refused = await kubectl(['exec', 'wiki', '--', 'sh'], '', { ...reader, ...env });
      assert.is(refused.code, 1);
      assert.match(refused.stderr, 'it takes the scope write');
    }
    const forward = await kubectl(['port-forward', 'pod/wiki', ':8080'], '', reader);
    assert.match(forward.stderr, 'it takes the scope write');
    const may = (words: string[]) => kubectl(['auth', 'can-i', ...words], '', reader);
    assert.match((await may(['get', 'pods'])).stdout, 'yes');
    assert.match((await may(['create', 'apps'])).stdout, /^no/m);
    assert.match((await may(['create', 'pods', '--subresource=exec'])).stdout, /^no/m);
  });
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

if (hasKubectl) addKubectlTests();
else console.log('SKIP: there is no kubectl here (apt-get install kubernetes-client)');

function config(): KubeConfig {
  const loaded = new KubeConfig();
  loaded.loadFromFile(environment['KUBECONFIG'] ?? '');
  return loaded;
}

interface AppObject extends KubernetesObject {
  spec?: { image?: string; env?: Record<string, string> };
}

test('the client library lists, gets and patches in three ways', async () => {
  const custom = config().makeApiClient(CustomObjectsApi);
  const { items } = (await custom.listClusterCustomObject(GROUP)) as { items: AppObject[] };
  assert.equal(
    items.map(({ metadata }) => metadata?.name),
    ['wiki'],
  );
  const name = 'wiki';
  const typed = (strategy: string) => setHeaderOptions('Content-Type', strategy);
  const label = async (strategy: string, body: unknown, more: object = {}) =>
    (await custom.patchClusterCustomObject({ ...GROUP, name, body, ...more }, typed(strategy))) as AppObject;
  const merged = await label(PatchStrategy.MergePatch, { metadata: { labels: { way: 'merge' } } });
  assert.is(merged.metadata?.labels?.['way'], 'merge');
  const replaced = await label(PatchStrategy.JsonPatch, [
    { op: 'replace', path: '/metadata/labels/way', value: 'json' },
  ]);
  assert.is(replaced.metadata?.labels?.['way'], 'json');
  const applied = {
    apiVersion: 'holdfast.dev/v1',
    kind: 'App',
    metadata: { name, labels: { way: 'apply' } },
  };
  const server = await label(PatchStrategy.ServerSideApply, applied, {
    fieldManager: 'library',
    force: true,
  });
  assert.is(server.metadata?.labels?.['way'], 'apply');
  const objects = KubernetesObjectApi.makeApiClient(config());
  const read = await objects.read({ apiVersion: 'holdfast.dev/v1', kind: 'App', metadata: { name } });
  assert.is(read.metadata?.labels?.['way'], 'apply');
  const pods = await config().makeApiClient(CoreV1Api).listNamespacedPod({ namespace: 'default' });
  assert.is(pods.items[0]?.status?.phase, 'Running');
});

test('the client library runs a command', async () => {
  const output = new PassThrough();
  let text = '';
  output.on('data', (chunk) => (text += String(chunk)));
  const status = await new Promise((resolve, reject) => {
    new Exec(config())
      .exec(
        'default',
        'wiki',
        'app',
        ['sh', '-c', 'cat; exit 4'],
        output,
        output,
        bytes('typed'),
        false,
        resolve,
      )
      .catch(reject);
  });
  assert.match(JSON.stringify(status), '"message":"4"');
  assert.is(text, 'typed');
});

function bytes(text: string): PassThrough {
  const stream = new PassThrough();
  stream.end(text);
  return stream;
}

test('an informer of the client library goes on over a restart of the controller', async () => {
  const kubeConfig = config();
  const custom = kubeConfig.makeApiClient(CustomObjectsApi);
  const list = async () => (await custom.listClusterCustomObject(GROUP)) as KubernetesListObject<AppObject>;
  const informer = makeInformer<AppObject>(kubeConfig, '/apis/holdfast.dev/v1/apps', list);
  const seen: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  informer.on('add', ({ metadata }) => void seen.push(`add ${metadata?.name}`));
  informer.on(
    'update',
    ({ metadata }) => void seen.push(`update ${metadata?.name} ${metadata?.labels?.['turn'] ?? ''}`.trim()),
  );
  informer.on('delete', ({ metadata }) => void seen.push(`delete ${metadata?.name}`));
  let isOver = false;
  // As the library's own example has it. Being stopped is told as an error, too.
  informer.on('error', () => {
    if (isOver) return;
    timer = setTimeout(() => void informer.start().catch(() => undefined), 500);
  });
  const turn = async (value: string) => {
    await until(`the label ${value} is set`, async () => {
      const body = { metadata: { labels: { turn: value } } };
      await custom.patchClusterCustomObject(
        { ...GROUP, name: 'wiki', body },
        setHeaderOptions('Content-Type', PatchStrategy.MergePatch),
      );
      return true;
    });
  };
  try {
    await informer.start();
    await until('it has listed', async () => seen.includes('add wiki'));
    await turn('before');
    await until('it sees a change', async () => seen.includes('update wiki before'));
    // The loop that starts it again has the same words in its command line, but does not begin with them.
    await host.sh(`kill -9 $(pgrep -f '^node [^ ]*bin/holdfast serve')`);
    await until('the controller is ready', () => platformIsReady(host), { seconds: 120 });
    await turn('after');
    await until('it sees what changed after the restart', async () => seen.includes('update wiki after'), {
      seconds: 60,
    });
    assert.is(seen.filter((line) => line === 'add wiki').length, 1);
    assert.not.ok(seen.some((line) => line.startsWith('delete')));
    assert.is(informer.get('wiki')?.metadata?.labels?.['turn'], 'after');
  } finally {
    isOver = true;
    clearTimeout(timer);
    await informer.stop();
  }
});

test.run();
