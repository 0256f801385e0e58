/** Bindings: Apps that are given accounts and give them up, passwords that change, and who may be let into a server when all is quiet. */
import { ANNOTATION, condition, type Document } from '../../../resources/document.ts';
import { effectiveApp } from '../../../resources/effective.ts';
import type { AppSpec, BindingSpec, BindingStatus, SecretSpec } from '../../../resources/generated.ts';
import type { Simulation } from '../simulation.ts';
import { DATABASES } from './addon.ts';
import { annotate, anyAppName, patchApp } from './app.ts';
import { addonOf, rowsOf } from './databases.ts';
import type { Part } from './part.ts';

const CHOICES: readonly (Record<string, unknown> | null)[] = [
  null,
  { postgresql: {} },
  { postgresql: {} },
  { postgresql: { addon: 'pg-two' } },
  { postgresql: { addon: 'mysql' } },
  { mysql: {} },
  { mysql: { multipleDatabases: true } },
  { redis: {} },
  { postgresql: {}, redis: {} },
];

export const bindingPart: Part = {
  kind: 'Binding',
  theme: DATABASES,
  disturbances: [
    {
      name: 'an app gets addons',
      weight: 12,
      essential: true,
      act: (sim, random) => patchApp(sim, anyAppName(sim, random), { addons: random.pick(CHOICES) }),
    },
    {
      name: 'an app gets a database',
      weight: 4,
      act: (sim, random) => patchApp(sim, anyAppName(sim, random), { addons: { postgresql: {} } }),
    },
    {
      name: 'another password of an account is asked for',
      weight: 3,
      act(sim, random) {
        const all = bindings(sim);
        if (all.length > 0) annotate(sim, random.pick(all), ANNOTATION.rotatedAt);
      },
    },
    {
      name: 'a password of a database is deleted',
      weight: 1,
      act(sim, random) {
        const all = [...sim.memory.documents.values()].filter(
          ({ kind, metadata }) => kind === 'Secret' && /^(addon|binding)-/.test(metadata.name),
        );
        if (all.length === 0) return;
        const { name } = random.pick(all).metadata;
        sim.people(`delete secret/${name}`, [{ verb: 'delete', reference: { kind: 'Secret', name } }]);
      },
    },
    {
      name: 'somebody changes an account in its database',
      weight: 2,
      announced: false,
      act({ world }, random) {
        const all = [...world.databases.data.values()].flatMap(({ accounts }) => [...accounts]);
        const bound = all.filter(([, { state }]) => state === 'bound');
        if (bound.length === 0) return;
        const [, account] = random.pick(bound);
        account.password = random.pick(['guessed', '']);
        account.made = undefined;
      },
    },
    {
      name: 'somebody makes a database in a server of ours',
      weight: 1,
      announced: false,
      act(sim, random) {
        const all = [...sim.world.databases.data].filter(([folder]) => /\/data[^/]*$/.test(folder));
        if (all.length === 0) return;
        const [folder, { databases }] = random.pick(all);
        const database = random.pick(['theirs', `app_${random.pick(sim.appNames)}`]);
        if (databases.has(database)) return;
        const word = `their-row-${random.below(1e9)}`;
        databases.set(database, [word]);
        rowsOf(sim).push({ addon: addonOf(folder), database, app: undefined, word });
      },
    },
  ],
  lift: removeForeign,
  problems: (sim) => [
    ...bindings(sim).flatMap((binding) =>
      problemsOf(sim, binding).map((problem) => `binding/${binding.metadata.name}: ${problem}`),
    ),
    ...openAccounts(sim),
  ],
  leftovers(sim) {
    const secrets = sim.store?.list('Secret').items ?? [];
    return [
      ...bindings(sim).map(({ metadata }) => `binding/${metadata.name} is left`),
      ...secrets
        .filter(({ metadata }) => /^(addon|binding)-/.test(metadata.name))
        .map(({ metadata }) => `secret/${metadata.name} is left`),
      ...openAccounts(sim),
    ];
  },
};

function bindings({ memory }: Simulation): Document[] {
  return [...memory.documents.values()].filter(({ kind }) => kind === 'Binding');
}

/** A database of somebody else that has the name of an App's is in the way of its account, until its owner takes it away. */
function removeForeign(sim: Simulation): void {
  const rows = rowsOf(sim);
  for (const row of rows.filter(({ app, database }) => app === undefined && database !== 'theirs')) {
    rows.splice(rows.indexOf(row), 1);
    for (const [folder, { databases, accounts }] of sim.world.databases.data)
      if (addonOf(folder) === row.addon && !accounts.has(row.database)) databases.delete(row.database);
  }
}

function problemsOf(sim: Simulation, binding: Document): string[] {
  const { store, world } = sim;
  const { metadata, status } = binding;
  const spec = binding.spec as unknown as BindingSpec;
  const [owner] = metadata.ownerReferences ?? [];
  const app = store?.get('App', owner?.name ?? '');
  if (!app || app.metadata.uid !== owner?.uid) return ['it is an orphan'];
  if (metadata.deletionTimestamp) return ['it is still being deleted'];
  const asked = effectiveApp(app.spec as AppSpec, app.metadata.name).servers;
  const isAsked = asked.some(({ type, addon }) => type === spec.type && addon === spec.addon);
  const reason = condition(app, 'Ready')?.reason;
  if (!isAsked) return reason === 'Serving' ? [`app/${app.metadata.name} asks for it no more`] : [];
  const ready = condition(binding, 'Ready');
  const addon = store?.get('Addon', spec.addon);
  if (!addon && ready?.reason === 'ReferenceNotFound') return [];
  if (addon && addon.spec['type'] !== spec.type && ready?.reason === 'AddonNotAvailable') return [];
  if (ready?.status !== 'True' || status?.observedGeneration !== metadata.generation)
    return [`it is ${ready?.reason}: ${ready?.message.slice(0, 200)}`];
  const folder = (addon?.status as { data?: { folder?: string } } | undefined)?.data?.folder ?? '';
  const { username = '' } = (status as { account?: { username?: string } }).account ?? {};
  const account = world.databases.data.get(folder)?.accounts.get(username);
  const secret = store?.get('Secret', `binding-${metadata.name}`)?.spec as SecretSpec | undefined;
  if (account?.state !== 'bound') return [`its account ${username} is ${account?.state ?? 'not there'}`];
  if (account.app !== spec.app) return [`its account is of app/${account.app}`];
  if (account.password !== secret?.stringData?.['password']) return ['its password is another'];
  const rotated = metadata.annotations?.[ANNOTATION.rotatedAt];
  const done = (status as { rotatedAt?: string }).rotatedAt;
  return rotated === undefined || rotated === done ? [] : [`its password is of ${done}, not of ${rotated}`];
}

/** Nobody can log in whom no App needs any more. */
function openAccounts(sim: Simulation): string[] {
  const held = new Set(
    bindings(sim).flatMap((binding) => {
      const { account, previous = [] } = (binding.status ?? {}) as BindingStatus;
      // As long as there is none where it is wanted, the App goes on with the one before.
      const before = condition(binding, 'Ready')?.status === 'True' ? [] : previous;
      return [
        `${binding.spec['addon']} ${account?.username}`,
        ...before.map((one) => `${one.addon} ${one.account}`),
      ];
    }),
  );
  const isThere = (folder: string) => sim.memory.documents.has(`Addon/${addonOf(folder)}`);
  return [...sim.world.databases.data].flatMap(([folder, { accounts }]) =>
    /\/data[^/]*$/.test(folder) && isThere(folder)
      ? [...accounts]
          .filter(([name, { state }]) => state === 'bound' && !held.has(`${addonOf(folder)} ${name}`))
          .map(([name]) => `${name} can log into ${folder}, and no app needs it`)
      : [],
  );
}
