/**
 * What `up` made on this machine, remembered in the state folder, so that purge removes that and nothing that was there before,
 * and so that a second `up` knows what the first one did. Written by up, read by down and purge.
 */
import { mkdir, readdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Layout } from './layout.ts';

export interface Installation {
  /** Of this file. */
  version: 1;
  madeState: boolean;
  madeConfig: boolean;
  /** Of the program that the controller was last started with: another one means a restart. */
  build: string;
  /** Hash of each example's text as it was last applied, by file name. */
  examples: Record<string, string>;
}

const fresh: Installation = { version: 1, madeState: false, madeConfig: false, build: '', examples: {} };

async function exists(folder: string): Promise<boolean> {
  return stat(folder).then(
    () => true,
    () => false,
  );
}

/** undefined where nothing was installed. A damaged file counts as an installation that made nothing. */
export async function readInstallation(places: Layout): Promise<Installation | undefined> {
  const text = await readFile(places.record, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return { ...fresh, ...(JSON.parse(text) as Partial<Installation>) };
  } catch {
    return fresh;
  }
}

export async function writeInstallation(places: Layout, installation: Installation): Promise<void> {
  const staged = `${places.record}.new`;
  await writeFile(staged, `${JSON.stringify(installation, undefined, 2)}\n`, { mode: 0o600 });
  await rename(staged, places.record);
}

/**
 * Makes the folders that are missing. The state folder can be passed through by nginx's workers and by apps that run as other
 * users; what is secret in it is closed by itself.
 */
export async function ensureInstallation(places: Layout): Promise<Installation> {
  const known = await readInstallation(places);
  const hadState =
    (await exists(places.state)) && (known !== undefined || (await holdsForeignFiles(places.state)));
  const hadConfig = await exists(places.config);
  await mkdir(places.state, { recursive: true, mode: 0o711 });
  for (const folder of [places.run, places.logs]) await mkdir(folder, { recursive: true, mode: 0o700 });
  await mkdir(path.join(places.config, 'manifests'), { recursive: true, mode: 0o755 });
  const before = known ?? { ...fresh, madeState: !hadState };
  const installation = { ...before, madeConfig: before.madeConfig || !hadConfig };
  if (JSON.stringify(known) !== JSON.stringify(installation)) await writeInstallation(places, installation);
  return installation;
}

/** The setup script may have left its list of packages there before anything else. */
async function holdsForeignFiles(state: string): Promise<boolean> {
  return (await readdir(state)).some((entry) => entry !== 'installed-packages');
}
