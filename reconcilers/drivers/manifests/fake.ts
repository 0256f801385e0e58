/** A folder of manifests in memory, as strict as a real one: conformance/manifests.suite.ts holds the two to the same. */
import { createHash } from 'node:crypto';
import { LARGEST_FILE } from '../../../resources/manifest.ts';
import { plainCopy } from '../plain-copy.ts';
import type {
  FileContent,
  FolderIdentity,
  ManifestFolder,
  ManifestsListener,
  Scan,
  ScannedFile,
} from './index.ts';
import { isIgnoredFolder, isManifest } from './scan.ts';

export interface FakeFile {
  bytes: Buffer;
  inode: string;
  version: number;
  writtenAt: number;
}

export interface FakeManifestFolderOptions {
  /** Milliseconds since 1970. */
  now(): number;
}

export class FakeManifestFolder implements ManifestFolder {
  readonly path = '/fake/manifests';
  /** By path. What lies in it is there also while the folder is away. */
  files = new Map<string, FakeFile>();
  /** Paths that somebody has open for writing. */
  readonly open = new Set<string>();
  /** Where it is not there: why. */
  away: 'missing' | 'unreadable' | undefined;
  /** What the newest scan found, with its content; undefined where the folder was not there. */
  found: ReadonlyMap<string, FakeFile> | undefined;
  #identity: FolderIdentity = { device: '1', inode: '1', birth: '1' };
  #count = 1;
  readonly #now: () => number;
  readonly #listeners = new Set<ManifestsListener>();

  constructor({ now }: FakeManifestFolderOptions) {
    this.#now = now;
  }

  // What people and programs do to it.

  put(path: string, text: string | Buffer): void {
    const inode = this.files.get(path)?.inode ?? `1:${this.#next()}`;
    this.files.set(path, {
      bytes: Buffer.from(text as string),
      inode,
      version: this.#next(),
      writtenAt: this.#now(),
    });
    this.#changed();
  }

  remove(path: string): void {
    this.files.delete(path);
    this.#changed();
  }

  /** Another folder stands in its place, such as the one that a file system was mounted over. */
  replace(files: ReadonlyMap<string, FakeFile> = new Map(), identity?: FolderIdentity): void {
    this.files = new Map(files);
    this.#identity = identity ?? { device: String(this.#next()), inode: '1', birth: String(this.#next()) };
  }

  get folder(): FolderIdentity {
    return this.#identity;
  }

  // What the controller asks.

  async scan(): Promise<Scan> {
    this.found = this.away ? undefined : new Map(this.files);
    if (this.away === 'missing') return { state: 'missing', message: `${this.path} is not there` };
    if (this.away) return { state: 'unreadable', message: `${this.path} cannot be read: EACCES` };
    const files = [...this.files].flatMap(([path, file]): [string, ScannedFile][] =>
      isLookedAt(path) ? [[path, scanned(path, file)]] : [],
    );
    files.sort(([left], [right]) => (left < right ? -1 : 1));
    return { state: 'there', folder: plainCopy(this.#identity), files: new Map(files), blind: [] };
  }

  async read(file: ScannedFile): Promise<FileContent | undefined> {
    const found = this.away ? undefined : this.files.get(file.path);
    if (!found) throw new Error(`ENOENT: no such file or directory, open '${this.path}/${file.path}'`);
    if (scanned(file.path, found).stamp !== file.stamp) return undefined;
    const text = new TextDecoder('utf-8', { fatal: true }).decode(found.bytes);
    return { text, hash: createHash('sha256').update(found.bytes).digest('hex') };
  }

  async identity(): Promise<FolderIdentity | undefined> {
    return this.away ? undefined : plainCopy(this.#identity);
  }

  async openForWriting(inodes: ReadonlySet<string>): Promise<Set<string>> {
    const open = [...this.open].flatMap((path) => this.files.get(path)?.inode ?? []);
    return new Set(open.filter((inode) => inodes.has(inode)));
  }

  async follow(listener: ManifestsListener, signal: AbortSignal): Promise<void> {
    if (this.away) throw new Error(`ENOENT: no such file or directory, realpath '${this.path}'`);
    if (signal.aborted) return;
    this.#listeners.add(listener);
    listener.onEvent();
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    this.#listeners.delete(listener);
  }

  #next(): number {
    this.#count += 1;
    return this.#count;
  }

  #changed(): void {
    for (const listener of this.#listeners) listener.onEvent();
  }
}

function isLookedAt(path: string): boolean {
  const folders = path.split('/');
  const name = folders.pop() ?? '';
  return isManifest(name) && !folders.some(isIgnoredFolder);
}

function scanned(path: string, { bytes, inode, version, writtenAt }: FakeFile): ScannedFile {
  const isLarge = bytes.length > LARGEST_FILE;
  const problem = `${path} has ${bytes.length} bytes; at most ${LARGEST_FILE} are read`;
  return {
    path,
    stamp: `${inode}:${version}`,
    inode,
    writtenAt,
    ...(isLarge ? { problem, opaque: true } : {}),
  };
}
