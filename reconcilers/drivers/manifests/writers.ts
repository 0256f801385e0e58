/**
 * Which files a process of this machine has open for writing. The watched directory asks for files that changed: one that stands still may
 * be half written all the same, by a copy over a slow line or a program that thinks, and half a manifest may be a sound one. It only looks; where
 * it may not look (other users' processes without root, another host's writes) it finds nothing.
 */
import { readdir, readFile, readlink, stat } from 'node:fs/promises';
import { isManifestPath } from './scan.ts';

/** `inodes` as in ScannedFile; answers those of them that are open for writing. */
export async function openForWriting(inodes: ReadonlySet<string>): Promise<Set<string>> {
  const found = new Set<string>();
  if (inodes.size === 0) return found;
  const processes = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  for (const process of processes) {
    const folder = `/proc/${process}`;
    const descriptors = await readdir(`${folder}/fd`).catch(() => []);
    await Promise.all(
      descriptors.map(async (descriptor) => {
        const inode = await writtenThrough(folder, descriptor);
        if (inode !== undefined && inodes.has(inode)) found.add(inode);
      }),
    );
  }
  return found;
}

/** A process may end, and a descriptor close, between two looks. */
async function writtenThrough(folder: string, descriptor: string): Promise<string | undefined> {
  try {
    const path = `${folder}/fd/${descriptor}`;
    if (!isManifestPath(await readlink(path))) return undefined;
    const flags = /^flags:\s+(\d+)$/m.exec(await readFile(`${folder}/fdinfo/${descriptor}`, 'utf8'))?.[1];
    // The last octal digit holds O_WRONLY and O_RDWR.
    if (flags === undefined || (Number.parseInt(flags, 8) & 3) === 0) return undefined;
    const { dev, ino } = await stat(path, { bigint: true });
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
