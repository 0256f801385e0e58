/**
 * Accounts in database servers, through each server's own client, from the host to the fixed address of its container. One interface for
 * all types; what differs between them is in their files, and one conformance suite holds them and the fake to this text.
 *
 * Every call may be made twice: giving an account that is there, keeping one that is kept, dropping what is gone is success. Whatever
 * Holdfast makes in a server is written down in the server itself, in a ledger that only the administrator can read; a database or a
 * login that is not in the ledger is never changed (`foreign`). A server that does not answer rejects with `unavailable`, one that does not
 * take the administrator's password with `denied`. No password is in a message, and none goes to a server as text that it could log.
 */
import type { Readable } from 'node:stream';
import type { ServerType } from '../../../resources/addons.ts';

/** A server and the way in as its administrator. */
export interface DatabaseServer {
  type: ServerType;
  /** For messages: addon/postgresql. */
  name: string;
  address: string;
  port: number;
  password: string;
}

/** A server whose own programs can be run. */
export interface RunningServer extends DatabaseServer {
  /** Id of its container. */
  container: string;
}

export interface Account {
  /** Login, and the name of its database or the prefix of its databases. */
  name: string;
  /** Name of the App that it was made for. */
  app: string;
  /** kept: of an App that is gone. Nobody can log in, and the data is as it was. */
  state: 'bound' | 'kept';
  /** RFC 3339: since when it is in this state. */
  since: string;
  /** Digest of the password that it has (credentialDigest). undefined: it is not as it was made, or locked. */
  credential?: string;
}

export interface AccountSpec {
  name: string;
  app: string;
  password: string;
  /** It makes databases of its own whose names begin with its name. */
  many: boolean;
  /** RFC 3339. */
  now: string;
}

/** What is in one database, to compare it with its copy. */
export interface DatabaseContents {
  /** By table: rows, and a sum over them that does not depend on their order. */
  tables: Record<string, { rows: number; sum: string }>;
  /** How many there are of what is no table: views, functions, sequences with their values. */
  others: Record<string, string>;
}

export interface DatabaseReading {
  /** Asks the server. The version is in its own words without what the packager added: 15.8, 10.11.6-MariaDB. */
  version(server: DatabaseServer): Promise<string>;
  /** All of the ledger. One question a server, whoever asks: many Bindings at once share the answer. */
  accounts(server: DatabaseServer): Promise<readonly Account[]>;
  /** Databases that are not the server's own, by name. */
  databases(server: DatabaseServer): Promise<readonly string[]>;
  /** Reads all rows: for comparisons after a copy. */
  contents(server: DatabaseServer, database: string): Promise<DatabaseContents>;
}

export interface DatabaseWriting {
  /** Makes the account or sets it right: login, password, database, rights. Takes over one that is kept. */
  provision(server: DatabaseServer, account: AccountSpec): Promise<void>;
  /** Locks it and ends its connections. Its data stays, and the ledger says so. */
  keep(server: DatabaseServer, account: { name: string; now: string }): Promise<void>;
  /** With its data. */
  drop(server: DatabaseServer, name: string): Promise<void>;
  /** Makes all accounts of `from` in `to`, locked ones too, with the passwords that they have. */
  copyAccounts(from: DatabaseServer, to: DatabaseServer): Promise<void>;
  /** What is set on databases and logins rather than in them, once the databases of `from` are in `to`. */
  copySettings(from: DatabaseServer, to: DatabaseServer): Promise<void>;
  /** A copy of one database as a stream, consistent in itself. Errors of the program end the stream with an error. */
  dump(server: RunningServer, database: string, signal?: AbortSignal): Promise<Readable>;
  /** Makes the database from such a stream, in place of one of that name. */
  restore(server: RunningServer, database: string, from: Readable, signal?: AbortSignal): Promise<void>;
  /** Ends all connections to it; the next call makes new ones. */
  disconnect(server: DatabaseServer): Promise<void>;
}

export interface Databases extends DatabaseReading, DatabaseWriting {
  /** Ends all connections. */
  close(): Promise<void>;
}
