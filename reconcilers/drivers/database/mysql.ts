/**
 * MariaDB 10.4 and newer, and MySQL 8. Each account is a login with all rights on its own database and no other; one that makes databases
 * of its own has them on all whose names begin with its prefix. The ledger is a table in a database of its own.
 */
import type { Readable } from 'node:stream';
import mysql from 'mysql2/promise';
import { credentialDigest } from '../../../resources/credential.ts';
import { DriverError } from '../error.ts';
import type { DatabaseEngine } from './engine.ts';
import type { Account, AccountSpec, DatabaseContents, DatabaseServer, RunningServer } from './index.ts';
import { CONNECT_MILLISECONDS, IDLE_MILLISECONDS, MOST_CONNECTIONS, QUERY_MILLISECONDS } from './limits.ts';
import type { Program, RunProgram } from './program.ts';

const ADMINISTRATOR = 'root';
const LEDGER = 'holdfast';
const SYSTEM = ['mysql', 'information_schema', 'performance_schema', 'sys', LEDGER];

type Row = Record<string, unknown>;

const id = mysql.escapeId;
const text = mysql.escape;
/** In rights, _ and % of a database's name stand for anything: app_a_b would open app_axb. */
const pattern = (name: string) => name.replace(/[_%\\]/g, (letter) => `\\${letter}`);

export function connectMysql(server: DatabaseServer): DatabaseEngine {
  const pool = mysql.createPool({
    host: server.address,
    port: server.port,
    user: ADMINISTRATOR,
    password: server.password,
    connectTimeout: CONNECT_MILLISECONDS,
    connectionLimit: MOST_CONNECTIONS,
    maxIdle: MOST_CONNECTIONS,
    idleTimeout: IDLE_MILLISECONDS,
    enableKeepAlive: true,
    supportBigNumbers: true,
    bigNumberStrings: true,
    dateStrings: true,
    multipleStatements: false,
  });
  const rows = async (
    sql: string,
    values: readonly (string | number | null)[] = [],
    timeout = QUERY_MILLISECONDS,
  ) => (await pool.query({ sql, timeout }, [...values]))[0] as unknown as Row[];
  const isMariaDb = async () => /mariadb/i.test(await fullVersion());
  const fullVersion = async () => String((await rows('SELECT VERSION() AS version'))[0]?.['version']);

  const ledgerIsThere = async () =>
    (
      await rows(
        `SELECT 1 FROM information_schema.tables WHERE table_schema = ? AND table_name = 'accounts'`,
        [LEDGER],
      )
    ).length > 0;

  async function ensureLedger(): Promise<void> {
    await rows(`CREATE DATABASE IF NOT EXISTS ${id(LEDGER)} CHARACTER SET utf8mb4`);
    await rows(`CREATE TABLE IF NOT EXISTS ${id(LEDGER)}.accounts (
      name varchar(64) PRIMARY KEY, app varchar(64) NOT NULL, state varchar(10) NOT NULL, since varchar(40) NOT NULL,
      many boolean NOT NULL DEFAULT 0, credential varchar(64), verifier varchar(64)) CHARACTER SET utf8mb4`);
  }

  const recorded = async (name: string) =>
    (await rows(`SELECT * FROM ${id(LEDGER)}.accounts WHERE name = ?`, [name]))[0];

  const databasesOf = async (name: string, many: boolean) =>
    (
      await rows('SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name LIKE ?', [
        many ? `${pattern(name)}%` : pattern(name),
      ])
    ).map((row) => String(row['name']));

  const hasLogin = async (name: string) =>
    (await rows('SELECT 1 FROM mysql.user WHERE User = ?', [name])).length > 0;

  async function refuseForeign(name: string, many: boolean): Promise<void> {
    if (await recorded(name)) return;
    const [database] = many ? [] : await databasesOf(name, false);
    if (database === undefined && !(await hasLogin(name))) return;
    const what = database === undefined ? 'a login' : 'a database';
    const message = `${server.name} has ${what} named ${name} that Holdfast did not make: rename or remove it`;
    throw new DriverError('foreign', message);
  }

  /** Digest of what the server keeps of the password: tells whether somebody changed it. */
  const verifierSql = async () =>
    (await isMariaDb())
      ? `SHA2(JSON_VALUE(u.Priv, '$.authentication_string'), 256)`
      : 'SHA2(u.authentication_string, 256)';
  const lockedSql = async () =>
    (await isMariaDb())
      ? `COALESCE(JSON_VALUE(u.Priv, '$.account_locked'), 0) + 0`
      : `u.account_locked = 'Y'`;
  const usersTable = async () => ((await isMariaDb()) ? 'mysql.global_priv' : 'mysql.user');

  async function endSessions(name: string): Promise<void> {
    const sessions = await rows('SELECT ID AS id FROM information_schema.processlist WHERE USER = ?', [name]);
    // One that ended meanwhile is as good.
    for (const session of sessions) await rows(`KILL ${Number(session['id'])}`).catch(() => undefined);
  }

  return {
    async version() {
      return (await fullVersion()).replace(/^5\.5\.5-/, '').split(/[+~-]/)[0] ?? '';
    },

    async accounts() {
      if (!(await ledgerIsThere())) return [];
      const found = await rows(`SELECT a.name, a.app, a.state, a.since, a.credential, a.many,
          ${await verifierSql()} = a.verifier AND NOT (${await lockedSql()}) AS opens,
          (SELECT GROUP_CONCAT(d.Db SEPARATOR '\\n') FROM mysql.db d WHERE d.User = a.name) AS rights,
          (SELECT COUNT(*) FROM information_schema.schemata s WHERE s.schema_name = a.name) AS there
        FROM ${id(LEDGER)}.accounts a LEFT JOIN ${await usersTable()} u ON u.User = a.name AND u.Host = '%'
        ORDER BY a.name`);
      return found.map((row): Account => {
        const name = String(row['name']);
        const many = Number(row['many']) === 1;
        const rights = many ? `${pattern(name)}%` : pattern(name);
        const intact =
          row['state'] === 'bound' &&
          Number(row['opens']) === 1 &&
          row['rights'] === rights &&
          (many || Number(row['there']) === 1);
        return {
          name,
          app: String(row['app']),
          state: row['state'] === 'kept' ? 'kept' : 'bound',
          since: String(row['since']),
          ...(intact ? { credential: String(row['credential']) } : {}),
        };
      });
    },

    async databases() {
      const marks = SYSTEM.map(() => '?').join(', ');
      const found = await rows(
        `SELECT schema_name AS name FROM information_schema.schemata WHERE schema_name NOT IN (${marks}) ORDER BY 1`,
        SYSTEM,
      );
      return found.map((row) => String(row['name']));
    },

    contents: (database) => readContents(database, (sql, values) => rows(sql, values, 0)),

    async provision({ name, app, password, many, now }: AccountSpec) {
      await ensureLedger();
      await refuseForeign(name, many);
      await rows(
        `INSERT INTO ${id(LEDGER)}.accounts (name, app, state, since, many) VALUES (?, ?, 'bound', ?, ?)
          ON DUPLICATE KEY UPDATE since = IF(state = 'bound', since, VALUES(since)), app = VALUES(app),
            many = VALUES(many), state = 'bound'`,
        [name, app, now, many ? 1 : 0],
      );
      const login = `${text(name)}@'%'`;
      // The server leaves passwords of these two statements out of its logs.
      if (await hasLogin(name))
        await rows(`ALTER USER ${login} IDENTIFIED BY ${text(password)} ACCOUNT UNLOCK`);
      else await rows(`CREATE USER ${login} IDENTIFIED BY ${text(password)}`);
      if (!many) {
        await rows(
          `CREATE DATABASE IF NOT EXISTS ${id(name)} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci`,
        );
      }
      await rows(`REVOKE ALL PRIVILEGES, GRANT OPTION FROM ${login}`);
      await rows(`GRANT ALL PRIVILEGES ON ${id(many ? `${pattern(name)}%` : pattern(name))}.* TO ${login}`);
      await rows(
        `UPDATE ${id(LEDGER)}.accounts a JOIN ${await usersTable()} u ON u.User = a.name AND u.Host = '%'
          SET a.credential = ?, a.verifier = ${await verifierSql()} WHERE a.name = ?`,
        [credentialDigest(password), name],
      );
    },

    async keep({ name, now }) {
      await ensureLedger();
      if (!(await recorded(name))) return;
      await rows(
        `UPDATE ${id(LEDGER)}.accounts SET since = IF(state = 'kept', since, ?), state = 'kept' WHERE name = ?`,
        [now, name],
      );
      if (await hasLogin(name)) await rows(`ALTER USER ${text(name)}@'%' ACCOUNT LOCK`);
      await endSessions(name);
    },

    async drop(name) {
      await ensureLedger();
      const ours = await recorded(name);
      if (!ours) return;
      await rows(`DROP USER IF EXISTS ${text(name)}@'%'`);
      await endSessions(name);
      for (const database of await databasesOf(name, Number(ours['many']) === 1))
        await rows(`DROP DATABASE IF EXISTS ${id(database)}`);
      await rows(`DELETE FROM ${id(LEDGER)}.accounts WHERE name = ?`, [name]);
    },

    async exportAccounts() {
      const own = [ADMINISTRATOR, 'mysql', 'mariadb.sys', 'healthcheck', 'mysql.sys', 'mysql.session'];
      own.push('mysql.infoschema', 'PUBLIC', '');
      const marks = own.map(() => '?').join(', ');
      const users = await rows(
        `SELECT User AS user, Host AS host FROM mysql.user WHERE User NOT IN (${marks}) AND Host <> '' ORDER BY 1, 2`,
        own,
      );
      const statements: string[] = [];
      for (const { user, host } of users) {
        const login = `${text(String(user))}@${text(String(host))}`;
        const [made] = await rows(`SHOW CREATE USER ${login}`);
        statements.push(`DROP USER IF EXISTS ${login}`, String(Object.values(made ?? {})[0]));
        for (const grant of await rows(`SHOW GRANTS FOR ${login}`))
          statements.push(String(Object.values(grant)[0]));
      }
      const accounts = (await ledgerIsThere()) ? await rows(`SELECT * FROM ${id(LEDGER)}.accounts`) : [];
      return [...statements, ...accounts.map((row) => replaceAccount(row))];
    },

    exportSettings: async () => [],

    async run(statements) {
      await ensureLedger();
      for (const statement of statements) await rows(statement);
    },

    async dump(running: RunningServer, database: string, programs: RunProgram, signal?: AbortSignal) {
      const options = ['--single-transaction', '--routines', '--triggers', '--events', '--hex-blob', '--opt'];
      const command = clientCommand(['mariadb-dump', 'mysqldump'], [...options, '--databases', database]);
      return programs.output(program(running, `dumping ${database} of ${server.name}`, command, signal));
    },

    async restore(
      running: RunningServer,
      database: string,
      input: Readable,
      programs: RunProgram,
      signal?: AbortSignal,
    ) {
      await rows(`DROP DATABASE IF EXISTS ${id(database)}`);
      const command = clientCommand(['mariadb', 'mysql'], ['--default-character-set=utf8mb4']);
      await programs.toEnd({
        ...program(running, `restoring ${database} in ${server.name}`, command, signal),
        input,
      });
    },

    async close() {
      await pool.end();
    },
  };
}

/** Its name differs between MariaDB and MySQL. The script is fixed; what varies comes as arguments. */
function clientCommand(names: readonly [string, string], options: readonly string[]): string[] {
  const script = 'program=$(command -v "$1" || command -v "$2") || exit 127; shift 2; exec "$program" "$@"';
  const connection = ['--host=127.0.0.1', '--protocol=tcp', `--user=${ADMINISTRATOR}`];
  return ['sh', '-c', script, 'client', ...names, ...connection, ...options];
}

function program(
  { container, password }: RunningServer,
  what: string,
  command: string[],
  signal: AbortSignal | undefined,
): Program {
  return { container, what, command, env: { MYSQL_PWD: password }, ...(signal ? { signal } : {}) };
}

function replaceAccount(row: Row): string {
  const columns = ['name', 'app', 'state', 'since', 'many', 'credential', 'verifier'];
  const values = columns.map((column) => text(row[column] as string | number | null));
  return `REPLACE INTO ${id(LEDGER)}.accounts (${columns.join(', ')}) VALUES (${values.join(', ')})`;
}

async function readContents(
  database: string,
  rows: (sql: string, values?: readonly (string | number | null)[]) => Promise<Row[]>,
): Promise<DatabaseContents> {
  const found = await rows(
    `SELECT table_name AS name FROM information_schema.tables
      WHERE table_schema = ? AND table_type = 'BASE TABLE' ORDER BY 1`,
    [database],
  );
  const tables: DatabaseContents['tables'] = {};
  for (const row of found) {
    const name = String(row['name']);
    const columns = await rows(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = ? AND table_name = ?
        ORDER BY ordinal_position`,
      [database, name],
    );
    const parts = columns.map((column) => `COALESCE(HEX(CONCAT(${id(String(column['name']))})), 'null')`);
    const [sum] = await rows(
      `SELECT COUNT(*) AS \`rows\`, CAST(COALESCE(SUM(CRC32(CONCAT_WS(',', ${parts.join(', ')}))), 0) AS CHAR) AS sum
        FROM ${id(database)}.${id(name)}`,
    );
    tables[name] = { rows: Number(sum?.['rows']), sum: String(sum?.['sum']) };
  }
  const others = await rows(
    OTHERS,
    Array.from({ length: 5 }, () => database),
  );
  return {
    tables,
    others: Object.fromEntries(others.map((row) => [String(row['what']), String(row['value'])])),
  };
}

const OTHERS = `SELECT 'views' AS what, COUNT(*) AS value FROM information_schema.views WHERE table_schema = ?
  UNION ALL SELECT 'routines', COUNT(*) FROM information_schema.routines WHERE routine_schema = ?
  UNION ALL SELECT 'triggers', COUNT(*) FROM information_schema.triggers WHERE trigger_schema = ?
  UNION ALL SELECT 'events', COUNT(*) FROM information_schema.events WHERE event_schema = ?
  UNION ALL SELECT 'constraints', COUNT(*) FROM information_schema.table_constraints WHERE table_schema = ?`;
