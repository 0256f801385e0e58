import { mkdir, rm, stat } from 'node:fs/promises';
import type { Host } from './index.ts';
export function createHost(_o: { stateFolder: string }): Host {
  return {
    listeners: async () => [],
    routes: async () => [],
    hasIpv6: async () => true,
    hasAppArmorProfile: async () => false,
    folderExists: async (p) => (await stat(p).catch(() => undefined))?.isDirectory() ?? false,
    ensureFolder: async (p, { mode }) => {
      await mkdir(p, { recursive: true, mode });
    },
    removeFolder: async (p) => {
      await rm(p, { recursive: true, force: true });
    },
  };
}
