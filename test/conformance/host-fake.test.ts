/** The fake host, held to the same text as the real one. */
import { createFakeHost } from '../../reconcilers/drivers/host/fake.ts';
import { hostConformance } from './host.suite.ts';

hostConformance('fake', async () => {
  const stateFolder = '/var/lib/holdfast';
  const host = createFakeHost({ stateFolder });
  return {
    host,
    stateFolder,
    modeOf: async (path) => host.state.folders.get(path),
    putFile: async (path) => {
      host.state.obstacles.set(path, 'file');
    },
    putLink: async (path) => {
      host.state.obstacles.set(path, 'link');
    },
    outsideIsWhole: async () => true,
    cleanup: async () => {},
  };
});
