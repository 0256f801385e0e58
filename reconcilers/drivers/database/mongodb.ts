/**
 * MongoDB 5 and newer, by the official driver. Each account is a user of its own database, with all rights on it and none elsewhere. The
 * ledger is a collection in a database of its own.
 */
import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import { type Db, MongoClient, type Document as MongoDocument } from 'mongodb';
import { credentialDigest } from '../../../resources/credential.ts';
import { DriverError } from '../error.ts';
import type { DatabaseEngine } from './engine.ts';
import type { Account, AccountSpec, DatabaseContents, DatabaseServer, RunningServer } from './index.ts';
import { CONNECT_MILLISECONDS, IDLE_MILLISECONDS, MOST_CONNECTIONS, QUERY_MILLISECONDS } from './limits.ts';
import type { Program, RunProgram } from './program.ts';

const ADMINISTRATOR = 'root';
const LEDGER = 'holdfast';
const SYSTEM = ['admin', 'config', 'local', LEDGER];

interface LedgerRow {
  _id: string;
  app: string;
  state: 'bound' | 'kept';
  since: string;
  credential?: string;
  /** Digest of what the server keeps of the password. */
  verifier?: string;
}

export function connectMongodb(server: DatabaseServer): DatabaseEngine {
  const client = new MongoClient(`mongodb://${server.address}:${server.port}/`, {
    auth: { username: ADMINISTRATOR, password: server.password },
    authSource: 'admin',
    directConnection: true,
    maxPoolSize: MOST_CONNECTIONS,
    maxIdleTimeMS: IDLE_MILLISECONDS,
    connectTimeoutMS: CONNECT_MILLISECONDS,
    serverSelectionTimeoutMS: CONNECT_MILLISECONDS,
    timeoutMS: QUERY_MILLISECONDS,
    appName: 'holdfast',
  });
  const ledger = () => client.db(LEDGER).collection<LedgerRow>('accounts');

  const usersOf = async (name: string): Promise<MongoDocument[]> => {
    const answer = await client.db(name).command({ usersInfo: 1, showCredentials: true });
    return (answer['users'] ?? []) as MongoDocument[];
  };
  const verifierOf = (user: MongoDocument | undefined) =>
    createHash('sha256')
      .update(JSON.stringify(user?.['credentials'] ?? null))
      .digest('hex');
  const names = async () => {
    const { databases } = await client.db('admin').admin().listDatabases({ nameOnly: true });
    return databases.map(({ name }) => name);
  };

  async function refuseForeign(name: string): Promise<void> {
    if (await ledger().findOne({ _id: name })) return;
    const hasData = (await names()).includes(name);
    if (!hasData && (await usersOf(name)).length === 0) return;
    const what = hasData ? 'a database' : 'a login';
    const message = `${server.name} has ${what} named ${name} that Holdfast did not make: rename or remove it`;
    throw new DriverError('foreign', message);
  }

  async function accountOf(row: LedgerRow): Promise<Account> {
    const users = await usersOf(row._id);
    const user = users.find((each) => each['user'] === row._id);
    const roles = JSON.stringify(user?.['roles'] ?? []);
    const wanted = JSON.stringify([{ role: 'dbOwner', db: row._id }]);
    const intact = row.state === 'bound' && verifierOf(user) === row.verifier && roles === wanted;
    return {
      name: row._id,
      app: row.app,
      state: row.state,
      since: row.since,
      ...(intact && row.credential !== undefined ? { credential: row.credential } : {}),
    };
  }

  return {
    async version() {
      const { version } = await client.db('admin').admin().serverInfo();
      return String(version);
    },

    async accounts() {
      const rows = await ledger().find().sort({ _id: 1 }).toArray();
      return Promise.all(rows.map(accountOf));
    },

    databases: async () => (await names()).filter((name) => !SYSTEM.includes(name)),

    contents: (database) => readContents(client.db(database)),

    async provision({ name, app, password, now }: AccountSpec) {
      await refuseForeign(name);
      const before = await ledger().findOne({ _id: name });
      const since = before?.state === 'bound' ? before.since : now;
      await ledger().updateOne({ _id: name }, { $set: { app, state: 'bound', since } }, { upsert: true });
      const isThere = (await usersOf(name)).some((user) => user['user'] === name);
      const roles = [{ role: 'dbOwner', db: name }];
      await client.db(name).command({ [isThere ? 'updateUser' : 'createUser']: name, pwd: password, roles });
      const user = (await usersOf(name)).find((each) => each['user'] === name);
      const verifier = verifierOf(user);
      await ledger().updateOne({ _id: name }, { $set: { credential: credentialDigest(password), verifier } });
    },

    async keep({ name, now }) {
      const row = await ledger().findOne({ _id: name });
      if (!row) return;
      const since = row.state === 'kept' ? row.since : now;
      await ledger().updateOne({ _id: name }, { $set: { state: 'kept', since } });
      const users = await usersOf(name);
      if (users.some((user) => user['user'] === name)) await client.db(name).command({ dropUser: name });
    },

    async drop(name) {
      if (!(await ledger().findOne({ _id: name }))) return;
      await client.db(name).command({ dropAllUsersFromDatabase: 1 });
      await client.db(name).dropDatabase();
      await ledger().deleteOne({ _id: name });
    },

    // Users of a database are not in its dump: they are given again with passwords of their own, which is what Bindings do.
    exportAccounts: async () =>
      (await ledger().find().toArray()).map(({ verifier: _changes, credential: _given, ...row }) =>
        JSON.stringify(row),
      ),

    exportSettings: async () => [],

    async run(statements) {
      for (const statement of statements) {
        const { _id, ...row } = JSON.parse(statement) as LedgerRow;
        await ledger().updateOne({ _id }, { $set: row }, { upsert: true });
      }
    },

    async dump(running: RunningServer, database: string, programs: RunProgram, signal?: AbortSignal) {
      const options = ['--archive', `--db=${database}`, '--quiet'];
      return programs.output(
        program(running, `dumping ${database} of ${server.name}`, 'mongodump', options, signal),
      );
    },

    async restore(
      running: RunningServer,
      database: string,
      input: Readable,
      programs: RunProgram,
      signal?: AbortSignal,
    ) {
      const options = ['--archive', '--drop', `--nsInclude=${database}.*`, '--quiet', '--stopOnError'];
      const what = `restoring ${database} in ${server.name}`;
      await programs.toEnd({ ...program(running, what, 'mongorestore', options, signal), input });
    },

    async close() {
      await client.close();
    },
  };
}

/** The password comes by a file that only this program sees: on a command line every process would. */
function program(
  { container, password }: RunningServer,
  what: string,
  name: string,
  options: readonly string[],
  signal: AbortSignal | undefined,
): Program {
  const script =
    'umask 077; file=$(mktemp); printf "password: %s\\n" "$PASSWORD" >"$file"; "$@" --config="$file"; code=$?; rm -f "$file"; exit $code';
  const connection = ['--host=127.0.0.1', `--username=${ADMINISTRATOR}`, '--authenticationDatabase=admin'];
  return {
    container,
    what,
    command: ['sh', '-c', script, 'mongo', name, ...connection, ...options],
    env: { PASSWORD: password },
    ...(signal ? { signal } : {}),
  };
}

async function readContents(database: Db): Promise<DatabaseContents> {
  const tables: DatabaseContents['tables'] = {};
  const { collections = {} } = (await database.command({ dbHash: 1 })) as {
    collections?: Record<string, string>;
  };
  for (const [name, sum] of Object.entries(collections)) {
    tables[name] = { rows: await database.collection(name).countDocuments(), sum };
  }
  const others: Record<string, string> = {};
  for (const name of Object.keys(tables)) {
    const indexes = await database.collection(name).indexes();
    others[`indexes of ${name}`] = String(indexes.length);
  }
  return { tables, others };
}
