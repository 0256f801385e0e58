/** A folder of a real file system. Events come from the kernel by way of chokidar. */
import { realpath } from 'node:fs/promises';
import { relative } from 'node:path';
import { type FSWatcher, watch } from 'chokidar';
import type { ManifestFolder, ManifestsListener } from './index.ts';
import { folderIdentity, isIgnoredFolder, readScanned, scanFolder } from './scan.ts';
import { openForWriting } from './writers.ts';

export function createManifestFolder(path: string): ManifestFolder {
  return {
    path,
    scan: () => scanFolder(path),
    read: (file) => readScanned(path, file),
    identity: () => folderIdentity(path),
    openForWriting,
    follow: (listener, signal) => follow(path, listener, signal),
  };
}

async function follow(path: string, listener: ManifestsListener, signal: AbortSignal): Promise<void> {
  const root = await realpath(path);
  if (signal.aborted) return;
  const watcher = watch(root, {
    // No awaitWriteFinish: a look itself waits until files stand still, also those that no event spoke of.
    ignoreInitial: true,
    followSymlinks: false,
    ignorePermissionErrors: true,
    ignored: (entry) => relative(root, entry).split('/').some(isForeignFolder),
  });
  watcher.on('all', () => listener.onEvent());
  watcher.once('ready', () => listener.onEvent());
  watcher.on('error', (error) => listener.onError(error as Error));
  await closed(watcher, signal);
}

function closed(watcher: FSWatcher, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    signal.addEventListener('abort', () => void watcher.close().then(resolve, reject), { once: true });
  });
}

/** `` is the folder itself. Links such as `..data` are wanted, and lie on no path of their own. */
function isForeignFolder(name: string): boolean {
  return name !== '' && !name.startsWith('..') && isIgnoredFolder(name);
}
