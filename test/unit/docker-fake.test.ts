/** What the fake can do beyond the interface: faults, and the engine going away. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from '../../controller/clock.ts';
import { createFakeDocker, type FakeDockerOptions } from '../../reconcilers/drivers/docker/fake.ts';
import { type DockerEvent, LABEL, type PullProgress } from '../../reconcilers/drivers/docker/index.ts';
import { DriverError } from '../../reconcilers/drivers/error.ts';
import { rejects } from '../conformance/docker.suite.ts';
import { exampleSpec } from './docker-spec.ts';

/** Time that passes only when told. */
function handClock(): Clock & { pass(milliseconds: number): Promise<void> } {
  let now = Date.parse('2026-11-23T10:00:00Z');
  let timers: { at: number; run: () => void }[] = [];
  return {
    now: () => now,
    monotonic: () => now,
    random: () => 0.5,
    uuid: () => 'uuid',
    after(milliseconds, run) {
      const timer = { at: now + milliseconds, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((one) => one !== timer);
      };
    },
    async pass(milliseconds) {
      const end = now + milliseconds;
      for (;;) {
        // Whoever waits for a promise gets on first.
        await new Promise((resolve) => setImmediate(resolve));
        const next = timers.filter(({ at }) => at <= end).sort((left, right) => left.at - right.at)[0];
        if (!next) break;
        timers = timers.filter((one) => one !== next);
        now = Math.max(now, next.at);
        next.run();
      }
      now = end;
    },
  };
}

async function setup(options: Partial<FakeDockerOptions> = {}) {
  const clock = handClock();
  const docker = createFakeDocker({ clock, ...options });
  docker.addImage('wiki:1');
  const events: DockerEvent[] = [];
  const seen = { ups: 0, downs: 0 };
  const over = new AbortController();
  const listener = {
    onEvent: (event: DockerEvent) => events.push(event),
    onUp: () => {
      seen.ups += 1;
    },
    onDown: () => {
      seen.downs += 1;
    },
  };
  void docker.follow(listener, over.signal);
  const labels = { [LABEL.managed]: 'true' };
  await docker.createNetwork({
    name: 'holdfast',
    subnet: '10.99.0.0/24',
    gateway: '10.99.0.1',
    labels,
    options: {},
  });
  return { clock, docker, events, seen };
}

test('a fault before a call leaves nothing behind, one after it leaves the effect', async () => {
  let fault: 'before' | 'after' | undefined;
  const crash = (when: string) => (method: string) => {
    if (method === 'createContainer' && fault === when) throw new Error(`crash ${when}`);
  };
  const { docker } = await setup({ beforeCall: crash('before'), afterCall: crash('after') });
  const failing = async () => {
    await docker
      .createContainer(exampleSpec())
      .then(assert.unreachable, (caught) => assert.match(caught.message, /crash/));
    return (await docker.containers()).length;
  };
  fault = 'before';
  assert.is(await failing(), 0);
  fault = 'after';
  assert.is(await failing(), 1);
  fault = undefined;
  await docker.createContainer(exampleSpec());
  assert.is((await docker.containers()).length, 1);
});

test('the same calls at the same times give the same ids and events', async () => {
  const run = async () => {
    const { docker, events, clock } = await setup();
    const id = await docker.createContainer(exampleSpec());
    await docker.start(id);
    docker.crash(id, 1);
    await clock.pass(1000);
    await docker.remove(id);
    await clock.pass(0);
    return { id, events };
  };
  assert.equal(await run(), await run());
});

test('events can be lost and delayed', async () => {
  const { docker, events, clock } = await setup({
    onEmit: ({ action }) => (action === 'create' ? 'drop' : action === 'start' ? 500 : 'deliver'),
  });
  const id = await docker.createContainer(exampleSpec());
  await docker.start(id);
  await clock.pass(100);
  const actions = () => events.filter((event) => event.id === id).map(({ action }) => action);
  assert.equal(actions(), []);
  await clock.pass(500);
  assert.equal(actions(), ['start']);
});

test('a crash loop waits longer each time', async () => {
  const { docker, clock } = await setup();
  const id = await docker.createContainer(exampleSpec({ command: ['sh', '-c', 'exit 1'] }));
  await docker.start(id);
  const counts: (number | undefined)[] = [];
  for (const pause of [0, 100, 200, 400, 100]) {
    await clock.pass(pause);
    counts.push((await docker.container(id))?.restartCount);
  }
  assert.equal(counts, [0, 1, 2, 3, 3]);
  assert.is((await docker.container(id))?.state, 'restarting');
});

test('an engine that goes away takes calls and containers with it, and policies bring those back', async () => {
  const { docker, seen } = await setup();
  const always = await docker.createContainer(exampleSpec({ name: 'always' }));
  const once = await docker.createContainer(
    exampleSpec({ name: 'once', restartPolicy: 'no', network: { name: 'holdfast', address: '10.99.0.11' } }),
  );
  for (const id of [always, once]) await docker.start(id);
  docker.goDown();
  assert.equal(seen, { ups: 1, downs: 1 });
  await rejects('unavailable', docker.containers());
  await rejects('unavailable', docker.start(always));
  docker.comeUp();
  assert.equal(seen, { ups: 2, downs: 1 });
  assert.is((await docker.container(always))?.state, 'running');
  assert.is((await docker.container(once))?.state, 'exited');
});

test('a host port that another program has is a conflict', async () => {
  const { docker } = await setup();
  docker.engine.takenPorts.add('tcp/2222');
  const ports = [{ containerPort: 22, protocol: 'tcp', hostPort: 2222 }] as const;
  const id = await docker.createContainer(exampleSpec({ ports: [...ports] }));
  await rejects('conflict', docker.start(id), /address already in use/);
  docker.engine.takenPorts.clear();
  await docker.start(id);
});

test('a pull takes its time, tells how far it is, and what came is there', async () => {
  const { docker, clock } = await setup();
  docker.registry.set('new:1', { image: { volumes: ['/data'] }, milliseconds: 4000 });
  const progress: PullProgress[] = [];
  const pulling = docker.pull('new:1', { onProgress: (now) => progress.push(now) });
  await clock.pass(2500);
  assert.equal(
    progress.map(({ percent }) => percent),
    [25, 50],
  );
  await clock.pass(2000);
  assert.equal((await pulling).volumes, ['/data']);
  assert.ok(await docker.image('new:1'));
});

test('a pull can hang, fail, be refused, be cancelled, and find nothing', async () => {
  const { docker, clock } = await setup();
  docker.registry.set('hangs:latest', { image: {}, hangs: true });
  docker.registry.set('fails:1', {
    image: {},
    fails: new DriverError('storageFull', 'pulling fails:1: no space'),
  });
  docker.registry.set('secret:1', { image: {}, auth: { username: 'a', password: 'b' } });
  const hanging = rejects('timeout', docker.pull('hangs', { stallSeconds: 5 }), /nothing moved for 5 s/);
  await clock.pass(6000);
  await hanging;
  await rejects('storageFull', docker.pull('fails:1', {}));
  await rejects('denied', docker.pull('secret:1', {}));
  await rejects('denied', docker.pull('secret:1', { auth: { username: 'a', password: 'c' } }));
  assert.ok(await docker.pull('secret:1', { auth: { username: 'a', password: 'b' } }));
  await rejects('notFound', docker.pull('none', {}), /none:latest/);
  const stop = new AbortController();
  const cancelled = rejects('aborted', docker.pull('hangs', { signal: stop.signal }));
  await clock.pass(10);
  stop.abort();
  await cancelled;
});

test.run();
