/**
 * Bad days of a whole host: the controller killed again and again while Apps are applied, changed and deleted, a reboot among
 * it, Docker away, a second controller, a full disk. What was acknowledged holds, and everything converges by itself.
 * HOLDFAST_TEST_SEED has the same days again.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { condition } from '../../resources/document.ts';
import { telling } from '../support/before.ts';
import { seeded } from '../support/random.ts';
import type { Result } from './docker.ts';
import { type Host, project, startHost } from './host.ts';
import {
  type AppOptions,
  appManifest,
  apps,
  buildHello,
  headings,
  IMAGE,
  isReady,
  stream,
  succeeded,
  unready,
} from './product.ts';
import { until } from './until.ts';

const KILLS = 20;
/** On a slow machine they go on after the last kill. */
const LEAST_ROUNDS = 6;
const images = [IMAGE, 'holdfast.local/hello:2'];
const names = Array.from({ length: 20 }, (_, index) => `app-${String(index + 1).padStart(2, '0')}`);
const state = '/var/lib/holdfast';
const seed = Number(process.env['HOLDFAST_TEST_SEED'] ?? Date.now() % 1_000_000);
const random = seeded(seed);
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
const seconds = (since: number) => `${((performance.now() - since) / 1000).toFixed(1)} s`;

let host: Host;
/** What was acknowledged last, by name. */
const wanted = new Map<string, AppOptions>();
const everDeleted = new Set<string>();
let revision = 0;

test.before(
  telling(async () => {
    console.log(`seed ${seed} (HOLDFAST_TEST_SEED)`);
    host = await startHost({ name: 'crash' });
    await buildHello(host, images);
    await host.sh(
      `docker run -d --restart always --name foreign -v foreign:/data ${IMAGE} >/dev/null; docker network create foreign >/dev/null`,
    );
    await up();
  }),
);
test.after(async () => {
  await host?.remove();
});

async function up(): Promise<void> {
  succeeded(await host.holdfast(['up'], { timeoutSeconds: 120 }));
}

function newOptions(name: string): AppOptions {
  revision += 1;
  return {
    image: random.pick(images),
    location: `${name}-${random.below(3)}`,
    env: { GREETING: `${name} at ${revision}` },
    memory: random.pick(['128Mi', '256Mi']),
  };
}

/** A person would try again what was not acknowledged; so does this, until the deadline. */
function acknowledged(what: string, command: () => Promise<Result>): Promise<Result> {
  let last = '';
  return until(
    what,
    async () => {
      const result = await command();
      last = result.stderr;
      return result.code === 0 ? result : undefined;
    },
    { seconds: 90, everyMilliseconds: 300 },
  ).catch((error: Error) => {
    throw new Error(`${error.message}\n${last}`);
  });
}

async function applySome(some: readonly string[]): Promise<void> {
  const batch = some.map((name) => [name, newOptions(name)] as const);
  const input = stream(batch.map(([name, options]) => appManifest(name, options)));
  const result = await acknowledged(`apply of ${some.join(', ')}`, () =>
    host.holdfast(['apply', '-f', '-'], { input }),
  );
  for (const name of some) assert.match(result.stdout, new RegExp(`^app/${name} `, 'm'));
  for (const [name, options] of batch) wanted.set(name, options);
}

async function deleteSome(some: readonly string[]): Promise<void> {
  const references = some.map((name) => `app/${name}`);
  await acknowledged(`delete of ${some.join(', ')}`, () =>
    host.holdfast(['delete', '--ignore-not-found', ...references]),
  );
  for (const name of some) {
    wanted.delete(name);
    everDeleted.add(name);
  }
}

/** Nobody else writes now, so that what is stored must be what was acknowledged. */
async function nothingIsLost(): Promise<void> {
  const found = await until('the controller answers', () => apps(host), { seconds: 60 });
  const alive = found.filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  const stored = alive.map(({ metadata, spec }) => [metadata.name, spec['env'], spec['location']]);
  const meant = [...wanted].map(([name, { env, location }]) => [name, env, location]);
  assert.equal(stored.sort(), meant.sort(), `stored is not what was acknowledged (seed ${seed})`);
}

const subset = (count: number) => {
  const left = [...names];
  return Array.from({ length: count }, () => left.splice(random.below(left.length), 1)[0] ?? '').filter(
    Boolean,
  );
};

async function write(isOver: () => boolean): Promise<number> {
  let rounds = 0;
  for (; rounds < LEAST_ROUNDS || !isOver(); rounds += 1) {
    const some = subset(3 + random.below(5));
    const [first = '', second = '', ...others] = some;
    // At the same time, as two people would.
    await Promise.all([deleteSome([first, second]), applySome(others)]);
    await nothingIsLost();
  }
  return rounds;
}

const controllerPid = `sed 's/.*"pid":\\([0-9]*\\).*/\\1/' ${state}/run/controller.json`;

async function killController(): Promise<void> {
  const before = await host.sh(`pid=$(${controllerPid}); kill -9 $pid; echo $pid`);
  await until(
    'the supervisor has started another one',
    async () => (await host.sh(`pid=$(${controllerPid}); test -d /proc/$pid && echo $pid`)) !== before,
    { everyMilliseconds: 100 },
  );
}

const answers = async () =>
  (
    await host.exec([
      'curl',
      '-sf',
      '--unix-socket',
      '/run/holdfast/holdfast.sock',
      'http://localhost/readyz',
    ])
  ).code === 0;

async function killAgainAndAgain(): Promise<void> {
  for (let number = 1; number <= KILLS; number += 1) {
    // Some before they have read their store, most in the middle of their work.
    const early = random.next() < 0.3;
    if (!early) await until('the controller answers', answers, { everyMilliseconds: 100 });
    await pause(random.below(early ? 800 : 2500));
    await killController();
    if (number !== KILLS / 2) continue;
    await host.reboot();
    await up();
  }
}

const list = (what: string) => host.sh(what).then((text) => text.split('\n').filter(Boolean).sort());
const live = () => [...wanted.keys()].sort();

async function converged(what: string, limit = 120): Promise<void> {
  let last = '';
  await until(
    what,
    async () => {
      const found = await apps(host);
      last = unready(found);
      return found.every(isReady) && found.length === wanted.size;
    },
    { seconds: limit, everyMilliseconds: 500 },
  ).catch((error: Error) => {
    throw new Error(`${error.message} (seed ${seed})\n${last}`);
  });
}

/** By status, by Docker, by nginx's files, by the store's leases, and by asking. */
async function everythingFits(): Promise<void> {
  const label = '--filter label=dev.holdfast.managed=true';
  const containers = await list(`docker ps -a ${label} --format '{{.Names}} {{.State}}'`);
  assert.equal(
    containers,
    live().map((name) => `holdfast-app-${name} running`),
  );
  const volumes = await list(`docker volume ls ${label} --format '{{.Label "dev.holdfast.name"}}'`);
  assert.equal(
    volumes,
    live().flatMap((name) => [name, name, name]),
  );
  const sites = await list(`ls ${state}/nginx/current/sites 2>/dev/null || true`);
  assert.equal(
    sites,
    live().map((name) => `${name}.conf`),
  );
  const uids = (await apps(host)).map(({ metadata }) => metadata.uid).sort();
  assert.equal(await leases(), uids);
  await pagesFit();
}

/** Uids that have an address, from the store's own file. */
async function leases(): Promise<string[]> {
  const query = "SELECT owner FROM leases WHERE pool = 'address'";
  // The controller keeps its own to itself, so a copy is read, with what is not yet in the main file.
  await host.sh(`rm -f /tmp/store.db*; cp ${state}/store/store.db* /tmp/`);
  const script = `import('better-sqlite3').then(({ default: Database }) => {
    for (const { owner } of new Database('/tmp/store.db').prepare(${JSON.stringify(query)}).all()) console.log(owner);
  })`;
  const { stdout } = succeeded(await host.exec(['node', '-e', script], { cwd: project }));
  return stdout.split('\n').filter(Boolean).sort();
}

async function pagesFit(): Promise<void> {
  const locations = live().map((name) => wanted.get(name)?.location ?? '');
  const pages = await headings(host, locations);
  for (const name of live()) {
    const { env, location = '' } = wanted.get(name) ?? {};
    assert.is(pages.get(location), env?.['GREETING'], `the page of ${name} (seed ${seed})`);
  }
}

async function settingsFit(): Promise<void> {
  const format = '{{.Name}} {{.HostConfig.MemorySwap}} {{.Image}}';
  const ids = new Map<string, string>();
  for (const image of images) ids.set(image, await host.sh(`docker image inspect -f '{{.Id}}' ${image}`));
  const found = await list(
    `docker inspect -f '${format}' ${live()
      .map((name) => `holdfast-app-${name}`)
      .join(' ')}`,
  );
  const meant = live().map((name) => {
    const { memory = '', image = '' } = wanted.get(name) ?? {};
    return `/holdfast-app-${name} ${Number.parseInt(memory, 10) * 2 ** 20} ${ids.get(image)}`;
  });
  assert.equal(found, meant);
}

const dataFile = (name: string) => `${state}/apps/${name}/volumes/data/kept`;

test('killed twenty times and rebooted once, it converges to what was acknowledged', async () => {
  await applySome(names);
  await converged('the first twenty are Ready');
  await host.sh(names.map((name) => `echo ${name} >${dataFile(name)}`).join('; '));
  const began = performance.now();
  let over = false;
  const killing = killAgainAndAgain().finally(() => {
    over = true;
  });
  const [rounds] = await Promise.all([write(() => over), killing]);
  console.log(`${rounds} rounds of writes, ${KILLS} kills and a reboot in ${seconds(began)}`);
  const settled = performance.now();
  await converged('everything converges after the last kill');
  console.log(
    `converged in ${seconds(settled)}: ${wanted.size} Apps, ${everDeleted.size} were deleted at some time`,
  );
  await everythingFits();
  await settingsFit();
});

test('data is where it was, for those that live and those that were deleted without a word of it', async () => {
  for (const name of names) assert.is(await host.readFile(dataFile(name)), `${name}\n`);
  const inside = live().map((name) => `docker exec holdfast-app-${name} cat /data/kept`);
  assert.equal(await list(inside.join('; ')), live());
});

test('doctor finds nothing, and what is not ours is as it was', async () => {
  const doctor = await host.holdfast(['doctor']);
  assert.is(doctor.code, 0, doctor.stdout);
  assert.is(await host.sh("docker ps --filter name=^foreign$ --format '{{.State}}'"), 'running');
  assert.is(await host.sh("docker network ls --filter name=^foreign$ --format '{{.Name}}'"), 'foreign');
});

test('a second controller on the same state refuses, and says who has it', async () => {
  const result = await host.holdfast(['serve', '--socket', '/run/second.sock'], { timeoutSeconds: 20 });
  assert.is(result.code, 1);
  assert.match(result.stderr + result.stdout, /is in use by process \d+; stop that one first/);
  succeeded(await host.holdfast(['get', 'apps']));
});

async function killDocker(): Promise<void> {
  await host.sh('kill -9 $(cat /var/run/docker.pid)');
}
async function startDocker(): Promise<void> {
  await host.sh('rm -f /var/run/docker.pid; setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null & true');
  await until('dockerd answers', async () => (await host.exec(['docker', 'version'])).code === 0);
}
const conditionsOf = async (type: string) => (await apps(host)).map((app) => condition(app, type));

test('without Docker it says that it does not know, and goes on when Docker is back', async () => {
  await killDocker();
  await until('every App is Unknown', async () =>
    (await conditionsOf('Ready')).every(
      (ready) => ready?.status === 'Unknown' && /Docker/.test(ready.message),
    ),
  );
  await startDocker();
  const began = performance.now();
  await converged('every App is Ready again', 60);
  console.log(`${wanted.size} Apps Ready ${seconds(began)} after Docker is back`);
  await everythingFits();
});

test('a controller that starts without Docker waits for it, and takes writes meanwhile', async () => {
  await killDocker();
  await killController();
  await until('the controller answers', () => apps(host));
  await applySome(live().slice(0, 2));
  await startDocker();
  await converged('every App is Ready again', 60);
  await everythingFits();
});

/** To the last block. */
const fill = `
  dd if=/dev/zero of=${state}/filler bs=64k oflag=append conv=notrunc 2>/dev/null || true
  dd if=/dev/zero of=${state}/filler bs=1k oflag=append conv=notrunc 2>/dev/null || true
`;

function bigSecret(name: string): string {
  const spec = { stringData: { text: 'x'.repeat(60_000) } };
  return JSON.stringify({ apiVersion: 'holdfast.dev/v1', kind: 'Secret', metadata: { name }, spec });
}

test('a full disk refuses writes with a clear error, stores no half of them, and is got over', async () => {
  succeeded(await host.holdfast(['purge', '--yes'], { timeoutSeconds: 120 }));
  wanted.clear();
  await host.sh(`mkdir -p ${state}; mount -t tmpfs -o size=24m tmpfs ${state}`);
  await buildHello(host, images);
  await up();
  await applySome(['app-01']);
  await converged('the App on the small disk is Ready');
  const batch = Array.from({ length: 12 }, (_, index) => `big-${index}`);
  const input = stream(batch.map(bigSecret));
  const refused = await until('a write is refused', async () => {
    await host.sh(fill);
    // The first finds the store's reserve, which is then filled, too.
    const result = await host.holdfast(['apply', '-f', '-'], { input });
    if (result.code !== 0) return result;
    succeeded(await host.holdfast(['delete', ...batch.map((name) => `secret/${name}`)]));
    return undefined;
  });
  assert.match(refused.stderr, /disk is full/);
  assert.match(refused.stderr, /nothing of this write was stored/);
  assert.is(succeeded(await host.holdfast(['get', 'secrets', '-o', 'name'])).stdout, '');
  assert.is((await headings(host, [String(wanted.get('app-01')?.location)])).size, 1);
  await host.sh(`rm ${state}/filler`);
  await applySome(['app-01', 'app-02']);
  await converged('all is well after there is room', 60);
  await everythingFits();
});

test.run();
