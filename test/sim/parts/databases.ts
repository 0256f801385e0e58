/**
 * What Apps have in databases, seen from their side: with what is in the environment of their containers they log in and write rows. What
 * was written must be there for ever, unless somebody asked to delete it. Addon and Binding share this; app-truth.ts asks it, too.
 */
import type { FakeData } from '../../../reconcilers/drivers/database/fake.ts';
import { type ContainerSpec, LABEL } from '../../../reconcilers/drivers/docker/index.ts';
import { DriverError } from '../../../reconcilers/drivers/error.ts';
import type { ServerType } from '../../../resources/addons.ts';
import { ANNOTATION, type Document } from '../../../resources/document.ts';
import type { EffectiveApp } from '../../../resources/effective.ts';
import type { Random } from '../../support/random.ts';
import type { Invariant } from '../invariants.ts';
import type { Simulation } from '../simulation.ts';
import { atAddress, ourContainers, STATE_FOLDER } from '../world.ts';

/** Written by an App, or by somebody whom no App concerns. */
interface Row {
  addon: string;
  database: string;
  app: string | undefined;
  word: string;
}

const written = new WeakMap<Simulation, Row[]>();

export function rowsOf(sim: Simulation): Row[] {
  const rows = written.get(sim) ?? [];
  written.set(sim, rows);
  return rows;
}

interface Login {
  type: ServerType;
  address: string | undefined;
  name: string;
  password: string;
  database: string;
}

/** What the process in a container knows of its accounts. */
function loginsOf({ env, hosts = {} }: ContainerSpec): Login[] {
  return (['postgresql', 'mysql', 'redis'] as const).flatMap((type) => {
    const value = (name: string) => env[`${type.toUpperCase()}_${name}`];
    const password = value('PASSWORD');
    if (password === undefined) return [];
    const name = value('USERNAME') ?? 'redisuser';
    const prefix = value('DATABASE_PREFIX');
    const database = prefix === undefined ? (value('DATABASE') ?? name) : `${prefix}one`;
    return [{ type, address: hosts[value('HOST') ?? ''], name, password, database }];
  });
}

/** The rows of its database, to be added to, and the folder of the server's data; or why it is not let in. */
function enter({ world }: Simulation, login: Login): { rows: string[]; folder: string } | string {
  const { databases, docker } = world;
  const { type, address, name, password, database } = login;
  const container = address === undefined ? undefined : atAddress(docker, address);
  const folder = container?.spec.mounts.find(({ device }) => device !== undefined)?.device;
  if (address === undefined || folder === undefined) return `no ${type} answers at ${address}`;
  const data = databases.data.get(folder);
  const account = data?.accounts.get(name);
  // A redis has no databases that somebody must make, and an App with many makes its own.
  if (account?.password === password && (account.many || type === 'redis') && !data?.databases.has(database))
    data?.databases.set(database, []);
  try {
    const server = { type, name: type, address, port: 0, password: '' };
    return { rows: databases.enter(server, { name, password, database }), folder };
  } catch (error) {
    if (error instanceof DriverError) return error.message;
    throw error;
  }
}

/** /state/addons/postgresql/data-17 → postgresql */
export function addonOf(folder: string): string {
  return folder.slice(`${STATE_FOLDER}/addons/`.length).split('/')[0] ?? '';
}

export function appsWrite(sim: Simulation, random: Random): void {
  for (const { spec, state } of ourContainers(sim.world.docker)) {
    if (state !== 'running' || spec.labels[LABEL.kind] !== 'App') continue;
    for (const login of loginsOf(spec)) {
      const entered = enter(sim, login);
      if (typeof entered === 'string') continue;
      const word = `row-${random.below(1e9)}`;
      entered.rows.push(word);
      const [addon, app] = [addonOf(entered.folder), spec.labels[LABEL.name]];
      rowsOf(sim).push({ addon, database: login.database, app, word });
    }
  }
}

/** All data that an Addon has on disk, by folder: what is served, what is being copied, and what is kept. */
export function dataOf({ world }: Simulation, addon: string): [string, FakeData][] {
  return [...world.databases.data].filter(([folder]) => addonOf(folder) === addon);
}

const isLostOnPurpose = (document: Document | undefined) =>
  document?.metadata.deletionTimestamp !== undefined &&
  document.metadata.annotations?.[ANNOTATION.deleteData] === 'true';

export const rowsStay: Invariant = {
  name: 'no row of a database is removed that nobody asked to remove',
  check(sim, moment) {
    const rows = rowsOf(sim);
    if (rows.length === 0) return undefined;
    if (moment.type === 'change') forget(sim, moment.change);
    if (moment.type !== 'done' || !/^(host|databases)$/.test(moment.call.driver)) return undefined;
    const { documents } = sim.memory;
    const lost = rows.find(({ addon, database, app, word }) => {
      const isThere = dataOf(sim, addon).some(([, data]) => data.databases.get(database)?.includes(word));
      if (isThere) return false;
      return (
        !isLostOnPurpose(documents.get(`Addon/${addon}`)) && !isLostOnPurpose(documents.get(`App/${app}`))
      );
    });
    return lost && `${lost.word} of ${lost.database} in addon/${lost.addon} is gone`;
  },
};

/** What was deleted with its data is remembered no more. */
function forget(sim: Simulation, { type, document }: { type: string; document: Document }): void {
  const { kind, metadata } = document;
  if (type !== 'DELETED' || !isLostOnPurpose(document)) return;
  const { name } = metadata;
  const rows = rowsOf(sim);
  const isOver = (row: Row) =>
    (kind === 'App' && row.app === name) || (kind === 'Addon' && row.addon === name);
  written.set(
    sim,
    rows.filter((row) => !isOver(row)),
  );
}

/** Why an App cannot have an account, as the word of its status. */
export function addonObstacle({ store }: Simulation, { servers }: EffectiveApp): string | undefined {
  for (const { type, addon } of servers) {
    const found = store?.get('Addon', addon);
    if (found && found.spec['type'] !== type) return 'AddonNotAvailable';
    if (!found && addon !== type && type !== 'redis') return 'AddonNotReady';
  }
  return undefined;
}

/** With what is in its environment an App that serves gets at everything that it ever wrote there. */
export function loginProblems(
  sim: Simulation,
  name: string,
  { servers }: EffectiveApp,
  spec: ContainerSpec,
): string[] {
  const logins = loginsOf(spec);
  const types = logins.map(({ type }) => type).sort();
  const wanted = servers.map(({ type }) => type).sort();
  if (types.join() !== wanted.join()) return [`its environment knows ${types.join()}, not ${wanted.join()}`];
  return logins.flatMap((login) => {
    const entered = enter(sim, login);
    if (typeof entered === 'string') return [`it is not let into ${login.type}: ${entered}`];
    const addon = addonOf(entered.folder);
    const asked = servers.find(({ type }) => type === login.type)?.addon;
    if (addon !== asked) return [`it is let into addon/${addon}, and asks for addon/${asked}`];
    const own = rowsOf(sim).filter(
      (row) => row.app === name && row.addon === addon && row.database === login.database,
    );
    return own
      .filter(({ word }) => !entered.rows.includes(word))
      .map(({ word }) => `it does not find ${word} in ${login.database}`);
  });
}
