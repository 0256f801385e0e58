/**
 * Database servers in memory, held to what the real ones promise by the same conformance suite. What is in a server belongs to the folder
 * of its data and outlives whoever serves it: `locate` says whether a server runs at an address, and on which data. For unit tests and
 * simulations; deterministic.
 */
import { Readable } from 'node:stream';
import { credentialDigest } from '../../../resources/credential.ts';
import { DriverError } from '../error.ts';
import type { Account, DatabaseContents, DatabaseServer, Databases } from './index.ts';

export interface FakeLocation {
  /** The folder of the data, or whatever else stands for it. */
  data: string;
  version: string;
}

interface FakeAccount {
  app: string;
  state: Account['state'];
  since: string;
  password: string;
  /** As it was made; undefined after somebody changed it. */
  made: string | undefined;
  many: boolean;
}

/** What one server has. */
export interface FakeData {
  password: string;
  accounts: Map<string, FakeAccount>;
  /** Words that were put into each database, by its name. */
  databases: Map<string, string[]>;
}

export interface FakeDatabases extends Databases {
  /** By the folder of the data. */
  readonly data: Map<string, FakeData>;
  /** Logs in as an App would, and opens the database. */
  enter(server: DatabaseServer, login: { name: string; password: string; database: string }): string[];
  /** The folder was renamed, or removed with what is in it. */
  moved(from: string, to: string | undefined): void;
}

export function createFakeDatabases(options: {
  /** undefined: nothing answers there. */
  locate(server: DatabaseServer): FakeLocation | undefined;
}): FakeDatabases {
  const all = new Map<string, FakeData>();

  function locate(server: DatabaseServer): FakeLocation {
    const found = options.locate(server);
    if (!found) throw new DriverError('unavailable', `${server.name}: connection refused`);
    return found;
  }

  /** Made by the first start, with the password that it was given. */
  function open(server: DatabaseServer): FakeData {
    const { data: key } = locate(server);
    const data = all.get(key) ?? { password: server.password, accounts: new Map(), databases: new Map() };
    all.set(key, data);
    if (data.password !== server.password)
      throw new DriverError('denied', `${server.name}: password authentication failed`);
    return data;
  }

  const read = async <T>(server: DatabaseServer, work: (data: FakeData) => T): Promise<T> =>
    work(open(server));

  const account = ([name, one]: [string, FakeAccount]): Account => ({
    name,
    app: one.app,
    state: one.state,
    since: one.since,
    ...(one.state === 'bound' && one.made === one.password
      ? { credential: credentialDigest(one.password) }
      : {}),
  });

  return {
    data: all,

    version: (server) => read(server, () => locate(server).version),
    accounts: (server) =>
      read(server, ({ accounts }) => [...accounts].sort(([a], [b]) => (a < b ? -1 : 1)).map(account)),
    databases: (server) => read(server, ({ databases }) => [...databases.keys()].sort()),
    contents: (server, database) =>
      read(server, ({ databases }): DatabaseContents => {
        const words = databases.get(database) ?? [];
        return { tables: { words: { rows: words.length, sum: [...words].sort().join(' ') } }, others: {} };
      }),

    provision: (server, { name, app, password, many, now }) =>
      read(server, ({ accounts, databases }) => {
        const before = accounts.get(name);
        if (!before && databases.has(name)) {
          const message = `${server.name} has a database named ${name} that Holdfast did not make: rename or remove it`;
          throw new DriverError('foreign', message);
        }
        const since = before?.state === 'bound' ? before.since : now;
        accounts.set(name, { app, state: 'bound', since, password, made: password, many });
        if (!many && server.type !== 'redis' && !databases.has(name)) databases.set(name, []);
      }),
    keep: (server, { name, now }) =>
      read(server, ({ accounts }) => {
        const before = accounts.get(name);
        if (before?.state === 'bound') accounts.set(name, { ...before, state: 'kept', since: now });
      }),
    drop: (server, name) =>
      read(server, ({ accounts, databases }) => {
        const before = accounts.get(name);
        if (!before) return;
        accounts.delete(name);
        for (const one of [...databases.keys()])
          if (before.many ? one.startsWith(name) : one === name) databases.delete(one);
      }),
    copyAccounts: async (from, to) => {
      const target = open(to);
      for (const [name, one] of open(from).accounts) target.accounts.set(name, { ...one });
    },
    copySettings: async (from, to) => {
      open(from);
      open(to);
    },
    dump: (server, database) =>
      read(server, ({ databases }) => Readable.from([JSON.stringify(databases.get(database) ?? [])])),
    async restore(server, database, from) {
      let text = '';
      for await (const chunk of from) text += String(chunk);
      open(server).databases.set(database, JSON.parse(text) as string[]);
    },
    disconnect: async () => undefined,
    close: async () => undefined,

    enter(server, { name, password, database }) {
      const { accounts, databases } = all.get(locate(server).data) ?? {};
      const login = accounts?.get(name);
      if (login?.state !== 'bound' || login.password !== password)
        throw new DriverError('denied', `${server.name}: password authentication failed for ${name}`);
      const isOwn = login.many ? database.startsWith(name) : database === name;
      const words = databases?.get(database);
      if (!isOwn || !words)
        throw new DriverError('denied', `${server.name}: ${name} may not open ${database}`);
      return words;
    },

    moved(from, to) {
      for (const [key, data] of [...all]) {
        if (key !== from && !key.startsWith(`${from}/`)) continue;
        all.delete(key);
        if (to !== undefined) all.set(`${to}${key.slice(from.length)}`, data);
      }
    },
  };
}
