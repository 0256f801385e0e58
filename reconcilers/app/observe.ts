/**
 * Looks at everything that an App is made of: its containers by mark, its image, its folders, its address, its health.
 * From caches where nothing happened; a container is inspected only when something says that it must be looked at.
 */
import { join } from 'node:path';
import { ANNOTATION } from '../../resources/document.ts';
import { volumeFolder } from '../../resources/volume.ts';
import { settingsDifference } from '../drivers/docker/difference.ts';
import type {
  ContainerDetails,
  ContainerSummary,
  DockerReading,
  ImageDetails,
} from '../drivers/docker/index.ts';
import { LABEL } from '../drivers/docker/index.ts';
import type { Reading } from '../world.ts';
import {
  appFolder,
  type ContainerInputs,
  canonicalSettings,
  containerSpec,
  SETTINGS_LABEL,
  settingsHash,
} from './container.ts';
import type { Health } from './health.ts';
import { findTakenPorts, type TakenPort } from './ports.ts';
import type { AppWant } from './want.ts';

/** Crash loops are told with this many last lines of the log. */
const LOG_LINES = 12;
export const APPARMOR_PROFILE = 'docker-holdfast-app';

export interface SeenContainer extends ContainerSummary {
  hash: string;
  generation: string;
  settings: string | undefined;
  /** Only where it was inspected. */
  details?: ContainerDetails;
  /** Fields changed behind our back, such as memory by docker update. */
  drift: { field: string }[];
}

export interface AppHave {
  address?: string;
  /** What the address will probably be, for a plan. */
  nextAddress?: string;
  image?: ImageDetails;
  /** All containers of ours for this App, newest first. */
  containers: SeenContainer[];
  missingFolders: string[];
  /** Names of volumes whose containers are gone: a crash came between the two. */
  leftVolumes: string[];
  dataExists: boolean;
  /** Where the App's data is on the host. */
  folder: string;
  health?: Health;
  /** Somebody removed the network; the Platform makes it again, and nothing can be started meanwhile. */
  networkGone?: boolean;
  /** Public ports that somebody else has, and who. Looked for only where no container of the App has them. */
  takenPorts: TakenPort[];
  /** Last lines of what crashed. */
  crashLog?: string;
  inputs?: ContainerInputs;
}

export const ADDRESS_POOL = 'address';

export async function observeApp(want: AppWant, world: Reading): Promise<AppHave> {
  const { uid, name } = want.document.metadata;
  const image = await findImage(want, world.docker);
  const address = world.leases.of(ADDRESS_POOL, uid);
  const folder = appFolder(world.settings.stateFolder, name);
  const data = dataFolders(want, image, folder);
  const apparmorProfile = (await world.host.hasAppArmorProfile(APPARMOR_PROFILE))
    ? APPARMOR_PROFILE
    : undefined;
  const maker = world.settings;
  const inputs =
    image && containerInputs(want, { image, address: address ?? '', data, apparmorProfile, maker });
  const containers = await seeContainers(want, world.docker, inputs);
  const networks = await world.docker.networks();
  const networkGone =
    want.network !== undefined && !networks.some(({ name: known }) => known === want.network?.name);
  const missingFolders: string[] = [];
  for (const wanted of data)
    if (!(await world.host.folderExists(wanted.folder))) missingFolders.push(wanted.folder);
  const leftVolumes = await findLeftVolumes(want, world.docker, containers, inputs);
  const health = world.health.of(uid);
  const crashLog = await lastLines(containers, world.docker);
  const next =
    address ?? (want.network && freeAddresses(want.network, world.leases.all(ADDRESS_POOL)).next().value);
  return {
    containers,
    takenPorts: await findTakenPorts(want, containers, world),
    missingFolders,
    leftVolumes,
    folder,
    dataExists: await world.host.folderExists(folder),
    ...(address === undefined ? {} : { address }),
    ...(next ? { nextAddress: next } : {}),
    ...(image ? { image } : {}),
    ...(health ? { health } : {}),
    ...(crashLog === undefined ? {} : { crashLog }),
    ...(inputs ? { inputs } : {}),
    ...(networkGone ? { networkGone } : {}),
  };
}

/** The image that this generation was pinned to, as long as it is there; else what the reference names on this machine. */
async function findImage(want: AppWant, docker: DockerReading): Promise<ImageDetails | undefined> {
  const pinned = want.document.status?.image;
  if (pinned?.id !== undefined && pinned.ref === want.app.image) {
    const image = await docker.image(pinned.id);
    if (image) return image;
  }
  return docker.image(want.app.image);
}

/** Wanted folders, and those that the image declares as volumes: nothing that an App writes is lost with its container. */
function dataFolders(
  want: AppWant,
  image: ImageDetails | undefined,
  folder: string,
): { path: string; folder: string }[] {
  const wanted = want.app.mounts.map((mount) => ({ path: mount.path, folder: join(folder, mount.folder) }));
  const taken = new Set(['/run', '/tmp', ...wanted.map(({ path }) => path)]);
  const declared = (image?.volumes ?? []).filter((path) => !taken.has(path)).sort();
  return [...wanted, ...declared.map((path) => ({ path, folder: join(folder, volumeFolder(path)) }))];
}

function containerInputs(
  want: AppWant,
  found: {
    image: ImageDetails;
    address: string;
    data: { path: string; folder: string }[];
    apparmorProfile: string | undefined;
    maker: Reading['settings'];
  },
): ContainerInputs {
  const { app, document } = want;
  const { name, uid, generation } = document.metadata;
  const { command, memoryWithSwap } = app;
  return {
    app: { name, uid, generation },
    imageId: found.image.id,
    ...(command ? { command } : {}),
    env: want.env,
    network: want.network?.name ?? '',
    address: found.address,
    dns: want.dns,
    data: found.data,
    ports: app.tcpPorts,
    readOnlyRoot: app.readOnlyRoot,
    ...(memoryWithSwap === undefined ? {} : { memoryWithSwap }),
    pidsLimit: app.pidsLimit,
    ...(found.apparmorProfile ? { apparmorProfile: found.apparmorProfile } : {}),
    maker: { stateFolder: found.maker.stateFolder, version: found.maker.version },
  };
}

async function seeContainers(
  want: AppWant,
  docker: Reading['docker'],
  inputs: ContainerInputs | undefined,
): Promise<SeenContainer[]> {
  const { uid, annotations } = want.document.metadata;
  const ours = (await docker.containers()).filter(({ labels }) => labels[LABEL.uid] === uid);
  const restart = annotations?.[ANNOTATION.restartedAt];
  const restartAsked = restart !== undefined && restart !== want.document.status?.restartedAt;
  const spec = inputs && containerSpec(inputs);
  const seen: SeenContainer[] = [];
  for (const container of ours.sort((a, b) => b.createdAt - a.createdAt)) {
    const entry: SeenContainer = {
      ...container,
      hash: container.labels[LABEL.hash] ?? '',
      generation: container.labels[LABEL.generation] ?? '',
      settings: container.labels[SETTINGS_LABEL],
      drift: [],
    };
    const look = docker.needsLook(container.id) || restartAsked || !isWell(want, container);
    const details = look ? await docker.container(container.id) : undefined;
    if (look && !details) continue;
    if (details) {
      entry.details = details;
      entry.state = details.state;
      const isCompared = spec !== undefined && entry.hash === spec.hash;
      if (isCompared) entry.drift = settingsDifference(spec, details);
      // One that was made for other settings was compared with nothing.
      if (isCompared && entry.drift.length === 0) docker.looked(container.id, details);
    }
    seen.push(entry);
  }
  return seen;
}

/** Those of the wanted container do not count: it is about to be made, and makes room for itself. */
async function findLeftVolumes(
  { document, deleting }: AppWant,
  docker: DockerReading,
  containers: readonly SeenContainer[],
  inputs: ContainerInputs | undefined,
): Promise<string[]> {
  const used = new Set(containers.map(({ hash }) => hash));
  if (inputs && !deleting) used.add(settingsHash(canonicalSettings(inputs)));
  return (await docker.volumes())
    .filter(({ labels }) => labels[LABEL.uid] === document.metadata.uid)
    .filter(({ labels }) => !used.has(labels[LABEL.hash] ?? ''))
    .map(({ name }) => name)
    .sort();
}

/** Nothing about the summary asks for a closer look. */
function isWell({ app }: AppWant, { state }: ContainerSummary): boolean {
  return app.state === 'stopped' ? state === 'exited' || state === 'created' : state === 'running';
}

/** The log of a container that came to an end with an error, or that Docker starts again and again. */
async function lastLines(
  containers: readonly SeenContainer[],
  docker: DockerReading,
): Promise<string | undefined> {
  const crashed = containers.find(({ details }) => details && hasCrashed(details));
  if (!crashed) return undefined;
  const lines: string[] = [];
  try {
    for await (const line of docker.logs(crashed.id, { tail: LOG_LINES })) lines.push(line.text.trimEnd());
  } catch {
    return undefined;
  }
  return lines.join('\n').slice(-2_000);
}

export function hasCrashed(details: ContainerDetails): boolean {
  if (details.state === 'restarting' || details.state === 'dead') return true;
  return (
    details.state === 'exited' &&
    details.exitCode !== 0 &&
    details.exitCode !== 143 &&
    details.exitCode !== 137
  );
}

/** Host addresses of the subnet that nobody has, lowest first. The gateway and the ends are left out. */
export function* freeAddresses(
  network: { subnet: string; gateway: string },
  taken: ReadonlyMap<string, string>,
): Generator<string> {
  const [base = '', bits = '32'] = network.subnet.split('/');
  const first = toNumber(base);
  const size = 2 ** (32 - Number(bits));
  const used = new Set([network.gateway, ...taken.values()]);
  for (let offset = 2; offset < size - 1; offset += 1) {
    const address = toAddress(first + offset);
    if (!used.has(address)) yield address;
  }
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
