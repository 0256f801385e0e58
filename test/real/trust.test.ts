/**
 * What users lose trust by, on a real Docker and a real nginx: plans that write, status that lies, work that hangs, loops. Every call to the
 * engine goes through a recorder.
 */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { Apps, app, IMAGE, makeImage, makeImageRoot, secret } from './apps.ts';
import { type Host, project, startHost } from './host.ts';
import { until } from './until.ts';

let host: Host;
let apps: Apps;
const RECORDED = '/root/recorded';

test.before(
  telling(async () => {
    host = await startHost({ name: 'trust' });
    apps = new Apps(host);
    await makeImageRoot(host);
    await makeImage(host, IMAGE, 'ENV RELEASE=1', 'USER 1000');
    await makeImage(host, 'test.local/site:2', 'ENV RELEASE=2', 'USER 1000');
    await host.copyIn(
      fileURLToPath(new URL('../support/recorder.mjs', import.meta.url)),
      '/root/recorder.mjs',
    );
    const pid = '/var/lib/holdfast/nginx/run/nginx.pid';
    host.spawn(['node', '/root/recorder.mjs', '/run/recorder.sock', '/var/run/docker.sock', RECORDED, pid]);
    await until(
      'the recorder listens',
      async () => (await host.exec(['test', '-S', '/run/recorder.sock'])).code === 0,
    );
    host.spawn([
      'sh',
      '-c',
      `exec ${project}/bin/holdfast serve --docker /run/recorder.sock >/root/controller.log 2>&1`,
    ]);
    await until('the platform is Ready', async () => {
      const platform = await host.holdfast([
        'get',
        'platform/platform',
        '-o',
        'jsonpath={.status.conditions[0].status}',
      ]);
      return platform.stdout === 'True' && (await host.sh('pgrep -x nginx | head -1')) !== '';
    });
  }),
);
test.after(async () => {
  await host?.remove();
});

async function calls(from = 0): Promise<string[]> {
  const lines = (await host.readFile(RECORDED)).split('\n').filter(Boolean).slice(from);
  return lines.filter((line) => line.includes(' call '));
}

/** Every file with its content, and when it and its folder were last changed. */
const everything = `
  cd / && find var/lib/holdfast etc/holdfast ! -type s -printf '%p %y %m %u %s %T@ %C@ %l\\n' | sort
  find var/lib/holdfast etc/holdfast -type f -exec sha256sum {} + | sort
  docker ps -a --no-trunc --format '{{.ID}} {{.Names}} {{.State}}'; docker network ls -q | sort; docker volume ls -q | sort; docker images -q | sort
`;

/** What a plan of each sort leaves behind: nothing. */
async function planChangesNothing(
  ...plans: { args: string[]; input?: string; shows: RegExp }[]
): Promise<void> {
  // Whatever was under way is over when nothing has been called for a moment.
  await until('it is quiet', async () => {
    const before = await calls();
    await host.sh('sleep 1');
    return (await calls()).length === before.length;
  });
  const before = await host.sh(everything);
  const from = (await calls()).length;
  for (const { args, input = '', shows } of plans) {
    const { stdout, stderr } = await host.holdfast(['plan', ...args], { input });
    assert.match(stdout, shows, stderr);
  }
  assert.is(await host.sh(everything), before);
  for (const line of await calls(from)) assert.match(line, / call (GET|HEAD) /);
  console.log(
    `\n${plans.length} plans: ${(await calls(from)).length} calls to Docker, none of which writes; no file changed`,
  );
}

const text = (...documents: object[]) => documents.map((one) => JSON.stringify(one)).join('\n---\n');

test('a plan of an empty server writes nothing and changes no file', () =>
  planChangesNothing(
    { args: [], shows: /^Plan: 0 to create/m },
    { args: ['-f', '-'], input: text(app('one'), secret('key', { a: 'b' })), shows: /^Plan: 3 to create/m },
  ));

test('a plan of a full server writes nothing and changes no file', async () => {
  await apps.apply(
    app('one', { volumes: [{ path: '/data' }] }),
    app('two'),
    app('three'),
    secret('key', { a: 'b' }),
  );
  await apps.serve('one', 'two', 'three');
  // Something to repair, which is held back, so that the plan has drift to tell of.
  await apps.holdfast(['suspend', 'app/three']);
  await host.sh('docker stop -t 1 holdfast-app-three');
  await apps.becomes('three', 'Suspended');
  await planChangesNothing(
    { args: [], shows: /StartContainer container\/holdfast-app-three[\s\S]*drift: Docker told of[^\n]* die/ },
    {
      args: ['-f', '-'],
      input: text(app('one', { volumes: [{ path: '/data' }], image: 'test.local/site:2' })),
      shows: /replaced: app\/one; restarted: none; data lost: none$/m,
    },
    { args: ['--delete', 'app/two'], shows: /^- app\/two/m },
    { args: ['-f', '-'], input: text(app('four'), secret('key', { a: 'c' })), shows: /^\+ app\/four/m },
  );
  await apps.holdfast(['resume', 'app/three']);
  await apps.serve('three');
});

/** Statuses of Ready of an App, as a watch sees them while something is done. */
async function readyWhile(name: string, work: () => Promise<unknown>): Promise<string[]> {
  const file = `/root/watch-${name}`;
  const url = `http://localhost/apis/holdfast.dev/v1/apps?watch=1&fieldSelector=metadata.name=${name}`;
  const watcher = host.spawn([
    'curl',
    '-sN',
    '--unix-socket',
    '/run/holdfast/holdfast.sock',
    '-o',
    file,
    url,
  ]);
  await until('the watch began', async () => (await host.readFile(file)).includes('\n'));
  await work();
  await host.kill(`curl -sN --unix-socket /run/holdfast/holdfast.sock -o ${file}`);
  watcher.kill();
  return (await host.readFile(file))
    .split('\n')
    .filter(Boolean)
    .flatMap((line) => {
      const { object } = JSON.parse(line) as {
        object: { status?: { conditions?: { type: string; status: string; reason: string }[] } };
      };
      const ready = object.status?.conditions?.find(({ type }) => type === 'Ready');
      return ready ? [`${ready.status} ${ready.reason}`] : [];
    });
}

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

const isReady = async (name: string) => (await apps.ready(name))?.status === 'True';

test('a frozen container is told, let go on, and Ready again by itself', async () => {
  const before = await apps.now();
  const seen = await readyWhile('one', async () => {
    await host.sh('docker pause holdfast-app-one');
    await until('it goes on', async () =>
      (await apps.events(before)).some(({ reason }) => reason === 'UnpauseContainer'),
    );
    await until('app/one is Ready', () => isReady('one'));
  });
  assert.ok(
    seen.some((entry) => entry.startsWith('False')),
    seen.join(', '),
  );
  assert.match(seen.at(-1) ?? '', /^True/);
  const event = (await apps.events(before)).find(({ reason }) => reason === 'UnpauseContainer');
  assert.match(JSON.stringify(event?.step?.because), /Docker told of.*pause/);
});

test('a network that is cut makes Ready false within 45 s, with the reason, and true by itself', async () => {
  const address = await apps.address('one');
  await host.sh(`iptables -I OUTPUT -d ${address} -j DROP`);
  const took = await seconds(() => apps.becomes('one', 'Unhealthy', 60));
  assert.match((await apps.ready('one'))?.message ?? '', /no answer/);
  await host.sh(`iptables -D OUTPUT -d ${address} -j DROP`);
  const back = await seconds(() => until('app/one is Ready', () => isReady('one')));
  console.log(`\nnetwork cut: told after ${took.toFixed(0)} s; given back: Ready after ${back.toFixed(0)} s`);
  assert.ok(took < 60 && back < 30);
});

test('an nginx that is frozen is found by asking through it', async () => {
  await host.sh('pkill -STOP -x nginx');
  const took = await seconds(() => apps.becomes('one', 'EdgeNotAnswering', 120));
  await host.sh('pkill -CONT -x nginx');
  const back = await seconds(() => until('app/one is Ready', () => isReady('one')));
  console.log(`\nnginx frozen: told after ${took.toFixed(0)} s; goes on: Ready after ${back.toFixed(0)} s`);
});

test('an image pull that hangs for ever is shown, holds up nobody, and ends within a second of cancel', async () => {
  host.spawn(['busybox', 'nc', '-ll', '-p', '5999', '-e', 'sleep', '1000']);
  await until('the registry hangs', async () => (await host.sh('ss -Hltn')).includes(':5999 '));
  const hung = ['a', 'b', 'c', 'd'].map((name) => app(`hung-${name}`, { image: `127.0.0.1:5999/${name}:1` }));
  await apps.apply(...hung);
  await until('all four pull', async () => {
    const operations = await apps.holdfast(['get', 'operations']);
    return (operations.match(/app\/hung-. +Running +PullImage/g) ?? []).length === 4;
  });
  await apps.apply(app('five', { image: 'test.local/site:2' }));
  await apps.serve('five');
  const operations = await apps.holdfast(['get', 'operations', '-o', 'json']);
  const { items } = JSON.parse(operations) as {
    items: { key: string; step?: string; cause?: string; since?: string; until?: string }[];
  };
  const pull = items.find(({ key }) => key === 'hung-a');
  assert.is(pull?.step, 'PullImage');
  assert.match(pull?.cause ?? '', /^generation 1 by root through cli$/);
  assert.ok(Date.parse(pull?.until ?? '') > Date.parse(pull?.since ?? ''));
  const took = await seconds(async () => {
    await apps.holdfast(['cancel', 'app/hung-a']);
    await until('it is over', async () => (await apps.ready('hung-a'))?.reason === 'Cancelled', {
      everyMilliseconds: 50,
    });
  });
  const alone = await seconds(() => host.sh(`${project}/bin/holdfast version`));
  console.log(
    `\ncancel: over after ${took.toFixed(2)} s, of which the command line alone takes ${alone.toFixed(2)}`,
  );
  assert.ok(took < 1 + 3 * alone, `${took} s`);
  await apps.holdfast([
    'delete',
    'app/hung-a',
    'app/hung-b',
    'app/hung-c',
    'app/hung-d',
    'app/five',
    '--wait',
  ]);
  await host.kill('nc -ll -p 5999');
  await host.kill('sleep 1000');
});

test('a Docker that is stopped makes Ready unknown since when it was seen last, while the sites serve', async () => {
  const [dockerd] = (await host.sh('pgrep -x dockerd')).split('\n');
  await host.sh(`kill -STOP ${dockerd}`);
  const took = await seconds(() =>
    until('Ready is unknown', async () => (await apps.ready('one'))?.status === 'Unknown', { seconds: 90 }),
  );
  const message = (await apps.ready('one'))?.message ?? '';
  assert.match(message, /last seen \d{4}-\d\d-\d\dT/);
  assert.match(await apps.page('one'), /release=1/);
  await apps.holdfast(['get', 'operations', '-o', 'json']);
  const answered = await seconds(() => apps.holdfast(['apply', '-f', '-'], text(secret('key', { a: 'd' }))));
  await host.sh(`kill -CONT ${dockerd}`);
  const back = await seconds(() => until('app/one is Ready', () => isReady('one'), { seconds: 60 }));
  console.log(
    `\nDocker stopped: unknown after ${took.toFixed(0)} s, apply took ${answered.toFixed(1)} s meanwhile; goes on: Ready after ${back.toFixed(0)} s`,
  );
  assert.ok(took < 60);
});

test.run();
