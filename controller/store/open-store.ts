/**
 * Opens the store in a folder: lock, key, database, schema, in this order, so that a crash at any point leaves what the
 * next start can go on from. Called by main.ts and by tests. It refuses rather than guesses: nothing is made anew where
 * something is missing.
 */
import Database from 'better-sqlite3';
import type { Manifest } from '../../resources/document.ts';
import type { FieldProblem, KindDefinition } from '../../resources/kind.ts';
import { type Clock, timestamp } from '../clock.ts';
import { lockFolder, makeDatabaseFile, makeFolder, readKey, type StoreFiles, storeFiles } from './folder.ts';
import { type StoreLog, silentLog } from './log.ts';
import { migrate } from './schema.ts';
import { type Seal, sealWith } from './seal.ts';
import { SqliteStore, type StoreLimits } from './sqlite-store.ts';
import { StoreError } from './types.ts';

const LIMITS: StoreLimits = {
  changes: 20_000,
  revisions: 200,
  reserveBytes: 8 * 1024 * 1024,
  documentBytes: 4 * 1024 * 1024,
  pageMilliseconds: 5 * 60_000,
};

/** In pages of 4 KiB: at this size the WAL is copied into the database, and a larger file is cut to twice of it. */
const WAL_PAGES = 4_000;

export interface StoreOptions {
  folder: string;
  clock: Clock;
  kinds: readonly KindDefinition[];
  /** What is wrong with a manifest as it would be stored. May fill in defaults. */
  validate(manifest: Manifest): FieldProblem[];
  log?: StoreLog;
  limits?: Partial<StoreLimits>;
  /** When a group of waiting writes is settled. Default setImmediate. A simulation decides itself. */
  defer?(settle: () => void): void;
  /** Called with the open database and with what gives the folder back: a simulation takes its room away, and lets it die. */
  onOpen?(db: Database.Database, unlock: () => void): void;
}

/** Throws StoreError with what to do: another process has the folder, the key is missing, the database is damaged. */
export function openStore(options: StoreOptions): SqliteStore {
  const { clock, kinds, validate, log = silentLog, defer = setImmediate } = options;
  const files = storeFiles(options.folder);
  const limits = { ...LIMITS, ...options.limits };
  try {
    makeFolder(files.folder);
    const unlock = lockFolder(files);
    try {
      const seal = sealWith(readKey(files, log));
      makeDatabaseFile(files, log);
      const db = openDatabase(files, clock, seal, log);
      options.onOpen?.(db, unlock);
      return closingOnError(
        db,
        () => new SqliteStore({ files, db, seal, clock, kinds, validate, log, limits, unlock, defer }),
      );
    } catch (error) {
      unlock();
      throw error;
    }
  } catch (error) {
    throw openError(files, error);
  }
}

function openDatabase(files: StoreFiles, clock: Clock, seal: Seal, log: StoreLog): Database.Database {
  const db = new Database(files.database, { timeout: 0 });
  return closingOnError(db, () => {
    // EXCLUSIVE before WAL: no shared-memory file, which a full disk could take away under us.
    db.exec(`
      PRAGMA locking_mode = EXCLUSIVE;
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = ${WAL_PAGES};
      PRAGMA journal_size_limit = ${2 * WAL_PAGES * 4096};
      PRAGMA temp_store = MEMORY;
      PRAGMA cache_size = -16000;
    `);
    migrate(db, { path: files.database, now: timestamp(clock), log });
    checkKey(db, files, seal);
    return db;
  });
}

function closingOnError<T>(db: Database.Database, run: () => T): T {
  try {
    return run();
  } catch (error) {
    db.close();
    throw error;
  }
}

/** A key that opens nothing must be found now, not at the first secret. */
function checkKey(db: Database.Database, files: StoreFiles, seal: Seal): void {
  const place = ['meta', '', 'key'] as const;
  const proof = db.prepare("SELECT value FROM meta WHERE name = 'key'").pluck().get() as Buffer | undefined;
  if (proof === undefined) {
    db.prepare("INSERT INTO meta (name, value) VALUES ('key', ?)").run(seal.close(place, 'this is the key'));
    return;
  }
  try {
    seal.open(place, proof);
  } catch (error) {
    const message = `the key ${files.key} is not the one that ${files.database} was written with: put the right one back from your copy`;
    throw new StoreError('Internal', message, { cause: error });
  }
}

function openError(files: StoreFiles, error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const words = error instanceof Error ? error.message : String(error);
  const damaged = error instanceof Database.SqliteError && /^SQLITE_(NOTADB|CORRUPT)/.test(error.code);
  const message = damaged
    ? `the database ${files.database} is damaged (${words}): move store.db and store.db-wal away and put a copy in place of store.db`
    : `the store in ${files.folder} cannot be opened: ${words}`;
  return new StoreError('Internal', message, { cause: error });
}
