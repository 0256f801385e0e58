/** The files that an image is made from, as the engine takes them: a tar without times and owners, so that equal content is equal. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack } from 'tar-stream';

export interface ContextFile {
  name: string;
  mode: number;
  content: Buffer;
}

/** A file of the machine that is too large to hold. */
export interface LargeFile {
  name: string;
  mode: number;
  path: string;
  size: number;
}

export async function filesBelow(folder: string): Promise<ContextFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath, entry.name));
  return Promise.all(
    files.sort().map(async (file) => ({
      name: path.relative(folder, file),
      // A checkout may have been made with any umask.
      mode: ((await stat(file)).mode & 0o100) === 0 ? 0o644 : 0o755,
      content: await readFile(file),
    })),
  );
}

/** These packages and what they need, from the folder of packages that Holdfast itself runs with, below `packages/`. */
export async function packageFiles(root: string, names: readonly string[]): Promise<ContextFile[]> {
  if (names.length === 0) return [];
  const top = await realpath(path.join(root, 'node_modules'));
  const folders = new Set<string>();
  for (const name of names) await addPackage(folders, top, top, name);
  const files: ContextFile[] = [];
  for (const folder of [...folders].sort()) {
    for (const file of await filesBelow(folder)) {
      if (/(^|\/)node_modules\/|\.(d\.[cm]?ts|map)$/.test(file.name)) continue;
      files.push({ ...file, name: path.join('packages', path.relative(top, folder), file.name) });
    }
  }
  return files;
}

/** As node finds a package: in the folder of who needs it, then in those above. */
async function addPackage(folders: Set<string>, top: string, from: string, name: string): Promise<void> {
  for (let folder = from; ; folder = path.dirname(folder)) {
    const found = folder === top ? path.join(top, name) : path.join(folder, 'node_modules', name);
    const text = await readFile(path.join(found, 'package.json'), 'utf8').catch(() => undefined);
    if (text !== undefined) {
      if (folders.has(found)) return;
      folders.add(found);
      const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
      for (const needed of Object.keys(dependencies)) await addPackage(folders, top, found, needed);
      return;
    }
    if (folder === top) throw new Error(`the package ${name} is not among Holdfast's own: npm install`);
  }
}

/** This program's own node. */
export async function nodeProgram(): Promise<LargeFile> {
  const program = await realpath(process.execPath);
  return { name: 'node', mode: 0o755, path: program, size: (await stat(program)).size };
}

/** Of all content; of a large file its size and this node's version stand for it. */
export function hashOfFiles(
  files: readonly ContextFile[],
  large: readonly LargeFile[],
  more: string,
): string {
  const hash = createHash('sha256').update(more);
  for (const { name, mode, content } of files)
    hash.update(`\0${name}\0${mode}\0${content.length}\0`).update(content);
  for (const { name, size } of large) hash.update(`\0${name}\0${size}\0${process.version}`);
  return hash.digest('hex');
}

export function tarOf(files: readonly ContextFile[], large: readonly LargeFile[]): Readable {
  const tar = pack();
  const out = tar.pipe(new PassThrough());
  const mtime = new Date(0);
  const write = async () => {
    for (const { name, mode, content } of files) tar.entry({ name, mode, mtime }, content);
    for (const { name, mode, size, path: from } of large)
      await pipeline(createReadStream(from), tar.entry({ name, mode, size, mtime }));
    tar.finalize();
  };
  write().catch((error: Error) => out.destroy(error));
  return out;
}
