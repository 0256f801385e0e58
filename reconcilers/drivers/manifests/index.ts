/** The folder in which people put manifests. The controller looks at it and writes nothing there. */

export interface ScannedFile {
  /** Relative to the folder, with slashes. */
  path: string;
  /** Changes when the file does. */
  stamp: string;
  /** Device and inode. */
  inode?: string;
  /** Milliseconds since 1970, by the file system. */
  writtenAt?: number;
  /** Why it is there and cannot be used. */
  problem?: string;
  /** With a problem: what it holds is not known, and could be any document. */
  opaque?: boolean;
}

export type Scan =
  | {
      state: 'there';
      folder: FolderIdentity;
      files: Map<string, ScannedFile>;
      /** Folders inside that could not be read, with the reason: what they hold is not known. */
      blind: string[];
    }
  | { state: 'missing' | 'unreadable'; message: string };

export interface FolderIdentity {
  device: string;
  inode: string;
  /** Nanoseconds. Tells an inode number from its next owner. */
  birth: string;
}

export interface FileContent {
  text: string;
  /** SHA-256 in hex. */
  hash: string;
}

export interface ManifestsListener {
  /** Something changed; what, is found by a scan. */
  onEvent(): void;
  /** Events may be lost from now on. */
  onError(error: Error): void;
}

export interface ManifestFolder {
  readonly path: string;
  /** Which files are there. Never rejects: what cannot be read is said to be so. */
  scan(): Promise<Scan>;
  /** Undefined when the file is not (or no longer) what was scanned: look again. Throws when it cannot be read, and TypeError when it is no UTF-8. */
  read(file: ScannedFile): Promise<FileContent | undefined>;
  /** Undefined: there is none. */
  identity(): Promise<FolderIdentity | undefined>;
  /** Those of these inodes that a process of this machine has open for writing, as far as can be seen. */
  openForWriting(inodes: ReadonlySet<string>): Promise<Set<string>>;
  /** Tells of changes in the folder that is there now, until the signal. Answers when it has let go of it. */
  follow(listener: ManifestsListener, signal: AbortSignal): Promise<void>;
}
