/**
 * Lists in pages: all pages of one list show the documents as they were at its first page. The documents are frozen, so
 * a held list costs its references; it is held for a bounded time and then its continue token is Expired.
 */
import type { Document } from '../../resources/document.ts';
import type { Clock } from '../clock.ts';
import { isObject } from './json.ts';
import { type List, type ListOptions, StoreError } from './types.ts';

export interface PagesOptions {
  clock: Clock;
  /** Milliseconds from the last page that was asked for. */
  holdFor: number;
  /** Lists held at the same time; the one that waits longest goes first. */
  holdMost: number;
}

interface Held {
  items: readonly Document[];
  cancel(): void;
}

/** What a continue token says. */
interface Position {
  version: number;
  /** Name of the last document that was given. */
  after: string;
}

export class Pages {
  private readonly options: PagesOptions;
  private readonly held = new Map<string, Held>();

  constructor(options: PagesOptions) {
    this.options = options;
  }

  /** `all`: the documents that match now, sorted by name, at `version`. */
  first(kind: string, options: ListOptions, all: readonly Document[], version: number): List {
    return this.page(kind, options, all, version, 0);
  }

  next(kind: string, options: ListOptions, token: string): List {
    const { version, after } = readToken(token);
    const items = this.held.get(keyOf(kind, options, version))?.items;
    if (items === undefined) {
      throw new StoreError(
        'Expired',
        'the list that this continue token belongs to is no longer held: list again',
      );
    }
    return this.page(kind, options, items, version, firstAfter(items, after));
  }

  close(): void {
    for (const { cancel } of this.held.values()) cancel();
    this.held.clear();
  }

  private page(
    kind: string,
    options: ListOptions,
    all: readonly Document[],
    version: number,
    start: number,
  ): List {
    const limit = options.limit ?? 0;
    const end = limit > 0 ? Math.min(all.length, start + limit) : all.length;
    const items = all.slice(start, end);
    const last = items.at(-1);
    if (end === all.length || last === undefined) return { items, resourceVersion: String(version) };
    this.hold(keyOf(kind, options, version), all);
    return {
      items,
      resourceVersion: String(version),
      continue: writeToken({ version, after: last.metadata.name }),
      remainingItemCount: all.length - end,
    };
  }

  private hold(key: string, items: readonly Document[]): void {
    const { clock, holdFor, holdMost } = this.options;
    this.held.get(key)?.cancel();
    this.held.delete(key);
    this.held.set(key, { items, cancel: clock.after(holdFor, () => this.held.delete(key)) });
    const [oldest] = this.held.entries();
    if (oldest === undefined || this.held.size <= holdMost) return;
    oldest[1].cancel();
    this.held.delete(oldest[0]);
  }
}

function keyOf(kind: string, { labelSelector, fieldSelector }: ListOptions, version: number): string {
  return JSON.stringify([version, kind, labelSelector ?? '', fieldSelector ?? '']);
}

function firstAfter(items: readonly Document[], name: string): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle]?.metadata.name ?? '') <= name) low = middle + 1;
    else high = middle;
  }
  return low;
}

function writeToken(position: Position): string {
  return Buffer.from(JSON.stringify(position)).toString('base64url');
}

function readToken(token: string): Position {
  try {
    const position: unknown = JSON.parse(Buffer.from(token, 'base64url').toString());
    if (isObject(position) && typeof position.version === 'number' && typeof position.after === 'string') {
      return { version: position.version, after: position.after };
    }
  } catch {
    // Refused below.
  }
  throw new StoreError('Invalid', 'the continue token is not one that a list gave', {
    causes: [{ field: 'continue', message: 'is not a token that a list gave' }],
  });
}
