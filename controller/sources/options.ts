/**
 * What a watched directory is given, and the times it keeps.
 */
import type { ManifestFolder } from '../../reconcilers/drivers/manifests/index.ts';
import type { Manifest } from '../../resources/document.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/types.ts';

export interface DirectoryOptions {
  folder: ManifestFolder;
  store: Store;
  /** Manifests of one file's text; each problem with file, line and column. Pure. */
  read(text: string, file: string): { manifests: Manifest[]; problems: string[] };
  log: Log;
  clock: Clock;
  /** Who the fields belong to in three-way applies. Default `directory`. */
  manager?: string;
  /** Of the Source document. */
  name: string;
  times?: Partial<Times>;
}

/** All in milliseconds. */
export interface Times {
  /** A file that stays the same for this long is written; one that stays away for this long is removed. */
  settle: number;
  /** For so long after the last write, a file that a process has open for writing is waited for. */
  writing: number;
  /** Everything is applied again, against drift by other writers. */
  full: number;
  /** Whether the folder is still the same one. */
  look: number;
  /** After a folder was made anew, before files that are not back count as removed. */
  renewed: number;
  /** After something failed. */
  retry: number;
}

export const TIMES: Times = {
  settle: 500,
  writing: 60_000,
  full: 300_000,
  look: 5_000,
  renewed: 10_000,
  retry: 30_000,
};
