/**
 * The real host: reads the kernel's tables, makes and removes folders of the state folder. Built in main.ts. What it
 * cannot read (other users' processes, a kernel without AppArmor) it leaves out; it writes nowhere else, through no link.
 */
import {
  chmod,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  stat,
} from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { DriverError, type DriverErrorCode } from '../error.ts';
import { diskRoom, sizesIn } from './disk.ts';
import type { Host, Listener } from './index.ts';
import { requireInside, requireRemovable } from './paths.ts';
import { isPlace, readHasLoopback6, readProfiles, readRoutes, readSockets, readTrie } from './proc.ts';
import { pulledImages } from './pulled.ts';

const TABLES = [
  ['tcp', '/proc/net/tcp'],
  ['tcp', '/proc/net/tcp6'],
  ['udp', '/proc/net/udp'],
  ['udp', '/proc/net/udp6'],
] as const;
const APPARMOR = '/sys/module/apparmor/parameters/enabled';
const PROFILES = '/sys/kernel/security/apparmor/profiles';
/** Folders between the state folder and the one that is asked for. */
const BETWEEN_MODE = 0o755;

export function createHost({ stateFolder }: { stateFolder: string }): Host {
  const pulled = pulledImages(join(stateFolder, 'pulled-images'));
  return {
    listeners: readListeners,
    async routes() {
      const [main, trie] = await Promise.all([readText('/proc/net/route'), readText('/proc/net/fib_trie')]);
      return [...readRoutes(main), ...readTrie(trie)].filter(isPlace);
    },
    hasIpv6: async () => readHasLoopback6(await readText('/proc/net/if_inet6')),
    hasAppArmorProfile: async (name) => readProfiles(await readText(PROFILES)).has(name),
    hasAppArmor: async () => (await readText(APPARMOR)).trim() === 'Y',
    room: diskRoom,
    sizesIn,
    pulledImages: () => pulled.list(),
    notePulled: (image) => about('noting a pulled image', () => pulled.note(image)),
    forgetPulled: (id) => about('forgetting a pulled image', () => pulled.forget(id)),

    async folderExists(path) {
      const found = await stat(path).catch(() => undefined);
      return found?.isDirectory() ?? false;
    },

    async foldersIn(path) {
      const entries = await readdir(path, { withFileTypes: true }).catch(unlessAbsent);
      return (entries ?? [])
        .filter((entry) => entry.isDirectory())
        .map(({ name }) => name)
        .sort();
    },

    async readFile(path) {
      requireInside(stateFolder, path);
      return readFile(path, 'utf8').catch(unlessAbsent);
    },

    async writeFile(path, text, { mode }) {
      requireRemovable(stateFolder, path);
      await about(`writing ${path}`, async () => {
        await requireAll(stateFolder, dirname(path));
        const unproven = `${path}.new`;
        const file = await open(unproven, 'w', mode);
        try {
          await file.chmod(mode);
          await file.writeFile(text);
          await file.sync();
        } finally {
          await file.close();
        }
        await rename(unproven, path);
        await syncFolder(dirname(path));
      });
    },

    async renameFolder(from, to) {
      requireRemovable(stateFolder, from);
      requireRemovable(stateFolder, to);
      await about(`renaming ${from}`, async () => {
        await requireAll(stateFolder, dirname(from));
        const [source, target] = await Promise.all([
          lstat(from).catch(unlessAbsent),
          lstat(to).catch(unlessAbsent),
        ]);
        if (source === undefined && target !== undefined) return;
        if (source !== undefined && target !== undefined)
          throw new DriverError('conflict', `${to} is there already`);
        await requireFolder(from);
        await rename(from, to);
        await syncFolder(dirname(to));
      });
    },

    async ensureFolder(path, { mode }) {
      requireInside(stateFolder, path);
      await about(`making folder ${path}`, async () => {
        await mkdir(stateFolder, { recursive: true, mode: BETWEEN_MODE });
        const missing = await missingFolders(stateFolder, path);
        for (const folder of missing) {
          const wanted = folder === path ? mode : BETWEEN_MODE;
          await makeFolder(folder, wanted);
          // The umask has taken bits off.
          await chmod(folder, wanted);
        }
      });
    },

    async removeFolder(path) {
      requireRemovable(stateFolder, path);
      await about(`removing folder ${path}`, async () => {
        const missing = await missingFolders(stateFolder, dirname(path));
        if (missing.length > 0) return;
        await rm(path, { recursive: true, force: true });
      });
    },
  };
}

/**
 * Folders from the state folder down to `path` that are not there yet. Rejects where one of those that are there is a
 * link or no folder: an App may put links into its data.
 */
async function missingFolders(stateFolder: string, path: string): Promise<string[]> {
  const missing: string[] = [];
  let folder = stateFolder;
  for (const part of relative(stateFolder, path).split(sep)) {
    folder = part === '' ? folder : join(folder, part);
    const found = await lstat(folder).catch(unlessAbsent);
    if (!found) missing.push(folder);
    // The state folder itself may be a link, made by whoever runs this machine.
    else if (folder === stateFolder) await requireFolder(await realpath(folder));
    else await requireFolder(folder);
  }
  return missing;
}

/** Two that make a folder inside the same new one come upon each other. */
async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    await requireFolder(path);
  }
}

/** All folders down to this one are there, and none of them is a link. */
async function requireAll(stateFolder: string, path: string): Promise<void> {
  const [missing] = await missingFolders(stateFolder, path);
  if (missing !== undefined) throw new DriverError('notFound', `${missing} is not there`);
}

/** A new name is on disk once the folder that holds it is. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function requireFolder(path: string): Promise<void> {
  const found = await lstat(path);
  if (found.isSymbolicLink()) {
    throw new DriverError(
      'conflict',
      `${path} is a link to ${await readlink(path)}: links are not followed here`,
    );
  }
  if (!found.isDirectory()) throw new DriverError('conflict', `${path} is there and is no folder`);
}

function unlessAbsent(caught: NodeJS.ErrnoException): undefined {
  if (caught.code !== 'ENOENT') throw caught;
  return undefined;
}

const CODES: Readonly<Record<string, DriverErrorCode>> = {
  ENOSPC: 'storageFull',
  EDQUOT: 'storageFull',
  EEXIST: 'conflict',
  ENOTDIR: 'conflict',
};

async function about(what: string, run: () => Promise<void>): Promise<void> {
  try {
    await run();
  } catch (caught) {
    const { code = '', message } = caught as NodeJS.ErrnoException;
    const known = caught instanceof DriverError ? caught.code : (CODES[code] ?? 'failed');
    throw new DriverError(known, `${what}: ${message}`, { cause: caught });
  }
}

async function readListeners(): Promise<Listener[]> {
  const found = await Promise.all(
    TABLES.map(async ([protocol, file]) =>
      readSockets(await readText(file), protocol).map((socket) => ({ protocol, ...socket })),
    ),
  );
  const sockets = found.flat();
  const owners = await ownersOf(new Set(sockets.map(({ inode }) => inode)));
  return sockets.map(({ protocol, address, port, inode }) => ({
    protocol,
    address,
    port,
    ...owners.get(inode),
  }));
}

/** Which process holds a socket is only in its list of open files. */
async function ownersOf(inodes: ReadonlySet<number>): Promise<Map<number, { program: string; pid: number }>> {
  const owners = new Map<number, { program: string; pid: number }>();
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  for (const pid of processes) {
    const held = (await socketsOf(pid)).filter((inode) => inodes.has(inode));
    if (held.length === 0) continue;
    const program = (await readText(`/proc/${pid}/comm`)).trim();
    // Parent and children may hold the same socket; the first one opened it.
    for (const inode of held) if (!owners.has(inode)) owners.set(inode, { program, pid: Number(pid) });
  }
  return owners;
}

async function socketsOf(pid: string): Promise<number[]> {
  const folder = `/proc/${pid}/fd`;
  const names = await readdir(folder).catch(() => []);
  const targets = await Promise.all(names.map((name) => readlink(join(folder, name)).catch(() => '')));
  return targets.flatMap((target) => {
    const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
    return inode === undefined ? [] : [Number(inode)];
  });
}

/** Empty where the kernel has no such table, or keeps it from us. */
async function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
