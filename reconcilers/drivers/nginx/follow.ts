/**
 * Watches what nginx stands on: its files, its master process, the program itself. The driver calls it; it calls `onChange`
 * when something moved, at most every tenth of a second, and changes nothing.
 *
 * Folders are watched, not files: three sets of hundreds of files cost a handful of inotify watches instead of a thousand,
 * which is why this is node:fs and not a watcher that follows each file.
 */
import { type FSWatcher, watch } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, delay } from '../../../controller/clock.ts';

const LOOK_EVERY = 1000;
const DEBOUNCE = 100;

interface FollowOptions {
  prefix: string;
  clock: Clock;
  signal: AbortSignal;
  onChange: () => void;
  /** Which processes and which program there are, as text; asked once a second. */
  look: () => Promise<string>;
}

export async function followNginx(options: FollowOptions): Promise<void> {
  const { clock, signal } = options;
  const changed = debounced(options);
  const watchers = new Map<string, FSWatcher>();
  try {
    let seen: string | undefined;
    while (!signal.aborted) {
      await rewatch(options.prefix, watchers, changed);
      const now = await options.look().catch((error: unknown) => String(error));
      if (seen !== undefined && seen !== now) changed();
      seen = now;
      await delay(clock, LOOK_EVERY, signal).catch(() => undefined);
    }
  } finally {
    for (const watcher of watchers.values()) watcher.close();
  }
}

/** Swaps make new folders: the list is made anew each time and compared. A link that moved or came is itself a change. */
async function rewatch(prefix: string, watchers: Map<string, FSWatcher>, changed: () => void): Promise<void> {
  const wanted = new Set(await foldersToWatch(prefix));
  for (const [path, watcher] of watchers) {
    if (wanted.has(path)) continue;
    watcher.close();
    watchers.delete(path);
  }
  for (const path of wanted) {
    if (watchers.has(path)) continue;
    try {
      const watcher = watch(path, (_event, name) => {
        // The program's own pid and log files are not ours to react to.
        if (path !== prefix || name === 'current') changed();
      });
      const drop = () => {
        watcher.close();
        watchers.delete(path);
        changed();
      };
      watcher.on('error', drop);
      watchers.set(path, watcher);
      // What moved between the last look and this watch is told by looking again.
      changed();
    } catch {
      // Gone meanwhile, or no watches left on this machine: the next look tries again, and resync finds what is missed.
    }
  }
}

async function foldersToWatch(prefix: string): Promise<string[]> {
  const target = await readlink(join(prefix, 'current')).catch(() => undefined);
  const folders = [prefix, join(prefix, 'certificates')];
  return target === undefined ? folders : [...folders, ...(await withFolders(join(prefix, target)))];
}

async function withFolders(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => undefined);
  if (!entries) return [];
  const below = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map((entry) => withFolders(join(path, entry.name))),
  );
  return [path, ...below.flat()];
}

function debounced({ clock, onChange, signal }: FollowOptions): () => void {
  let waiting = false;
  return () => {
    if (waiting || signal.aborted) return;
    waiting = true;
    const cancel = clock.after(DEBOUNCE, () => {
      waiting = false;
      signal.removeEventListener('abort', cancel);
      if (!signal.aborted) onChange();
    });
    signal.addEventListener('abort', cancel, { once: true });
  };
}
