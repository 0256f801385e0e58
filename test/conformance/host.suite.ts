/** What every host driver must do with folders. The real one and the fake each call this in a test file of their own. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Host } from '../../reconcilers/drivers/host/index.ts';
import { rejects } from './docker.suite.ts';

export interface HostUnderTest {
  host: Host;
  stateFolder: string;
  modeOf(path: string): Promise<number | undefined>;
  /** Somebody puts a file, or a link to a folder outside, where a folder is expected. */
  putFile(path: string): Promise<void>;
  putLink(path: string): Promise<void>;
  /** The folder outside that links lead to, with what lies in it, is untouched. */
  outsideIsWhole(): Promise<boolean>;
  cleanup(): Promise<void>;
}

export function hostConformance(name: string, makeHost: () => Promise<HostUnderTest>): void {
  const test = suite(`Host driver: ${name}`);
  let under: HostUnderTest;
  let host: Host;
  let folder = '';
  test.before.each(async () => {
    under = await makeHost();
    ({ host, stateFolder: folder } = under);
  });
  test.after.each(() => under.cleanup());

  test('a folder is made with its mode, with those between', async () => {
    await host.ensureFolder(`${folder}/apps/wiki/data`, { mode: 0o700 });
    assert.is(await under.modeOf(`${folder}/apps/wiki/data`), 0o700);
    assert.is(await under.modeOf(`${folder}/apps/wiki`), 0o755);
    assert.ok(await host.folderExists(`${folder}/apps/wiki/data`));
  });

  test('the mode does not depend on the umask', async () => {
    await host.ensureFolder(`${folder}/open`, { mode: 0o777 });
    assert.is(await under.modeOf(`${folder}/open`), 0o777);
  });

  test('what is there stays as it is', async () => {
    await host.ensureFolder(`${folder}/apps/wiki`, { mode: 0o700 });
    await host.ensureFolder(`${folder}/apps/wiki`, { mode: 0o755 });
    assert.is(await under.modeOf(`${folder}/apps/wiki`), 0o700);
    await host.ensureFolder(folder, { mode: 0o700 });
  });

  test('a file or a link in the way is a conflict, and what the link leads to is untouched', async () => {
    await host.ensureFolder(`${folder}/apps`, { mode: 0o755 });
    await under.putFile(`${folder}/apps/file`);
    await rejects('conflict', host.ensureFolder(`${folder}/apps/file`, { mode: 0o755 }), /no folder/);
    await rejects('conflict', host.ensureFolder(`${folder}/apps/file/below`, { mode: 0o755 }), /no folder/);
    await under.putLink(`${folder}/apps/link`);
    await rejects('conflict', host.ensureFolder(`${folder}/apps/link/below`, { mode: 0o755 }), /link/);
    await rejects('conflict', host.removeFolder(`${folder}/apps/link/inner`), /link/);
    assert.ok(await under.outsideIsWhole());
  });

  test('several who make folders in a new one at the same time all have theirs', async () => {
    const paths = Array.from({ length: 8 }, (_, index) => `${folder}/addons/at-once/${index}/data`);
    await Promise.all(paths.map((path) => host.ensureFolder(path, { mode: 0o755 })));
    for (const path of paths) assert.ok(await host.folderExists(path));
  });

  test('removing takes everything in it, links as links, and twice is success', async () => {
    await host.ensureFolder(`${folder}/apps/wiki/data/deep`, { mode: 0o755 });
    await host.ensureFolder(`${folder}/apps/wiki2`, { mode: 0o755 });
    await under.putFile(`${folder}/apps/wiki/data/file`);
    await under.putLink(`${folder}/apps/wiki/data/link`);
    await host.removeFolder(`${folder}/apps/wiki`);
    await host.removeFolder(`${folder}/apps/wiki`);
    await host.removeFolder(`${folder}/apps/none/below`);
    assert.not.ok(await host.folderExists(`${folder}/apps/wiki`));
    assert.ok(await host.folderExists(`${folder}/apps/wiki2`));
    assert.ok(await under.outsideIsWhole());
  });

  const outside: [string, (state: string) => string][] = [
    ['another folder', () => '/etc/holdfast-test'],
    ['a neighbour with a longer name', (state) => `${state}2/apps/x`],
    ['dots that lead out', (state) => `${state}/apps/../../x`],
    ['dots that stay in', (state) => `${state}/apps/x/../y`],
    ['a relative path', () => 'apps/x'],
    ['nothing', () => ''],
    ['a path with an end in it', (state) => `${state}/apps/x\0y`],
    ['a slash at the end', (state) => `${state}/apps/x/`],
  ];
  for (const [words, path] of outside) {
    test(`${words} is neither made nor removed`, async () => {
      await rejects('invalid', host.ensureFolder(path(folder), { mode: 0o755 }), /not a folder inside/);
      await rejects('invalid', host.removeFolder(path(folder)), /not a folder inside/);
    });
  }

  test('the state folder, the folder of all Apps, and what is beside it, are not removed', async () => {
    await host.ensureFolder(`${folder}/apps/wiki`, { mode: 0o755 });
    for (const path of [folder, `${folder}/apps`, `${folder}/store`]) {
      await rejects('invalid', host.removeFolder(path));
    }
    assert.ok(await host.folderExists(`${folder}/apps/wiki`));
  });

  test('a file is written whole, read back, and replaced', async () => {
    const file = `${folder}/addons/pg/secret/password`;
    await rejects('notFound', host.writeFile(file, 'one', { mode: 0o444 }), /is not there/);
    await host.ensureFolder(`${folder}/addons/pg/secret`, { mode: 0o755 });
    assert.is(await host.readFile(file), undefined);
    await host.writeFile(file, 'one', { mode: 0o444 });
    await host.writeFile(file, 'two', { mode: 0o444 });
    assert.is(await host.readFile(file), 'two');
    await rejects('invalid', host.writeFile(`${folder}/store/key`, 'x', { mode: 0o600 }));
    await rejects('invalid', host.readFile('/etc/holdfast-test/key'));
  });

  test('a folder gets another name with what is in it; twice is success, and nothing is covered', async () => {
    const [from, to] = [`${folder}/addons/pg/data-15`, `${folder}/addons/pg/kept-15`];
    await host.ensureFolder(from, { mode: 0o700 });
    await host.writeFile(`${from}/word`, 'here', { mode: 0o600 });
    await host.renameFolder(from, to);
    await host.renameFolder(from, to);
    assert.is(await host.readFile(`${to}/word`), 'here');
    await host.ensureFolder(from, { mode: 0o700 });
    await rejects('conflict', host.renameFolder(from, to), /is there already/);
    assert.equal(await host.foldersIn(`${folder}/addons/pg`), ['data-15', 'kept-15']);
    assert.equal(await host.foldersIn(`${folder}/addons/none`), []);
    await rejects('invalid', host.renameFolder(`${folder}/addons`, `${folder}/apps/x`));
    await host.removeFolder(`${folder}/addons/pg`);
    assert.not.ok(await host.folderExists(to));
    await rejects('invalid', host.removeFolder(`${folder}/addons`));
  });

  test('images that were pulled are noted once, and forgotten', async () => {
    assert.equal(await host.pulledImages(), []);
    const images = ['one', 'two', 'three'].map((name) => ({ id: `sha256:${name}`, reference: `${name}:1` }));
    await Promise.all(images.map((image) => host.notePulled(image)));
    await host.notePulled({ id: 'sha256:one', reference: 'one:1' });
    const noted = (await host.pulledImages()).map(({ reference }) => reference).sort();
    assert.equal(noted, ['one:1', 'three:1', 'two:1']);
    await host.forgetPulled('sha256:one');
    await host.forgetPulled('sha256:one');
    assert.equal((await host.pulledImages()).length, 2);
  });

  test('a disk has a size and room, and a path that is not there has none of it', async () => {
    const room = await host.room(folder);
    assert.ok(room && room.totalBytes > 0 && room.freeBytes <= room.totalBytes);
    assert.equal((await host.room(folder))?.device, room.device);
  });

  test('a folder that is not there does not exist, and a file is none', async () => {
    await under.putFile(`${folder}/file`);
    assert.not.ok(await host.folderExists(`${folder}/file`));
    assert.not.ok(await host.folderExists(`${folder}/none`));
    assert.ok(await host.folderExists(folder));
  });

  test.run();
}
