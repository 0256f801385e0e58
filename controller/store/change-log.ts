/**
 * The order of changes: the newest in memory, the older ones on disk, the oldest compacted away; and the watchers that
 * are told of each change after it is committed. Everything here is synchronous: a watcher is called in the same turn,
 * so it never lags and needs no buffer. Used by the store only.
 */
import type { StoreLog } from './log.ts';
import type { Selection } from './selection.ts';
import type { LoggedChange, Tables } from './tables.ts';
import { type Change, StoreError, type WatchOptions } from './types.ts';

/** Changes that are replayed without reading the disk. */
const IN_MEMORY = 4_000;

interface Watcher {
  readonly options: WatchOptions;
  readonly selection: Selection;
  /** Version of the last change that it was given or that was not for it. */
  seen: number;
}

export class ChangeLog {
  private readonly tables: Tables;
  private readonly limit: number;
  private readonly log: StoreLog;
  private readonly watchers = new Set<Watcher>();
  private recent: LoggedChange[] = [];
  /** Version of the newest change. */
  private newest: number;
  /** Versions up to this are no longer on disk. */
  private dropped: number;

  constructor(tables: Tables, limit: number, log: StoreLog) {
    this.tables = tables;
    this.limit = limit;
    this.log = log;
    const range = tables.changeRange();
    this.newest = range.newest;
    this.dropped = Math.max(0, range.oldest - 1);
  }

  get version(): number {
    return this.newest;
  }

  /** A watch can begin at this version or later. */
  get floor(): number {
    return Math.max(this.dropped, this.newest - this.limit);
  }

  /** Inside a transaction, before its commit: drops old rows, many at a time. Answers up to which version. */
  compact(newest: number): number {
    const surplus = newest - this.limit - this.dropped;
    if (surplus < Math.max(1, this.limit / 50)) return this.dropped;
    this.tables.dropChangesUpTo(newest - this.limit);
    return newest - this.limit;
  }

  /** After the commit. */
  append(changes: readonly LoggedChange[], dropped: number): void {
    this.dropped = dropped;
    for (const change of changes) {
      this.recent.push(change);
      this.newest = change.version;
    }
    if (this.recent.length > 2 * IN_MEMORY) this.recent = this.recent.slice(-IN_MEMORY);
    for (const change of changes) for (const watcher of this.watchers) this.tell(watcher, change);
  }

  /**
   * Calls `onChange` for what happened since `fromVersion` before it returns, then for each new change. Throws Expired
   * when that version is compacted away or was never reached.
   */
  watch(options: WatchOptions, selection: Selection): () => void {
    const { fromVersion } = options;
    if (!(fromVersion >= this.floor && fromVersion <= this.newest)) {
      throw new StoreError(
        'Expired',
        `changes are kept from version ${this.floor} to ${this.newest}; version ${fromVersion} is not among them: list again and watch from there`,
      );
    }
    const watcher: Watcher = { options, selection, seen: fromVersion };
    this.watchers.add(watcher);
    for (const change of this.since(fromVersion)) this.tell(watcher, change);
    return () => void this.watchers.delete(watcher);
  }

  close(): void {
    for (const watcher of [...this.watchers]) this.end(watcher, 'closed');
  }

  private since(version: number): LoggedChange[] {
    const first = this.recent[0]?.version ?? this.newest + 1;
    const live = this.recent.filter((change) => change.version > version);
    return version + 1 < first ? [...this.tables.changesBetween(version, first - 1), ...live] : live;
  }

  private tell(watcher: Watcher, change: LoggedChange): void {
    if (change.version <= watcher.seen || !this.watchers.has(watcher)) return;
    watcher.seen = change.version;
    const { kind, onChange } = watcher.options;
    if (kind !== undefined && kind !== change.document.kind) return;
    const seen = asSeenBy(watcher.selection, change);
    if (seen === undefined) return;
    try {
      onChange(seen);
    } catch (error) {
      this.log.error('a watcher failed and gets no more changes', { kind, version: change.version, error });
      this.end(watcher, 'failed');
    }
  }

  private end(watcher: Watcher, reason: 'closed' | 'failed'): void {
    if (!this.watchers.delete(watcher)) return;
    try {
      watcher.options.onEnd?.(reason);
    } catch (error) {
      this.log.error('a watcher failed at its end', { kind: watcher.options.kind, error });
    }
  }
}

/** A change that brings a document into a selection is its ADDED there, one that takes it out its DELETED. */
function asSeenBy(
  selection: Selection,
  { type, version, document, before }: LoggedChange,
): Change | undefined {
  const is = selection.matches(document);
  if (type !== 'MODIFIED') return is ? { type, version, document } : undefined;
  const was = before === undefined ? is : selection.matchesBefore(document, before);
  if (is) return { type: was ? 'MODIFIED' : 'ADDED', version, document };
  return was ? { type: 'DELETED', version, document } : undefined;
}
