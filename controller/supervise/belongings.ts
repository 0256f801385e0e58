/**
 * Everything on this machine that is Holdfast's, listed before any of it is removed, and then removed exactly so. purge calls
 * it. It refuses a state folder that does not look like one, and folders with something mounted in them.
 */
import { readFileSync } from 'node:fs';
import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import path from 'node:path';
import type Dockerode from 'dockerode';
import { CHAIN, type Firewall } from '../../reconcilers/drivers/firewall/index.ts';
import { BRIDGE } from '../../reconcilers/platform/bridge.ts';
import { profileFile, removeProfile } from './apparmor.ts';
import { readInstallation } from './installation.ts';
import {
  type Inventory,
  NOTHING,
  networkOfAnother,
  removeContainer,
  removeImage,
  removeNetwork,
  removeVolume,
  takeInventory,
} from './inventory.ts';
import { DEFAULTS, type Layout } from './layout.ts';
import { hasSystemd, installedState, removeUnits, unitFiles } from './units.ts';

export interface Belongings {
  docker: Inventory;
  /** Folders with everything in them, and their sizes in bytes. */
  folders: { path: string; bytes: number; what: string }[];
  units: string[];
  /** The AppArmor profile of containers, where `up` put one. */
  profile?: string;
  /** Chains of the firewall. */
  chains: string[];
  /** Packages that setup installed. They stay, for others may use them by now. */
  packages: string[];
}

export function isEmpty(found: Belongings): boolean {
  const { containers, networks, volumes, images } = found.docker;
  return [containers, networks, volumes, images, found.folders, found.units, found.chains].every(
    (list) => list.length === 0,
  );
}

async function bytesIn(folder: string): Promise<number> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  let bytes = 0;
  for (const entry of entries) {
    const full = path.join(folder, entry.name);
    const info = await lstat(full).catch(() => undefined);
    bytes += (info?.blocks ?? 0) * 512;
    if (entry.isDirectory()) bytes += await bytesIn(full);
  }
  return bytes;
}

/** Any of these is in the state folder of an installation, whatever came first. */
const signs = ['installation.json', 'store.db', 'store', 'installed-packages'];

async function entriesOf(folder: string): Promise<string[] | undefined> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Mount points at or below the folder, from the kernel. */
export function mountsIn(folder: string, mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .map((line) =>
      (line.split(' ')[4] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
        String.fromCharCode(Number.parseInt(octal, 8)),
      ),
    )
    .filter((point) => point === folder || point.startsWith(`${folder}/`));
}

async function checkState(state: string, entries: string[]): Promise<void> {
  if (entries.length > 0 && !entries.some((entry) => signs.includes(entry))) {
    throw new Error(
      `${state} does not look like Holdfast's state: none of ${signs.join(', ')} is in it. Nothing was removed.`,
    );
  }
  const inside = mountsIn(state, readFileSync('/proc/self/mountinfo', 'utf8')).filter(
    (point) => point !== state,
  );
  if (inside.length > 0) {
    throw new Error(
      `Something is mounted below ${state} (${inside.join(', ')}): take it off first. Nothing was removed.`,
    );
  }
}

export async function listBelongings(
  places: Layout,
  docker: Dockerode | undefined,
  firewall: Firewall,
): Promise<Belongings> {
  const installation = await readInstallation(places);
  const packages = readLines(places.packages);
  const folders: Belongings['folders'] = [];
  const entries = await entriesOf(places.state);
  if (entries !== undefined && entries.length > 0) {
    await checkState(places.state, entries);
    folders.push({
      path: places.state,
      bytes: await bytesIn(places.state),
      what: 'state: all data of all Apps, history, certificates',
    });
  }
  if (installation?.madeConfig === true && (await entriesOf(places.config)) !== undefined) {
    folders.push({
      path: places.config,
      bytes: await bytesIn(places.config),
      what: 'config: your manifests',
    });
  }
  const sockets = path.dirname(places.socket);
  // Only the folder that is Holdfast's by its name; one that was chosen may hold other things. A dockerd's record alone stays.
  const inSockets = sockets === path.dirname(DEFAULTS.socket) ? ((await entriesOf(sockets)) ?? []) : [];
  if (inSockets.some((entry) => entry !== 'dockerd')) {
    folders.push({ path: sockets, bytes: await bytesIn(sockets), what: 'sockets' });
  }
  // The chain belongs to whoever has the network.
  const isOthers = docker !== undefined && (await networkOfAnother(docker, places.state));
  const { families } = isOthers ? { families: [] } : await firewall.state(BRIDGE);
  const profile = profileFile();
  const ourUnits = hasSystemd() && (await installedState()) === places.state;
  return {
    docker: docker === undefined ? NOTHING : await takeInventory(docker, places.state),
    folders,
    units: ourUnits ? unitFiles() : [],
    ...(profile !== undefined && !isOthers ? { profile } : {}),
    chains: families
      .filter(({ rules }) => rules !== undefined)
      .map(({ family }) => `${CHAIN} (IPv${family})`),
    packages,
  };
}

function readLines(file: string): string[] {
  try {
    return [...new Set(readFileSync(file, 'utf8').split('\n').filter(Boolean))].sort();
  } catch {
    return [];
  }
}

/** For a person, one line a thing. */
export function describeBelongings(found: Belongings): string[] {
  const { containers, networks, volumes, images } = found.docker;
  return [
    ...containers.map((one) => `container ${one.name}${one.running ? ' (running)' : ''}`),
    ...networks.map((one) => `network ${one.name}`),
    ...volumes.map((name) => `volume ${name}`),
    ...images.map((one) => `image ${one.name}`),
    ...found.chains.map((chain) => `firewall chain ${chain}`),
    ...found.units.map((file) => `unit ${file}`),
    ...(found.profile === undefined ? [] : [`AppArmor profile ${found.profile}`]),
    ...found.folders.map((one) => `folder ${one.path} (${sizeText(one.bytes)}; ${one.what})`),
  ];
}

export function sizeText(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** Everything but the folders, which come when nothing can write there any more. Answers what had to stay, and why. */
export async function removeFromDocker(docker: Dockerode, found: Inventory): Promise<string[]> {
  const stayed: string[] = [];
  const attempt = async (what: string, removal: Promise<unknown>) => {
    await removal.catch((error: unknown) =>
      stayed.push(`${what}: ${error instanceof Error ? error.message : String(error)}`),
    );
  };
  for (const one of found.containers) await attempt(`container ${one.name}`, removeContainer(docker, one.id));
  for (const one of found.networks) await attempt(`network ${one.name}`, removeNetwork(docker, one.id));
  for (const name of found.volumes) await attempt(`volume ${name}`, removeVolume(docker, name));
  for (const one of found.images) {
    const gone = await removeImage(docker, one.id);
    if (!gone) stayed.push(`image ${one.name}: another container uses it`);
  }
  return stayed;
}

export async function removeUnitsAndFolders(found: Belongings): Promise<void> {
  if (found.units.length > 0) await removeUnits();
  if (found.profile !== undefined) await removeProfile();
  for (const folder of found.folders) {
    for (const entry of (await entriesOf(folder.path)) ?? []) {
      await rm(path.join(folder.path, entry), { recursive: true, force: true });
    }
    // A folder that is a mount point itself stays, empty.
    await rmdir(folder.path).catch((error: NodeJS.ErrnoException) => {
      if (!['EBUSY', 'ENOENT'].includes(error.code ?? '')) throw error;
    });
  }
}
