/** Apps: what people write of them, and what the world does to their containers. How they should be is in app-truth.ts. */
import { LABEL } from '../../../reconcilers/drivers/docker/index.ts';
import {
  ANNOTATION,
  API_VERSION,
  condition,
  type Document,
  type Manifest,
} from '../../../resources/document.ts';
import type { Random } from '../../support/random.ts';
import { IMAGES, LISTENS_ON, NOWHERE } from '../images.ts';
import type { Invariant } from '../invariants.ts';
import { lifeOf } from '../memory.ts';
import type { Simulation } from '../simulation.ts';
import { ourContainers } from '../world.ts';
import { appLeftovers, appProblems, RETRY_REASONS } from './app-truth.ts';
import type { Disturbance, Part } from './part.ts';
import { REGISTRY_SECRET, SECRET_NAMES } from './secret.ts';

const MANAGERS = ['holdfast', 'kubectl', 'directory'] as const;

const readyWasSeen: Invariant = {
  name: 'an app is called ready only when its very container was seen to answer',
  check({ memory }, moment) {
    if (moment.type !== 'change' || moment.change.document.kind !== 'App') return undefined;
    const { document } = moment.change;
    const ready = condition(document, 'Ready');
    if (ready?.status !== 'True' || ready.reason !== 'Serving') return undefined;
    if (JSON.stringify(memory.previous?.status) === JSON.stringify(document.status)) return undefined;
    const { id = '', startedAt } =
      (document.status as { container?: { id?: string; startedAt?: string } }).container ?? {};
    // Or a life after it, of which the controller has not heard yet: where a look is slow, several may have passed.
    if ([...memory.answered].some((life) => life >= lifeOf(id, startedAt) && life.startsWith(`${id} `)))
      return undefined;
    return `app/${document.metadata.name} is told to be ready; its container ${id.slice(0, 12)} of ${startedAt} never answered`;
  },
};

/** In a calm history, where nobody ends it just then. */
const failedComesBack: Invariant = {
  name: 'where a new version fails, the one before runs',
  check(sim, moment) {
    if (moment.type !== 'change' || moment.change.document.kind !== 'App' || !sim.isCalm) return undefined;
    const { document } = moment.change;
    const [before, now] = [sim.memory.previous, document].map((one) => condition(one ?? {}, 'Ready'));
    if (now?.reason !== 'RolloutFailed' || before?.reason === 'RolloutFailed') return undefined;
    if (now.message.includes('does not start either')) return undefined;
    const { uid, name } = document.metadata;
    const own = ourContainers(sim.world.docker).filter(({ spec }) => spec.labels[LABEL.uid] === uid);
    const isUp = own.some(({ state }) => state !== 'exited' && state !== 'created');
    return own.length === 0 || isUp ? undefined : `app/${name} has ${own.length} containers, and none runs`;
  },
};

const people: readonly Disturbance[] = [
  {
    name: 'an app is applied',
    weight: 12,
    essential: true,
    act(sim, random) {
      const name = random.pick(sim.appNames);
      const manager = random.pick(MANAGERS);
      const document = manifest(name, anySpec(name, random));
      sim.people(`apply app/${name} as ${manager}`, [{ verb: 'apply', document, manager }]);
    },
  },
  {
    name: 'several apps are applied at once',
    weight: 2,
    act(sim, random) {
      const documents = sim.appNames.map((name) => manifest(name, anySpec(name, random)));
      sim.people(
        'apply all apps',
        documents.map((document) => ({ verb: 'apply', document, manager: 'holdfast' })),
      );
    },
  },
  edit('an app gets another image', 5, (random) => ({
    image: random.pick(['local.test/web:1', 'local.test/web:2', 'reg.test/web:3']),
  })),
  edit('an app gets other variables', 4, (random) => ({ env: anyEnv(random) ?? null })),
  edit('an app gets other memory', 2, (random) => ({ memory: random.pick(['64Mi', '128Mi', -1, null]) })),
  edit('an app is stopped or started', 3, (random) => ({ state: random.pick(['running', 'stopped', null]) })),
  edit('an app moves', 2, (random, name) => ({ location: random.pick([name, 'www', `${name}2`]) })),
  edit('an app is suspended or goes on', 2, (random) => ({ suspend: random.pick([true, null]) })),
  {
    name: 'an app is deleted',
    weight: 3,
    act(sim, random) {
      const name = random.pick(sim.appNames);
      if (!sim.memory.documents.has(`App/${name}`)) return;
      const deleteData = random.next() < 0.3;
      if (deleteData) sim.memory.mayLose.add(name);
      const reference = { kind: 'App', name };
      sim.people(`delete app/${name}${deleteData ? ' with its data' : ''}`, [
        { verb: 'delete', reference, ...(deleteData ? { deleteData } : {}) },
      ]);
    },
  },
  {
    name: 'an app is rolled back',
    weight: 3,
    act(sim, random) {
      const present = anyApp(sim, random);
      const { store } = sim;
      if (!present || !store || present.metadata.generation < 2) return;
      const generation = 1 + random.below(present.metadata.generation - 1);
      const spec = store.specAt('App', present.metadata.name, generation);
      if (!spec)
        return sim.fail(
          'every generation can be gone back to',
          `app/${present.metadata.name} lacks ${generation}`,
        );
      const document = manifest(present.metadata.name, structuredClone(spec));
      sim.people(`roll app/${present.metadata.name} back to ${generation}`, [{ verb: 'update', document }]);
    },
  },
  {
    name: 'a restart of an app is asked for',
    weight: 2,
    act(sim, random) {
      const app = anyApp(sim, random);
      if (app) annotate(sim, app, ANNOTATION.restartedAt);
    },
  },
];

const world: readonly Disturbance[] = [
  toContainer('somebody removes a container', 3, (sim, id) => {
    const { engine } = sim.world.docker;
    const found = engine.containers.get(id);
    if (found) engine.remove(found);
  }),
  toContainer('a container ends by itself', 3, ({ world: { docker } }, id, random) =>
    docker.crash(id, random.pick([0, 1, 137])),
  ),
  toContainer('somebody stops a container', 2, ({ world: { docker } }, id) => {
    const found = docker.engine.containers.get(id);
    if (found) docker.engine.stop(found);
  }),
  toContainer('somebody freezes a container', 2, ({ world: { docker } }, id) => {
    const found = docker.engine.containers.get(id);
    if (found?.state === 'running') docker.engine.pause(found);
  }),
  toContainer('somebody changes the memory of a container', 2, ({ world: { docker } }, id) => {
    const found = docker.engine.containers.get(id);
    if (found) docker.engine.update(found, { Memory: 33_554_432, MemorySwap: 67_108_864 });
  }),
  toContainer('somebody changes the restart policy of a container', 1, ({ world: { docker } }, id) => {
    const found = docker.engine.containers.get(id);
    if (found) docker.engine.update(found, { RestartPolicy: { Name: 'no' } });
  }),
  toContainer('somebody renames a container', 1, ({ world: { docker } }, id, random) => {
    const found = docker.engine.containers.get(id);
    if (found) docker.engine.rename(found, `renamed-${random.below(1e6)}`);
  }),
  toContainer('somebody takes a container off the network', 1, ({ world: { docker } }, id) => {
    const found = docker.engine.containers.get(id);
    if (found?.addresses['holdfast'] !== undefined) docker.engine.disconnect(found, 'holdfast');
  }),
  toContainer('an app answers badly for a while', 2, ({ world: { ailing }, clock }, id, random) => {
    ailing.set(id, clock.monotonic());
    clock.after(random.pick([9_000, 95_000, 395_000]), () => ailing.delete(id));
  }),
  {
    name: 'somebody has a container of their own',
    weight: 2,
    act(sim, random) {
      const { docker } = sim.world;
      const name = `theirs-${random.below(1000)}`;
      if (docker.engine.find(name)) return;
      const id = docker.addForeign({ name, image: 'local.test/web:1' });
      sim.memory.addForeign(sim.world, `container ${id}`);
    },
  },
  {
    name: 'a container of somebody else has the name',
    weight: 1,
    announced: false,
    act(sim, random) {
      const { docker } = sim.world;
      const name = `holdfast-app-${random.pick(sim.appNames)}`;
      if (docker.engine.find(name)) return;
      const id = docker.addForeign({ name, image: 'local.test/web:1' });
      sim.memory.addForeign(sim.world, `container ${id}`);
      sim.memory.squatters.add(id);
    },
  },
  {
    name: 'somebody has a volume of their own',
    weight: 1,
    act(sim, random) {
      const name = `theirs-${random.below(1000)}`;
      sim.world.docker.engine.addVolume(name, {});
      sim.memory.addForeign(sim.world, `volume ${name}`);
    },
  },
  {
    name: 'somebody removes an image',
    weight: 1,
    act({ world: { docker } }, random) {
      const used = new Set([...docker.engine.containers.values()].map(({ imageId }) => imageId));
      const free = [...docker.engine.images].filter(
        ([reference, { id }]) => reference.startsWith('reg.') && !used.has(id),
      );
      if (free.length === 0) return;
      const [reference, { id }] = random.pick(free);
      docker.engine.removeImage(id, reference);
    },
  },
  {
    name: 'another program has the port of an app',
    weight: 1,
    announced: false,
    act(sim, random) {
      const port = random.pick([2222, 2223]);
      const { docker, host } = sim.world;
      docker.engine.takenPorts.add(`tcp/${port}`);
      host.state.listeners.push({ protocol: 'tcp', address: '0.0.0.0', port, program: 'sshd', pid: 7 });
      sim.clock.after(random.pick([10_000, 90_000]), () => freePort(sim, port));
    },
  },
];

export const appPart: Part = {
  kind: 'App',
  disturbances: [...people, ...world],
  invariants: [readyWasSeen, failedComesBack],
  lift(sim) {
    const { docker, ailing } = sim.world;
    ailing.clear();
    for (const id of sim.memory.squatters) {
      sim.memory.foreign.delete(`container ${id}`);
      const found = docker.engine.containers.get(id);
      if (found) docker.engine.remove(found);
    }
    sim.memory.squatters.clear();
    for (const port of [2222, 2223]) freePort(sim, port);
    for (const app of apps(sim)) {
      const { name } = app.metadata;
      if (app.spec['suspend'] === true) patchApp(sim, name, { suspend: null });
      if (app.metadata.deletionTimestamp) continue;
      if (RETRY_REASONS.has(condition(app, 'Ready')?.reason ?? '')) annotate(sim, app, ANNOTATION.retriedAt);
    }
  },
  problems: appProblems,
  leftovers: appLeftovers,
};

function freePort(sim: Simulation, port: number): void {
  const { docker, host } = sim.world;
  docker.engine.takenPorts.delete(`tcp/${port}`);
  host.state.listeners = host.state.listeners.filter((listener) => listener.port !== port);
}

export function manifest(name: string, spec: Record<string, unknown>): Manifest {
  return { apiVersion: API_VERSION, kind: 'App', metadata: { name }, spec };
}

function apps({ memory }: Simulation): Document[] {
  return [...memory.documents.values()].filter(({ kind }) => kind === 'App');
}

function anyApp(sim: Simulation, random: Random): Document | undefined {
  const all = apps(sim);
  return all.length > 0 ? random.pick(all) : undefined;
}

/** Of one that is there; where none is, of one that might be. */
export function anyAppName(sim: Simulation, random: Random): string {
  return anyApp(sim, random)?.metadata.name ?? random.pick(sim.appNames);
}

export function patchApp(sim: Simulation, name: string, spec: Record<string, unknown>): void {
  const reference = { kind: 'App', name };
  sim.people(`patch app/${name} ${Object.keys(spec).join(' ')}`, [
    { verb: 'patch', reference, type: 'merge', patch: { spec } as never },
  ]);
}

export function annotate(sim: Simulation, { kind, metadata }: Document, annotation: string): void {
  const now = new Date(sim.clock.now()).toISOString();
  const reference = { kind, name: metadata.name };
  const body = { metadata: { annotations: { [annotation]: now } } };
  sim.people(`annotate ${kind.toLowerCase()}/${metadata.name} ${annotation}`, [
    { verb: 'patch', reference, type: 'merge', patch: body },
  ]);
}

function edit(
  name: string,
  weight: number,
  change: (random: Random, app: string) => Record<string, unknown>,
): Disturbance {
  return {
    name,
    weight,
    act(sim, random) {
      const app = anyApp(sim, random);
      if (app) patchApp(sim, app.metadata.name, change(random, app.metadata.name));
    },
  };
}

export function toContainer(
  name: string,
  weight: number,
  act: (sim: Simulation, id: string, random: Random) => void,
  kind = 'App',
): Disturbance {
  return {
    name,
    weight,
    act(sim, random) {
      const all = ourContainers(sim.world.docker).filter(({ spec }) => spec.labels[LABEL.kind] === kind);
      // While the engine is down nobody can do anything to it.
      if (all.length > 0 && !sim.memory.engineIsDown) act(sim, random.pick(all).id, random);
    },
  };
}

const GOOD_IMAGES = [
  'local.test/web:1',
  'local.test/web:2',
  'reg.test/web:3',
  'reg.test/data:1',
  'reg.test/big:1',
];

export function anySpec(name: string, random: Random): Record<string, unknown> {
  const chance = (probability: number) => random.next() < probability;
  const image = chance(0.8) ? random.pick(GOOD_IMAGES) : random.pick([...Object.keys(IMAGES), NOWHERE]);
  const env = anyEnv(random);
  return {
    image,
    port: chance(0.95) ? LISTENS_ON : 9090,
    ...(env ? { env } : {}),
    ...(chance(0.3) ? { memory: random.pick(['64Mi', '128Mi', -1]) } : {}),
    ...(chance(0.5)
      ? { volumes: chance(0.5) ? [{ path: '/data' }] : [{ path: '/data' }, { path: '/media' }] }
      : {}),
    ...(chance(0.3) ? anyPorts(random) : {}),
    ...(chance(0.2) ? { location: random.pick([name, 'www']) } : {}),
    ...(chance(0.1) ? { state: 'stopped' } : {}),
    ...(chance(0.1) ? { suspend: true } : {}),
    ...(chance(0.2) ? { readOnly: false } : {}),
    ...(chance(0.2) ? { pidsLimit: random.pick([512, 4096]) } : {}),
    ...(chance(0.2) ? { dns: ['9.9.9.9'] } : {}),
    ...(chance(0.2) ? { healthCheckPath: '/healthz' } : {}),
    ...(chance(0.2) ? { addons: { tls: {} } } : {}),
    ...(image.includes('private') && chance(0.8) ? { imagePullSecret: REGISTRY_SECRET } : {}),
  };
}

function anyPorts(random: Random): Record<string, unknown> {
  return {
    tcpPorts: { SSH: { title: 'ssh', containerPort: 22 } },
    ports: { SSH: random.pick([2222, 2223]) },
  };
}

function anyEnv(random: Random): unknown {
  const chance = random.next();
  if (chance < 0.4) return undefined;
  if (chance < 0.7) return { LEVEL: random.pick(['info', 'debug']), SIZE: String(random.below(9)) };
  const key = random.pick(['password', 'token']);
  return [
    { name: 'LEVEL', value: 'info' },
    {
      name: 'KEY',
      valueFrom: { secretKeyRef: { name: random.pick(SECRET_NAMES), key, optional: random.next() < 0.3 } },
    },
  ];
}
