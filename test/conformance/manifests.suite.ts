/**
 * What every folder of manifests does, the real and the fake. A case gets an empty folder that is there, and puts files into it as people
 * and programs do.
 */
import { createHash } from 'node:crypto';
import type { uvu } from 'uvu';
import * as assert from 'uvu/assert';
import type { ManifestFolder, Scan, ScannedFile } from '../../reconcilers/drivers/manifests/index.ts';
import { LARGEST_FILE } from '../../resources/manifest.ts';
import { until } from './until.ts';

export interface ManifestsBench {
  folder: ManifestFolder;
  put(path: string, text: string | Buffer): Promise<void>;
  remove(path: string): Promise<void>;
  /** Opens a file for writing; answers what closes it. */
  open(path: string): Promise<() => Promise<void>>;
  /** Takes the whole folder away; answers what puts it back. */
  takeAway(): Promise<() => Promise<void>>;
  /** Puts another, empty folder into its place. */
  replace(): Promise<void>;
}

type There = Extract<Scan, { state: 'there' }>;

async function there({ folder }: ManifestsBench): Promise<There> {
  const scan = await folder.scan();
  if (scan.state !== 'there') throw new Error(scan.message);
  return scan;
}

async function file(bench: ManifestsBench, path: string): Promise<ScannedFile> {
  const found = (await there(bench)).files.get(path);
  if (!found) throw new Error(`${path} was not found`);
  return found;
}

export function manifestsSuite(
  test: uvu.Test<Record<string, unknown>>,
  using: (run: (bench: ManifestsBench) => Promise<void>) => Promise<void>,
): void {
  const it = (name: string, run: (bench: ManifestsBench) => Promise<void>) => test(name, () => using(run));

  it('finds manifests in it and below, in the order of their paths, and no other files', async (bench) => {
    assert.equal([...(await there(bench)).files], []);
    const wanted = ['a.yaml', 'b.yml', 'c.json', 'team/d.yaml', 'team/deep/e.YAML'];
    const others = [
      '.f.yaml',
      'g.yaml~',
      'h.txt',
      '#i.yaml',
      '.git/j.yaml',
      'node_modules/k.yaml',
      'team/.l/m.yaml',
    ];
    for (const path of [...others, ...wanted].reverse()) await bench.put(path, path);
    const { files, blind } = await there(bench);
    assert.equal([...files.keys()].sort(), wanted);
    assert.equal(blind, []);
    for (const [path, found] of files) {
      assert.is(found.path, path);
      assert.is(found.problem, undefined);
    }
  });

  it('marks a file, and marks it otherwise when it is another', async (bench) => {
    await bench.put('a.yaml', 'one');
    await bench.put('b.yaml', 'other');
    const before = await there(bench);
    assert.equal(await there(bench), before);
    await bench.put('a.yaml', 'two');
    const after = await there(bench);
    assert.is.not(after.files.get('a.yaml')?.stamp, before.files.get('a.yaml')?.stamp);
    assert.equal(after.files.get('b.yaml'), before.files.get('b.yaml'));
    assert.equal(after.folder, before.folder);
    await bench.remove('a.yaml');
    assert.equal([...(await there(bench)).files.keys()], ['b.yaml']);
  });

  it('reads what it has found, and not what came after', async (bench) => {
    await bench.put('a.yaml', 'größer\n');
    const found = await file(bench, 'a.yaml');
    const hash = createHash('sha256').update('größer\n').digest('hex');
    assert.equal(await bench.folder.read(found), { text: 'größer\n', hash });
    await bench.put('a.yaml', 'another');
    assert.is(await bench.folder.read(found), undefined);
    await bench.remove('a.yaml');
    const failure = await bench.folder.read(found).catch((error: Error) => error);
    assert.match((failure as Error).message, /ENOENT/);
  });

  it('says of bytes that they are no text', async (bench) => {
    await bench.put('a.yaml', Buffer.from([0x61, 0xff, 0x62]));
    const failure = await bench.folder.read(await file(bench, 'a.yaml')).catch((error: Error) => error);
    assert.instance(failure, TypeError);
  });

  it('does not take a file that is too large', async (bench) => {
    await bench.put('a.yaml', 'x'.repeat(LARGEST_FILE));
    await bench.put('b.yaml', 'x'.repeat(LARGEST_FILE + 1));
    assert.is((await file(bench, 'a.yaml')).problem, undefined);
    const { problem, opaque } = await file(bench, 'b.yaml');
    assert.is(problem, `b.yaml has ${LARGEST_FILE + 1} bytes; at most ${LARGEST_FILE} are read`);
    assert.is(opaque, true);
  });

  it('tells a folder that is away from one that is empty, and one from another', async (bench) => {
    await bench.put('a.yaml', 'one');
    const { folder } = await there(bench);
    assert.equal(await bench.folder.identity(), folder);
    const putBack = await bench.takeAway();
    const scan = await bench.folder.scan();
    assert.is(scan.state, 'missing');
    assert.match((scan as { message: string }).message, `${bench.folder.path} is not there`);
    assert.is(await bench.folder.identity(), undefined);
    await putBack();
    assert.equal((await there(bench)).folder, folder);
    await bench.replace();
    const other = await there(bench);
    assert.is(other.files.size, 0);
    assert.not.equal(other.folder, folder);
    assert.equal(await bench.folder.identity(), other.folder);
  });

  it('knows what somebody has open for writing', async (bench) => {
    await bench.put('a.yaml', 'one');
    await bench.put('b.yaml', 'two');
    const close = await bench.open('a.yaml');
    const [a, b] = [(await file(bench, 'a.yaml')).inode ?? '', (await file(bench, 'b.yaml')).inode ?? ''];
    assert.equal([...(await bench.folder.openForWriting(new Set([a, b])))], [a]);
    assert.equal([...(await bench.folder.openForWriting(new Set([b])))], []);
    await close();
    assert.equal([...(await bench.folder.openForWriting(new Set([a, b])))], []);
  });

  it('tells of what comes, changes and goes, until it is let go of', async (bench) => {
    let events = 0;
    const errors: Error[] = [];
    const ending = new AbortController();
    const following = bench.folder.follow(
      { onEvent: () => (events += 1), onError: (error) => errors.push(error) },
      ending.signal,
    );
    await until(() => events > 0, 'it has begun to listen');
    const tells = async (what: string, act: () => Promise<void>) => {
      const before = events;
      await act();
      await until(() => events > before, `it tells of ${what}`);
    };
    await tells('a file that comes', () => bench.put('a.yaml', 'one'));
    await tells('a file that changes', () => bench.put('a.yaml', 'more than one'));
    await tells('a file that comes below', () => bench.put('team/b.yaml', 'two'));
    await tells('a file that goes', () => bench.remove('a.yaml'));
    ending.abort();
    await following;
    const before = events;
    await bench.put('c.yaml', 'three');
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.is(events, before);
    assert.equal(errors, []);
  });

  it('says that a folder that is not there cannot be followed', async (bench) => {
    await bench.takeAway();
    const listener = { onEvent: () => undefined, onError: () => undefined };
    const failure = await bench.folder
      .follow(listener, new AbortController().signal)
      .catch((error: Error) => error);
    assert.match((failure as Error)?.message ?? 'it was followed', /ENOENT/);
  });
}
