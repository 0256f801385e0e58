/**
 * Writing so that a crash or a power cut leaves the old content or the new one, never half of it. Used by the drivers that
 * keep files under the state folder.
 */
import { mkdir, open, readFile, rename, rm, symlink } from 'node:fs/promises';
import { dirname } from 'node:path';

export async function syncFolder(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** A file that nobody reads yet: written and on disk, but not atomic. */
export async function writeSynced(path: string, content: string, mode: number): Promise<void> {
  const handle = await open(path, 'w', mode);
  try {
    // The mode of open is cut by the umask and does not reach a file that is there.
    await handle.chmod(mode);
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file atomically. One writer per path at a time: the name of the file beside is fixed, so that crashes leave no litter. */
export async function replaceFile(path: string, content: string, mode: number): Promise<void> {
  const beside = `${path}.new`;
  await rm(beside, { force: true, recursive: true });
  await writeSynced(beside, content, mode);
  await rename(beside, path);
  await syncFolder(dirname(path));
}

export async function replaceLink(path: string, target: string): Promise<void> {
  const beside = `${path}.new`;
  await rm(beside, { force: true, recursive: true });
  await symlink(target, beside);
  await rename(beside, path);
  await syncFolder(dirname(path));
}

export async function ensureFolder(path: string, mode: number): Promise<void> {
  await mkdir(path, { recursive: true, mode });
}

/** undefined when there is no such file, or something on the way to it is no folder. */
export async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw error;
  });
}

export function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR';
}
