/**
 * The store on SQLite: puts its parts together and answers the Store interface. Reads come from memory, every write
 * goes through CommitQueue. Made by openStore only, which has opened the database and locked the folder.
 */
import { statSync } from 'node:fs';
import type Database from 'better-sqlite3';
import type { Document, Manifest } from '../../resources/document.ts';
import type { FieldProblem, KindDefinition } from '../../resources/kind.ts';
import { type Clock, timestamp } from '../clock.ts';
import { ChangeLog } from './change-log.ts';
import { CommitQueue, storeError } from './commit-queue.ts';
import { Documents } from './documents.ts';
import type { StoreFiles } from './folder.ts';
import { History } from './history.ts';
import { findProblems } from './integrity.ts';
import { copyJson } from './json.ts';
import { Leases } from './leases.ts';
import type { StoreLog } from './log.ts';
import { Pages } from './pages.ts';
import { freeBytes, Reserve } from './reserve.ts';
import type { Seal } from './seal.ts';
import { selectionOf } from './selection.ts';
import { Tables } from './tables.ts';
import { type Mark, type Surroundings, Transaction, unknownKind } from './transaction.ts';
import {
  type Author,
  type List,
  type ListOptions,
  type Manager,
  type Revision,
  type Store,
  StoreError,
  type WatchOptions,
  type Write,
  type WriteResult,
} from './types.ts';

export interface StoreLimits {
  /** Changes that a watch can go back. */
  changes: number;
  /** Revisions kept of each document. */
  revisions: number;
  /** Size of the file that keeps room for a full disk. */
  reserveBytes: number;
  /** Largest document as JSON. */
  documentBytes: number;
  /** How long the pages of a list stay consistent after the last one was asked for. */
  pageMilliseconds: number;
}

/** Lists in pages that are held at the same time. */
const PAGED_LISTS = 64;

/** Less than this free counts as full. */
const FULL_BELOW = 1024 * 1024;

/** What openStore hands over. */
export interface OpenedStore {
  files: StoreFiles;
  db: Database.Database;
  seal: Seal;
  clock: Clock;
  kinds: readonly KindDefinition[];
  validate(manifest: Manifest): FieldProblem[];
  log: StoreLog;
  limits: StoreLimits;
  /** Gives the folder to the next process. */
  unlock(): void;
  /** When a group of waiting writes is settled. */
  defer(settle: () => void): void;
}

export interface StoreHealth {
  version: number;
  /** Oldest version that a watch can begin at. */
  changesFrom: number;
  databaseBytes: number;
  walBytes: number;
  freeBytes: number;
  /** False while the disk is too full to hold the reserve. */
  reserve: boolean;
}

export class SqliteStore implements Store {
  readonly leases: Store['leases'];
  private readonly opened: OpenedStore;
  private readonly kinds: ReadonlyMap<string, KindDefinition>;
  private readonly documents = new Documents();
  private readonly tables: Tables;
  private readonly revisions: History;
  private readonly changes: ChangeLog;
  private readonly pages: Pages;
  private readonly reserve: Reserve;
  private readonly queue: CommitQueue<Mark, Transaction>;
  private readonly leased: Leases;
  private closed = false;

  constructor(opened: OpenedStore) {
    const { files, db, seal, clock, log, limits } = opened;
    const { folder, reserve: path } = files;
    this.opened = opened;
    this.kinds = new Map(opened.kinds.map((definition) => [definition.kind, definition]));
    this.tables = new Tables(db, seal);
    this.revisions = new History(this.tables, limits.revisions);
    this.changes = new ChangeLog(this.tables, limits.changes, log);
    this.pages = new Pages({ clock, holdFor: limits.pageMilliseconds, holdMost: PAGED_LISTS });
    this.reserve = new Reserve({ path, folder, bytes: limits.reserveBytes, clock, log });
    this.queue = this.commitQueue();
    this.leased = new Leases(this.queue, this.tables.leases());
    this.leases = this.leased.api;
    for (const document of this.tables.documents()) this.documents.put(document);
    this.reserve.restore();
  }

  get version(): number {
    return this.changes.version;
  }

  get(kind: string, name: string): Document | undefined {
    return this.documents.get(kind, name);
  }

  list(kind: string, options: ListOptions = {}): List {
    const definition = this.definition(kind);
    const { limit = 0, continue: token } = options;
    if (!Number.isInteger(limit) || limit < 0) {
      throw new StoreError('Invalid', `limit must be 0 or a positive whole number, not ${limit}`);
    }
    const selection = selectionOf(definition, options);
    if (token !== undefined && token !== '') return this.pages.next(kind, options, token);
    const all = this.documents.all(kind);
    const matching = selection.narrows ? all.filter((document) => selection.matches(document)) : all;
    return this.pages.first(kind, options, matching, this.version);
  }

  /** The writes are copied at once: the caller may change its objects afterwards. */
  write(
    writes: readonly Write[],
    author: Author,
    options: { dryRun?: boolean } = {},
  ): Promise<WriteResult[]> {
    let batch: Write[];
    try {
      batch = writes.map(ownCopy);
    } catch (error) {
      return Promise.reject(storeError(error));
    }
    return this.queue.submit(
      (transaction) => batch.map((write) => transaction.write(write, author)),
      options.dryRun,
    );
  }

  /** Old changes are given before it returns. Throws Expired when they are compacted away. */
  watch(options: WatchOptions): () => void {
    if (this.closed) throw new StoreError('Internal', 'the store is closed');
    const definition = options.kind === undefined ? undefined : this.definition(options.kind);
    return this.changes.watch(options, selectionOf(definition, options));
  }

  managers({ kind, metadata }: Document): readonly Manager[] {
    return this.tables.managers(kind, metadata.uid);
  }

  /** With the values of secret kinds: who shows it to people uses hideRevision. */
  history(kind: string, name: string): Revision[] {
    const document = this.get(kind, name);
    return document === undefined ? [] : this.revisions.of(document);
  }

  specAt(kind: string, name: string, generation: number): Record<string, unknown> | undefined {
    const document = this.get(kind, name);
    return document && this.revisions.specAt(document, generation);
  }

  specs(kind: string, name: string): Record<string, unknown>[] {
    const document = this.get(kind, name);
    return document === undefined ? [] : this.revisions.specs(document);
  }

  /** One sentence for each thing that is wrong on disk. Reads everything. */
  problems(): string[] {
    const { tables, documents, revisions: history, kinds, version } = this;
    return findProblems({ db: this.opened.db, tables, documents, history, kinds, version });
  }

  health(): StoreHealth {
    const { files } = this.opened;
    return {
      version: this.version,
      changesFrom: this.changes.floor,
      databaseBytes: sizeOf(files.database),
      walBytes: sizeOf(`${files.database}-wal`),
      freeBytes: freeBytes(files.folder),
      reserve: this.reserve.isKept,
    };
  }

  /** Writes what waits, ends the watches and gives the folder back. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.queue.close();
    this.changes.close();
    this.pages.close();
    const { db, unlock, log } = this.opened;
    try {
      db.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      // Nothing is lost: the next start reads the WAL.
      log.warn('the write-ahead log could not be copied into the database', { error });
    }
    db.close();
    unlock();
  }

  private definition(kind: string): KindDefinition {
    const definition = this.kinds.get(kind);
    if (definition === undefined) throw unknownKind(kind, this.kinds, 'NotFound');
    return definition;
  }

  private commitQueue(): CommitQueue<Mark, Transaction> {
    const { db, clock, validate, files, limits, defer } = this.opened;
    const { kinds, documents, tables, revisions: history } = this;
    const around: Surroundings = {
      kinds,
      documents,
      tables,
      history,
      validate: (manifest) => validate(manifest),
      uuid: () => clock.uuid(),
      documentBytes: limits.documentBytes,
    };
    let compactedTo = 0;
    return new CommitQueue<Mark, Transaction>({
      db,
      defer,
      begin: () => new Transaction(around, this.version, timestamp(clock)),
      beforeCommit: (transaction) => {
        compactedTo = this.changes.compact(transaction.version);
      },
      committed: (transaction) => this.remember(transaction, compactedTo),
      makeRoom: () => this.makeRoom(),
      isFull: () => freeBytes(files.folder) < FULL_BELOW,
    });
  }

  private remember(transaction: Transaction, compactedTo: number): void {
    for (const { type, document } of transaction.changes) {
      if (type === 'DELETED') this.documents.remove(document.kind, document.metadata.name);
      else this.documents.put(document);
    }
    this.leased.committed(transaction.leases);
    this.changes.append(transaction.changes, compactedTo);
    this.reserve.restore();
  }

  private makeRoom(): void {
    this.reserve.free();
    try {
      this.opened.db.pragma('wal_checkpoint(TRUNCATE)');
    } catch {
      // It needs room itself; the write that comes next says whether there is enough.
    }
  }
}

function ownCopy(write: Write): Write {
  if ('document' in write) return { ...write, document: copyJson(write.document, '') as Manifest };
  if (write.verb === 'patch') return { ...write, patch: structuredClone(write.patch) };
  return write;
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
