import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { systemClock } from '../../controller/clock.ts';
import { silentLog } from '../../controller/log.ts';
import { type WatchedDirectory, watchDirectory } from '../../controller/sources/directory.ts';
import type { DirectoryOptions } from '../../controller/sources/options.ts';
import type { SourceStatus } from '../../controller/sources/source-document.ts';
import { StoreError } from '../../controller/store/types.ts';
import { createManifestFolder } from '../../reconcilers/drivers/manifests/folder.ts';
import type { Document, Manifest } from '../../resources/document.ts';
import { app, eventually, testKinds } from './api-client.ts';
import { type MemoryStore, memoryStore } from './api-memory-store.ts';

/** Fast enough for a test; whatever waits longer is asked for with `sync`. */
const TIMES = { settle: 40, writing: 60_000, full: 3_600_000, look: 50, renewed: 150, retry: 100 };
const HAND = { user: 'ada', via: 'cli' } as const;

interface Bench {
  /** The folder that is watched, by way of a link that a test may turn elsewhere. */
  path: string;
  base: string;
  store: MemoryStore;
  start(more?: Partial<DirectoryOptions>): WatchedDirectory;
  put(file: string, ...documents: unknown[]): Promise<void>;
  text(file: string, text: string): Promise<void>;
  remove(file: string): Promise<void>;
  app(name: string): Document | undefined;
  status(): SourceStatus;
  ready(): string;
  /** Deletions that were asked of the store. */
  deletions(): string[];
  /** Applies that were asked of the store, one list for each write. */
  applies(): string[][];
}

async function bench(run: (bench: Bench) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'holdfast-source-'));
  const path = join(base, 'manifests');
  await mkdir(join(base, 'real'));
  await symlink(join(base, 'real'), path);
  const store = memoryStore(testKinds);
  const started: WatchedDirectory[] = [];
  const status = () => (store.get('Source', 'manifests')?.status ?? {}) as SourceStatus;
  try {
    await run({
      path,
      base,
      store,
      start(more = {}) {
        const directory = watchDirectory({
          folder: createManifestFolder(path),
          store,
          read,
          log: silentLog,
          clock: systemClock,
          name: 'manifests',
          times: TIMES,
          ...more,
        });
        started.push(directory);
        return directory;
      },
      put: (file, ...documents) =>
        writeFile(join(path, file), documents.map((document) => JSON.stringify(document)).join('\n---\n')),
      text: (file, text) => writeFile(join(path, file), text),
      remove: (file) => unlink(join(path, file)),
      app: (name) => store.get('App', name),
      status,
      ready() {
        const ready = status().conditions?.find((entry) => entry.type === 'Ready');
        return `${ready?.status} ${ready?.reason} ${ready?.message}`;
      },
      deletions: () =>
        store.calls.flatMap(({ writes }) =>
          writes.flatMap((write) => (write.verb === 'delete' ? [write.reference.name] : [])),
        ),
      applies: () =>
        store.calls
          .map(({ writes }) =>
            writes.flatMap((write) => (write.verb === 'apply' ? [write.document.metadata.name] : [])),
          )
          .filter((names) => names.length > 0),
    });
  } finally {
    for (const directory of started) await directory.close();
    await store.close();
    await rm(base, { recursive: true, force: true });
  }
}

/** Any YAML; the word BROKEN is a mistake. */
function read(text: string, file: string): { manifests: Manifest[]; problems: string[] } {
  const line = text.split('\n').findIndex((words) => words.includes('BROKEN'));
  if (line >= 0) return { manifests: [], problems: [`${file}:${line + 1}:1: BROKEN is not YAML`] };
  const documents = parseAllDocuments(text);
  const manifests = 'empty' in documents ? [] : documents.map((document) => document.toJS() as Manifest);
  return { manifests: manifests.filter((manifest) => manifest !== null), problems: [] };
}

test('a file that appears is applied, changed is applied, removed is pruned', () =>
  bench(async ({ start, put, remove, app: get, ready, status, store }) => {
    start();
    await eventually(() => ready() === 'True Applied 0 files with 0 documents applied', ready);
    await put('wiki.yaml', app('wiki'));
    await eventually(() => get('wiki') !== undefined);
    await put('wiki.yaml', app('wiki', { image: 'nginx:2' }));
    await eventually(() => get('wiki')?.spec['image'] === 'nginx:2');
    await eventually(() => ready() === 'True Applied 1 file with 1 document applied', ready);
    const [file] = status().files ?? [];
    assert.equal([file?.path, file?.state], ['wiki.yaml', 'applied']);
    assert.match(file?.hash ?? '', /^[0-9a-f]{64}$/);
    assert.equal(file?.documents, [{ kind: 'App', name: 'wiki', uid: get('wiki')?.metadata.uid }]);
    assert.equal(store.history('App', 'wiki').at(-1)?.author, {
      user: 'directory',
      via: 'directory',
      reason: 'wiki.yaml',
    });
    await remove('wiki.yaml');
    await eventually(() => get('wiki') === undefined);
    await eventually(() => status().files?.length === 0);
  }));

test('files in folders below count, hidden files and other files do not', () =>
  bench(async ({ start, put, path, app: get, status }) => {
    await mkdir(join(path, 'team', '.git'), { recursive: true });
    await put('team/wiki.yml', app('wiki'));
    await put('team/.git/one.yaml', app('one'));
    await put('.two.yaml', app('two'));
    await put('three.yaml~', app('three'));
    await put('four.txt', app('four'));
    await start().sync();
    assert.ok(get('wiki'));
    assert.equal(
      status().files?.map((file) => file.path),
      ['team/wiki.yml'],
    );
  }));

test('files that come together are one write', () =>
  bench(async ({ start, put, applies }) => {
    await put('a.yaml', app('a'));
    await put('b.json', app('b'));
    await put('c.yaml', app('c'), app('d'));
    await start().sync();
    assert.equal(applies(), [['a', 'b', 'c', 'd']]);
  }));

test('one bad file holds up no other, and is named with its place', () =>
  bench(async ({ start, put, text, app: get, ready, status }) => {
    await put('a.yaml', app('a'));
    await text('b.yaml', 'kind: App\nBROKEN');
    await put('c.yaml', app('c', { image: 5 }));
    await put('d.yaml', app('d'));
    const directory = start();
    await directory.sync();
    assert.ok(get('a') && get('d'));
    assert.not(get('c'));
    assert.match(ready(), /^False FilesFailed b.yaml:2:1: BROKEN is not YAML; c.yaml: .*spec.image/);
    assert.equal(
      status().files?.map((file) => file.state),
      ['applied', 'failed', 'failed', 'applied'],
    );
    await put('b.yaml', app('b'));
    await put('c.yaml', app('c'));
    await eventually(() => ready().startsWith('True'), ready);
    assert.ok(get('b') && get('c'));
  }));

test('what a file gave stays while the file is broken', () =>
  bench(async ({ start, put, text, app: get, ready, deletions, status }) => {
    await put('wiki.yaml', app('wiki'));
    const directory = start();
    await directory.sync();
    await text('wiki.yaml', 'BROKEN');
    await eventually(() => ready().startsWith('False FilesFailed wiki.yaml:1:1'), ready);
    assert.ok(get('wiki'));
    assert.equal(deletions(), []);
    assert.is(status().files?.[0]?.documents?.[0]?.name, 'wiki');
  }));

test('a file that is being written is applied once, whole', () =>
  bench(async ({ start, path, app: get, applies }) => {
    await start({ times: { ...TIMES, settle: 300 } }).sync();
    const whole = [app('one'), app('two'), app('three')]
      .map((document) => JSON.stringify(document))
      .join('\n---\n');
    for (let at = 0; at < whole.length; at += 40) {
      await appendFile(join(path, 'slow.yaml'), whole.slice(at, at + 40));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await eventually(() => get('three') !== undefined);
    assert.equal(applies(), [['one', 'two', 'three']]);
  }));

test('a file that somebody has open for writing is waited for, but not for ever', () =>
  bench(async ({ start, put, path, app: get, applies, ready }) => {
    const half = JSON.stringify(app('wiki'));
    const slow = await open(join(path, 'slow.yaml'), 'w');
    try {
      await slow.write(half);
      const directory = start({ times: { ...TIMES, writing: 1_500 } });
      await put('blog.yaml', app('blog'));
      await eventually(() => get('blog') !== undefined, ready);
      assert.not.ok(get('wiki'));
      await slow.write(`\n---\n${JSON.stringify(app('shop'))}\n`);
      await slow.close();
      await eventually(() => get('shop') !== undefined, ready);
      assert.equal(applies(), [['blog'], ['wiki', 'shop']]);
      const kept = await open(join(path, 'kept.yaml'), 'w');
      await kept.write(JSON.stringify(app('kept')));
      await eventually(() => get('kept') !== undefined, ready);
      await kept.close();
      await directory.sync();
    } finally {
      await slow.close().catch(() => {});
    }
  }));

test('a file that was emptied deletes nothing, and is told', () =>
  bench(async ({ start, put, text, app: get, ready, deletions }) => {
    await put('wiki.yaml', app('wiki'));
    await text('nothing.yaml', '');
    const directory = start();
    await directory.sync();
    await text('wiki.yaml', '\n');
    await eventually(
      () => ready().startsWith('False FilesFailed wiki.yaml is empty, and gave app/wiki'),
      ready,
    );
    assert.ok(get('wiki'));
    assert.equal(deletions(), []);
    await text('wiki.yaml', '# nothing here any more\n');
    await eventually(() => get('wiki') === undefined, ready);
  }));

test('an editor that removes and writes anew deletes nothing', () =>
  bench(async ({ start, put, remove, app: get, path, deletions }) => {
    await put('wiki.yaml', app('wiki'));
    await start({ times: { ...TIMES, settle: 500 } }).sync();
    const uid = get('wiki')?.metadata.uid;
    await remove('wiki.yaml');
    await new Promise((resolve) => setTimeout(resolve, 60));
    await put('wiki.yaml', app('wiki', { image: 'nginx:2' }));
    await eventually(() => get('wiki')?.spec['image'] === 'nginx:2');
    await put('.wiki.yaml.swp', app('wiki', { image: 'nginx:3' }));
    await rename(join(path, '.wiki.yaml.swp'), join(path, 'wiki.yaml'));
    await eventually(() => get('wiki')?.spec['image'] === 'nginx:3');
    assert.is(get('wiki')?.metadata.uid, uid);
    assert.equal(deletions(), []);
  }));

test('a document that moves to another file is not deleted', () =>
  bench(async ({ start, put, app: get, deletions, status, remove, path }) => {
    await put('a.yaml', app('one'), app('two'));
    const directory = start();
    await directory.sync();
    const uid = get('two')?.metadata.uid;
    await put('a.yaml', app('one'));
    await put('b.yaml', app('two'));
    await eventually(() => status().files?.length === 2);
    await rename(join(path, 'b.yaml'), join(path, 'c.yaml'));
    await eventually(() => status().files?.[1]?.path === 'c.yaml');
    assert.is(get('two')?.metadata.uid, uid);
    assert.equal(deletions(), []);
    await remove('c.yaml');
    await eventually(() => get('two') === undefined);
    assert.ok(get('one'));
  }));

test('a document that moves to a broken file stays until that file says more', () =>
  bench(async ({ start, put, text, app: get, deletions, ready, status }) => {
    await put('a.yaml', app('one'), app('two'));
    await put('z.yaml', app('three'));
    const directory = start();
    await directory.sync();
    await put('a.yaml', app('one'));
    await text('b.yaml', 'metadata: {name: two}\nBROKEN');
    await put('z.yaml', app('four'));
    await eventually(() => get('three') === undefined);
    await directory.sync();
    assert.ok(get('two'));
    assert.match(ready(), 'BROKEN');
    assert.match(
      status().files?.[0]?.message ?? '',
      /app\/two is no longer in a.yaml and stays for now: b.yaml fails/,
    );
    await put('b.yaml', app('two'));
    await eventually(() => ready().startsWith('True'), ready);
    assert.equal(deletions(), ['three']);
    await put('b.yaml', app('five'));
    await eventually(() => get('two') === undefined);
  }));

test('a start over an unchanged folder writes nothing', () =>
  bench(async ({ start, put, store }) => {
    await put('a.yaml', app('a'));
    await put('b.yaml', app('b'));
    const first = start();
    await first.sync();
    await first.close();
    const { version } = store;
    const calls = store.calls.filter(({ writes }) => writes.some((write) => write.verb === 'apply')).length;
    const second = start();
    await second.sync();
    assert.is(store.version, version);
    const after = store.calls.filter(({ writes }) => writes.some((write) => write.verb === 'apply')).length;
    assert.is(after, calls);
  }));

test('what was removed, added and changed while the controller was down is made good at the start', () =>
  bench(async ({ start, put, remove, app: get, status }) => {
    await put('a.yaml', app('a'));
    await put('b.yaml', app('b'));
    await put('c.yaml', app('c'));
    const first = start();
    await first.sync();
    await first.close();
    await remove('a.yaml');
    await put('b.yaml', app('b', { image: 'nginx:2' }));
    await put('d.yaml', app('d'));
    await start().sync();
    assert.not(get('a'));
    assert.is(get('b')?.spec['image'], 'nginx:2');
    assert.ok(get('d'));
    assert.is(status().files?.length, 3);
  }));

test('a document that somebody deletes comes back, and another field that somebody sets goes at the full sync', () =>
  bench(async ({ start, put, app: get, store }) => {
    await put('a.yaml', app('a'));
    await put('b.yaml', app('b'));
    const directory = start();
    await directory.sync();
    const uid = get('a')?.metadata.uid;
    await store.write([{ verb: 'delete', reference: { kind: 'App', name: 'a' } }], HAND);
    await eventually(() => get('a') !== undefined && get('a')?.metadata.uid !== uid);
    await store.write([{ verb: 'update', document: app('b', { image: 'drift' }) }], HAND);
    await directory.sync();
    assert.is(get('b')?.spec['image'], 'drift');
    await directory.sync({ full: true });
    assert.is(get('b')?.spec['image'], 'nginx:1.27');
    const { version } = store;
    await directory.sync({ full: true });
    assert.is(store.version, version);
  }));

test('what carries the keep annotation is left, and told', () =>
  bench(async ({ start, put, remove, app: get, ready, deletions, status }) => {
    await put('a.yaml', app('a', {}, { annotations: { 'holdfast.dev/keep': 'true' } }));
    await put('b.yaml', app('b'));
    await start().sync();
    await remove('a.yaml');
    await remove('b.yaml');
    await eventually(() => get('b') === undefined);
    await eventually(() => status().files?.length === 0);
    assert.ok(get('a'));
    assert.equal(deletions(), ['b']);
    assert.match(ready(), 'left alone: app/a carries holdfast.dev/keep');
  }));

test('a namesake that somebody else made is not pruned', () =>
  bench(async ({ start, put, remove, app: get, store, ready }) => {
    await put('a.yaml', app('a'));
    const first = start();
    await first.sync();
    await first.close();
    await remove('a.yaml');
    await store.write([{ verb: 'delete', reference: { kind: 'App', name: 'a' } }], HAND);
    await store.write([{ verb: 'create', document: app('a') }], HAND);
    await start().sync();
    assert.ok(get('a'));
    assert.match(ready(), 'left alone: app/a was made anew by somebody else');
  }));

test('a document in two files stays with the first; the second fails and takes over when the first lets go', () =>
  bench(async ({ start, put, remove, app: get, ready, deletions, status }) => {
    await put('b.yaml', app('wiki'));
    const directory = start();
    await directory.sync();
    const uid = get('wiki')?.metadata.uid;
    await put('a.yaml', app('wiki', { image: 'other' }), app('more'));
    await eventually(() => ready().startsWith('False'), ready);
    assert.match(ready(), 'a.yaml: app/wiki is already in b.yaml; a document can be in one file only');
    assert.is(get('wiki')?.spec['image'], 'nginx:1.27');
    assert.not(get('more'));
    await remove('b.yaml');
    await eventually(() => get('wiki')?.spec['image'] === 'other');
    assert.ok(get('more'));
    assert.is(get('wiki')?.metadata.uid, uid);
    assert.equal(deletions(), []);
    assert.is(status().files?.length, 1);
  }));

test('a folder that goes away deletes nothing, and is followed again when it is back', () =>
  bench(async ({ start, put, base, app: get, ready, deletions }) => {
    await put('a.yaml', app('a'));
    await start().sync();
    await rename(join(base, 'real'), join(base, 'away'));
    await eventually(() => ready().startsWith('False FolderMissing'), ready);
    await rename(join(base, 'away'), join(base, 'real'));
    await eventually(() => ready().startsWith('True'), ready);
    await put('b.yaml', app('b'));
    await eventually(() => get('b') !== undefined);
    assert.equal(deletions(), []);
  }));

test('a folder that is not there at the start is waited for', () =>
  bench(async ({ start, put, base, ready, app: get }) => {
    await rm(join(base, 'real'), { recursive: true });
    await start().sync();
    assert.match(ready(), /^False FolderMissing .* is not there; nothing was deleted/);
    await mkdir(join(base, 'real'));
    await put('a.yaml', app('a'));
    await eventually(() => get('a') !== undefined);
  }));

test('a file in place of the folder is told', () =>
  bench(async ({ start, base, ready }) => {
    await rm(join(base, 'real'), { recursive: true });
    await writeFile(join(base, 'real'), '');
    await start().sync();
    assert.match(ready(), /^False FolderUnreadable .* is no folder/);
  }));

test('another file system in the place of the folder deletes and applies nothing, also over a restart', () =>
  bench(async ({ start, put, base, path, app: get, ready, deletions, store }) => {
    const elsewhere = await mkdtemp('/dev/shm/holdfast-source-').catch(() => undefined);
    if (elsewhere === undefined || (await stat(elsewhere)).dev === (await stat(base)).dev) {
      console.log('SKIP: /dev/shm is no other file system on this machine');
      return;
    }
    try {
      await put('a.yaml', app('a'));
      await put('b.yaml', app('b'));
      const first = start();
      await first.sync();
      await unlink(path);
      await symlink(elsewhere, path);
      await put('a.yaml', app('a', { image: 'old' }));
      await eventually(() => ready().startsWith('False FolderReplaced'), ready);
      assert.match(ready(), 'holdfast delete app/b');
      await first.close();
      const second = start();
      await second.sync();
      assert.is(get('a')?.spec['image'], 'nginx:1.27');
      assert.equal(deletions(), []);
      // Said by hand that it is meant: the folder of now counts.
      await store.write([{ verb: 'delete', reference: { kind: 'App', name: 'b' } }], HAND);
      await eventually(() => ready().startsWith('True'), ready);
      assert.is(get('a')?.spec['image'], 'old');
    } finally {
      await rm(elsewhere, { recursive: true, force: true });
    }
  }));

test('an empty folder in the place of the other deletes nothing; one that fills again prunes after a while', () =>
  bench(async ({ start, put, base, ready, deletions, app: get }) => {
    await put('a.yaml', app('a'));
    await put('b.yaml', app('b'));
    const directory = start();
    await directory.sync();
    await rename(join(base, 'real'), join(base, 'old'));
    await mkdir(join(base, 'real'));
    await eventually(() => ready().startsWith('False FolderReplaced'), ready);
    assert.equal(deletions(), []);
    await put('a.yaml', app('a'));
    await eventually(() => get('b') === undefined);
    assert.equal(deletions(), ['b']);
    await eventually(() => ready().startsWith('True'), ready);
  }));

test('all files removed one by one from the same folder are pruned', () =>
  bench(async ({ start, put, remove, app: get }) => {
    await put('a.yaml', app('a'));
    await put('b.yaml', app('b'));
    await start().sync();
    await remove('a.yaml');
    await remove('b.yaml');
    await eventually(() => !get('a') && !get('b'));
  }));

test('links are followed inside the folder only, and give no document twice', () =>
  bench(async ({ start, base, path, put, app: get, ready, status }) => {
    await mkdir(join(path, '..data'));
    await put('..data/mounted.yaml', app('mounted'));
    await symlink('..data/mounted.yaml', join(path, 'mounted.yaml'));
    await put('real.yaml', app('real'));
    await symlink('real.yaml', join(path, 'another.yaml'));
    await writeFile(join(base, 'outside.yaml'), JSON.stringify(app('outside')));
    await symlink(join(base, 'outside.yaml'), join(path, 'outside.yaml'));
    await symlink('nowhere', join(path, 'dangling.yaml'));
    await start().sync();
    assert.ok(get('mounted') && get('real'));
    assert.not(get('outside'));
    assert.match(ready(), /outside.yaml is a link that leads out of the folder/);
    assert.equal(
      status().files?.map((file) => file.path),
      ['mounted.yaml', 'outside.yaml', 'real.yaml'],
    );
  }));

test('a store that is full is tried again', () =>
  bench(async ({ start, put, app: get, store, ready }) => {
    const directory = start();
    await directory.sync();
    store.failNext(new StoreError('StorageFull', 'no room on the disk'));
    await put('a.yaml', app('a'));
    await eventually(() => get('a') !== undefined);
    await eventually(() => ready().startsWith('True'), ready);
  }));

test('bytes that are no text, and two of one name in a file, are problems of that file', () =>
  bench(async ({ start, put, path, ready, app: get }) => {
    await writeFile(join(path, 'a.yaml'), Buffer.from([0xff, 0xfe, 0x00]));
    await put('b.yaml', app('b'), app('b'));
    await put('c.yaml', app('c'));
    await start().sync();
    assert.match(ready(), 'a.yaml cannot be read: it is not UTF-8 text; b.yaml: app/b is in this file twice');
    assert.ok(get('c'));
  }));

test('close waits for the write in flight and ends the rest', () =>
  bench(async ({ start, put, store, path, app: get }) => {
    await put('a.yaml', app('a'));
    const write = store.write.bind(store);
    let inFlight = 0;
    store.write = async (...given) => {
      inFlight++;
      await new Promise((resolve) => setTimeout(resolve, 100));
      const results = await write(...given);
      inFlight--;
      return results;
    };
    const directory = start();
    await eventually(() => inFlight > 0);
    await directory.close();
    assert.is(inFlight, 0);
    const { version } = store;
    await put('b.yaml', app('b'));
    await new Promise((resolve) => setTimeout(resolve, 150));
    assert.is(store.version, version);
    assert.not(get('b'));
    assert.ok(await readFile(join(path, 'b.yaml')));
  }));

test.run();
