/**
 * Keeps the store as a folder of manifests says: a file that appears is applied, changed is applied, removed is pruned. main.ts
 * starts one for /etc/holdfast/manifests.
 *
 * Events of the file system only say "look"; each look compares the whole folder with the inventory, so that nothing depends
 * on an event that was lost, doubled or came while the controller was down. Whatever is not certain (half-written files,
 * broken ones that may name a document, folders that are away) deletes nothing.
 */
import { realpath } from 'node:fs/promises';
import { relative } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { Document, Manifest } from '../../resources/document.ts';
import { type Clock, delay, timestamp } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/types.ts';
import { applyFiles, type FileOutcome, prune } from './apply.ts';
import {
  type Dropped,
  type Entries,
  type FileEntry,
  type FileReading,
  failedEntry,
  keyOf,
  listed,
  mayBeIn,
  nameOf,
  needsWork,
  nextEntries,
  retain,
  settle,
} from './entries.ts';
import { type FolderVerdict, identityText, judgeFolder } from './folder.ts';
import {
  folderIdentity,
  isIgnoredFolder,
  readScanned,
  type Scan,
  type ScannedFile,
  scanFolder,
} from './scan.ts';
import { ensureSource, readStatus, type Verdict, writeStatus } from './source-document.ts';

export interface DirectoryOptions {
  path: string;
  store: Store;
  /** Manifests of one file's text; each problem with file, line and column. Pure. */
  read(text: string, file: string): { manifests: Manifest[]; problems: string[] };
  log: Log;
  clock: Clock;
  /** Who the fields belong to in three-way applies. Default `directory`. */
  manager?: string;
  /** Of the Source document. */
  name: string;
  times?: Partial<Times>;
}

/** All in milliseconds. */
interface Times {
  /** A file that stays the same for this long is written; one that stays away for this long is removed. */
  settle: number;
  /** Everything is applied again, against drift by other writers. */
  full: number;
  /** Whether the folder is still the same one. */
  look: number;
  /** After a folder was made anew, before files that are not back count as removed. */
  renewed: number;
  /** After something failed. */
  retry: number;
}

const TIMES: Times = { settle: 500, full: 300_000, look: 5_000, renewed: 10_000, retry: 30_000 };
/** A folder that never gets quiet is looked at anyway; files on the move are left out. */
const SETTLE_ROUNDS = 6;

export interface WatchedDirectory {
  /** Resolves when the folder was looked at after this call. With `full` everything is applied again. */
  sync(options?: { full?: boolean }): Promise<void>;
  /** Waits for work in flight. */
  close(): Promise<void>;
}

export function watchDirectory(options: DirectoryOptions): WatchedDirectory {
  const directory = new Directory(options);
  directory.start();
  return directory;
}

type There = Extract<Scan, { state: 'there' }>;

class Directory implements WatchedDirectory {
  readonly #options: DirectoryOptions;
  readonly #times: Times;
  readonly #closing = new AbortController();
  readonly #timers = new Map<string, () => void>();
  #entries: Map<string, FileEntry> | undefined;
  #folder: string | undefined;
  /** Stamp and hash of each file at the last look, so that an unchanged file is not read again. */
  #seen = new Map<string, { stamp: string; hash?: string }>();
  #owned = new Set<string>();
  /** Documents that the last prune did not touch, with the reason. */
  #left: string[] = [];
  /** When the folder was first seen to be another one, by the monotonic clock. */
  #renewedAt: number | undefined;
  #watcher: FSWatcher | undefined;
  #watched: string | undefined;
  #unsubscribe: (() => void) | undefined;
  #wanted: { full: boolean } | undefined;
  #waiting: (() => void)[] = [];
  #running: Promise<void> | undefined;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    this.#times = { ...TIMES, ...options.times };
  }

  start(): void {
    this.#subscribe();
    this.#want(false);
    this.#every('full', this.#times.full, () => this.#want(true));
    this.#every('look', this.#times.look, () => void this.#compareFolder());
  }

  sync(options: { full?: boolean } = {}): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#want(options.full ?? false);
    });
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error('the directory is no longer watched'));
    this.#unsubscribe?.();
    for (const cancel of this.#timers.values()) cancel();
    this.#timers.clear();
    await this.#watcher?.close();
    await this.#running;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  // When to look.

  #want(full: boolean): void {
    if (this.#closing.signal.aborted) return;
    this.#wanted = { full: full || (this.#wanted?.full ?? false) };
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      // Asked for after the last look was over and before this turn.
      if (this.#wanted) this.#want(false);
    });
  }

  async #run(): Promise<void> {
    // Whoever asks in this turn is answered by the same look.
    await Promise.resolve();
    for (let wanted = this.#wanted; wanted && !this.#closing.signal.aborted; wanted = this.#wanted) {
      this.#wanted = undefined;
      const waiting = this.#waiting.splice(0);
      try {
        await this.#lookAt(wanted.full);
      } catch (error) {
        if (this.#closing.signal.aborted) return;
        this.#options.log.error('looking at a directory failed', { path: this.#options.path, error });
        this.#after('retry', this.#times.retry, () => this.#want(false));
      } finally {
        for (const resolve of waiting) resolve();
      }
    }
  }

  #after(name: string, milliseconds: number, run: () => void): void {
    if (this.#timers.has(name) || this.#closing.signal.aborted) return;
    const cancel = this.#options.clock.after(milliseconds, () => {
      this.#timers.delete(name);
      run();
    });
    this.#timers.set(name, cancel);
  }

  #every(name: string, milliseconds: number, run: () => void): void {
    this.#after(name, milliseconds, () => {
      run();
      this.#every(name, milliseconds, run);
    });
  }

  /** Somebody deleted what a file asks for: it is applied again. */
  #subscribe(): void {
    const { store } = this.#options;
    this.#unsubscribe = store.watch({
      fromVersion: store.version,
      onChange: ({ type, document }) => {
        const key = keyOf({ kind: document.kind, name: document.metadata.name });
        if (type === 'DELETED' && this.#owned.has(key)) this.#want(false);
      },
      onEnd: (reason) => {
        if (reason !== 'slow' || this.#closing.signal.aborted) return;
        this.#subscribe();
        this.#want(false);
      },
    });
  }

  /** The file system does not say when a folder is mounted over or swapped by way of its parent. */
  async #compareFolder(): Promise<void> {
    const now = await folderIdentity(this.#options.path);
    if ((now && identityText(now)) !== this.#watched) this.#want(false);
  }

  async #followEvents(identity: string | undefined): Promise<void> {
    if (identity === this.#watched || this.#closing.signal.aborted) return;
    this.#watched = identity;
    await this.#watcher?.close();
    this.#watcher = undefined;
    if (identity === undefined || this.#closing.signal.aborted) return;
    const root = await realpath(this.#options.path);
    const ignored = (path: string) => relative(root, path).split('/').some(isForeignFolder);
    // No awaitWriteFinish: each look itself waits until files stand still, also those that no event spoke of.
    const watcher = watch(root, {
      ignoreInitial: true,
      followSymlinks: false,
      ignorePermissionErrors: true,
      ignored,
    });
    watcher.on('all', () => this.#want(false));
    watcher.once('ready', () => this.#want(false));
    watcher.on('error', (error) => {
      this.#options.log.warn('events of a directory are lost; it is still looked at from time to time', {
        error,
      });
    });
    this.#watcher = watcher;
  }

  // One look.

  async #lookAt(full: boolean): Promise<void> {
    const { store, name, path } = this.#options;
    const source = await ensureSource(store, name, path);
    this.#load(source);
    const { scan, moving } = await this.#settledScan();
    await this.#followEvents(scan.state === 'there' ? identityText(scan.folder) : undefined);
    if (scan.state !== 'there') {
      const reason = scan.state === 'missing' ? 'FolderMissing' : 'FolderUnreadable';
      return this.#report(source, { ready: false, reason, message: `${scan.message}; nothing was deleted` });
    }
    const verdict = this.#judge(scan);
    if (verdict === 'foreign') return this.#report(source, this.#foreign(scan));
    const readings = await this.#readChanged(scan, moving, full);
    const entries = await this.#apply(readings, scan);
    const held = this.#held(scan, moving, verdict);
    await this.#prune(entries.dropped, entries.entries, entries.failed, held);
    this.#accept(scan, moving, entries.entries, verdict);
    await this.#report(source, this.#verdict(held));
  }

  /** The inventory is read once; after that what is in memory is the newest. */
  #load(source: Document): void {
    if (this.#entries) return;
    const { files, folder } = readStatus(this.#options.store, source.metadata.name);
    this.#folder = folder;
    this.#setEntries(new Map((files ?? []).map((entry) => [entry.path, entry])));
  }

  #setEntries(entries: Map<string, FileEntry>): void {
    this.#entries = entries;
    this.#owned = new Set([...entries.values()].flatMap((entry) => (entry.documents ?? []).map(keyOf)));
  }

  get #known(): Entries {
    return this.#entries ?? new Map();
  }

  async #settledScan(): Promise<{ scan: Scan; moving: Set<string> }> {
    const { clock, path } = this.#options;
    let scan = await scanFolder(path);
    let moving = new Set<string>();
    for (let round = 0; round < SETTLE_ROUNDS; round++) {
      if (scan.state !== 'there' || (round === 0 && this.#isQuiet(scan))) return { scan, moving };
      await delay(clock, this.#times.settle, this.#closing.signal);
      const next = await scanFolder(path);
      if (next.state !== 'there') return { scan: next, moving };
      moving = differences(scan.files, next.files);
      scan = next;
      if (moving.size === 0) break;
    }
    return { scan, moving };
  }

  #isQuiet(scan: There): boolean {
    if (scan.files.size !== this.#seen.size) return false;
    return [...scan.files].every(([path, file]) => this.#seen.get(path)?.stamp === file.stamp);
  }

  #judge(scan: There): FolderVerdict {
    const { store, clock } = this.#options;
    const alive = [...this.#known.values()].filter((entry) =>
      entry.documents?.some(({ kind, name }) => store.get(kind, name) !== undefined),
    );
    const known = alive.map((entry) => entry.path);
    const verdict = judgeFolder(this.#folder, scan.folder, known, new Set(scan.files.keys()));
    if (verdict !== 'renewed') {
      this.#renewedAt = undefined;
      return verdict;
    }
    this.#renewedAt ??= clock.monotonic();
    return clock.monotonic() - this.#renewedAt >= this.#times.renewed ? 'same' : 'renewed';
  }

  /** The files that are new, changed, failed before, or whose documents are not what they were. */
  async #readChanged(scan: There, moving: Set<string>, full: boolean): Promise<FileReading[]> {
    const readings: FileReading[] = [];
    for (const file of scan.files.values()) {
      if (moving.has(file.path)) continue;
      const reading = await this.#readFile(file, full);
      if (reading === 'moving') moving.add(file.path);
      else if (reading) readings.push(reading);
    }
    return readings;
  }

  async #readFile(file: ScannedFile, full: boolean): Promise<FileReading | 'moving' | undefined> {
    const { path } = file;
    if (file.problem !== undefined) {
      return { path, ...(!file.opaque && { text: '' }), manifests: [], problems: [file.problem] };
    }
    const seen = this.#seen.get(path);
    if (seen?.hash !== undefined && seen.stamp === file.stamp && !this.#hasWork(path, seen.hash, full)) {
      return undefined;
    }
    try {
      const content = await readScanned(this.#options.path, file);
      if (!content) return 'moving';
      this.#seen.set(path, { stamp: file.stamp, hash: content.hash });
      if (!this.#hasWork(path, content.hash, full)) return undefined;
      return { path, ...content, ...this.#options.read(content.text, path) };
    } catch (error) {
      const words = error instanceof TypeError ? 'it is not UTF-8 text' : (error as Error).message;
      return { path, manifests: [], problems: [`${path} cannot be read: ${words}`] };
    }
  }

  #hasWork(path: string, hash: string, full: boolean): boolean {
    const get = this.#options.store.get.bind(this.#options.store);
    const entry = this.#known.get(path);
    if (needsWork(entry, hash, get)) return true;
    const leaving = entry?.documents?.some(({ kind, name }) => get(kind, name)?.metadata.deletionTimestamp);
    return full && !leaving;
  }

  async #apply(readings: FileReading[], scan: There) {
    const { store, manager = 'directory' } = this.#options;
    const present = new Set(scan.files.keys());
    const standing = new Map([...this.#known].filter(([path]) => present.has(path)));
    const { sound, failures } = settle(standing, readings);
    const written = await applyFiles(store, sound, manager);
    const outcomes = new Map<string, FileEntry>();
    const failed: FileReading[] = [];
    for (const reading of readings) {
      const entry = this.#entryFor(reading, failures.get(reading.path), written.get(reading.path));
      outcomes.set(reading.path, entry);
      if (entry.state === 'failed') failed.push(reading);
    }
    return { ...nextEntries(this.#known, present, outcomes), failed };
  }

  #entryFor(reading: FileReading, failure: string | undefined, outcome: FileOutcome | undefined): FileEntry {
    const { log, clock } = this.#options;
    const { path, hash } = reading;
    const before = this.#known.get(path);
    const message =
      failure ?? (outcome && 'error' in outcome ? `${path}: ${wordsOf(outcome.error)}` : undefined);
    if (message !== undefined || !outcome || 'error' in outcome) {
      const entry = failedEntry(before, path, message ?? `${path}: nothing was written`, hash);
      if (before?.message !== entry.message) log.warn('a file was not applied', { file: path, message });
      return entry;
    }
    const changed = outcome.results.filter((result) => result.outcome !== 'unchanged');
    const documents = outcome.results.map(({ document: { kind, metadata } }) => ({
      kind,
      name: metadata.name,
      uid: metadata.uid,
    }));
    if (changed.length > 0) {
      const what = before?.hash === hash ? 'applied a file again, against drift' : 'applied a file';
      log.info(what, {
        file: path,
        documents: changed.map(({ document }) => nameOf({ ...document, ...document.metadata })),
      });
    }
    const same = changed.length === 0 && before?.hash === hash && before?.appliedAt !== undefined;
    const appliedAt = same ? before.appliedAt : timestamp(clock);
    return { path, state: 'applied', ...(hash && { hash }), ...(appliedAt && { appliedAt }), documents };
  }

  /** Why nothing may be deleted at this look. */
  #held(scan: There, moving: ReadonlySet<string>, verdict: FolderVerdict): string | undefined {
    if (scan.blind.length > 0) return `a folder in it cannot be read (${listed(scan.blind, 3)})`;
    if (verdict === 'renewed') return 'the folder was made anew and may still be filling';
    if (moving.size > 0) return `${listed([...moving].sort(), 3, ', ')} is being written`;
    return undefined;
  }

  async #prune(
    dropped: readonly Dropped[],
    entries: Map<string, FileEntry>,
    failed: readonly FileReading[],
    held: string | undefined,
  ): Promise<void> {
    const { store, log } = this.#options;
    if (dropped.length > 0) this.#left = [];
    for (const entry of dropped) {
      const { document, path } = entry;
      const broken = mayBeIn(failed, document.name);
      const why = held ?? (broken === undefined ? undefined : `${broken} fails and may name it`);
      if (why !== undefined) {
        retain(entries, entry, why);
        continue;
      }
      const result = await prune(store, document, path);
      if (result.outcome === 'failed') retain(entries, entry, result.why);
      if (result.outcome === 'left') this.#left.push(result.why);
      if (result.outcome === 'left')
        log.warn('left a document that no file names', { file: path, why: result.why });
      if (result.outcome === 'deleted')
        log.info('deleted a document that no file names', { file: path, document: nameOf(document) });
    }
  }

  #accept(
    scan: There,
    moving: ReadonlySet<string>,
    entries: Map<string, FileEntry>,
    verdict: FolderVerdict,
  ): void {
    this.#setEntries(new Map([...entries].sort(([left], [right]) => (left < right ? -1 : 1))));
    if (verdict === 'same') this.#folder = identityText(scan.folder);
    const seen = new Map<string, { stamp: string; hash?: string }>();
    for (const [path, { stamp }] of scan.files) {
      const hash = this.#seen.get(path)?.hash;
      if (!moving.has(path)) seen.set(path, { stamp, ...(hash !== undefined && { hash }) });
    }
    this.#seen = seen;
    if (moving.size > 0) this.#after('moving', this.#times.settle, () => this.#want(false));
    if (verdict === 'renewed') this.#after('renewed', this.#times.renewed, () => this.#want(false));
    if ([...entries.values()].some((entry) => entry.state === 'failed' || entry.hash === undefined)) {
      this.#after('retry', this.#times.retry, () => this.#want(false));
    }
  }

  // What a person is told.

  #foreign(scan: There): Verdict {
    const missing = [...this.#known.values()].filter(
      (entry) => entry.documents?.length && !scan.files.has(entry.path),
    );
    const paths = listed(
      missing.map((entry) => entry.path),
      3,
      ', ',
    );
    const names = listed(missing.flatMap((entry) => entry.documents ?? []).map(nameOf), 3, ' ');
    return {
      ready: false,
      reason: 'FolderReplaced',
      message:
        `${this.#options.path} is another folder or file system than before, and files that were in it are not there (${paths}). ` +
        `Nothing is applied or deleted until they are back; is something not mounted? If they are gone for good, say so with: holdfast delete ${names}`,
    };
  }

  #verdict(held: string | undefined): Verdict {
    const entries = [...this.#known.values()];
    const failed = entries.filter((entry) => entry.state === 'failed');
    const count = entries.reduce((sum, entry) => sum + (entry.documents?.length ?? 0), 0);
    const left = this.#left.length > 0 ? `; left alone: ${listed(this.#left, 3)}` : '';
    if (failed.length > 0) {
      const messages = failed.map((entry) => entry.message ?? entry.path);
      return { ready: false, reason: 'FilesFailed', message: `${listed(messages, 3)}${left}`.slice(0, 2000) };
    }
    const waiting = entries.find((entry) => entry.message !== undefined)?.message;
    if (waiting !== undefined && held !== undefined)
      return { ready: false, reason: 'Waiting', message: waiting };
    const files = entries.length === 1 ? '1 file' : `${entries.length} files`;
    const documents = count === 1 ? '1 document' : `${count} documents`;
    return { ready: true, reason: 'Applied', message: `${files} with ${documents} applied${left}` };
  }

  async #report(source: Document, verdict: Verdict): Promise<void> {
    const files = [...this.#known.values()];
    await writeStatus(this.#options.store, this.#options.clock, source, {
      files,
      folder: this.#folder,
      verdict,
    });
  }
}

/** `` is the folder itself. Links such as `..data` are wanted, and lie on no path of their own. */
function isForeignFolder(name: string): boolean {
  return name !== '' && !name.startsWith('..') && isIgnoredFolder(name);
}

function differences(before: Map<string, ScannedFile>, after: Map<string, ScannedFile>): Set<string> {
  const moving = new Set<string>();
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    if (before.get(path)?.stamp !== after.get(path)?.stamp) moving.add(path);
  }
  return moving;
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
