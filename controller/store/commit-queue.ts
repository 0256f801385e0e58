/**
 * Group commit: what waits to be written at the same time goes into one SQLite transaction, each job in a savepoint of
 * its own, and is answered when the transaction is on disk. A job that fails is taken back alone; when the transaction
 * itself fails, nothing of it is stored and each job is tried again by itself. The only place that begins transactions.
 */
import Database from 'better-sqlite3';
import { StoreError } from './types.ts';

/** What a transaction is to the queue: something with points to go back to. */
export interface Revertible<Mark> {
  mark(): Mark;
  revert(mark: Mark): void;
}

export interface CommitOptions<T> {
  db: Database.Database;
  /** Not at once: requests that the same turn of the event loop brings in join the group. */
  defer(settle: () => void): void;
  begin(): T;
  /** Last rows before the commit. */
  beforeCommit(transaction: T): void;
  /** On disk now. Must not throw. */
  committed(transaction: T): void;
  /** The disk is full: make room where possible. */
  makeRoom(): void;
  /** True when an input or output error comes from a full disk. */
  isFull(): boolean;
}

/** Jobs in one transaction: enough to make the sync cheap, few enough that nothing else waits long. */
const MOST_JOBS = 256;

interface Job<T> {
  run(transaction: T): unknown;
  /** Everything is done and taken back. */
  dryRun: boolean;
  resolve(value: unknown): void;
  reject(error: unknown): void;
}

type Outcome = { value: unknown } | { error: unknown };

export class CommitQueue<Mark, T extends Revertible<Mark>> {
  private readonly options: CommitOptions<T>;
  private readonly statements: Record<
    'begin' | 'commit' | 'savepoint' | 'release' | 'back',
    Database.Statement
  >;
  private waiting: Job<T>[] = [];
  private scheduled = false;
  private closed = false;

  constructor(options: CommitOptions<T>) {
    this.options = options;
    const { db } = options;
    this.statements = {
      begin: db.prepare('BEGIN'),
      commit: db.prepare('COMMIT'),
      savepoint: db.prepare('SAVEPOINT job'),
      release: db.prepare('RELEASE job'),
      back: db.prepare('ROLLBACK TO job'),
    };
  }

  /** `run` may be called more than once; what it did before is taken back then. */
  submit<R>(run: (transaction: T) => R, dryRun = false): Promise<R> {
    if (this.closed) return Promise.reject(new StoreError('Internal', 'the store is closed'));
    return new Promise<R>((resolve, reject) => {
      this.waiting.push({ run, dryRun, resolve: (value) => resolve(value as R), reject });
      this.schedule();
    });
  }

  /** Writes what waits and takes nothing more. */
  close(): void {
    this.closed = true;
    while (this.waiting.length > 0) this.settle(this.waiting.splice(0, MOST_JOBS));
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    this.options.defer(() => {
      this.scheduled = false;
      this.settle(this.waiting.splice(0, MOST_JOBS));
      if (this.waiting.length > 0) this.schedule();
    });
  }

  private settle(jobs: readonly Job<T>[]): void {
    if (jobs.length === 0) return;
    try {
      answer(jobs, this.transact(jobs));
    } catch (error) {
      if (this.isFull(error)) this.options.makeRoom();
      for (const job of jobs) this.settleAlone(job);
    }
  }

  private settleAlone(job: Job<T>): void {
    try {
      answer([job], this.transact([job]));
    } catch (error) {
      job.reject(this.storageError(error));
    }
  }

  private transact(jobs: readonly Job<T>[]): Outcome[] {
    const { db, begin, beforeCommit, committed } = this.options;
    const transaction = begin();
    let outcomes: Outcome[];
    this.statements.begin.run();
    try {
      outcomes = jobs.map((job) => this.attempt(transaction, job));
      // Committing what was taken back would still write its pages: a plan changes no file.
      if (jobs.every(({ dryRun }) => dryRun)) {
        db.exec('ROLLBACK');
        return outcomes;
      }
      beforeCommit(transaction);
      this.statements.commit.run();
    } catch (error) {
      if (db.inTransaction) db.exec('ROLLBACK');
      throw error;
    }
    committed(transaction);
    return outcomes;
  }

  /** Throws only when the whole transaction is lost. */
  private attempt(transaction: T, job: Job<T>): Outcome {
    const { savepoint, release } = this.statements;
    const mark = transaction.mark();
    savepoint.run();
    try {
      const value = job.run(transaction);
      if (job.dryRun) this.takeBack(transaction, mark);
      release.run();
      return { value };
    } catch (error) {
      if (error instanceof Database.SqliteError) throw error;
      this.takeBack(transaction, mark);
      release.run();
      return { error: storeError(error) };
    }
  }

  private takeBack(transaction: T, mark: Mark): void {
    this.statements.back.run();
    transaction.revert(mark);
  }

  private isFull(error: unknown): boolean {
    if (!(error instanceof Database.SqliteError)) return false;
    return error.code === 'SQLITE_FULL' || (error.code.startsWith('SQLITE_IOERR') && this.options.isFull());
  }

  private storageError(error: unknown): StoreError {
    if (!this.isFull(error)) return storeError(error);
    const message = 'the disk is full: nothing of this write was stored; free some space and write again';
    return new StoreError('StorageFull', message, { cause: error });
  }
}

function answer<T>(jobs: readonly Job<T>[], outcomes: readonly Outcome[]): void {
  jobs.forEach((job, index) => {
    const outcome = outcomes[index];
    if (outcome === undefined) job.reject(new StoreError('Internal', 'a write has no outcome'));
    else if ('error' in outcome) job.reject(outcome.error);
    else job.resolve(outcome.value);
  });
}

/** The one door for what is thrown: everything that leaves the store is a StoreError. */
export function storeError(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  const words = error instanceof Error ? error.message : String(error);
  return new StoreError('Internal', `the store failed: ${words}`, { cause: error });
}
