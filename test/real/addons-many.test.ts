/**
 * Fifty Apps with an account each in one PostgreSQL: what the second half costs against the first, what a look at all of them costs when
 * nothing changed, and how many connections that takes. Costs are counted, not timed: calls of the drivers, transactions of the server,
 * connections that it sees.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Document } from '../../resources/document.ts';
import { telling } from '../support/before.ts';
import { type Host, project, startHost } from './host.ts';
import {
  appManifest,
  apps,
  buildHello,
  isReady,
  platformIsReady,
  stream,
  succeeded,
  unready,
} from './product.ts';
import { bringImages } from './server-images.ts';
import { until } from './until.ts';

const HALF = 25;
const RESYNC_SECONDS = 6;
const SERVER = 'holdfast-addon-postgresql';
const names = Array.from({ length: 2 * HALF }, (_, index) => `guest-${String(index + 1).padStart(2, '0')}`);

let host: Host;
let skip: string | undefined;

function manifest(name: string): string {
  const document = JSON.parse(appManifest(name)) as { spec: object };
  return JSON.stringify({ ...document, spec: { ...document.spec, addons: { postgresql: {} } } });
}

test.before(
  telling(async () => {
    host = await startHost({ name: 'addons-many' });
    skip = await bringImages(host, ['postgresql:15']);
    if (skip !== undefined) return console.log(`SKIP: ${skip}`);
    await buildHello(host);
    const serve = `exec ${project}/bin/holdfast serve --resync ${RESYNC_SECONDS}s >/root/controller.log 2>&1`;
    host.spawn(['sh', '-c', serve]);
    await until('the controller is ready', () => platformIsReady(host));
  }),
);
test.after(async () => {
  await host?.remove();
});

const unlessSkipped = (name: string, run: () => Promise<void>) =>
  test(name, async () => {
    if (skip === undefined) await run();
  });

const ask = (sql: string, database = 'postgres') =>
  host.sh(`docker exec ${SERVER} sh -c 'psql -U postgres -Atc "${sql}" ${database}'`);

/** Connections that Holdfast has now, all databases together. */
const OURS = 'SELECT count(*) FROM pg_stat_activity WHERE application_name = \\$\\$holdfast\\$\\$';

type Calls = Record<string, number>;

/** Calls of a driver to the outside world until now, by verb. */
async function callsOf(driver: string): Promise<Calls> {
  const text = await host.sh('curl -s --unix-socket /run/holdfast/holdfast.sock http://localhost/metrics');
  const line = /^holdfast_driver_calls_total\{driver="(\w+)",verb="(\w+)"\} (\d+)$/gm;
  const found = [...text.matchAll(line)].filter(([, name]) => name === driver);
  assert.ok(found.length > 0, `no calls of ${driver} in\n${text}`);
  return Object.fromEntries(found.map(([, , verb = '', count]) => [verb, Number(count)]));
}

function since(before: Calls, after: Calls): Calls {
  const grown = Object.entries(after).map(([verb, count]) => [verb, count - (before[verb] ?? 0)] as const);
  return Object.fromEntries(grown.filter(([, count]) => count > 0));
}

const look = async () => ({ databases: await callsOf('databases'), docker: await callsOf('docker') });

async function half(part: readonly string[]): Promise<{ databases: Calls; docker: Calls; seconds: number }> {
  const before = await look();
  const began = performance.now();
  succeeded(await host.holdfast(['apply', '-f', '-'], { input: stream(part.map(manifest)) }));
  const ready = await host.holdfast(
    ['wait', 'app', ...part, '--for', 'condition=Ready', '--timeout', '240s'],
    {
      timeoutSeconds: 260,
    },
  );
  if (ready.code !== 0) throw new Error(`${unready(await apps(host))}\n${ready.stderr.slice(-2000)}`);
  const seconds = (performance.now() - began) / 1000;
  const after = await look();
  return {
    databases: since(before.databases, after.databases),
    docker: since(before.docker, after.docker),
    seconds,
  };
}

/** Counts Holdfast's connections in the server itself, again and again, until it is stopped; answers the most that it saw. */
async function most(): Promise<() => Promise<number>> {
  const script = `while [ ! -e /tmp/enough ]; do psql -U postgres -Atc "${OURS}" postgres; sleep 0.1; done`;
  const counter = host.spawn(['docker', 'exec', SERVER, 'sh', '-c', script]);
  let text = '';
  counter.stdout?.on('data', (chunk) => (text += String(chunk)));
  const ended = new Promise((resolve) => counter.once('close', resolve));
  return async () => {
    await host.sh(`docker exec ${SERVER} touch /tmp/enough`);
    await ended;
    const counts = text.split('\n').filter(Boolean).map(Number);
    assert.ok(counts.length > 10, `counted ${counts.length} times only`);
    return Math.max(...counts);
  };
}

unlessSkipped('the server is there with the first App', async () => {
  succeeded(await host.holdfast(['apply', '-f', '-'], { input: manifest('first') }));
  succeeded(await host.holdfast(['wait', 'app/first', '--timeout', '180s'], { timeoutSeconds: 200 }));
});

unlessSkipped('the second half costs what the first did, over a few connections', async () => {
  const stopCounting = await most();
  const first = await half(names.slice(0, HALF));
  const second = await half(names.slice(HALF));
  const connections = await stopCounting();
  console.log(JSON.stringify({ first, second, connections }));
  for (const { databases, docker } of [first, second]) {
    assert.is(databases['provision'], HALF);
    assert.is(docker['createContainer'], HALF);
    assert.is(docker['exec'], undefined);
  }
  // A resync more or less in one of the two asks once for each Binding that there is.
  const total = ({ databases }: { databases: Calls }) =>
    Object.values(databases).reduce((sum, count) => sum + count, 0);
  assert.ok(total(second) <= 2 * total(first) + 4 * HALF, `${total(first)} calls, then ${total(second)}`);
  assert.ok(connections >= 1 && connections <= 5, `${connections} connections at a time`);
});

unlessSkipped('each has a database, a login and a password of its own, and no way to another', async () => {
  const all = await apps(host);
  assert.ok(all.length === names.length + 1 && all.every(isReady));
  const { status } = JSON.parse(
    (await host.holdfast(['get', 'addon/postgresql', '-o', 'json'])).stdout,
  ) as Document<object, { address?: string; conditions: [] }>;
  const address = status?.address ?? '';
  // In the server's container, by the network, with what each App was given.
  const script = names
    .map((name) => `docker exec holdfast-app-${name} sh -c 'echo "$POSTGRESQL_URL"'`)
    .join('; ');
  const urls = (await host.sh(script)).split('\n').map((url) => url.replace('@postgresql/', `@${address}/`));
  assert.is(new Set(urls.map((url) => new URL(url).password)).size, names.length);
  const answers = await host.sh(
    `docker exec -i ${SERVER} sh -c 'while read -r url; do psql -Atc "SELECT current_database()" "$url"; done'`,
    { input: `${urls.join('\n')}\n` },
  );
  const databases = answers.split('\n');
  assert.is(new Set(databases).size, names.length);
  const [one = '', other = ''] = urls;
  const theirs = one.replace(/[^/]+$/, new URL(other).pathname.slice(1));
  const refused = await host.exec(['docker', 'exec', SERVER, 'psql', '-Atc', 'SELECT 1', theirs]);
  assert.match(refused.stderr, /permission denied for database/);
});

unlessSkipped(
  'a look at all of them, when nothing changed, asks the server a few questions and Docker none',
  async () => {
    const transactions = async () =>
      Number(await ask('SELECT sum(xact_commit) FROM pg_stat_database WHERE datname LIKE \\$\\$app%\\$\\$'));
    const ledger = async () =>
      Number(await ask('SELECT xact_commit FROM pg_stat_database WHERE datname = \\$\\$postgres\\$\\$'));
    await until('all is quiet', async () => {
      const before = await look();
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      return since(before.docker, (await look()).docker)['createContainer'] === undefined;
    });
    const before = { ...(await look()), apps: await transactions(), ledger: await ledger() };
    const resyncs = 4;
    const end = performance.now() + resyncs * RESYNC_SECONDS * 1000;
    await until('four resyncs have passed', async () => performance.now() >= end, { seconds: 60 });
    const after = { ...(await look()), apps: await transactions(), ledger: await ledger() };
    const [databases, docker] = [
      since(before.databases, after.databases),
      since(before.docker, after.docker),
    ];
    const asked = after.ledger - before.ledger;
    console.log(JSON.stringify({ databases, docker, transactions: asked }));
    assert.equal(
      Object.keys(databases).filter((verb) => !['accounts', 'version'].includes(verb)),
      [],
    );
    assert.is(docker['exec'], undefined);
    assert.ok((docker['container'] ?? 0) <= resyncs, `${docker['container']} containers were inspected`);
    // Its own questions are among them: the two sums, and what the server does for itself.
    assert.ok(asked <= 12 * resyncs, `${asked} transactions for ${names.length} Apps in ${resyncs} resyncs`);
    // The server's own statistics and vacuum come by now and then; nobody logs in for a look.
    assert.ok(after.apps - before.apps <= names.length, `${after.apps - before.apps} transactions of Apps`);
    assert.ok(Number(await ask(OURS)) <= 5);
  },
);

unlessSkipped('deleted with their data, no database and no login is left', async () => {
  const all = [...names, 'first'].map((name) => `app/${name}`);
  succeeded(await host.holdfast(['delete', ...all, '--delete-data', '--wait'], { timeoutSeconds: 200 }));
  await until(
    'all is gone',
    async () => {
      if ((await host.exec(['docker', 'inspect', SERVER])).code !== 0) return true;
      const left = await ask('SELECT count(*) FROM pg_roles WHERE rolname LIKE \\$\\$app%\\$\\$');
      return left === '0';
    },
    { seconds: 90 },
  );
});

test.run();
