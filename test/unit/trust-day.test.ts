/**
 * A day of random changes, by people, by others on the machine and by accident: every start of a container has an event about its App, near
 * in time, that says why; and in the end everything serves and a plan has nothing to do.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { API_VERSION, type Manifest } from '../../resources/document.ts';
import { appManifest, type RunningController, serveApps, startController } from '../support/controller.ts';
import { type Random, seeded } from '../support/random.ts';

const NAMES = ['blog', 'shop', 'wiki'];
const CHANGES = 60;
/** Ten minutes, of which the first half minute is looked at closely. */
const CLOSELY = 30_000;
const REST = 570_000;

const secret = (value: string): Manifest => ({
  apiVersion: API_VERSION,
  kind: 'Secret',
  metadata: { name: 'key' },
  spec: { stringData: { token: value } },
});

const env = [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'key', key: 'token' } } }];

function app(name: string, random: Random): Manifest {
  const memory = random.pick(['64Mi', '128Mi', '256Mi']);
  return appManifest(name, {
    memory,
    location: random.pick([name, `${name}-two`]),
    ...(name === 'wiki' ? { env } : {}),
  });
}

type Change = (controller: RunningController, random: Random) => Promise<unknown> | unknown;

function container(controller: RunningController, random: Random) {
  const { engine } = controller.world.docker;
  const name = random.pick(NAMES);
  return [...engine.containers.values()].find((one) => one.name === `holdfast-app-${name}`);
}

const changes: Record<string, Change> = {
  'a person changes an App': (controller, random) => controller.apply(app(random.pick(NAMES), random)),
  'a person changes a Secret': (controller, random) => controller.apply(secret(`value ${random.next()}`)),
  'a person asks for a restart': (controller, random) =>
    controller.holdfast(['restart', `app/${random.pick(NAMES)}`]),
  'somebody stops a container': (controller, random) => {
    const found = container(controller, random);
    if (found) controller.world.docker.engine.stop(found);
  },
  'somebody removes a container': (controller, random) => {
    const found = container(controller, random);
    if (found) controller.world.docker.engine.remove(found);
  },
  'somebody freezes a container': (controller, random) => {
    const found = container(controller, random);
    if (found?.state === 'running') controller.world.docker.engine.pause(found);
  },
  'somebody changes the memory of a container': (controller, random) => {
    const found = container(controller, random);
    if (found) controller.world.docker.engine.update(found, { Memory: 1_000_000, MemorySwap: 2_000_000 });
  },
  'a program ends and Docker starts it again': (controller, random) => {
    const found = container(controller, random);
    if (found?.state === 'running') controller.world.docker.crash(found.id, 3);
  },
  'Docker goes away with all containers and comes back': async (controller) => {
    controller.world.docker.goDown();
    await controller.pass(5_000);
    controller.world.docker.comeUp();
  },
  'the controller is replaced by a newer one': (controller, random) =>
    controller.restart(`1.${random.below(9)}.0`),
};

interface Told {
  at: number;
  app: string;
  reason: string;
  causes: string[];
}

/** What makes a container run that did not, or anew. */
const STARTING = ['StartContainer', 'SwitchContainer', 'RestartContainer', 'ContainerRestarted'];

async function day(seed: number): Promise<void> {
  const random = seeded(seed);
  const controller = await startController();
  const { clock, docker } = controller.world;
  const starts: { at: number; app: string }[] = [];
  const told: Told[] = [];
  const running = new Map<string, number | undefined>();
  const lookAround = () => {
    for (const one of docker.engine.containers.values()) {
      const started = one.state === 'running' ? one.startedAt : running.get(one.id);
      if (started !== running.get(one.id) && started !== undefined)
        starts.push({ at: started, app: one.name.replace(/^holdfast-app-|-next\d*$/g, '') });
      running.set(one.id, started);
    }
    serveApps(controller);
  };
  const listen = () =>
    controller.store.watch({
      kind: 'Event',
      fromVersion: controller.store.version,
      onChange({ type, document }) {
        const { regarding, reason, step } = document.spec as {
          regarding: { name: string };
          reason: string;
          step?: { because: { cause: string }[] };
        };
        if (type === 'DELETED' || !STARTING.includes(reason)) return;
        const causes = step?.because.map(({ cause }) => cause) ?? [];
        told.push({ at: clock.now(), app: regarding.name, reason, causes });
      },
    });
  const pass = async (milliseconds: number, piece: number) => {
    for (let left = milliseconds; left > 0; left -= piece) {
      clock.advance(Math.min(piece, left));
      await controller.settle();
      lookAround();
    }
  };
  listen();
  try {
    await controller.apply(secret('first'), ...NAMES.map((name) => app(name, random)));
    await pass(CLOSELY, 1000);
    const history: string[] = [];
    for (let count = 0; count < CHANGES; count += 1) {
      const what = random.pick(Object.keys(changes));
      history.push(what);
      await changes[what]?.(controller, random);
      if (what.startsWith('the controller')) listen();
      await pass(CLOSELY, 1000);
      await pass(REST, 30_000);
    }
    const unexplained = starts.filter(
      ({ at, app: name }) =>
        !told.some(
          (entry) =>
            entry.app === name &&
            entry.at >= at - 15_000 &&
            entry.at <= at + 60_000 &&
            entry.causes.every(Boolean) &&
            entry.causes.length > 0,
        ),
    );
    assert.equal(unexplained, [], `seed ${seed}: ${starts.length} starts, ${history.join('; ')}`);
    assert.ok(starts.length > CHANGES / 3, `only ${starts.length} starts`);
    for (const name of NAMES)
      assert.is(
        controller.ready('App', name).status,
        'True',
        `seed ${seed}: ${controller.ready('App', name).message}`,
      );
    const { out } = await controller.holdfast(['plan', '--detailed-exitcode']);
    assert.match(out, /^Plan: 0 to create, 0 to change, 0 to delete/);
  } finally {
    await controller.close();
  }
}

for (const seed of [1, Date.now() % 100_000])
  test(`every restart in a day of random changes has its reason in events (seed ${seed})`, () => day(seed));

test.run();
