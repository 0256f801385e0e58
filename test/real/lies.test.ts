/**
 * A real Docker that is made to answer one field otherwise than it was set, one field for each App: each stalls after a few containers and
 * names the field, goes on serving, and is Ready by itself when the truth is told again. What Holdfast does not set may say what it likes.
 */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { Apps, app, IMAGE, makeImage, makeImageRoot } from './apps.ts';
import { type Host, project, startHost } from './host.ts';
import { until } from './until.ts';

const RECORDED = '/root/recorded';
const LIES = '/root/lies.json';
/** The first, and three that were to do better. */
const MOST_CONTAINERS = 4;
/** Ends only when it is killed. */
const SLOW = 'test.local/slow:1';

interface Row {
  lie: object;
  /** What the message names; undefined: nothing happens. */
  field?: RegExp;
  spec?: Record<string, unknown>;
}

const host = (field: string, value: unknown) => ({ HostConfig: { [field]: value } });
const config = (field: string, value: unknown) => ({ Config: { [field]: value } });

const rows: Record<string, Row> = {
  memory: { lie: host('Memory', 7_000_000), field: /memory: found 7000000, wanted/ },
  swap: { lie: host('MemorySwap', 99_000_000), field: /memory/ },
  slow: { lie: host('CpuShares', 2), field: /cpuShares: found 2, wanted 512/, spec: { image: SLOW } },
  variable: { lie: config('Env', ['COLOR=blue']), field: /env\.[A-Z_]+: found another value/ },
  command: {
    lie: config('Cmd', ['/other']),
    field: /command: found \["\/other"\]/,
    spec: { command: ['/start'] },
  },
  label: {
    lie: config('Labels', { 'dev.holdfast.hash': 'x' }),
    field: /labels\.dev\.holdfast\.hash: found "x"/,
  },
  policy: { lie: host('RestartPolicy', { Name: 'on-failure' }), field: /restartPolicy: found "on-failure"/ },
  never: { lie: host('RestartPolicy', { Name: 'no' }), field: /restartPolicy/ },
  mounts: { lie: host('Mounts', []), field: /mounts\./ },
  port: {
    lie: host('PortBindings', { '22/tcp': [{ HostIp: '', HostPort: '2299' }] }),
    field: /ports\.22\/tcp: found "0\.0\.0\.0:2299"/,
    spec: { tcpPorts: { SSH_PORT: { title: 'Git', containerPort: 22 } }, ports: { SSH_PORT: 2222 } },
  },
  timeout: { lie: config('StopTimeout', 77), field: /stopSeconds: found 77, wanted 10/ },
  image: { lie: { Image: 'sha256:0' }, field: /image: found "sha256:0"/ },
  root: { lie: host('Privileged', true), field: /privileged: found true, wanted false/ },
  user: { lie: config('User', 'root') },
  health: { lie: config('Healthcheck', { Test: ['CMD', 'false'] }) },
  signal: { lie: config('StopSignal', 'SIGKILL') },
  alias: { lie: { NetworkSettings: { Networks: { holdfast: { Aliases: ['other'] } } } } },
  truth: { lie: {} },
};
const names = Object.keys(rows);
const liars = names.filter((name) => rows[name]?.field !== undefined);

let machine: Host;
let apps: Apps;

test.before(
  telling(async () => {
    machine = await startHost({ name: 'lies' });
    apps = new Apps(machine);
    await makeImageRoot(machine);
    await makeImage(machine, IMAGE, 'ENV RELEASE=1', 'USER 1000');
    await makeImage(
      machine,
      SLOW,
      'ENV RELEASE=1',
      'USER 1000',
      'CMD ["httpd", "-f", "-p", "8080", "-h", "/www"]',
    );
    await machine.copyIn(
      fileURLToPath(new URL('../support/recorder.mjs', import.meta.url)),
      '/root/recorder.mjs',
    );
    const sockets = ['/run/recorder.sock', '/var/run/docker.sock'];
    machine.spawn([
      'node',
      '/root/recorder.mjs',
      ...sockets,
      RECORDED,
      '/var/lib/holdfast/nginx/run/nginx.pid',
      LIES,
    ]);
    await until(
      'the recorder listens',
      async () => (await machine.exec(['test', '-S', '/run/recorder.sock'])).code === 0,
    );
    const serve = `exec ${project}/bin/holdfast serve --docker /run/recorder.sock >/root/controller.log 2>&1`;
    machine.spawn(['sh', '-c', serve]);
    await until('the controller answers', async () => (await machine.holdfast(['get', 'apps'])).code === 0);
    await apps.apply(
      ...names.map((name) =>
        app(name, { env: { COLOR: 'red' }, volumes: [{ path: '/data' }], ...rows[name]?.spec }),
      ),
    );
    await apps.serve(...names);
  }),
);
test.after(async () => {
  await machine?.remove();
});

/** How many containers of an App were ever made. */
async function made(name: string): Promise<number> {
  const word = `create?name=holdfast-app-${name}`;
  const lines = (await machine.readFile(RECORDED)).split('\n').filter((line) => line.includes(' call POST '));
  return lines.filter((line) => line.endsWith(word) || line.includes(`${word}-next`)).length;
}

const condition = async (name: string, type: string) =>
  (await apps.get(name))?.status?.conditions?.find((entry) => entry.type === type);

test('each App whose container is not what was set stalls, names the field, and is left alone', async () => {
  const lies = Object.fromEntries(names.map((name) => [`holdfast-app-${name}`, rows[name]?.lie]));
  await machine.sh(`cat >${LIES}`, { input: JSON.stringify(lies) });
  // Docker tells of an update, and each is looked at.
  for (const name of names)
    await machine.sh(`docker update --restart always holdfast-app-${name} >/dev/null`);
  for (const name of liars) {
    const stalled = await until(
      `app/${name} stalls`,
      async () => {
        const found = await condition(name, 'Stalled');
        return found?.reason === 'Looping' ? found : undefined;
      },
      { seconds: 150 },
    );
    assert.match(stalled.message, rows[name]?.field as RegExp);
    assert.is((await apps.ready(name))?.status, 'False');
    assert.match(await apps.page(name), /release=1/, `${name} goes on serving`);
  }
  const counts = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await made(name)] as const)),
  );
  console.log(`\ncontainers made: ${JSON.stringify(counts)}`);
  for (const name of names) assert.ok((counts[name] ?? 0) <= MOST_CONTAINERS, `${name}: ${counts[name]}`);
  for (const name of names.filter((one) => !liars.includes(one))) {
    assert.is(counts[name], 1, `${name} is not replaced`);
    assert.is((await apps.ready(name))?.status, 'True', name);
  }
  // However often it is looked at.
  for (let time = 0; time < 3; time += 1) {
    for (const name of liars)
      await machine.sh(`docker update --restart always holdfast-app-${name} >/dev/null`);
    await machine.sh('sleep 3');
  }
  for (const name of names) assert.is(await made(name), counts[name], `${name} is replaced no more`);
});

test('a controller that is killed and started again leaves them alone, too', async () => {
  const before = await Promise.all(liars.map(made));
  await machine.kill('serve --docker /run/recorder.sock', 'KILL');
  const serve = `exec ${project}/bin/holdfast serve --docker /run/recorder.sock >>/root/controller.log 2>&1`;
  machine.spawn(['sh', '-c', serve]);
  await until('the controller answers', async () => (await machine.holdfast(['get', 'apps'])).code === 0);
  await machine.sh('sleep 15');
  assert.equal(await Promise.all(liars.map(made)), before);
  for (const name of liars) assert.is((await condition(name, 'Stalled'))?.reason, 'Looping', name);
});

test('when the truth is told again, each is Ready by itself, with the container that it has', async () => {
  const before = await Promise.all(names.map(made));
  await machine.sh(`rm ${LIES}`);
  const began = Date.now();
  for (const name of names)
    await until(`app/${name} is Ready`, async () => (await apps.ready(name))?.status === 'True', {
      seconds: 120,
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}: ${JSON.stringify(await apps.status(name))}`);
    });
  console.log(`\nthe truth: all Ready after ${Math.round((Date.now() - began) / 1000)} s`);
  for (const name of names) assert.is(await condition(name, 'Stalled'), undefined, name);
  assert.equal(await Promise.all(names.map(made)), before);
});

test.run();
