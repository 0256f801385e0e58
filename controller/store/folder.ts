/**
 * The store's folder before anything is read from it: made if missing, locked against a second process, with the key
 * file in place. Called once by openStore. It never makes a key for a database that was written under another.
 */
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import type { StoreLog } from './log.ts';
import { StoreError } from './types.ts';

const KEY_BYTES = 32;

export interface StoreFiles {
  folder: string;
  database: string;
  key: string;
  lock: string;
  /** Who has the lock, for people. The lock itself does not depend on it. */
  holder: string;
  reserve: string;
}

export function storeFiles(folder: string): StoreFiles {
  return {
    folder,
    database: join(folder, 'store.db'),
    key: join(folder, 'store.key'),
    lock: join(folder, 'store.lock'),
    holder: join(folder, 'store.pid'),
    reserve: join(folder, 'store.reserve'),
  };
}

export function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
}

/**
 * Takes the folder for this process; the answer gives it back. The kernel's lock on an SQLite file is used, which ends
 * with the process however it ends. It is a file of its own because any other part of the process that opens and
 * closes the database file would drop a lock on that one.
 */
export function lockFolder(files: StoreFiles): () => void {
  const lock = new Database(files.lock, { timeout: 0 });
  try {
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if (!(error instanceof Database.SqliteError) || !error.code.startsWith('SQLITE_BUSY')) throw error;
    const message = `the store in ${files.folder} is in use by ${readHolder(files.holder)}; stop that one first`;
    throw new StoreError('Conflict', message, { cause: error });
  }
  try {
    writeFileSync(files.holder, `${process.pid}\n`, { mode: 0o600 });
  } catch {
    // Only people read it, and a full disk is no reason to stay down.
  }
  return () => {
    rmSync(files.holder, { force: true });
    lock.close();
  };
}

function readHolder(path: string): string {
  try {
    const pid = readFileSync(path, 'utf8').trim();
    return /^\d+$/.test(pid) ? `process ${pid}` : 'another process';
  } catch {
    return 'another process';
  }
}

/** The key, made on the first start. Needs the lock. */
export function readKey(files: StoreFiles, log: StoreLog): Buffer {
  const hasDatabase = existsSync(files.database);
  if (!existsSync(files.key)) {
    if (!hasDatabase) return makeKey(files);
    throw new StoreError(
      'Internal',
      `the database ${files.database} is there but its key ${files.key} is not: put the key file back from your copy (without it the secrets in the database cannot be read)`,
    );
  }
  tighten(files.key, log);
  const key = readFileSync(files.key);
  if (key.length === KEY_BYTES) return key;
  if (!hasDatabase) {
    // A crash while the key was made: nothing was written under it.
    rmSync(files.key);
    return makeKey(files);
  }
  throw new StoreError(
    'Internal',
    `the key ${files.key} has ${key.length} bytes instead of ${KEY_BYTES}: put the right one back from your copy`,
  );
}

function makeKey(files: StoreFiles): Buffer {
  const key = randomBytes(KEY_BYTES);
  const file = openSync(files.key, 'wx', 0o600);
  try {
    writeSync(file, key);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  syncFolder(files.folder);
  return key;
}

/** The database file, so that SQLite finds it with the right mode and gives its WAL the same. */
export function makeDatabaseFile(files: StoreFiles, log: StoreLog): void {
  if (existsSync(files.database)) {
    tighten(files.database, log);
  } else {
    closeSync(openSync(files.database, 'wx', 0o600));
    syncFolder(files.folder);
  }
}

function tighten(path: string, log: StoreLog): void {
  const mode = statSync(path).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  chmodSync(path, 0o600);
  const was = mode.toString(8);
  log.warn(`${path} was open to others (mode ${was}); it is 600 now`, { path, was });
}

export function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
