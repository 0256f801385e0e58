/**
 * Whether the folder that is there now is the one that was read before. A folder that was unmounted, or a mount that is not
 * there yet at boot, looks like a folder whose files were all removed; taking the one for the other would delete every App.
 * Pure.
 */
import type { FolderIdentity } from '../../reconcilers/drivers/manifests/index.ts';

export function identityText({ device, inode, birth }: FolderIdentity): string {
  return `${device}:${inode}:${birth}`;
}

export type FolderVerdict =
  /** The one we know, or nothing is missing in it. */
  | 'same'
  /** Another one in its place that still has files we know, as after a new checkout: wait until it is complete. */
  | 'renewed'
  /** Another one, and nothing in it says that it is meant to be the same. */
  | 'foreign';

/** `known` are paths that the inventory has documents for; `failed` are others, of files that may name some and could not be applied. */
export function judgeFolder(
  before: string | undefined,
  now: FolderIdentity,
  { known, failed }: { known: readonly string[]; failed: readonly string[] },
  present: ReadonlySet<string>,
): FolderVerdict {
  const isMissing = (path: string) => !present.has(path);
  const missing = known.filter(isMissing);
  if (before === undefined || (missing.length === 0 && !failed.some(isMissing))) return 'same';
  const [device, inode, birth] = before.split(':');
  // Device numbers may be dealt anew at boot; inode and birth stay with the folder.
  if (inode === now.inode && birth === now.birth) return 'same';
  if (missing.length > 0 && (device !== now.device || missing.length === known.length)) return 'foreign';
  return 'renewed';
}
