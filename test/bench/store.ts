/**
 * How fast the store writes and lists, beside plain better-sqlite3 in the same run and on the same disk: one INSERT of
 * the same bytes with synchronous=FULL, alone for one writer, and 64 to a transaction for 64 writers. Run by hand and by
 * test/bench/run.ts: `node --import tsx test/bench/store.ts`.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { systemClock } from '../../controller/clock.ts';
import { openStore } from '../../controller/store/open-store.ts';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Author } from '../../controller/store/types.ts';
import type { Manifest } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { report } from './report.ts';

const author: Author = { user: 'bench', via: 'api' };
const WRITERS = 64;
const TEXT = 'x'.repeat(1_700);

const definition: KindDefinition = {
  kind: 'Note',
  plural: 'notes',
  singular: 'note',
  shortNames: [],
  schema: 'note.v1.json',
  writtenBy: 'people',
  columns: [],
};

/** A document of about 2 KB as JSON. */
function document(name: string, count = 0): Manifest {
  return { apiVersion: 'holdfast.dev/v1', kind: 'Note', metadata: { name }, spec: { text: TEXT, count } };
}

async function perSecond(count: number, run: () => Promise<void> | void): Promise<number> {
  const start = performance.now();
  await run();
  return (count / (performance.now() - start)) * 1_000;
}

/** Inserts of the same size, `group` to a transaction. */
async function plain(folder: string, count: number, group: number): Promise<number> {
  const db = new Database(join(folder, `plain-${group}.db`));
  try {
    db.pragma('journal_mode = WAL');
    db.pragma('synchronous = FULL');
    db.exec('CREATE TABLE documents (id INTEGER PRIMARY KEY, name TEXT UNIQUE, body TEXT)');
    const insert = db.prepare('INSERT INTO documents (name, body) VALUES (?, ?)');
    const body = JSON.stringify(document('same'));
    return await perSecond(count, () => {
      for (let done = 0; done < count; done += group) {
        db.transaction(() => {
          for (let index = 0; index < group; index += 1) insert.run(`n${done + index}`, body);
        })();
      }
    });
  } finally {
    db.close();
  }
}

async function create(store: SqliteStore, prefix: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await store.write([{ verb: 'create', document: document(`${prefix}-${index}`) }], author);
  }
}

async function update(store: SqliteStore, prefix: string, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) {
    await store.write([{ verb: 'update', document: document(`${prefix}-0`, index + 1) }], author);
  }
}

const together = (run: (writer: number) => Promise<void>) => async () => {
  await Promise.all(Array.from({ length: WRITERS }, (_, writer) => run(writer)));
};

async function main(folder: string): Promise<void> {
  const options = {
    folder: join(folder, 'store'),
    clock: systemClock,
    kinds: [definition],
    validate: () => [],
  };
  const store = openStore(options);
  const alone = { what: 'plain inserts, one a transaction', figure: await plain(folder, 1_000, 1) };
  const grouped = {
    what: `plain inserts, ${WRITERS} a transaction`,
    figure: await plain(folder, 12_800, WRITERS),
  };
  report(alone.what, alone.figure, '/s');
  report(grouped.what, grouped.figure, '/s');
  report(
    'store, creates of 1 writer',
    await perSecond(1_000, () => create(store, 'one', 1_000)),
    '/s',
    alone,
  );
  const creates = await perSecond(
    12_800,
    together((writer) => create(store, `w${writer}`, 200)),
  );
  report(`store, creates of ${WRITERS} writers`, creates, '/s', grouped);
  const updates = await perSecond(
    12_800,
    together((writer) => update(store, `w${writer}`, 200)),
  );
  report(`store, updates of ${WRITERS} writers`, updates, '/s', grouped);
  const items = store.list('Note').items.length;
  const first = 1_000 / (await perSecond(1, () => void store.list('Note', { labelSelector: '!x' })));
  report(`store, list of ${items} documents by label`, first, 'ms');
  const lists = 1_000 / (await perSecond(200, () => repeat(200, () => store.list('Note'))));
  report(`store, list of ${items} documents`, lists, 'ms');
  await store.close();
  const opening = 1_000 / (await perSecond(1, () => openStore(options).close()));
  report(`store, open with ${items} documents`, opening, 'ms');
}

function repeat(times: number, run: () => void): void {
  for (let index = 0; index < times; index += 1) run();
}

const folder = mkdtempSync(join(tmpdir(), 'holdfast-bench-'));
try {
  await main(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
