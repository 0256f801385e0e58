/**
 * PostgreSQL, 13 and newer. Each account is a login without any right of the server and a database that it owns; nobody else may connect to
 * it, so that no App sees what another has, not even that it is there. The ledger is a table of the database postgres.
 */
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import pg from 'pg';
import { credentialDigest } from '../../../resources/credential.ts';
import { DriverError } from '../error.ts';
import type { DatabaseEngine } from './engine.ts';
import type { Account, AccountSpec, DatabaseContents, DatabaseServer, RunningServer } from './index.ts';
import { CONNECT_MILLISECONDS, IDLE_MILLISECONDS, MOST_CONNECTIONS, QUERY_MILLISECONDS } from './limits.ts';
import type { Program, RunProgram } from './program.ts';
import { scramVerifier } from './scram.ts';

const ADMINISTRATOR = 'postgres';
const { escapeIdentifier: id, escapeLiteral: text } = pg;

export function connectPostgresql(server: DatabaseServer): DatabaseEngine {
  const settings = {
    host: server.address,
    port: server.port,
    user: ADMINISTRATOR,
    password: server.password,
    connectionTimeoutMillis: CONNECT_MILLISECONDS,
    application_name: 'holdfast',
  };
  const pool = new pg.Pool({
    ...settings,
    database: 'postgres',
    max: MOST_CONNECTIONS,
    idleTimeoutMillis: IDLE_MILLISECONDS,
    query_timeout: QUERY_MILLISECONDS,
  });
  // A connection that breaks while nobody uses it is made anew by who needs one.
  pool.on('error', () => undefined);
  const rows = async (sql: string, values: unknown[] = []) =>
    (await pool.query(sql, values)).rows as Record<string, unknown>[];

  /** A connection to another database, for one question. */
  async function inDatabase<T>(database: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = new pg.Client({ ...settings, database });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  let ledger: Promise<void> | undefined;

  /** Once a pool: what many do at the same time to the same rights is refused to all but one. */
  function ensureLedger(): Promise<void> {
    ledger ??= makeLedger().catch((error: unknown) => {
      ledger = undefined;
      throw error;
    });
    return ledger;
  }

  async function makeLedger(): Promise<void> {
    // PUBLIC may connect to every database that nobody closed.
    await rows(`REVOKE ALL ON DATABASE postgres FROM PUBLIC; REVOKE ALL ON DATABASE template1 FROM PUBLIC;
      CREATE SCHEMA IF NOT EXISTS holdfast AUTHORIZATION ${ADMINISTRATOR};
      CREATE TABLE IF NOT EXISTS holdfast.accounts (
        name text PRIMARY KEY, app text NOT NULL, state text NOT NULL, since text NOT NULL,
        credential text, verifier text)`);
  }

  async function refuseForeign(name: string): Promise<void> {
    const [found] = await rows(
      `SELECT EXISTS (SELECT FROM holdfast.accounts WHERE name = $1) AS ours,
        EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS role,
        EXISTS (SELECT FROM pg_database WHERE datname = $1) AS database`,
      [name],
    );
    if (found?.['ours'] || (!found?.['role'] && !found?.['database'])) return;
    throw foreign(server, name, found['database'] ? 'a database' : 'a login');
  }

  return {
    async version() {
      const [row] = await rows('SHOW server_version');
      return String(row?.['server_version']).split(' ')[0] ?? '';
    },

    async accounts() {
      const [found] = await rows(`SELECT to_regclass('holdfast.accounts') IS NOT NULL AS there`);
      if (!found?.['there']) {
        // Somebody may have taken it away since.
        ledger = undefined;
        return [];
      }
      return (await rows(ACCOUNTS)).map(
        (row): Account => ({
          name: String(row['name']),
          app: String(row['app']),
          state: row['state'] === 'kept' ? 'kept' : 'bound',
          since: String(row['since']),
          ...(row['intact'] ? { credential: String(row['credential']) } : {}),
        }),
      );
    },

    async databases() {
      const found = await rows(
        `SELECT datname FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres' ORDER BY datname`,
      );
      return found.map(({ datname }) => String(datname));
    },

    contents: (database) => inDatabase(database, readContents),

    async provision({ name, app, password, now }: AccountSpec) {
      await ensureLedger();
      await refuseForeign(name);
      // The ledger first: what is made after it is known to be ours.
      await rows(
        `INSERT INTO holdfast.accounts (name, app, state, since) VALUES ($1, $2, 'bound', $3)
          ON CONFLICT (name) DO UPDATE SET app = $2, state = 'bound',
            since = CASE WHEN holdfast.accounts.state = 'bound' THEN holdfast.accounts.since ELSE $3 END`,
        [name, app, now],
      );
      const [present] = await rows(
        `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS role,
          EXISTS (SELECT FROM pg_database WHERE datname = $1) AS database`,
        [name],
      );
      const verifier = scramVerifier(password, randomBytes(16));
      const credential = credentialDigest(password);
      await rows(`BEGIN;
        ${present?.['role'] ? 'ALTER' : 'CREATE'} ROLE ${id(name)} ${RIGHTS} LOGIN PASSWORD ${text(verifier)};
        UPDATE holdfast.accounts SET credential = ${text(credential)}, verifier = ${text(verifier)}
          WHERE name = ${text(name)};
        COMMIT`);
      if (!present?.['database'])
        await rows(`CREATE DATABASE ${id(name)} OWNER ${id(name)} TEMPLATE template0 ENCODING 'UTF8'`);
      await rows(`ALTER DATABASE ${id(name)} OWNER TO ${id(name)};
        REVOKE ALL ON DATABASE ${id(name)} FROM PUBLIC;
        COMMENT ON DATABASE ${id(name)} IS ${text(`Made by Holdfast for app/${app}`)}`);
    },

    async keep({ name, now }) {
      await ensureLedger();
      const [ours] = await rows('SELECT state FROM holdfast.accounts WHERE name = $1', [name]);
      if (!ours) return;
      await rows(
        `UPDATE holdfast.accounts SET state = 'kept', since = CASE WHEN state = 'kept' THEN since ELSE $2 END
          WHERE name = $1`,
        [name, now],
      );
      const [role] = await rows('SELECT FROM pg_roles WHERE rolname = $1', [name]);
      if (role) await rows(`ALTER ROLE ${id(name)} NOLOGIN`);
      await rows('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [name]);
    },

    async drop(name) {
      await ensureLedger();
      const [ours] = await rows('SELECT state FROM holdfast.accounts WHERE name = $1', [name]);
      if (!ours) return;
      await rows(`DROP DATABASE IF EXISTS ${id(name)} WITH (FORCE)`);
      await rows(`DROP ROLE IF EXISTS ${id(name)}`);
      await rows('DELETE FROM holdfast.accounts WHERE name = $1', [name]);
    },

    async exportAccounts() {
      const [found] = await rows(`SELECT to_regclass('holdfast.accounts') IS NOT NULL AS there`);
      const roles = await rows(ROLES, [ADMINISTRATOR]);
      const members = await rows(MEMBERS);
      const accounts = found?.['there'] ? await rows('SELECT * FROM holdfast.accounts ORDER BY name') : [];
      return [
        ...roles.map((row) => createRole(row)),
        ...members.map(({ role, member }) => `GRANT ${id(String(role))} TO ${id(String(member))}`),
        ...accounts.map((row) => insertAccount(row)),
      ];
    },

    async exportSettings() {
      const found = await rows(SETTINGS);
      return found.map(({ database, role, setting }) => setStatement(database, role, String(setting)));
    },

    async run(statements) {
      await ensureLedger();
      for (const statement of statements) await rows(statement);
    },

    async dump(running: RunningServer, database: string, programs: RunProgram, signal?: AbortSignal) {
      const command = ['pg_dump', ...CONNECTION, '--format=custom', '--compress=0', database];
      return programs.output(program(running, `dumping ${database} of ${server.name}`, command, signal));
    },

    async restore(
      running: RunningServer,
      database: string,
      input: Readable,
      programs: RunProgram,
      signal?: AbortSignal,
    ) {
      await rows(`DROP DATABASE IF EXISTS ${id(database)} WITH (FORCE)`);
      await rows(`CREATE DATABASE ${id(database)} TEMPLATE template0 ENCODING 'UTF8'`);
      const command = ['pg_restore', ...CONNECTION, '--exit-on-error', `--dbname=${database}`];
      await programs.toEnd({
        ...program(running, `restoring ${database} in ${server.name}`, command, signal),
        input,
      });
      const [role] = await rows('SELECT FROM pg_roles WHERE rolname = $1', [database]);
      if (role) await rows(`ALTER DATABASE ${id(database)} OWNER TO ${id(database)}`);
      await rows(`REVOKE ALL ON DATABASE ${id(database)} FROM PUBLIC`);
      await inDatabase(database, (client) => client.query('ANALYZE'));
    },

    async close() {
      await pool.end();
    },
  };
}

const CONNECTION = ['--host=127.0.0.1', `--username=${ADMINISTRATOR}`, '--no-password'];

function program(
  { container, password }: RunningServer,
  what: string,
  command: string[],
  signal: AbortSignal | undefined,
): Program {
  return { container, what, command, env: { PGPASSWORD: password }, ...(signal ? { signal } : {}) };
}

const RIGHTS = 'NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS INHERIT';

/** An account is as it was made when nobody has changed its password, its rights, or who may connect to its database. */
const ACCOUNTS = `SELECT a.name, a.app, a.state, a.since, a.credential,
    coalesce(a.state = 'bound' AND r.rolcanlogin AND r.rolpassword = a.verifier
      AND NOT (r.rolsuper OR r.rolcreatedb OR r.rolcreaterole OR r.rolreplication OR r.rolbypassrls)
      AND d.datdba = r.oid AND d.datacl IS NOT NULL AND d.datallowconn
      AND NOT EXISTS (SELECT FROM aclexplode(d.datacl) entry WHERE entry.grantee = 0), false) AS intact
  FROM holdfast.accounts a
  LEFT JOIN pg_authid r ON r.rolname = a.name
  LEFT JOIN pg_database d ON d.datname = a.name
  ORDER BY a.name`;

const ROLES = `SELECT rolname, rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolinherit,
    rolcanlogin, rolpassword, rolconnlimit
  FROM pg_authid WHERE rolname <> $1 AND rolname !~ '^pg_' ORDER BY rolname`;

const MEMBERS = `SELECT g.rolname AS role, m.rolname AS member FROM pg_auth_members
  JOIN pg_roles g ON g.oid = roleid JOIN pg_roles m ON m.oid = member
  WHERE m.rolname !~ '^pg_' ORDER BY 1, 2`;

const SETTINGS = `SELECT d.datname AS database, r.rolname AS role, unnest(s.setconfig) AS setting
  FROM pg_db_role_setting s LEFT JOIN pg_database d ON d.oid = s.setdatabase
  LEFT JOIN pg_roles r ON r.oid = s.setrole ORDER BY 1, 2, 3`;

/** Settings that are lists of names, which the server keeps as it would read them. */
const LISTS = ['search_path', 'temp_tablespaces', 'session_preload_libraries', 'local_preload_libraries'];

function setStatement(database: unknown, role: unknown, setting: string): string {
  const at = setting.indexOf('=');
  const [name, value] = [setting.slice(0, at), setting.slice(at + 1)];
  const on = database === null ? '' : ` IN DATABASE ${id(String(database))}`;
  const whose = role === null ? `DATABASE ${id(String(database))}` : `ROLE ${id(String(role))}${on}`;
  return `ALTER ${whose} SET ${id(name)} TO ${LISTS.includes(name) ? value : text(value)}`;
}

/** Made where it is missing, then as it was. */
function createRole(row: Record<string, unknown>): string {
  const name = String(row['rolname']);
  const flag = (column: string, word: string) => (row[column] ? word : `NO${word}`);
  const flags = [
    flag('rolsuper', 'SUPERUSER'),
    flag('rolcreatedb', 'CREATEDB'),
    flag('rolcreaterole', 'CREATEROLE'),
    flag('rolreplication', 'REPLICATION'),
    flag('rolbypassrls', 'BYPASSRLS'),
    flag('rolinherit', 'INHERIT'),
    flag('rolcanlogin', 'LOGIN'),
    `CONNECTION LIMIT ${Number(row['rolconnlimit'])}`,
    `PASSWORD ${row['rolpassword'] === null ? 'NULL' : text(String(row['rolpassword']))}`,
  ].join(' ');
  return `DO $holdfast$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${text(name)}) THEN CREATE ROLE ${id(name)}; END IF;
    END $holdfast$; ALTER ROLE ${id(name)} ${flags}`;
}

function insertAccount(row: Record<string, unknown>): string {
  const columns = ['name', 'app', 'state', 'since', 'credential', 'verifier'];
  const values = columns.map((column) => (row[column] === null ? 'NULL' : text(String(row[column]))));
  const updates = columns.slice(1).map((column) => `${column} = EXCLUDED.${column}`);
  return `INSERT INTO holdfast.accounts (${columns.join(', ')}) VALUES (${values.join(', ')})
    ON CONFLICT (name) DO UPDATE SET ${updates.join(', ')}`;
}

/** Rows as text, each with a hash: the sum of them does not depend on their order. */
async function readContents(client: pg.Client): Promise<DatabaseContents> {
  const found = await client.query(
    `SELECT schemaname AS schema, tablename AS name FROM pg_tables
      WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1, 2`,
  );
  const tables: DatabaseContents['tables'] = {};
  for (const { schema, name } of found.rows as { schema: string; name: string }[]) {
    const { rows } = await client.query(
      `SELECT count(*) AS rows,
        coalesce(sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint::numeric), 0)::text AS sum
        FROM ${id(schema)}.${id(name)} t`,
    );
    tables[`${schema}.${name}`] = { rows: Number(rows[0].rows), sum: String(rows[0].sum) };
  }
  const others = await client.query(OTHERS);
  return {
    tables,
    others: Object.fromEntries(
      (others.rows as { what: string; value: string }[]).map(({ what, value }) => [what, value]),
    ),
  };
}

const OF_PEOPLE = `n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'`;

const OTHERS = `SELECT 'relations ' || c.relkind::text AS what, count(*)::text AS value FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE ${OF_PEOPLE} GROUP BY c.relkind
  UNION ALL SELECT 'functions', count(*)::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE ${OF_PEOPLE} AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
  UNION ALL SELECT 'triggers', count(*)::text FROM pg_trigger WHERE NOT tgisinternal
  UNION ALL SELECT 'constraints ' || contype::text, count(*)::text FROM pg_constraint k
    JOIN pg_namespace n ON n.oid = k.connamespace WHERE ${OF_PEOPLE} AND contype <> 'n' GROUP BY contype
  UNION ALL SELECT 'extension ' || extname, 'there' FROM pg_extension
  UNION ALL SELECT 'sequence ' || schemaname || '.' || sequencename, coalesce(last_value::text, 'none')
    FROM pg_sequences`;

function foreign(server: DatabaseServer, name: string, what: string): DriverError {
  const message = `${server.name} has ${what} named ${name} that Holdfast did not make: rename or remove it`;
  return new DriverError('foreign', message);
}
