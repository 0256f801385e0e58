/**
 * Puts a database back to what it was before a newer Holdfast migrated it: the store makes a copy before each step of its schema. Called
 * by `upgrade` while no controller runs, when the new one did not come up. The newer database is kept beside, never deleted.
 */
import { copyFile, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';

/** `since`: milliseconds since 1970, when the upgrade began. Answers the copy that counts again, undefined where nothing was migrated. */
export async function putStoreBack(
  stateFolder: string,
  since: number,
  failed: string,
): Promise<string | undefined> {
  const folder = path.join(stateFolder, 'store');
  const copies: { name: string; version: number }[] = [];
  for (const name of await readdir(folder).catch(() => [])) {
    const version = /^store[.]db[.]v(\d+)$/.exec(name)?.[1];
    if (version === undefined) continue;
    if ((await stat(path.join(folder, name))).mtimeMs >= since)
      copies.push({ name, version: Number(version) });
  }
  // Several steps make several copies: the oldest version is the one from before all of them.
  const [first] = copies.sort((a, b) => a.version - b.version);
  if (!first) return undefined;
  const database = path.join(folder, 'store.db');
  const half = `${database}.half`;
  await copyFile(path.join(folder, first.name), half);
  for (const end of ['', '-wal', '-shm'])
    await rename(`${database}${end}`, `${database}.of-${failed}${end}`).catch(unlessMissing);
  await rename(half, database);
  await rm(`${database}-wal`, { force: true });
  return first.name;
}

function unlessMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}
