/** What each type of server is for the driver: the same verbs on a connection that is there. databases.ts gives it one. */
import type { Readable } from 'node:stream';
import type { Account, AccountSpec, DatabaseContents, DatabaseServer, RunningServer } from './index.ts';
import type { RunProgram } from './program.ts';

/** One pool of connections to one server, and what is done over it. */
export interface DatabaseEngine {
  version(): Promise<string>;
  accounts(): Promise<Account[]>;
  databases(): Promise<string[]>;
  contents(database: string): Promise<DatabaseContents>;
  provision(account: AccountSpec): Promise<void>;
  keep(account: { name: string; now: string }): Promise<void>;
  drop(name: string): Promise<void>;
  /** Statements that make all accounts, for `run` of the same type. */
  exportAccounts(): Promise<string[]>;
  /** Statements that set what is set on databases. */
  exportSettings(): Promise<string[]>;
  run(statements: readonly string[]): Promise<void>;
  dump(
    server: RunningServer,
    database: string,
    programs: RunProgram,
    signal?: AbortSignal,
  ): Promise<Readable>;
  restore(
    server: RunningServer,
    database: string,
    from: Readable,
    programs: RunProgram,
    signal?: AbortSignal,
  ): Promise<void>;
  /** Ends all connections. */
  close(): Promise<void>;
}

export type ConnectEngine = (server: DatabaseServer) => DatabaseEngine;
