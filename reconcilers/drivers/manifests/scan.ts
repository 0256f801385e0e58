/**
 * Looks at a folder of manifests: which files are there and by what mark a change of one is seen. Reads names and stats,
 * and a file's content when asked; changes nothing. What cannot be read is told apart from what is not there, because only
 * the second may ever lead to a deletion.
 */
import { createHash } from 'node:crypto';
import type { BigIntStats } from 'node:fs';
import { open, readdir, realpath, stat } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { LARGEST_FILE } from '../../../resources/manifest.ts';
import type { FileContent, FolderIdentity, Scan, ScannedFile } from './index.ts';

const MANIFEST_FILE = /\.(ya?ml|json)$/i;

/** By its ending. */
export function isManifestPath(path: string): boolean {
  return MANIFEST_FILE.test(path);
}

/** Hidden files and what editors leave beside a file are not looked at. */
export function isManifest(name: string): boolean {
  return isManifestPath(name) && !name.startsWith('.') && !name.startsWith('#');
}

export function isIgnoredFolder(name: string): boolean {
  return name.startsWith('.') || name === 'node_modules';
}

export async function scanFolder(path: string): Promise<Scan> {
  try {
    const root = await realpath(path);
    const { dev, ino, birthtimeNs, ...kind } = await bigStat(root);
    if (!kind.directory) return { state: 'unreadable', message: `${path} is no folder` };
    const walk = new Walk(root);
    await walk.folder('');
    if (walk.rootProblem) return { state: 'unreadable', message: walk.rootProblem };
    await walk.followLinks();
    const folder = { device: String(dev), inode: String(ino), birth: String(birthtimeNs) };
    return { state: 'there', folder, files: walk.files, blind: walk.blind };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { state: 'missing', message: `${path} is not there` };
    return { state: 'unreadable', message: `${path} cannot be read: ${message}` };
  }
}

export async function readScanned(path: string, file: ScannedFile): Promise<FileContent | undefined> {
  const handle = await open(join(path, file.path), 'r');
  try {
    const before = await handle.stat({ bigint: true });
    if (stampOf(before) !== file.stamp) return undefined;
    const bytes = await handle.readFile();
    if (stampOf(await handle.stat({ bigint: true })) !== file.stamp) return undefined;
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return { text, hash: createHash('sha256').update(bytes).digest('hex') };
  } finally {
    await handle.close();
  }
}

export async function folderIdentity(path: string): Promise<FolderIdentity | undefined> {
  try {
    const { dev, ino, birthtimeNs } = await stat(path, { bigint: true });
    return { device: String(dev), inode: String(ino), birth: String(birthtimeNs) };
  } catch {
    return undefined;
  }
}

class Walk {
  readonly files = new Map<string, ScannedFile>();
  readonly blind: string[] = [];
  rootProblem: string | undefined;
  readonly #root: string;
  readonly #links: string[] = [];
  /** Real paths of the files that were found, so that a link does not give the same file twice. */
  readonly #real = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  async folder(path: string): Promise<void> {
    const entries = await readdir(join(this.#root, path), { withFileTypes: true }).catch((error: unknown) => {
      this.#notReadable(path, error as NodeJS.ErrnoException);
      return [];
    });
    for (const entry of entries.sort((left, right) => (left.name < right.name ? -1 : 1))) {
      const below = path === '' ? entry.name : `${path}/${entry.name}`;
      if (entry.isDirectory() && !isIgnoredFolder(entry.name)) await this.folder(below);
      else if (entry.isSymbolicLink() && !entry.name.startsWith('.')) this.#links.push(below);
      else if (entry.isFile() && isManifest(entry.name)) await this.#file(below, join(this.#root, below));
    }
  }

  /** After all that is there in person. A link to a folder is not walked: what it leads to is found where it is. */
  async followLinks(): Promise<void> {
    for (const path of this.#links) {
      if (!isManifest(path.slice(path.lastIndexOf('/') + 1))) continue;
      const real = await realpath(join(this.#root, path)).catch(() => undefined);
      // A link to nothing is a file that is not there.
      if (real === undefined || this.#real.has(real)) continue;
      const inside = relative(this.#root, real);
      if (inside === '..' || inside.startsWith(`..${sep}`)) {
        const problem = `${path} is a link that leads out of the folder, to ${real}; put a copy here`;
        this.files.set(path, { path, stamp: `link:${real}`, problem });
      } else await this.#file(path, real);
    }
  }

  async #file(path: string, real: string): Promise<void> {
    try {
      const stats = await stat(real, { bigint: true });
      if (!stats.isFile()) return;
      this.#real.add(real);
      const problem =
        stats.size > LARGEST_FILE
          ? `${path} has ${stats.size} bytes; at most ${LARGEST_FILE} are read`
          : undefined;
      this.files.set(path, {
        path,
        stamp: stampOf(stats),
        inode: `${stats.dev}:${stats.ino}`,
        writtenAt: Number(stats.mtimeMs),
        ...(problem && { problem, opaque: true }),
      });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      // Gone since its folder was read.
      if (code === 'ENOENT') return;
      this.files.set(path, {
        path,
        stamp: `unreadable:${code}`,
        problem: `${path} cannot be read: ${message}`,
        opaque: true,
      });
    }
  }

  #notReadable(path: string, error: NodeJS.ErrnoException): void {
    if (path === '') this.rootProblem = `${this.#root} cannot be read: ${error.message}`;
    else if (error.code !== 'ENOENT') this.blind.push(`${path}: ${error.message}`);
  }
}

function stampOf(stats: BigIntStats): string {
  return [stats.dev, stats.ino, stats.size, stats.mtimeNs, stats.ctimeNs].join(':');
}

async function bigStat(path: string) {
  const stats = await stat(path, { bigint: true });
  return { dev: stats.dev, ino: stats.ino, birthtimeNs: stats.birthtimeNs, directory: stats.isDirectory() };
}
