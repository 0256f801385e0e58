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
  /** The one we know. */
  | 'same'
  /**
   * Another one in its place that still has files we know, as after a new checkout: what seems to be gone waits until it is complete. All that
   * we know may be there, and what a crash kept us from noting may not.
   */
  | 'renewed'
  /** Another one, and nothing in it says that it is meant to be the same. */
  | 'foreign';

/** `known` are paths that the inventory has documents for. */
export function judgeFolder(
  before: string | undefined,
  now: FolderIdentity,
  known: readonly string[],
  present: ReadonlySet<string>,
): FolderVerdict {
  if (before === undefined) return 'same';
  const missing = known.filter((path) => !present.has(path));
  const [device, inode, birth] = before.split(':');
  // Device numbers may be dealt anew at boot; inode and birth stay with the folder.
  if (inode === now.inode && birth === now.birth) return 'same';
  if (missing.length > 0 && (device !== now.device || missing.length === known.length)) return 'foreign';
  return 'renewed';
}
