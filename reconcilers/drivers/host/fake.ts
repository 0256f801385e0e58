/**
 * A host in memory, for unit tests and simulations. Its tables are set by the test; its folders keep the rules of the real
 * one, and both are held to them by the same conformance suite.
 */
import { basename, dirname } from 'node:path';
import { DriverError } from '../error.ts';
import { plainCopy } from '../plain-copy.ts';
import type { DiskRoom, FolderSize, Host, Listener, PulledImage, Route } from './index.ts';
import { requireInside, requireRemovable } from './paths.ts';

export interface FakeHost extends Host {
  state: {
    listeners: Listener[];
    routes: Route[];
    ipv6: boolean;
    appArmor: boolean;
    appArmorProfiles: string[];
    /** What is said of every path. */
    room: DiskRoom;
    sizes: Map<string, FolderSize[]>;
    pulled: PulledImage[];
    /** Path to mode. */
    folders: Map<string, number>;
    /** Paths where something lies that is no folder, or a link. */
    obstacles: Map<string, 'file' | 'link'>;
    /** Path to text. */
    files: Map<string, string>;
    /** Called after a folder was renamed or, without a new path, removed: for what else lives in it. */
    onMoved: ((from: string, to: string | undefined) => void)[];
    /** The disk is full: nothing can be made. */
    full: boolean;
  };
}

export function createFakeHost(options: {
  stateFolder: string;
  /** May throw or delay. */
  beforeCall?: (method: keyof Host, args: readonly unknown[]) => void | Promise<void>;
}): FakeHost {
  const { stateFolder, beforeCall } = options;
  const state: FakeHost['state'] = {
    listeners: [],
    routes: [],
    ipv6: true,
    appArmor: false,
    appArmorProfiles: [],
    room: { device: 1, totalBytes: 100e9, freeBytes: 60e9, totalFiles: 1e6, freeFiles: 9e5 },
    sizes: new Map(),
    pulled: [],
    folders: new Map([[stateFolder, 0o755]]),
    obstacles: new Map(),
    files: new Map(),
    onMoved: [],
    full: false,
  };

  const parents = (path: string): string[] =>
    path === stateFolder ? [path] : [...parents(dirname(path)), path];

  function requireFree(what: string, path: string): void {
    for (const folder of parents(path)) {
      const obstacle = state.obstacles.get(folder);
      if (obstacle === 'link') throw new DriverError('conflict', `${what}: ${folder} is a link`);
      if (obstacle === 'file')
        throw new DriverError('conflict', `${what}: ${folder} is there and is no folder`);
    }
  }

  async function call<T>(method: keyof Host, args: readonly unknown[], run: () => T): Promise<T> {
    await beforeCall?.(method, args);
    return run();
  }

  return {
    state,
    listeners: () => call('listeners', [], () => plainCopy(state.listeners)),
    routes: () => call('routes', [], () => plainCopy(state.routes)),
    hasIpv6: () => call('hasIpv6', [], () => state.ipv6),
    hasAppArmorProfile: (name) =>
      call('hasAppArmorProfile', [name], () => state.appArmorProfiles.includes(name)),
    hasAppArmor: () => call('hasAppArmor', [], () => state.appArmor),
    room: (path) => call('room', [path], () => plainCopy(state.room)),
    sizesIn: (path) => call('sizesIn', [path], () => plainCopy(state.sizes.get(path) ?? [])),
    pulledImages: () => call('pulledImages', [], () => plainCopy(state.pulled)),
    notePulled: (image) =>
      call('notePulled', [image], () => {
        if (state.full) throw new DriverError('storageFull', 'noting a pulled image: ENOSPC');
        state.pulled = [...state.pulled.filter(({ id }) => id !== image.id), { ...image }];
      }),
    forgetPulled: (id) =>
      call('forgetPulled', [id], () => {
        state.pulled = state.pulled.filter((image) => image.id !== id);
      }),
    folderExists: (path) => call('folderExists', [path], () => state.folders.has(path)),
    foldersIn: (path) =>
      call('foldersIn', [path], () =>
        [...state.folders.keys()]
          .filter((folder) => dirname(folder) === path && folder !== path)
          .map((folder) => basename(folder))
          .sort(),
      ),
    readFile: (path) =>
      call('readFile', [path], () => {
        requireInside(stateFolder, path);
        return state.files.get(path);
      }),
    writeFile: (path, text, { mode }) =>
      call('writeFile', [path, text, { mode }], () => {
        requireRemovable(stateFolder, path);
        const folder = dirname(path);
        requireFree(`writing ${path}`, folder);
        if (!state.folders.has(folder))
          throw new DriverError('notFound', `writing ${path}: ${folder} is not there`);
        if (state.full)
          throw new DriverError('storageFull', `writing ${path}: ENOSPC: no space left on device`);
        state.files.set(path, text);
      }),
    renameFolder: (from, to) =>
      call('renameFolder', [from, to], () => {
        requireRemovable(stateFolder, from);
        requireRemovable(stateFolder, to);
        requireFree(`renaming ${from}`, dirname(from));
        if (!state.folders.has(from)) {
          if (state.folders.has(to)) return;
          throw new DriverError('failed', `renaming ${from}: ENOENT: no such file or directory`);
        }
        if (state.folders.has(to))
          throw new DriverError('conflict', `renaming ${from}: ${to} is there already`);
        const move = <T>(map: Map<string, T>) => {
          for (const [path, value] of [...map]) {
            if (path !== from && !path.startsWith(`${from}/`)) continue;
            map.delete(path);
            map.set(`${to}${path.slice(from.length)}`, value);
          }
        };
        move(state.folders);
        move(state.files);
        for (const listener of state.onMoved) listener(from, to);
      }),
    ensureFolder: (path, { mode }) =>
      call('ensureFolder', [path, { mode }], () => {
        requireInside(stateFolder, path);
        requireFree(`making folder ${path}`, path);
        if (state.full && !state.folders.has(path)) {
          throw new DriverError('storageFull', `making folder ${path}: ENOSPC: no space left on device`);
        }
        for (const folder of parents(path)) {
          if (!state.folders.has(folder)) state.folders.set(folder, folder === path ? mode : 0o755);
        }
      }),
    removeFolder: (path) =>
      call('removeFolder', [path], () => {
        requireRemovable(stateFolder, path);
        requireFree(`removing folder ${path}`, dirname(path));
        const inside = (one: string) => one === path || one.startsWith(`${path}/`);
        for (const one of [...state.folders.keys()]) if (inside(one)) state.folders.delete(one);
        for (const one of [...state.files.keys()]) if (inside(one)) state.files.delete(one);
        for (const listener of state.onMoved) listener(path, undefined);
        for (const one of [...state.obstacles.keys()]) if (inside(one)) state.obstacles.delete(one);
      }),
  };
}
