/**
 * One look at a watched directory: what is there is compared with the inventory, what changed is applied, what no file names
 * is deleted. directory.ts decides when to look; between two looks this keeps the inventory.
 */
import type { Scan, ScannedFile } from '../../reconcilers/drivers/manifests/index.ts';
import type { Document } from '../../resources/document.ts';
import { delay, timestamp } from '../clock.ts';
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
import type { DirectoryOptions, Times } from './options.ts';
import { ensureSource, readStatus, writeStatus } from './source-document.ts';
import { awayVerdict, foreignVerdict, inventoryVerdict, type Verdict } from './verdict.ts';

/** A folder that never gets quiet is looked at anyway; files on the move are left out. */
const SETTLE_ROUNDS = 6;

type There = Extract<Scan, { state: 'there' }>;

export interface Looked {
  /** Of the folder; undefined while it is away. */
  identity: string | undefined;
  /** Files were being written. */
  moving: boolean;
  /** The folder was made anew, and what is missing in it waits. */
  renewed: boolean;
  /** Something failed or waits, and may go better another time. */
  failed: boolean;
}

export class Inventory {
  readonly #options: DirectoryOptions;
  readonly #times: Times;
  readonly #signal: AbortSignal;
  #entries: Entries = new Map();
  #loaded = false;
  #folder: string | undefined;
  /** Stamp and hash of each file at the last look, so that an unchanged file is not read again. */
  #seen = new Map<string, { stamp: string; hash?: string }>();
  #owned = new Set<string>();
  /** Documents that the last prune did not touch, with the reason. */
  #left: string[] = [];
  /** Another folder than before, and when it was first seen, by the monotonic clock. */
  #renewed: { identity: string; at: number } | undefined;

  constructor(options: DirectoryOptions, times: Times, signal: AbortSignal) {
    this.#options = options;
    this.#times = times;
    this.#signal = signal;
  }

  /** Whether a file asked for this document at the last look. */
  owns(document: Document): boolean {
    return this.#owned.has(keyOf({ kind: document.kind, name: document.metadata.name }));
  }

  /** With `full`, files that did not change are applied again too. */
  async look(full: boolean): Promise<Looked> {
    const { store, name, folder } = this.#options;
    const { path } = folder;
    const source = await ensureSource(store, name, path);
    if (!this.#loaded) this.#load(source);
    const { scan, moving } = await this.#settledScan();
    if (scan.state !== 'there') {
      await this.#report(source, awayVerdict(scan));
      return { identity: undefined, moving: false, renewed: false, failed: true };
    }
    const identity = identityText(scan.folder);
    const verdict = this.#judge(scan);
    if (verdict === 'foreign') {
      await this.#report(source, foreignVerdict(path, this.#entries, scan.files));
      return { identity, moving: false, renewed: false, failed: true };
    }
    const readings = await this.#readChanged(scan, moving, full);
    const { entries, dropped, failed } = await this.#apply(readings, scan);
    if (verdict === 'renewed') this.#keepFailed(entries, scan);
    const held = heldBy(scan, moving, verdict);
    await this.#prune(dropped, entries, failed, held);
    this.#accept(scan, moving, entries);
    if (verdict === 'same') this.#folder = identity;
    await this.#report(source, inventoryVerdict(this.#entries, this.#left, held));
    const waiting = [...entries.values()].some(
      (entry) => entry.state === 'failed' || entry.hash === undefined,
    );
    return { identity, moving: moving.size > 0, renewed: verdict === 'renewed', failed: waiting };
  }

  /** Once: after that what is in memory is the newest. */
  #load(source: Document): void {
    const { files, folder } = readStatus(this.#options.store, source.metadata.name);
    this.#folder = folder;
    this.#setEntries(new Map((files ?? []).map((entry) => [entry.path, entry])));
    this.#loaded = true;
  }

  #setEntries(entries: Entries): void {
    this.#entries = entries;
    this.#owned = new Set([...entries.values()].flatMap((entry) => (entry.documents ?? []).map(keyOf)));
  }

  async #settledScan(): Promise<{ scan: Scan; moving: Set<string> }> {
    const { clock, folder } = this.#options;
    let scan = await folder.scan();
    let moving = new Set<string>();
    for (let round = 0; round < SETTLE_ROUNDS; round++) {
      if (scan.state !== 'there' || (round === 0 && this.#isQuiet(scan))) return { scan, moving };
      await delay(clock, this.#times.settle, this.#signal);
      const next = await folder.scan();
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
    const entries = [...this.#entries.values()];
    const isAlive = ({ documents = [] }: FileEntry) =>
      documents.some(({ kind, name }) => store.get(kind, name) !== undefined);
    const known = entries.filter(isAlive).map(({ path }) => path);
    const verdict = judgeFolder(this.#folder, scan.folder, known, new Set(scan.files.keys()));
    if (verdict !== 'renewed') {
      this.#renewed = undefined;
      return verdict;
    }
    const identity = identityText(scan.folder);
    if (this.#renewed?.identity !== identity) this.#renewed = { identity, at: clock.monotonic() };
    return clock.monotonic() - this.#renewed.at >= this.#times.renewed ? 'same' : 'renewed';
  }

  /** What was in a folder that is made anew, and could not be applied, is waited for as well. */
  #keepFailed(entries: Map<string, FileEntry>, { files }: There): void {
    for (const entry of this.#entries.values())
      if (entry.state === 'failed' && !files.has(entry.path)) entries.set(entry.path, entry);
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
    // Asked after reading: a writer that came before is still there, or the file changes once more.
    const writing = await this.#beingWritten(readings, scan);
    for (const path of writing) moving.add(path);
    return readings.filter(({ path }) => !writing.has(path));
  }

  /** Paths of the readings that somebody is not done with. One who holds a file open for long is not waited for. */
  async #beingWritten(readings: readonly FileReading[], scan: There): Promise<Set<string>> {
    const { clock, folder } = this.#options;
    const fresh = new Map<string, string>();
    for (const { path } of readings) {
      const { inode, writtenAt = 0 } = scan.files.get(path) ?? {};
      if (inode !== undefined && clock.now() - writtenAt < this.#times.writing) fresh.set(path, inode);
    }
    const open = await folder.openForWriting(new Set(fresh.values()));
    return new Set([...fresh].flatMap(([path, inode]) => (open.has(inode) ? [path] : [])));
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
      const content = await this.#options.folder.read(file);
      if (!content) return 'moving';
      this.#seen.set(path, { stamp: file.stamp, hash: content.hash });
      if (!this.#hasWork(path, content.hash, full)) return undefined;
      const emptied = content.text.trim() === '' ? this.#gaveBefore(path) : undefined;
      if (emptied !== undefined) return { path, ...content, manifests: [], problems: [emptied] };
      return { path, ...content, ...this.#options.read(content.text, path) };
    } catch (error) {
      const words = error instanceof TypeError ? 'it is not UTF-8 text' : (error as Error).message;
      return { path, manifests: [], problems: [`${path} cannot be read: ${words}`] };
    }
  }

  /** Whoever writes a file anew empties it first. */
  #gaveBefore(path: string): string | undefined {
    const documents = this.#entries.get(path)?.documents ?? [];
    if (documents.length === 0) return undefined;
    const names = listed(documents.map(nameOf), 3, ', ');
    return `${path} is empty, and gave ${names} before; remove the file to delete what it gave`;
  }

  #hasWork(path: string, hash: string, full: boolean): boolean {
    const get = this.#options.store.get.bind(this.#options.store);
    const entry = this.#entries.get(path);
    if (needsWork(entry, hash, get)) return true;
    const leaving = entry?.documents?.some(({ kind, name }) => get(kind, name)?.metadata.deletionTimestamp);
    return full && !leaving;
  }

  async #apply(readings: FileReading[], scan: There) {
    const { store, manager = 'directory' } = this.#options;
    const present = new Set(scan.files.keys());
    const standing = new Map([...this.#entries].filter(([path]) => present.has(path)));
    const { sound, failures } = settle(standing, readings);
    const written = await applyFiles(store, sound, manager);
    const outcomes = new Map<string, FileEntry>();
    const failed: FileReading[] = [];
    for (const reading of readings) {
      const entry = this.#entryFor(reading, failures.get(reading.path), written.get(reading.path));
      outcomes.set(reading.path, entry);
      if (entry.state === 'failed') failed.push(reading);
    }
    return { ...nextEntries(this.#entries, present, outcomes), failed };
  }

  #entryFor(reading: FileReading, failure: string | undefined, outcome: FileOutcome | undefined): FileEntry {
    const { log, clock } = this.#options;
    const { path, hash } = reading;
    const before = this.#entries.get(path);
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

  #accept(scan: There, moving: ReadonlySet<string>, entries: Entries): void {
    this.#setEntries(new Map([...entries].sort(([left], [right]) => (left < right ? -1 : 1))));
    const seen = new Map<string, { stamp: string; hash?: string }>();
    for (const [path, { stamp }] of scan.files) {
      const hash = this.#seen.get(path)?.hash;
      if (!moving.has(path)) seen.set(path, { stamp, ...(hash !== undefined && { hash }) });
    }
    this.#seen = seen;
  }

  async #report(source: Document, verdict: Verdict): Promise<void> {
    const files = [...this.#entries.values()];
    await writeStatus(this.#options.store, this.#options.clock, source, {
      files,
      folder: this.#folder,
      verdict,
    });
  }
}

/** Why nothing may be deleted at this look. */
function heldBy(scan: There, moving: ReadonlySet<string>, verdict: FolderVerdict): string | undefined {
  if (scan.blind.length > 0) return `a folder in it cannot be read (${listed(scan.blind, 3)})`;
  if (verdict === 'renewed') return 'the folder was made anew and may still be filling';
  if (moving.size > 0) return `${listed([...moving].sort(), 3, ', ')} is being written`;
  return undefined;
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
