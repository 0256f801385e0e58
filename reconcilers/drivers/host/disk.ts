/** How much room there is, and what takes it. Called by linux.ts; reads only, and follows no link. */
import type { Dirent } from 'node:fs';
import { lstat, readdir, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import type { DiskRoom, FolderSize } from './index.ts';

/** Entries that are looked at in all: some seconds. What is not reached is not counted. */
const MOST_ENTRIES = 300_000;
const BLOCK = 512;

export async function diskRoom(path: string): Promise<DiskRoom | undefined> {
  try {
    const [room, { dev }] = await Promise.all([statfs(path), lstat(path)]);
    return {
      device: dev,
      totalBytes: room.blocks * room.bsize,
      freeBytes: room.bavail * room.bsize,
      totalFiles: room.files,
      freeFiles: room.ffree,
    };
  } catch {
    return undefined;
  }
}

export async function sizesIn(path: string): Promise<FolderSize[]> {
  const top = await lstat(path).catch(() => undefined);
  if (!top?.isDirectory()) return [];
  const budget = { left: MOST_ENTRIES, device: top.dev };
  const sizes: FolderSize[] = [];
  for (const entry of await entriesOf(path))
    sizes.push({ name: entry.name, bytes: await sizeOf(join(path, entry.name), budget) });
  return sizes.sort((a, b) => b.bytes - a.bytes);
}

async function sizeOf(path: string, budget: { left: number; device: number }): Promise<number> {
  if (budget.left <= 0) return 0;
  budget.left -= 1;
  const found = await lstat(path).catch(() => undefined);
  if (!found || found.dev !== budget.device) return 0;
  let bytes = found.blocks * BLOCK;
  if (!found.isDirectory()) return bytes;
  for (const entry of await entriesOf(path)) bytes += await sizeOf(join(path, entry.name), budget);
  return bytes;
}

function entriesOf(path: string): Promise<Dirent[]> {
  return readdir(path, { withFileTypes: true }).catch((): Dirent[] => []);
}
