/**
 * A file that holds room on the disk for the day when it is full: given up when a write finds no room, so that status,
 * deletions and what else frees the disk can still be stored, and made again when there is room. Used by the store only.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, fsyncSync, openSync, rmSync, statfsSync, statSync, writeSync } from 'node:fs';
import type { Clock } from '../clock.ts';
import type { StoreLog } from './log.ts';

/** How often the disk is asked whether there is room again, in milliseconds. */
const LOOK_AGAIN = 10_000;
const PIECE = 1024 * 1024;

export interface ReserveOptions {
  path: string;
  folder: string;
  bytes: number;
  clock: Clock;
  log: StoreLog;
}

export class Reserve {
  private readonly options: ReserveOptions;
  private kept: boolean;
  private lookedAt = Number.NEGATIVE_INFINITY;

  constructor(options: ReserveOptions) {
    this.options = options;
    this.kept = sizeOf(options.path) >= options.bytes;
  }

  get isKept(): boolean {
    return this.kept;
  }

  /** Gives the room to the store. False when it was given before. */
  free(): boolean {
    const { path, bytes, clock, log } = this.options;
    this.lookedAt = clock.monotonic();
    const had = sizeOf(path) > 0;
    rmSync(path, { force: true });
    this.kept = false;
    if (had) log.warn('the disk is full: the store uses its reserve; free some space', { path, bytes });
    return had;
  }

  /** Makes it again when the disk has several times its size free. Asks the disk only now and then. */
  restore(): void {
    if (this.kept) return;
    const { path, folder, bytes, clock, log } = this.options;
    const now = clock.monotonic();
    if (now - this.lookedAt < LOOK_AGAIN) return;
    this.lookedAt = now;
    try {
      if (freeBytes(folder) < 3 * bytes) return;
      fill(path, bytes);
      this.kept = true;
    } catch (error) {
      rmSync(path, { force: true });
      log.warn('the reserve file cannot be written', { path, error: String(error) });
    }
  }
}

export function freeBytes(folder: string): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

/** Random bytes: a file system that compresses would keep nothing free for zeros. */
function fill(path: string, bytes: number): void {
  const piece = randomFillSync(Buffer.alloc(Math.min(PIECE, bytes)));
  const file = openSync(path, 'w', 0o600);
  try {
    for (let written = 0; written < bytes; ) {
      written += writeSync(file, piece, 0, Math.min(piece.length, bytes - written));
    }
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
