/** What lies on disk: the folder, the lock, the key, sealed secrets, new schema versions, damage, and a full disk. */
import { execFileSync, spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Database from 'better-sqlite3';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { silentLog } from '../../controller/store/log.ts';
import { MIGRATIONS, migrate } from '../../controller/store/schema.ts';
import { sealWith } from '../../controller/store/seal.ts';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import { StoreError } from '../../controller/store/types.ts';
import {
  manifest,
  open,
  person,
  put,
  refused,
  stoppedClock,
  temporaryFolder,
  withStore,
} from './store-fixture.ts';

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = temporaryFolder();
  try {
    await run(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Child mode: holds the store in the folder given until it is killed. */
const holdFolder = process.env.HOLDFAST_TEST_HOLD;

async function inOtherProcess(folder: string, run: (pid: number) => Promise<void>): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(import.meta.url)], {
    env: { ...process.env, HOLDFAST_TEST_HOLD: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', () => reject(new Error('the other process ended before it had the store')));
    });
    await run(child.pid ?? 0);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

test('the folder and its files are for their owner only', () =>
  withFolder(async (parent) => {
    const folder = join(parent, 'a', 'b');
    const store = open(folder);
    await put(store, { verb: 'create', document: manifest('Note', 'a') });
    assert.is(mode(folder), '700');
    for (const name of ['store.db', 'store.db-wal', 'store.key', 'store.pid', 'store.reserve']) {
      assert.is(mode(join(folder, name)), '600', name);
    }
    assert.is(statSync(join(folder, 'store.key')).size, 32);
    await store.close();
    assert.is(existsSync(join(folder, 'store.pid')), false);
  }));

test('a second store on the folder is refused at once, and told who has it; kill -9 gives the folder back', () =>
  withFolder(async (folder) => {
    await inOtherProcess(folder, async (pid) => {
      await refused(
        () => open(folder),
        'Conflict',
        new RegExp(`in use by process ${pid}; stop that one first`),
      );
    });
    const store = open(folder);
    await refused(() => open(folder), 'Conflict', new RegExp(`process ${process.pid}`));
    await put(store, { verb: 'create', document: manifest('Note', 'a') });
    await store.close();
  }));

test('a database without its key is refused, and nothing is made anew', () =>
  withFolder(async (folder) => {
    await open(folder).close();
    rmSync(join(folder, 'store.key'));
    await refused(() => open(folder), 'Internal', /its key .*store\.key is not: put the key file back/);
    assert.is(existsSync(join(folder, 'store.key')), false);
  }));

test('another key and a key of another size are refused', () =>
  withFolder(async (folder) => {
    await open(folder).close();
    writeFileSync(join(folder, 'store.key'), Buffer.alloc(32));
    await refused(() => open(folder), 'Internal', /is not the one/);
    writeFileSync(join(folder, 'store.key'), Buffer.alloc(31));
    await refused(() => open(folder), 'Internal', /31 bytes instead of 32/);
  }));

test('a half-made key of a first start that crashed is made again', () =>
  withFolder(async (folder) => {
    writeFileSync(join(folder, 'store.key'), '');
    await open(folder).close();
    assert.is(statSync(join(folder, 'store.key')).size, 32);
  }));

test('a key that is open to others is tightened', () =>
  withFolder(async (folder) => {
    await open(folder).close();
    chmodSync(join(folder, 'store.key'), 0o644);
    const warned: string[] = [];
    const log = { ...silentLog, warn: (message: string) => warned.push(message) };
    await open(folder, { log }).close();
    assert.is(mode(join(folder, 'store.key')), '600');
    assert.match(warned.join(), /open to others \(mode 644\)/);
  }));

test('a file that is no database is refused with what to do', () =>
  withFolder(async (folder) => {
    await open(folder).close();
    writeFileSync(
      join(folder, 'store.db'),
      'this is no database, however long one looks at it. '.repeat(100),
    );
    await refused(() => open(folder), 'Internal', /is damaged .*put a copy in place/);
  }));

test('a sealed row that was changed is refused, and named', () =>
  withFolder(async (folder) => {
    const store = open(folder);
    const { metadata } = await put(store, {
      verb: 'create',
      document: manifest('Secret', 's', { data: {} }),
    });
    await store.close();
    const db = new Database(join(folder, 'store.db'));
    db.prepare("UPDATE documents SET body = (SELECT body FROM changes WHERE kind = 'Secret')").run();
    db.close();
    await refused(() => open(folder), 'Internal', new RegExp(`of Secret with uid ${metadata.uid}`));
  }));

test('a sealed text opens only with its key and at its place', () => {
  const seal = sealWith(Buffer.alloc(32, 1));
  const sealed = seal.close(['documents', 'Secret', 'u'], 'grün');
  assert.is(seal.open(['documents', 'Secret', 'u'], sealed), 'grün');
  assert.throws(() => seal.open(['changes', 'Secret', 'u'], sealed));
  assert.throws(() => seal.open(['documents', 'Secret', 'v'], sealed));
  assert.throws(() => sealWith(Buffer.alloc(32, 2)).open(['documents', 'Secret', 'u'], sealed));
  const changed = Buffer.from(sealed);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  assert.throws(() => seal.open(['documents', 'Secret', 'u'], changed));
  assert.throws(() => seal.open(['documents', 'Secret', 'u'], Buffer.alloc(3)));
  assert.not.equal(seal.close(['documents', 'Secret', 'u'], 'grün'), sealed);
});

test(
  'no file holds a value of a secret, whichever way it was written',
  withStore(async (store, folder) => {
    const values = ['sw0rdfish-one', 'sw0rdfish-two', 'sw0rdfish-three'];
    const document = (value: string, more: object = {}) =>
      manifest(
        'Secret',
        's',
        { stringData: { a: value, ...more } },
        { annotations: { last: `{"a":"${value}"}` } },
      );
    const reference = { kind: 'Secret', name: 's' };
    await put(store, {
      verb: 'apply',
      manager: 'cli',
      document: document('sw0rdfish-one', { b: 'sw0rdfish-one' }),
    });
    await put(store, { verb: 'apply', manager: 'cli', document: document('sw0rdfish-two') });
    const patch = { spec: { stringData: { a: 'sw0rdfish-three' } } };
    await put(store, { verb: 'patch', reference, type: 'merge', patch });
    await put(store, { verb: 'create', document: manifest('Note', 'n', { text: 'found-in-plain' }) });
    assert.equal(store.get('Secret', 's')?.spec, { stringData: { a: 'sw0rdfish-three' } });
    assert.equal(store.specAt('Secret', 's', 2), { stringData: { a: 'sw0rdfish-two' } });
    const check = () => {
      let plain = false;
      for (const name of readdirSync(folder)) {
        const bytes = readFileSync(join(folder, name));
        for (const value of values) assert.is(bytes.includes(value), false, `${name} holds ${value}`);
        plain ||= bytes.includes('found-in-plain');
      }
      assert.ok(plain, 'the search itself must be able to find something');
    };
    check();
    await store.close();
    check();
  }),
);

test('an older database is copied, then brought forward; a step that fails leaves it as it was', () =>
  withFolder(async (folder) => {
    const path = join(folder, 'store.db');
    const first = MIGRATIONS.slice(0, 1);
    const options = { path, now: '2026-01-01T00:00:00.000Z', log: silentLog, migrations: first };
    const version = (db: Database.Database) =>
      db.prepare('SELECT max(version) FROM schema_version').pluck().get();
    const db = new Database(path);
    db.pragma('journal_mode = WAL');
    migrate(db, options);
    assert.is(version(db), 1);
    assert.equal(
      readdirSync(folder).filter((name) => name.includes('.v')),
      [],
    );
    db.exec("INSERT INTO leases VALUES ('p', 'o', 'v')");
    const next = [...first, "ALTER TABLE leases ADD COLUMN at TEXT NOT NULL DEFAULT 'then'"];
    migrate(db, { ...options, migrations: next });
    assert.equal(db.prepare('SELECT * FROM leases').all(), [
      { pool: 'p', owner: 'o', value: 'v', at: 'then' },
    ]);
    const copy = new Database(`${path}.v1`, { readonly: true });
    assert.equal(copy.prepare('SELECT * FROM leases').all(), [{ pool: 'p', owner: 'o', value: 'v' }]);
    copy.close();
    const bad = [...next, 'DELETE FROM leases; SELECT * FROM no_such_table'];
    assert.throws(
      () => migrate(db, { ...options, migrations: bad }),
      /schema version 3 and is as it was: no such table/,
    );
    assert.is(version(db), 2);
    assert.is(db.prepare('SELECT count(*) FROM leases').pluck().get(), 1);
    assert.throws(
      () => migrate(db, options),
      /schema version 2, this program knows 1: start the newer version/,
    );
    db.close();
  }));

/** Mounts a small disk; undefined with the reason printed where that is not possible. */
function smallDisk(folder: string): (() => void) | undefined {
  try {
    mkdirSync(folder, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', folder], { stdio: 'pipe' });
    return () => void execFileSync('umount', [folder], { stdio: 'pipe' });
  } catch (error) {
    console.log(`skipped: a full disk needs a mount (${String(error).split('\n')[0]})`);
    return undefined;
  }
}

async function fill(store: SqliteStore, prefix: string): Promise<number> {
  for (let count = 0; ; count += 1) {
    try {
      await put(store, {
        verb: 'create',
        document: manifest('Note', `${prefix}-${count}`, { text: 'x'.repeat(20_000) }),
      });
    } catch (error) {
      assert.ok(error instanceof StoreError && error.reason === 'StorageFull', String(error));
      assert.match(error.message, /the disk is full: nothing of this write was stored/);
      return count;
    }
  }
}

test('a full disk loses nothing and half-writes nothing; the reserve is used first and comes back', () =>
  withFolder(async (parent) => {
    const folder = join(parent, 'disk');
    const unmount = smallDisk(folder);
    if (unmount === undefined) return;
    try {
      const clock = stoppedClock();
      const limits = { reserveBytes: 512 * 1024 };
      let store = open(folder, { clock, limits });
      assert.is(store.health().reserve, true);
      writeFileSync(join(folder, 'ballast'), Buffer.alloc(2_300_000));
      const stored = await fill(store, 'a');
      assert.ok(stored > 10, `stored ${stored} documents`);
      assert.is(store.health().reserve, false);
      assert.is(existsSync(join(folder, 'store.reserve')), false);

      const writes = Array.from({ length: 5 }, (_, index) =>
        put(store, {
          verb: 'create',
          document: manifest('Note', `b-${index}`, { text: 'x'.repeat(900_000) }),
        }),
      );
      for (const write of writes) await refused(write, 'StorageFull');
      assert.is(store.list('Note').items.length, stored);
      assert.is(store.version, stored);
      assert.equal(store.problems(), []);
      await store.close();
      store = open(folder, { clock, limits });
      assert.is(store.list('Note').items.length, stored);

      rmSync(join(folder, 'ballast'));
      clock.forward(60_000);
      await put(store, { verb: 'create', document: manifest('Note', 'after') });
      assert.is(store.health().reserve, true);
      await store.close();
      const again = open(folder, { clock, limits });
      assert.is(again.list('Note').items.length, stored + 1);
      assert.equal(again.problems(), []);
      await again.close();
    } finally {
      unmount();
    }
  }));

if (holdFolder === undefined) {
  test.run();
} else {
  const store = open(holdFolder);
  await store.write([{ verb: 'create', document: manifest('Note', 'held') }], person);
  console.log('has it');
  setInterval(() => store.version, 60_000);
}
