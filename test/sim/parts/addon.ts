/** Addons: what people write of them, what the world does to their servers, and how they and the data under them should be. */
import { readSlots } from '../../../reconcilers/addon/slots.ts';
import { LABEL } from '../../../reconcilers/drivers/docker/index.ts';
import { ANNOTATION, API_VERSION, condition, type Document } from '../../../resources/document.ts';
import type { AddonStatus, SecretSpec } from '../../../resources/generated.ts';
import type { Random } from '../../support/random.ts';
import type { Invariant } from '../invariants.ts';
import { hasSecret } from '../secrets.ts';
import type { Simulation } from '../simulation.ts';
import { ourContainers, STATE_FOLDER } from '../world.ts';
import { annotate, toContainer } from './app.ts';
import { addonOf, appsWrite, dataOf, rowsOf, rowsStay } from './databases.ts';
import type { Disturbance, Part } from './part.ts';

export const DATABASES = 'databases';

/** Those that people write by hand, with the versions that there are images of. */
const ADDONS: Readonly<Record<string, { type: string; versions: readonly string[] }>> = {
  postgresql: { type: 'postgresql', versions: ['15', '16', '17'] },
  'pg-two': { type: 'postgresql', versions: ['15', '17'] },
  mysql: { type: 'mysql', versions: ['10.11', '11.8'] },
};

const people: readonly Disturbance[] = [
  {
    name: 'an addon is applied',
    weight: 4,
    act(sim, random) {
      const name = random.pick(Object.keys(ADDONS));
      const { type, versions } = ADDONS[name] as (typeof ADDONS)[string];
      const spec = {
        type,
        ...(random.next() < 0.7 ? { version: random.pick(versions) } : {}),
        ...(random.next() < 0.3 ? { memory: random.pick(['256Mi', '1Gi', -1]) } : {}),
        ...(random.next() < 0.2 ? { keepOldData: random.pick([0, 30]) } : {}),
      };
      const document = { apiVersion: API_VERSION, kind: 'Addon', metadata: { name }, spec };
      sim.people(`apply addon/${name}`, [{ verb: 'apply', document, manager: 'holdfast' }]);
    },
  },
  toAddon('an addon gets another version', 4, (sim, addon, random) => {
    const { versions = [] } = ADDONS[addon.metadata.name] ?? {};
    const others = versions.filter((version) => version !== (addon.status as AddonStatus)?.data?.series);
    if (others.length > 0) patchAddon(sim, addon, { version: random.pick(others) });
  }),
  toAddon('an addon gets other memory', 2, (sim, addon, random) =>
    patchAddon(sim, addon, { memory: random.pick(['256Mi', '1Gi', null]) }),
  ),
  toAddon('a restart of an addon is asked for', 1, (sim, addon) =>
    annotate(sim, addon, ANNOTATION.restartedAt),
  ),
  toAddon('an addon is deleted', 3, (sim, { metadata: { name } }, random) => {
    const deleteData = random.next() < 0.4;
    const reference = { kind: 'Addon', name };
    sim.people(`delete addon/${name}${deleteData ? ' with its data' : ''}`, [
      { verb: 'delete', reference, ...(deleteData ? { deleteData } : {}) },
    ]);
  }),
];

const world: readonly Disturbance[] = [
  {
    name: 'apps write into their databases',
    weight: 6,
    essential: true,
    act: appsWrite,
  },
  onServer('the container of a database is removed', 2, (engine, found) => engine.remove(found)),
  onServer('a database ends by itself', 2, (engine, found, random) =>
    engine.exit(found, random.pick([0, 1, 137])),
  ),
  onServer('somebody stops a database', 2, (engine, found) => engine.stop(found)),
  onServer('somebody freezes a database', 1, (engine, found) => {
    if (found.state === 'running') engine.pause(found);
  }),
  {
    name: "the administrator's password of a database is changed in it",
    weight: 1,
    announced: false,
    act(sim, random) {
      const all = [...sim.world.databases.data.values()];
      if (all.length > 0) random.pick(all).password = `other-${random.below(1e9)}`;
    },
  },
];

type Engine = Simulation['world']['docker']['engine'];
type Container = ReturnType<typeof ourContainers>[number];

function onServer(
  name: string,
  weight: number,
  act: (engine: Engine, container: Container, random: Random) => void,
): Disturbance {
  const onId = ({ world: { docker } }: Simulation, id: string, random: Random) => {
    const found = docker.engine.containers.get(id);
    if (found) act(docker.engine, found, random);
  };
  return toContainer(name, weight, onId, 'Addon');
}

function toAddon(
  name: string,
  weight: number,
  act: (sim: Simulation, addon: Document, random: Random) => void,
): Disturbance {
  return {
    name,
    weight,
    act(sim, random) {
      const all = addons(sim);
      if (all.length > 0) act(sim, random.pick(all), random);
    },
  };
}

function addons({ memory }: Simulation): Document[] {
  return [...memory.documents.values()].filter(({ kind }) => kind === 'Addon');
}

function patchAddon(sim: Simulation, { metadata: { name } }: Document, spec: Record<string, unknown>): void {
  const reference = { kind: 'Addon', name };
  sim.people(`patch addon/${name} ${JSON.stringify(spec)}`, [
    { verb: 'patch', reference, type: 'merge', patch: { spec } as never },
  ]);
}

const servers = ({ world }: Simulation) =>
  ourContainers(world.docker).filter(({ spec }) => spec.labels[LABEL.kind] === 'Addon');

const usedStays: Invariant = {
  name: 'an addon that an account is in is not deleted by people',
  check({ memory }, moment) {
    if (moment.type !== 'change' || moment.change.document.kind !== 'Addon') return undefined;
    const { metadata, spec } = moment.change.document;
    const isNew = metadata.deletionTimestamp && !memory.previous?.metadata.deletionTimestamp;
    if (!isNew || spec['type'] === 'redis') return undefined;
    const user = [...memory.documents.values()].find(
      (one) =>
        one.kind === 'Binding' && one.spec['addon'] === metadata.name && !one.metadata.deletionTimestamp,
    );
    return user && `addon/${metadata.name} is deleted, and binding/${user.metadata.name} uses it`;
  },
};

const passwordsInFilesOnly: Invariant = {
  name: 'no password is in what Docker shows of a database',
  check(sim, moment) {
    if (moment.type !== 'done' || moment.call.method !== 'createContainer') return undefined;
    const shown = servers(sim).find(({ rendered }) => hasSecret(JSON.stringify(rendered)));
    return shown && `${shown.name} shows one`;
  },
};

export const addonPart: Part = {
  kind: 'Addon',
  theme: DATABASES,
  disturbances: [...people, ...world],
  invariants: [rowsStay, usedStays, passwordsInFilesOnly],
  lift(sim) {
    for (const addon of addons(sim)) {
      const { upgrade, rollout } = (addon.status ?? {}) as AddonStatus;
      if (upgrade?.state === 'failed' || rollout?.state === 'failed')
        annotate(sim, addon, ANNOTATION.retriedAt);
    }
    for (const [folder, data] of sim.world.databases.data)
      data.password = passwordOf(sim, addonOf(folder)) ?? data.password;
  },
  problems: (sim) => [
    ...addons(sim).flatMap((addon) =>
      problemsOf(sim, addon).map((problem) => `addon/${addon.metadata.name}: ${problem}`),
    ),
    ...strays(sim),
  ],
  leftovers(sim) {
    const gone = rowsOf(sim).filter(
      ({ addon, database, word }) =>
        !dataOf(sim, addon).some(([, data]) => data.databases.get(database)?.includes(word)),
    );
    return [
      ...addons(sim).map(({ metadata }) => `addon/${metadata.name} is left`),
      ...strays(sim),
      ...gone.map(({ addon, word }) => `${word} in addon/${addon} is gone`),
    ];
  },
};

/** That people can read, or that is in the file that a deletion leaves. */
function passwordOf({ store, world }: Simulation, addon: string): string | undefined {
  const secret = store?.get('Secret', `addon-${addon}`)?.spec as SecretSpec | undefined;
  const file = `${STATE_FOLDER}/addons/${addon}/secret/password`;
  return secret?.stringData?.['password'] ?? world.host.state.files.get(file);
}

function problemsOf(sim: Simulation, addon: Document): string[] {
  const { metadata, spec, status } = addon;
  if (metadata.deletionTimestamp) return ['it is still being deleted'];
  const ready = condition(addon, 'Ready');
  if (ready?.status !== 'True') return [`it is ${ready?.reason}: ${ready?.message.slice(0, 200)}`];
  if (status?.observedGeneration !== metadata.generation) return ['its status is of an older generation'];
  const problems: string[] = [];
  const expect = (what: string, found: unknown, wanted: unknown) => {
    if (found !== wanted) problems.push(`${what} is ${String(found)}, not ${String(wanted)}`);
  };
  const said = status as AddonStatus;
  const own = servers(sim).filter(({ spec: { labels } }) => labels[LABEL.name] === metadata.name);
  const [server] = own;
  if (!server || own.length > 1) return [`it has ${own.length} containers`];
  const address = sim.store?.leases.of('address', metadata.uid);
  const folder = server.spec.mounts.find(({ device }) => device !== undefined)?.device ?? '';
  expect('the state', server.state, 'running');
  expect('the name', server.name, `holdfast-addon-${metadata.name}`);
  expect('the address', server.addresses['holdfast'], address);
  expect('the address of the status', said.address, address);
  expect('the folder of the status', said.data?.folder, folder);
  if (spec['version'] !== undefined) expect('the version', said.version, spec['version']);
  const bindings = [...sim.memory.documents.values()]
    .filter(
      ({ kind, spec: binding }) =>
        kind === 'Binding' && binding['addon'] === metadata.name && binding['type'] === spec['type'],
    )
    .map((binding) => binding.metadata.name);
  expect('the list of bindings', said.bindings?.join(), bindings.sort().join());
  return [...problems, ...dataProblems(sim, metadata.name, folder)];
}

/** What is served has everything that was ever written; of an upgrade nothing is left but the old data. */
function dataProblems(sim: Simulation, addon: string, served: string): string[] {
  const root = `${STATE_FOLDER}/addons/${addon}`;
  const folders = [...sim.world.host.state.folders.keys()]
    .filter((path) => path.startsWith(`${root}/`))
    .map((path) => path.slice(root.length + 1))
    .filter((name) => !name.includes('/'));
  const { data, next, verified } = readSlots(folders);
  const left = [...next, ...verified].map(({ name }) => `${name} is left`);
  if (data.length !== 1) left.push(`it has ${data.length} folders of data`);
  const databases = sim.world.databases.data.get(served)?.databases;
  const missing = rowsOf(sim)
    .filter((row) => row.addon === addon && !databases?.get(row.database)?.includes(row.word))
    .map(({ word, database }) => `${word} of ${database} is not in what is served`);
  return [...left, ...missing];
}

function strays(sim: Simulation): string[] {
  const known = new Set(addons(sim).map(({ metadata }) => metadata.uid));
  const containers = servers(sim)
    .filter(({ spec }) => !known.has(spec.labels[LABEL.uid] ?? ''))
    .map(({ name }) => `container ${name} is of no addon`);
  const volumes = [...sim.world.docker.engine.volumes.values()]
    .filter(
      ({ name, labels }) => labels[LABEL.kind] === 'Addon' && !sim.world.docker.engine.volumeInUse(name),
    )
    .map(({ name }) => `volume ${name} of an addon is used by no container`);
  return [...containers, ...volumes];
}
