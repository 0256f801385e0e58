/** A store in a folder of its own for the store's tests, with kinds that need no schema. Removed when the test ends. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, systemClock } from '../../controller/clock.ts';
import { openStore, type StoreOptions } from '../../controller/store/open-store.ts';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import { type Author, StoreError, type StoreErrorReason, type Write } from '../../controller/store/types.ts';
import type { Document, Manifest } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';

export const person: Author = { user: 'root', via: 'cli', reason: 'test' };
export const controller: Author = { user: 'holdfast', via: 'controller' };

function kind(name: string, more: Partial<KindDefinition> = {}): KindDefinition {
  const singular = name.toLowerCase();
  return {
    kind: name,
    plural: `${singular}s`,
    singular,
    shortNames: [],
    schema: `${singular}.v1.json`,
    writtenBy: 'people',
    columns: [],
    ...more,
  };
}

export const kinds: readonly KindDefinition[] = [
  kind('App', { finalizers: ['holdfast.dev/app'] }),
  kind('Note', { selectable: ['spec.type', 'status.phase'] }),
  kind('Platform', { singleton: 'platform' }),
  kind('Secret', { secret: true }),
  kind('Site', { writtenBy: 'reconcilers' }),
  kind('Server', {
    usedBy: { kind: 'Use', names: ({ spec }) => [String(spec['server'])], remedy: 'stop them' },
  }),
  kind('Use', { writtenBy: 'reconcilers', requests: ['holdfast.dev/again'] }),
  kind('Event', { writtenBy: 'reconcilers', history: false }),
];

/** Refuses spec.bad and what no document has, as the schemas do. */
export function validate(manifest: Manifest): { pointer: string; message: string; suggestion?: string }[] {
  const problems = Object.keys(manifest)
    .filter((key) => !['apiVersion', 'kind', 'metadata', 'spec'].includes(key))
    .map((key) => ({ pointer: `/${key}`, message: 'is not a known field', suggestion: 'spec' }));
  if (manifest.spec?.bad !== undefined)
    problems.push({ pointer: '/spec/bad', message: 'must not be there', suggestion: 'good' });
  return problems;
}

export function manifest(kind: string, name: string, spec?: object, metadata: object = {}): Manifest {
  return {
    apiVersion: 'holdfast.dev/v1',
    kind,
    metadata: { name, ...metadata },
    ...(spec === undefined ? {} : { spec: spec as Record<string, unknown> }),
  };
}

export function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'holdfast-store-'));
}

export type Options = Partial<Omit<StoreOptions, 'folder'>> & { folder?: string };

/** Small reserve: the tests run many stores. */
export function open(folder: string, options: Options = {}): SqliteStore {
  const limits = { reserveBytes: 4096, ...options.limits };
  return openStore({ clock: systemClock, kinds, validate, ...options, folder, limits });
}

/** Runs with a new store and takes everything away afterwards, also on failure. */
export function withStore(
  run: (store: SqliteStore, folder: string) => Promise<void>,
  options: Options = {},
): () => Promise<void> {
  return async () => {
    const folder = temporaryFolder();
    const store = open(folder, options);
    try {
      await run(store, folder);
    } finally {
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    }
  };
}

/** One write; its document. */
export async function put(store: SqliteStore, write: Write, author: Author = person): Promise<Document> {
  const [result] = await store.write([write], author);
  if (result === undefined) throw new Error('no result');
  return result.document;
}

export async function outcome(store: SqliteStore, write: Write, author: Author = person): Promise<string> {
  const [result] = await store.write([write], author);
  return result?.outcome ?? 'none';
}

/** The StoreError that a promise or a function ends with; fails where it does not. */
export async function refusal(run: Promise<unknown> | (() => unknown)): Promise<StoreError> {
  try {
    await (typeof run === 'function' ? run() : run);
  } catch (error) {
    if (error instanceof StoreError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

export async function refused(
  run: Promise<unknown> | (() => unknown),
  reason: StoreErrorReason,
  words?: RegExp,
): Promise<void> {
  const error = await refusal(run);
  if (error.reason !== reason || (words !== undefined && !words.test(error.message))) {
    throw new Error(`refused with ${error.reason}: ${error.message}; expected ${reason} ${words ?? ''}`);
  }
}

/** A clock that stands still until it is moved. */
export function stoppedClock(): Clock & { forward(milliseconds: number): void } {
  let now = Date.UTC(2026, 0, 1);
  let timers: { at: number; run(): void }[] = [];
  return {
    ...systemClock,
    now: () => now,
    monotonic: () => now,
    after(milliseconds, run) {
      const timer = { at: now + milliseconds, run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    forward(milliseconds) {
      now += milliseconds;
      const due = timers.filter((timer) => timer.at <= now);
      timers = timers.filter((timer) => timer.at > now);
      for (const timer of due) timer.run();
    },
  };
}
