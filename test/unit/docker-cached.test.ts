import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import {
  type CachedDocker,
  cacheDocker,
  type DockerChange,
} from '../../reconcilers/drivers/docker/cached.ts';
import { totalCalls } from '../../reconcilers/drivers/docker/count.ts';
import { createFakeDocker, type FakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import type { FakeContainer } from '../../reconcilers/drivers/docker/fake-container.ts';
import { type Docker, LABEL } from '../../reconcilers/drivers/docker/index.ts';
import { rejects } from '../conformance/docker.suite.ts';
import { until } from '../conformance/until.ts';
import { exampleSpec } from './docker-spec.ts';

const NETWORK = {
  name: 'holdfast',
  subnet: '10.99.0.0/24',
  gateway: '10.99.0.1',
  labels: { [LABEL.managed]: 'true' },
  options: {},
};

interface Setup {
  fake: FakeDocker;
  cached: CachedDocker;
  make(name: string): Promise<string>;
  stop(): Promise<void>;
}

/** `wrap` may slow down what the cache calls. */
async function setup(wrap: (fake: FakeDocker) => Docker = (fake) => fake, follow = true): Promise<Setup> {
  const fake = createFakeDocker({ clock: systemClock });
  fake.addImage('wiki:1');
  await fake.createNetwork(NETWORK);
  const cached = cacheDocker(wrap(fake), { clock: systemClock });
  const over = new AbortController();
  const nothing = { onEvent() {}, onUp() {}, onDown() {} };
  const following = follow ? cached.follow(nothing, over.signal) : Promise.resolve();
  await turn();
  cached.counts.clear();
  let count = 10;
  return {
    fake,
    cached,
    async make(name) {
      count += 1;
      const id = await fake.createContainer(
        exampleSpec({ name, network: { name: 'holdfast', address: `10.99.0.${count}` } }),
      );
      await fake.start(id);
      await turn();
      return id;
    },
    async stop() {
      over.abort();
      await following;
      for (const container of [...fake.engine.containers.values()]) fake.engine.remove(container);
    },
  };
}

function gate(): { open(): void; opened: Promise<void> } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { open: () => open(), opened };
}

async function agrees({ fake, cached }: Setup): Promise<void> {
  const byId = <T extends { id: string }>(all: T[]) => all.sort((a, b) => (a.id < b.id ? -1 : 1));
  assert.equal(byId(await cached.containers()), byId(await fake.containers()));
  for (const { id } of await fake.containers())
    assert.equal(await cached.container(id), await fake.container(id));
}

test('many readers at once cause one list', async () => {
  const all = await setup();
  await all.make('a');
  const answers = await Promise.all(Array.from({ length: 50 }, () => all.cached.containers()));
  assert.ok(answers.every((answer) => answer.length === 1));
  assert.equal(Object.fromEntries(all.cached.counts), { containers: 1 });
  await all.stop();
});

test('a resync of a hundred healthy containers takes two calls', async () => {
  const all = await setup();
  for (let one = 0; one < 100; one += 1) await all.make(`app-${one}`);
  const listed = await all.cached.containers();
  for (const { id } of listed) {
    const details = await all.cached.container(id);
    assert.ok(all.cached.needsLook(id));
    all.cached.looked(id, details);
  }
  all.cached.counts.clear();
  await all.cached.refresh();
  for (const { id, name } of await all.cached.containers()) {
    assert.not.ok(all.cached.needsLook(id));
    await all.cached.container(id);
    await all.cached.container(name);
    await all.cached.networks();
  }
  assert.is(totalCalls(all.cached.counts), 2);
  assert.equal(Object.fromEntries(all.cached.counts), { containers: 1, networks: 1 });
  await all.stop();
});

test('what happens to one container costs one look at that one', async () => {
  const all = await setup();
  const [first] = [await all.make('a'), await all.make('b'), await all.make('c')];
  await all.cached.containers();
  all.cached.counts.clear();
  all.fake.engine.pause(find(all, first));
  await turn();
  const seen = await all.cached.containers();
  assert.is(seen.find(({ id }) => id === first)?.state, 'paused');
  await all.cached.containers();
  await all.cached.container(first);
  assert.equal(Object.fromEntries(all.cached.counts), { container: 1 });
  await all.stop();
});

test('a burst over many containers costs one list', async () => {
  const all = await setup();
  const ids: string[] = [];
  for (let one = 0; one < 20; one += 1) ids.push(await all.make(`app-${one}`));
  await all.cached.containers();
  all.cached.counts.clear();
  for (const id of ids) all.fake.engine.pause(find(all, id));
  await turn();
  const seen = await all.cached.containers();
  assert.ok(seen.every(({ state }) => state === 'paused'));
  assert.equal(Object.fromEntries(all.cached.counts), { containers: 1 });
  await all.stop();
});

test('our own write is seen by the next read, also when its event is lost', async () => {
  const fake = createFakeDocker({ clock: systemClock, onEmit: () => 'drop' });
  fake.addImage('wiki:1');
  const cached = cacheDocker(fake, { clock: systemClock });
  const over = new AbortController();
  const following = cached.follow({ onEvent() {}, onUp() {}, onDown() {} }, over.signal);
  await cached.createNetwork(NETWORK);
  assert.ok((await cached.networks()).some(({ name }) => name === 'holdfast'));
  assert.equal(await cached.containers(), []);
  const id = await cached.createContainer(exampleSpec());
  assert.is((await cached.containers())[0]?.state, 'created');
  await cached.start(id);
  assert.is((await cached.containers())[0]?.state, 'running');
  assert.is((await cached.container(id))?.state, 'running');
  await cached.rename(id, 'other');
  assert.is((await cached.container('other'))?.id, id);
  assert.is(await cached.container('holdfast-app-wiki'), undefined);
  await cached.setRestartPolicy(id, 'no');
  assert.is((await cached.container(id))?.settings.restartPolicy, 'no');
  await cached.stop(id, 0);
  assert.is((await cached.containers())[0]?.state, 'exited');
  await cached.remove(id);
  assert.equal(await cached.containers(), []);
  assert.is(await cached.container(id), undefined);
  over.abort();
  await following;
});

test('a list that began before an event does not hide it', async () => {
  let hold = gate();
  hold.open();
  const all = await setup((fake) => ({
    ...fake,
    async containers() {
      const found = await fake.containers();
      await hold.opened;
      return found;
    },
  }));
  const id = await all.make('a');
  const gone = await all.make('b');
  hold = gate();
  const early = all.cached.containers();
  await turn();
  all.fake.engine.pause(find(all, id));
  await all.fake.remove(gone);
  await turn();
  hold.open();
  await early;
  const seen = await all.cached.containers();
  assert.equal(
    seen.map((container) => [container.id, container.state]),
    [[id, 'paused']],
  );
  await all.stop();
});

test('an inspect that began before an event is not kept', async () => {
  let hold = gate();
  hold.open();
  const all = await setup((fake) => ({
    ...fake,
    async container(name) {
      const found = await fake.container(name);
      await hold.opened;
      return found;
    },
  }));
  const id = await all.make('a');
  await all.cached.containers();
  hold = gate();
  const early = all.cached.container(id);
  await turn();
  await all.fake.setRestartPolicy(id, 'no');
  await turn();
  const late = all.cached.container(id);
  hold.open();
  const before = await early;
  assert.is(before?.settings.restartPolicy, 'always');
  assert.is((await late)?.settings.restartPolicy, 'no');
  assert.is((await all.cached.container(id))?.settings.restartPolicy, 'no');
  all.cached.looked(id, before);
  assert.ok(all.cached.needsLook(id), 'what was compared is not what is there now');
  await all.stop();
});

const suspicious: { name: string; act(all: Setup, id: string): void }[] = [
  {
    name: 'an update',
    act: (all, id) => all.fake.engine.update(find(all, id), { Memory: 1, MemorySwap: 2 }),
  },
  { name: 'a rename', act: (all, id) => all.fake.engine.rename(find(all, id), 'stolen') },
  { name: 'a disconnect', act: (all, id) => all.fake.engine.disconnect(find(all, id), 'holdfast') },
  { name: 'a death', act: (all, id) => all.fake.crash(id, 1) },
];
for (const row of suspicious) {
  test(`${row.name} makes a container need a look, and a look settles it`, async () => {
    const all = await setup();
    const id = await all.make('a');
    const other = await all.make('b');
    for (const one of [id, other]) all.cached.looked(one, await all.cached.container(one));
    assert.not.ok(all.cached.needsLook(id));
    const changes: DockerChange[] = [];
    all.cached.onChange((change) => changes.push(change));
    row.act(all, id);
    await turn();
    assert.ok(all.cached.needsLook(id));
    assert.not.ok(all.cached.needsLook(other));
    assert.ok(changes.some((change) => change.id === id));
    await agrees(all);
    all.cached.looked(id, await all.cached.container(id));
    assert.not.ok(all.cached.needsLook(id));
    await all.stop();
  });
}

function find(all: Setup, id: string): FakeContainer {
  const found = all.fake.engine.find(id);
  if (!found) throw new Error(`no container ${id}`);
  return found;
}

test('a missed event is noticed by the next list', async () => {
  const all = await setup();
  const id = await all.make('a');
  all.cached.looked(id, await all.cached.container(id));
  await all.cached.containers();
  // Behind everyone's back: no event at all.
  find(all, id).state = 'paused';
  assert.is((await all.cached.containers())[0]?.state, 'running');
  await all.cached.refresh();
  assert.is((await all.cached.containers())[0]?.state, 'paused');
  assert.ok(all.cached.needsLook(id));
  await agrees(all);
  await all.stop();
});

test('while the engine is gone reads reject, and afterwards everything is asked for anew', async () => {
  const all = await setup();
  const id = await all.make('a');
  all.cached.looked(id, await all.cached.container(id));
  await all.cached.containers();
  await all.cached.networks();
  await all.cached.image('wiki:1');
  all.fake.goDown();
  await rejects('unavailable', all.cached.containers());
  await rejects('unavailable', all.cached.container(id));
  await rejects('unavailable', all.cached.networks());
  await rejects('unavailable', all.cached.image('wiki:1'));
  all.fake.comeUp();
  assert.ok(all.cached.needsLook(id), 'it may have been changed meanwhile');
  await agrees(all);
  await all.stop();
});

test('without followers of events nothing is kept', async () => {
  const all = await setup(undefined, false);
  await all.make('a');
  await all.cached.containers();
  await all.cached.containers();
  assert.is(all.cached.counts.get('containers'), 2);
  await all.stop();
});

test('containers of others are asked for each time', async () => {
  const all = await setup();
  all.fake.addForeign({ name: 'theirs', image: 'wiki:1' });
  await all.cached.containers();
  all.cached.counts.clear();
  await all.cached.container('theirs');
  const theirs = await all.cached.container('theirs');
  assert.is(theirs?.name, 'theirs');
  assert.is(all.cached.counts.get('container'), 2);
  assert.equal(await all.cached.containers(), []);
  await all.stop();
});

test('an image is asked for once, until images change', async () => {
  const all = await setup();
  assert.is(await all.cached.image('new:1'), undefined);
  assert.is(await all.cached.image('new:1'), undefined);
  assert.is(all.cached.counts.get('image'), 1);
  all.fake.registry.set('new:1', { image: {} });
  await all.cached.pull('new:1', {});
  assert.ok(await all.cached.image('new:1'));
  await all.stop();
});

test('a network that somebody deletes is missed at the next read', async () => {
  const all = await setup();
  const before = await all.cached.networks();
  const network = all.fake.engine.findNetwork('holdfast');
  if (!network) throw new Error('no network');
  const changes: DockerChange[] = [];
  all.cached.onChange((change) => changes.push(change));
  all.fake.engine.removeNetwork(network);
  await turn();
  assert.is((await all.cached.networks()).length, before.length - 1);
  assert.equal(changes[0]?.labels, NETWORK.labels);
  assert.is(changes[0]?.action, 'destroy');
  await all.stop();
});

test('one who stops listening hears no more', async () => {
  const all = await setup();
  let heard = 0;
  const stop = all.cached.onChange(() => {
    heard += 1;
  });
  await all.make('a');
  assert.ok(heard > 0);
  stop();
  heard = 0;
  await all.make('b');
  assert.is(heard, 0);
  await all.stop();
});

/** Numbers from a seed, so that a failure can be run again. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

async function disorder(seed: number): Promise<void> {
  const random = generator(seed);
  const slowly = async <T>(answer: Promise<T>): Promise<T> => {
    for (let turns = Math.floor(random() * 4); turns > 0; turns -= 1) await turn();
    const value = await answer;
    for (let turns = Math.floor(random() * 4); turns > 0; turns -= 1) await turn();
    return value;
  };
  const all = await setup((fake) => ({
    ...fake,
    containers: () => slowly(fake.containers()),
    container: (id) => slowly(fake.container(id)),
    networks: () => slowly(fake.networks()),
  }));
  const { fake, cached } = all;
  const reads: Promise<unknown>[] = [];
  let made = 0;
  for (let step = 0; step < 200; step += 1) {
    const existing = [...fake.engine.containers.values()];
    const one = existing[Math.floor(random() * existing.length)];
    const dice = Math.floor(random() * 12);
    if (!one || dice === 0) {
      made += 1;
      await all.make(`app-${made}`);
    } else if (dice === 1) fake.engine.rename(one, `renamed-${step}`);
    else if (dice === 2) reads.push(cached.stop(one.id, 0));
    else if (dice === 3) reads.push(cached.start(one.id).catch(() => {}));
    else if (dice === 4) fake.engine.update(one, { PidsLimit: step });
    else if (dice === 5) reads.push(cached.remove(one.id));
    else if (dice === 6) reads.push(cached.refresh());
    else if (dice < 9) reads.push(cached.container(one.id));
    else reads.push(cached.containers());
    if (random() < 0.5) await turn();
  }
  await Promise.all(reads);
  await turn();
  await agrees(all);
  await all.stop();
}

for (let seed = 1; seed <= Number(process.env['SEEDS'] ?? 60); seed += 1) {
  test(`after disorder the cache agrees with the engine (seed ${seed})`, () => disorder(seed));
}

test('the fake tells that a container died, and its policy brings it back', async () => {
  const all = await setup();
  const id = await all.make('a');
  all.fake.crash(id, 3);
  await turn();
  assert.is((await all.cached.containers())[0]?.state, 'restarting');
  await until(async () => (await all.cached.container(id))?.state === 'running', 'it runs again');
  assert.is((await all.cached.container(id))?.restartCount, 1);
  await all.stop();
});

test('what the engine says of itself is asked once while it is up', async () => {
  const { cached, stop } = await setup();
  await Promise.all([cached.info(), cached.info()]);
  await cached.info();
  assert.is(cached.counts.get('info'), 1);
  cached.invalidate();
  await cached.info();
  assert.is(cached.counts.get('info'), 2);
  await stop();
});

test.run();
