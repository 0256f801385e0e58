/**
 * Sets of configuration files on disk: `generations/000007/` each, and the symlink `current` to the one that counts. Called
 * by the driver, which decides what is staged, swapped and discarded. A set is written once, under a number never used
 * before, and never changed.
 */
import { lstat, mkdir, readdir, readFile, readlink, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { DriverError } from '../error.ts';
import { ensureFolder, isMissing, replaceLink, syncFolder, writeSynced } from './durable.ts';
import type { ConfigFiles } from './index.ts';

const KEEP = 3;
const WRITE_AT_ONCE = 16;
/** Nothing of ours is longer; what somebody dropped there is not read to its end. */
const READ_AT_MOST = 4 * 1024 * 1024;

export function generationFolder(folder: string, number: number): string {
  return join(folder, 'generations', String(number).padStart(6, '0'));
}

/** 0 when there is none. */
export async function currentGeneration(folder: string): Promise<number> {
  const target = await readlink(join(folder, 'current')).catch(() => '');
  const number = /^generations\/(\d{6,})$/.exec(target)?.[1];
  if (number === undefined) return 0;
  const there = await lstat(join(folder, target)).catch(() => undefined);
  return there?.isDirectory() ? Number(number) : 0;
}

export async function readGeneration(folder: string, number: number): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  if (number > 0) await readInto(files, generationFolder(folder, number), '');
  return files;
}

async function readInto(files: Map<string, string>, path: string, prefix: string): Promise<void> {
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  await Promise.all(
    entries.map(async (entry) => {
      const name = `${prefix}${entry.name}`;
      if (entry.isDirectory()) return readInto(files, join(path, entry.name), `${name}/`);
      files.set(name, entry.isFile() ? await readLimited(join(path, entry.name)) : '');
    }),
  );
}

async function readLimited(path: string): Promise<string> {
  try {
    if ((await lstat(path)).size > READ_AT_MOST) return '';
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return '';
    throw error;
  }
}

/** Writes a new set, on disk when this answers. It counts for nothing until it is made current. */
export async function stageGeneration(folder: string, files: ConfigFiles): Promise<number> {
  for (const path of files.keys()) checkPath(path);
  const generations = join(folder, 'generations');
  await ensureFolder(generations, 0o755);
  const numbers = (await readdir(generations)).filter((name) => /^\d+$/.test(name)).map(Number);
  const number = Math.max(0, ...numbers, await currentGeneration(folder)) + 1;
  const target = generationFolder(folder, number);
  await mkdir(target, { mode: 0o755 });
  const folders = new Set([...files.keys()].map((path) => dirname(path)).filter((path) => path !== '.'));
  for (const path of folders) await ensureFolder(join(target, path), 0o755);
  const waiting = [...files];
  const write = async () => {
    for (let next = waiting.pop(); next; next = waiting.pop())
      await writeSynced(join(target, next[0]), next[1], 0o644);
  };
  await Promise.all(Array.from({ length: WRITE_AT_ONCE }, write));
  for (const path of folders) await syncFolder(join(target, path));
  await syncFolder(target);
  await syncFolder(generations);
  return number;
}

function checkPath(path: string): void {
  if (/^[\w.-]+(\/[\w.-]+)*$/.test(path) && !path.split('/').some((part) => part === '.' || part === '..'))
    return;
  throw new DriverError('invalid', `"${path}" is no path inside the nginx configuration.`);
}

export async function makeCurrent(folder: string, number: number): Promise<void> {
  const current = join(folder, 'current');
  const there = await lstat(current).catch(() => undefined);
  // Somebody put something else in its place: rename cannot replace a folder, and it is not ours to delete.
  if (there?.isDirectory()) await rename(current, join(folder, `current.set-aside-${number}`));
  await replaceLink(current, join('generations', basename(generationFolder(folder, number))));
}

export async function discardGeneration(folder: string, number: number): Promise<void> {
  await rm(generationFolder(folder, number), { recursive: true, force: true });
}

/** Removes all but the newest few. Never the current one. */
export async function pruneGenerations(folder: string): Promise<void> {
  const current = await currentGeneration(folder);
  const names = await readdir(join(folder, 'generations')).catch((): string[] => []);
  const numbers = names.filter((name) => /^\d{6,}$/.test(name)).map(Number);
  const keep = new Set(numbers.sort((a, b) => b - a).slice(0, KEEP)).add(current);
  for (const number of numbers) if (!keep.has(number)) await discardGeneration(folder, number);
}
