/**
 * The database's tables and how an older database becomes the present one: a list of steps forward, each in its own
 * transaction, with a copy of the database beside it before each step. Called by openStore. A step that was released
 * is never edited; a change is a new step.
 */
import { chmodSync, closeSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type Database from 'better-sqlite3';
import { syncFolder } from './folder.ts';
import type { StoreLog } from './log.ts';
import { StoreError } from './types.ts';

/** SQL of each step; the first makes version 1. */
export const MIGRATIONS: readonly string[] = [
  `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

  -- body, before, patch, base, shape: JSON as TEXT, or a sealed BLOB for secret kinds.
  CREATE TABLE documents (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL,
    body ANY NOT NULL,
    UNIQUE (kind, name)
  ) STRICT;

  -- before: labels and selectable fields as they were, where a change moved them.
  CREATE TABLE changes (
    version INTEGER PRIMARY KEY,
    type TEXT NOT NULL,
    kind TEXT NOT NULL,
    uid TEXT NOT NULL,
    before ANY,
    body ANY NOT NULL
  ) STRICT;

  -- base: the whole spec of that generation, now and then, so that older rows can go.
  CREATE TABLE revisions (
    uid TEXT NOT NULL,
    generation INTEGER NOT NULL,
    at TEXT NOT NULL,
    author TEXT NOT NULL,
    patch ANY NOT NULL,
    base ANY,
    PRIMARY KEY (uid, generation)
  ) STRICT;

  -- Which fields a manager applied the last time; names of fields only.
  CREATE TABLE applied (
    uid TEXT NOT NULL,
    manager TEXT NOT NULL,
    shape ANY NOT NULL,
    PRIMARY KEY (uid, manager)
  ) STRICT, WITHOUT ROWID;

  CREATE TABLE leases (
    pool TEXT NOT NULL,
    owner TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (pool, owner),
    UNIQUE (pool, value)
  ) STRICT, WITHOUT ROWID;
  `,
  `
  -- Who set which fields, by document; names of fields only.
  CREATE TABLE ownership (
    uid TEXT PRIMARY KEY,
    managers ANY NOT NULL
  ) STRICT, WITHOUT ROWID;
  `,
];

export interface MigrateOptions {
  /** The database's file; copies are made beside it, as store.db.v1 before version 2. */
  path: string;
  now: string;
  log: StoreLog;
  migrations?: readonly string[];
}

/** Brings the database to the present version. Throws Internal, with what to do, when it is newer or a step fails. */
export function migrate(db: Database.Database, options: MigrateOptions): void {
  const { path, now, log, migrations = MIGRATIONS } = options;
  db.exec('CREATE TABLE IF NOT EXISTS schema_version (version INTEGER PRIMARY KEY, at TEXT NOT NULL) STRICT');
  const present = db.prepare('SELECT coalesce(max(version), 0) FROM schema_version').pluck().get() as number;
  if (present > migrations.length) {
    throw new StoreError(
      'Internal',
      `the database ${path} has schema version ${present}, this program knows ${migrations.length}: start the newer version of Holdfast, or put back the copy ${path}.v${migrations.length}`,
    );
  }
  for (let version = present + 1; version <= migrations.length; version += 1) {
    // A database that was made just now holds nothing to copy.
    if (present > 0) copyBeside(db, path, `${path}.v${version - 1}`);
    step(db, version, migrations[version - 1] ?? '', now);
    if (present > 0)
      log.info('the database has a new schema version', { version, copy: `${path}.v${version - 1}` });
  }
}

function step(db: Database.Database, version: number, sql: string, now: string): void {
  try {
    db.transaction(() => {
      db.exec(sql);
      db.prepare('INSERT INTO schema_version (version, at) VALUES (?, ?)').run(version, now);
    })();
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    const message = `the database could not be brought to schema version ${version} and is as it was: ${words}`;
    throw new StoreError('Internal', message, { cause: error });
  }
}

/** A whole copy or none: it gets its name when it is on disk. */
function copyBeside(db: Database.Database, path: string, copy: string): void {
  const half = `${copy}.half`;
  try {
    rmSync(half, { force: true });
    db.prepare('VACUUM INTO ?').run(half);
    chmodSync(half, 0o600);
    const file = openSync(half, 'r+');
    fsyncSync(file);
    closeSync(file);
    renameSync(half, copy);
    syncFolder(dirname(path));
  } catch (error) {
    rmSync(half, { force: true });
    const words = error instanceof Error ? error.message : String(error);
    const message = `the database ${path} could not be copied before a new schema version; nothing was changed. Make room on the disk and start again: ${words}`;
    throw new StoreError('Internal', message, { cause: error });
  }
}
