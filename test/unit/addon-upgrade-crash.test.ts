/**
 * An upgrade of a database with the controller killed at each call that it makes of the world, one at a time: the call has its effect, and its
 * answer is never heard. After the next start it goes on, every word is there, nothing is left over, and the old data is kept.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Drivers } from '../../controller/core.ts';
import { READING_VERBS } from '../../reconcilers/halves.ts';
import { API_VERSION, type Manifest } from '../../resources/document.ts';
import { appManifest, type RunningController, serveApps, startController } from '../support/controller.ts';

const PG = (version: string) => `holdfast.local/postgresql:${version}`;
const WORDS = ['hello', 'world'];
const FOLDER = '/fake/state/addons/postgresql/';

/** Counts the calls that write, and ends the life of the controller at one of them. */
class Killer {
  calls = 0;
  /** The call at which it dies. */
  at: number | undefined;
  life = 0;
  /** Nothing that a dead one asks for is done, and nothing is answered. */
  dead = 0;
  readonly names: string[] = [];

  wrap<T extends object>(driver: 'docker' | 'host' | 'databases', real: T): T {
    const reads: object = READING_VERBS[driver];
    const { life } = this;
    return new Proxy(real, {
      get: (target, property) => {
        const value = Reflect.get(target, property);
        const isRead = property in reads || ['follow', 'disconnect', 'close'].includes(String(property));
        if (typeof value !== 'function' || isRead) return value;
        return async (...args: unknown[]) => {
          if (this.dead >= life) return new Promise(() => undefined);
          const answer = await value.apply(target, args);
          if (this.dead >= life) return new Promise(() => undefined);
          this.calls += 1;
          this.names.push(`${driver}.${String(property)}`);
          if (this.at !== this.calls) return answer;
          this.dead = life;
          return new Promise(() => undefined);
        };
      },
    });
  }
}

function addon(version: string): Manifest {
  const spec = { type: 'postgresql', version };
  return { apiVersion: API_VERSION, kind: 'Addon', metadata: { name: 'postgresql' }, spec };
}

interface Seen {
  version?: string;
  address?: string;
}

const seen = (controller: RunningController): Seen =>
  (controller.get('Addon', 'postgresql')?.status ?? {}) as Seen;

async function until(controller: RunningController, what: string, holds: () => boolean, seconds = 300) {
  for (let second = 0; second < seconds; second += 1) {
    serveApps(controller);
    await controller.settle();
    if (holds()) return;
    await controller.pass(1000);
  }
  const { status } = controller.get('Addon', 'postgresql') ?? {};
  throw new Error(
    `waited in vain until ${what}: ${JSON.stringify(status)} ${JSON.stringify(controller.events('postgresql').slice(-5))}`,
  );
}

const isServing = (controller: RunningController, version: string) => () =>
  controller.ready('App', 'shop').reason === 'Serving' &&
  controller.ready('Addon', 'postgresql').reason === 'Serving' &&
  seen(controller).version === version;

const wordsIn = (controller: RunningController, slot: string) =>
  controller.world.databases.data.get(`${FOLDER}${slot}`)?.databases.get('app_shop');

/** Folders that two servers ran on at the same time. */
const shared: string[] = [];

function watchData({ world }: RunningController): void {
  const { engine } = world.docker;
  const start = engine.start.bind(engine);
  engine.start = (container) => {
    const started = start(container);
    const folders = [...engine.containers.values()]
      .filter(({ state }) => state === 'running')
      .flatMap(({ spec }) => spec.mounts.flatMap(({ device }) => device ?? []));
    shared.push(...folders.filter((folder, index) => folders.indexOf(folder) !== index));
    return started;
  };
}

async function serving(wrap?: Parameters<typeof startController>[0]): Promise<RunningController> {
  const controller = await startController(wrap);
  watchData(controller);
  for (const version of ['15', '17'])
    controller.world.docker.addImage(PG(version), { volumes: ['/var/lib/postgresql/data'] });
  await controller.apply(addon('15'), appManifest('shop', { addons: { postgresql: {} } }));
  await until(controller, 'it serves', isServing(controller, '15'));
  wordsIn(controller, 'data-15')?.push(...WORDS);
  return controller;
}

function killing(killer: Killer): NonNullable<Parameters<typeof startController>[0]> {
  const wrap = ({ docker, host, databases }: Pick<Drivers, 'docker' | 'host' | 'databases'>) => {
    killer.life += 1;
    return {
      docker: killer.wrap('docker', docker),
      host: killer.wrap('host', host),
      databases: killer.wrap('databases', databases),
    };
  };
  return { wrap };
}

/** Killed at this call, and nobody wants the new version any more. */
async function changeMind(killAt: number): Promise<void> {
  const killer = new Killer();
  const controller = await serving(killing(killer));
  try {
    killer.calls = 0;
    killer.at = killAt;
    await controller.apply(addon('17'));
    await until(controller, `it is killed at call ${killAt}`, () => killer.dead > 0);
    await controller.apply(addon('15'));
    await controller.restart();
    await until(controller, 'the old version serves', isServing(controller, '15'), 900);
    assert.equal(wordsIn(controller, 'data-15'), WORDS);
    assert.equal(shared, []);
    await controller.pass(10_000);
    const ours = [...controller.world.docker.engine.containers.values()].map(({ name }) => name).sort();
    assert.equal(ours, ['holdfast-addon-postgresql', 'holdfast-app-shop']);
  } finally {
    await controller.close();
  }
}

/** Answers how many calls it took. */
async function upgrade(killAt: number | undefined): Promise<{ calls: number; names: string[] }> {
  const killer = new Killer();
  const controller = await serving(killing(killer));
  try {
    killer.calls = 0;
    killer.names.length = 0;
    killer.at = killAt;
    await controller.apply(addon('17'));
    if (killAt !== undefined) {
      await until(controller, `it is killed at call ${killAt}`, () => killer.dead > 0);
      await controller.restart();
    }
    await until(controller, 'the new version serves', isServing(controller, '17'));
    assert.equal(wordsIn(controller, 'data-17'), WORDS);
    assert.equal(shared, []);
    const slots = [...controller.world.host.state.folders.keys()]
      .filter((path) => path.startsWith(FOLDER) && path.split('/').length === FOLDER.split('/').length)
      .map((path) => path.slice(FOLDER.length).replace(/\d{8}T\d{6}Z$/, 'TIME'))
      .sort();
    assert.equal(slots, ['data-17', 'kept-15-TIME', 'secret']);
    const kept = [...controller.world.databases.data].find(([folder]) => folder.includes('/kept-15-'));
    assert.equal(kept?.[1].databases.get('app_shop'), WORDS);
    await controller.pass(10_000);
    const ours = [...controller.world.docker.engine.containers.values()].map(({ name }) => name).sort();
    assert.equal(ours, ['holdfast-addon-postgresql', 'holdfast-app-shop']);
    assert.is(controller.store.leases.all('address').size, 2, 'no address is left');
    return { calls: killer.calls, names: [...killer.names] };
  } finally {
    await controller.close();
  }
}

const { calls, names } = await upgrade(undefined);

test('an upgrade goes through', () => {
  assert.ok(calls > 15, names.join());
  console.log(`${calls} calls: ${names.join(' ')}`);
});

for (let at = 1; at <= calls; at += 1) {
  test(`killed at call ${at} (${names[at - 1]}), it goes on after the next start`, async () => {
    await upgrade(at);
  });
  test(`killed at call ${at} (${names[at - 1]}), it goes back where the old version is wanted again`, async () => {
    await changeMind(at);
  });
}

test.run();
