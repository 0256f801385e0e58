import { mkdir, mkdtemp, open, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import { createManifestFolder } from '../../reconcilers/drivers/manifests/folder.ts';
import { manifestsSuite } from './manifests.suite.ts';

const test = suite('manifests, real');

manifestsSuite(test, async (run) => {
  const base = await mkdtemp(join(tmpdir(), 'holdfast-manifests-'));
  const path = join(base, 'manifests');
  const away = join(base, 'away');
  await mkdir(path);
  try {
    await run({
      folder: createManifestFolder(path),
      async put(file, text) {
        await mkdir(dirname(join(path, file)), { recursive: true });
        await writeFile(join(path, file), text);
      },
      remove: (file) => rm(join(path, file)),
      async open(file) {
        const handle = await open(join(path, file), 'a');
        return () => handle.close();
      },
      async takeAway() {
        await rename(path, away);
        return () => rename(away, path);
      },
      async replace() {
        await rename(path, away);
        await mkdir(path);
      },
    });
  } finally {
    await rm(base, { recursive: true, force: true });
  }
});

test.run();
