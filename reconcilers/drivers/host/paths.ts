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

/** What may be removed: below the folder of all Apps, never that folder. */
export function requireRemovable(stateFolder: string, path: string): void {
  const apps = `${stateFolder}${sep}apps`;
  requireInside(apps, path);
  if (path === apps) throw new DriverError('invalid', `${path} holds all Apps: it is not removed`);
}
