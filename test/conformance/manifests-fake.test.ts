import { suite } from 'uvu';
import { FakeManifestFolder } from '../../reconcilers/drivers/manifests/fake.ts';
import { manifestsSuite } from './manifests.suite.ts';

const test = suite('manifests, fake');

manifestsSuite(test, async (run) => {
  const folder = new FakeManifestFolder({ now: Date.now });
  await run({
    folder,
    put: async (path, text) => folder.put(path, text),
    remove: async (path) => folder.remove(path),
    open: async (path) => {
      folder.open.add(path);
      return async () => void folder.open.delete(path);
    },
    takeAway: async () => {
      folder.away = 'missing';
      return async () => {
        folder.away = undefined;
      };
    },
    replace: async () => folder.replace(),
  });
});

test.run();
