/**
 * Which paths may be written: those inside the state folder, said plainly. Pure; the real host and the fake both ask here
 * before they touch anything.
 */
import { resolve, sep } from 'node:path';
import { DriverError } from '../error.ts';

/** Rejects what is relative, has `..` or a doubled slash in it, or is not inside `folder` (or `folder` itself). */
export function requireInside(folder: string, path: string): void {
  const plain = !path.includes('\0') && resolve(path) === path;
  if (plain && (path === folder || path.startsWith(folder + sep))) return;
  throw new DriverError(
    'invalid',
    `${JSON.stringify(path)} is not a folder inside ${folder}: it is left alone`,
  );
}

const KEPT = ['apps', 'addons', 'tls'];

/** What may be removed, renamed or written: below the folder of all Apps, of all Addons or of Apps' certificates, never these folders. */
export function requireRemovable(stateFolder: string, path: string): void {
  requireInside(stateFolder, path);
  const below = KEPT.find(
    (kept) => path === `${stateFolder}${sep}${kept}` || path.startsWith(`${stateFolder}${sep}${kept}${sep}`),
  );
  if (below === undefined)
    throw new DriverError(
      'invalid',
      `${JSON.stringify(path)} is not a folder inside ${stateFolder} that holds data: it is left alone`,
    );
  if (path === `${stateFolder}${sep}${below}`)
    throw new DriverError('invalid', `${path} holds all ${below}: it is not removed`);
}
