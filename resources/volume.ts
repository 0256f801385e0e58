/** Where a plain image's volume is kept in the App's data. Pure; the answer must never change, or data would be lost from sight. */
import { createHash } from 'node:crypto';

/** Without doubled and trailing slashes and without dots that mean nothing. */
export function normalVolumePath(path: string): string {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  return `/${parts.join('/')}`;
}

/**
 * Folder in the App's data: volumes/data for /data. A path that cannot be read back from its folder's name gets the start of its
 * hash, so that no two paths share a folder and none depends on which others there are.
 */
export function volumeFolder(path: string): string {
  const normal = normalVolumePath(path);
  const slug = normal
    .slice(1)
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
    .slice(0, 40);
  if (`/${slug}` === normal) return `volumes/${slug}`;
  const hash = createHash('sha256').update(normal).digest('hex').slice(0, 8);
  return slug === '' ? `volumes/${hash}` : `volumes/${slug}-${hash}`;
}
