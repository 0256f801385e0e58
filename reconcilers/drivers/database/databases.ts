/**
 * The real databases driver: one pool a server, made when it is first asked and let go of when nobody asks any more; what was just read
 * of a ledger is shared. Built in main.ts.
 */
import type { Clock } from '../../../controller/clock.ts';
import type { ServerType } from '../../../resources/addons.ts';
import type { DockerWriting } from '../docker/index.ts';
import { DriverError, type DriverErrorCode } from '../error.ts';
import { createSemaphore, type Semaphore } from '../semaphore.ts';
import type { ConnectEngine, DatabaseEngine } from './engine.ts';
import type { Account, DatabaseServer, Databases } from './index.ts';
import { CHANGES_AT_ONCE } from './limits.ts';
import { connectMongodb } from './mongodb.ts';
import { connectMysql } from './mysql.ts';
import { connectPostgresql } from './postgresql.ts';
import { programsBy } from './program.ts';
import { connectRedis } from './redis.ts';

const CONNECT: Readonly<Record<ServerType, ConnectEngine>> = {
  postgresql: connectPostgresql,
  mysql: connectMysql,
  mongodb: connectMongodb,
  redis: connectRedis,
};

/** What a ledger said is good for this long: the Bindings of a resync come together. */
const LEDGER_MILLISECONDS = 2_000;
/** A pool that nobody asked for this long is closed as a whole. */
const POOL_MILLISECONDS = 120_000;

interface Pool {
  engine: DatabaseEngine;
  ledger?: { at: number; answer: Promise<Account[]> };
  /** Changes wait here, and not for a connection, which is given up after a while. */
  changes: Semaphore;
  cancelClose: () => void;
}

export function createDatabases({ clock, exec }: { clock: Clock; exec: DockerWriting['exec'] }): Databases {
  const pools = new Map<string, Pool>();
  const programs = programsBy(exec);
  // The password is part of it: with another one it is another way in.
  const keyOf = ({ type, address, port, password }: DatabaseServer) =>
    JSON.stringify([type, address, port, password]);

  async function close(key: string): Promise<void> {
    const pool = pools.get(key);
    if (!pool) return;
    pools.delete(key);
    pool.cancelClose();
    await pool.engine.close().catch(() => undefined);
  }

  function poolOf(server: DatabaseServer): Pool {
    const key = keyOf(server);
    const present = pools.get(key);
    present?.cancelClose();
    const pool = present ?? {
      engine: CONNECT[server.type](server),
      changes: createSemaphore(CHANGES_AT_ONCE),
      cancelClose: () => undefined,
    };
    pool.cancelClose = clock.after(POOL_MILLISECONDS, () => void close(key));
    pools.set(key, pool);
    return pool;
  }

  async function ask<T>(server: DatabaseServer, work: (engine: DatabaseEngine) => Promise<T>): Promise<T> {
    try {
      return await work(poolOf(server).engine);
    } catch (error) {
      throw databaseError(server, error);
    }
  }

  /** What is asked after it sees what it did. */
  async function change<T>(server: DatabaseServer, work: (engine: DatabaseEngine) => Promise<T>): Promise<T> {
    try {
      return await poolOf(server).changes.run(() => ask(server, work));
    } finally {
      const pool = pools.get(keyOf(server));
      if (pool) delete pool.ledger;
    }
  }

  async function ledger(server: DatabaseServer): Promise<Account[]> {
    const pool = poolOf(server);
    const { ledger: kept } = pool;
    if (kept && clock.monotonic() - kept.at < LEDGER_MILLISECONDS) return kept.answer;
    const answer = ask(server, (engine) => engine.accounts());
    const entry = { at: clock.monotonic(), answer };
    pool.ledger = entry;
    answer.catch(() => {
      if (pool.ledger === entry) delete pool.ledger;
    });
    return answer;
  }

  return {
    version: (server) => ask(server, (engine) => engine.version()),
    accounts: ledger,
    databases: (server) => ask(server, (engine) => engine.databases()),
    contents: (server, database) => ask(server, (engine) => engine.contents(database)),
    provision: (server, account) => change(server, (engine) => engine.provision(account)),
    keep: (server, account) => change(server, (engine) => engine.keep(account)),
    drop: (server, name) => change(server, (engine) => engine.drop(name)),
    async copyAccounts(from, to) {
      const statements = await ask(from, (engine) => engine.exportAccounts());
      await change(to, (engine) => engine.run(statements));
    },
    async copySettings(from, to) {
      const statements = await ask(from, (engine) => engine.exportSettings());
      await change(to, (engine) => engine.run(statements));
    },
    dump: (server, database, signal) =>
      ask(server, (engine) => engine.dump(server, database, programs, signal)),
    restore: (server, database, from, signal) =>
      ask(server, (engine) => engine.restore(server, database, from, programs, signal)),
    disconnect: (server) => close(keyOf(server)),
    async close() {
      await Promise.all([...pools.keys()].map(close));
    },
  };
}

const CODES: Readonly<Record<string, DriverErrorCode>> = {
  ECONNREFUSED: 'unavailable',
  ECONNRESET: 'unavailable',
  EHOSTUNREACH: 'unavailable',
  ENETUNREACH: 'unavailable',
  EPIPE: 'unavailable',
  ETIMEDOUT: 'unavailable',
  PROTOCOL_CONNECTION_LOST: 'unavailable',
  PROTOCOL_SEQUENCE_TIMEOUT: 'timeout',
  /** PostgreSQL: shutting down, crashed, starting up. */
  '57P01': 'unavailable',
  '57P02': 'unavailable',
  '57P03': 'unavailable',
  '28P01': 'denied',
  '28000': 'denied',
  '53100': 'storageFull',
  ER_ACCESS_DENIED_ERROR: 'denied',
  ER_DISK_FULL: 'storageFull',
  '18': 'denied',
};

/** Texts of clients that give no code. */
const AWAY =
  /connection (terminated|is closed|ended|refused)|connect(ion)? timed? ?out|timeout expired|timeout exceeded when trying to connect|server selection|ECONN|EHOSTUNREACH|closed the connection|stream isn't writeable|is loading the dataset/i;
const DENIED = /WRONGPASS|NOAUTH|NOPERM|authentication failed/i;

function databaseError(server: DatabaseServer, error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const { code, message } = error as { code?: string | number; message?: string };
  // Several addresses or tries come as one error without words of its own.
  const inner = (error as { errors?: { message?: string }[] }).errors?.[0]?.message;
  const text = message || inner || String(code ?? error);
  const known =
    CODES[String(code ?? '')] ?? (AWAY.test(text) ? 'unavailable' : DENIED.test(text) ? 'denied' : 'failed');
  return new DriverError(known, `${server.name}: ${text}`, { cause: error });
}
