/**
 * Looks at everything that an Addon is made of: folders, image, containers, and the server itself, which is asked through its own client. A
 * server that does not answer is a fact, not a failure.
 */
import { join } from 'node:path';
import { ADDON_IMAGES, addonImage, DEFAULT_VERSION } from '../../resources/addon-images.ts';
import { ANNOTATION } from '../../resources/document.ts';
import { ADDRESS_POOL, nextAddress } from '../container/address.ts';
import {
  type ContainerInputs,
  canonicalSettings,
  containerSpec,
  sameInputs,
  settingsHash,
} from '../container/description.ts';
import {
  findLeftVolumes,
  findProfile,
  isUp,
  lastLines,
  type SeenContainer,
  seeContainers,
} from '../container/seen.ts';
import type { Account, DatabaseServer } from '../drivers/database/index.ts';
import { type DockerReading, type ImageDetails, LABEL } from '../drivers/docker/index.ts';
import { DriverError } from '../drivers/error.ts';
import type { Reading } from '../world.ts';
import {
  dataPath,
  PASSWORD_FILE,
  SECRET_PATH,
  SERVER_STOP_SECONDS,
  seriesOf,
  serverCommand,
  serverEnv,
  serverMemory,
  USERS_FILE,
} from './server.ts';
import { readSlots, type Slots, slotName } from './slots.ts';
import type { AddonWant } from './want.ts';
import { workerUids } from './workers.ts';

export interface ChosenImage {
  ref: string;
  version: string;
  series: string;
  /** undefined: it is to be pulled. */
  details?: ImageDetails;
}

export type Answer =
  | { version: string; accounts: readonly Account[] }
  | { refused: 'denied' | 'unavailable' | 'failed'; message: string };

export interface AddonHave {
  address?: string;
  nextAddress?: string;
  networkGone: boolean;
  /** Folder of the Addon on the host. */
  folder: string;
  slots: Slots;
  missingFolders: string[];
  /** Text of the file with the administrator's password; undefined where there is none. */
  passwordFile?: string;
  usersFile?: string;
  /** What is to run. */
  image: ChosenImage;
  /** What reads the data that is there, where that is another: an upgrade is to be made. */
  present?: ChosenImage;
  containers: SeenContainer[];
  /** Containers that an upgrade runs, or left. */
  workers: SeenContainer[];
  /** Owners of the addresses that these have. */
  heldAddresses: string[];
  leftVolumes: string[];
  inputs?: ContainerInputs;
  /** undefined: no container runs. */
  answer?: Answer;
  crashLog?: string;
  /** Milliseconds since 1970. */
  now: number;
}

export async function observeAddon(want: AddonWant, world: Reading): Promise<AddonHave> {
  const { uid, name } = want.document.metadata;
  const { docker, host } = world;
  const folder = join(world.settings.stateFolder, 'addons', name);
  const slots = readSlots(await host.foldersIn(folder));
  const { image, present } = await chooseImages(want, slots, docker);
  const address = world.leases.of(ADDRESS_POOL, uid);
  const running = present ?? image;
  const profile = await findProfile(host);
  const inputs =
    running.details &&
    sameInputs(
      want.document.spec,
      containerInputs(want, {
        image: running,
        details: running.details,
        folder,
        address: address ?? '',
        world,
        profile,
      }),
    );
  const containers = await seeContainers(docker, {
    uid,
    ...(inputs ? { spec: containerSpec(inputs) } : {}),
    lookAtAll: restartIsAsked(want),
    isWell: ({ state }) => state === 'running',
  });
  const workers = (
    await Promise.all(
      workerUids(uid).map((worker) =>
        seeContainers(docker, { uid: worker, lookAtAll: false, isWell: () => true }),
      ),
    )
  ).flat();
  const wanted = [folder, join(folder, 'secret'), join(folder, slotName('data', running.series))];
  const networks = await docker.networks();
  const next = nextAddress(world.leases, uid, want.network);
  const answer = await askServer(want, address, containers, world);
  const crashLog = await lastLines(containers, docker);
  const passwordFile = await host.readFile(join(folder, 'secret', PASSWORD_FILE));
  const usersFile =
    want.type === 'redis' ? await host.readFile(join(folder, 'secret', USERS_FILE)) : undefined;
  return {
    folder,
    slots,
    image,
    containers,
    workers,
    heldAddresses: workerUids(uid).filter((worker) => world.leases.of(ADDRESS_POOL, worker) !== undefined),
    missingFolders: await missing(wanted, host),
    networkGone: want.network !== undefined && !networks.some((one) => one.name === want.network?.name),
    leftVolumes: [
      ...(await findLeftVolumes(docker, {
        uid,
        containers,
        ...(inputs && !want.deleting ? { wantedHash: settingsHash(canonicalSettings(inputs)) } : {}),
      })),
      ...(await leftOfWorkers(uid, workers, docker)),
    ],
    now: world.clock.now(),
    ...(present ? { present } : {}),
    ...(address === undefined ? {} : { address }),
    ...(next === undefined ? {} : { nextAddress: next }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(usersFile === undefined ? {} : { usersFile }),
    ...(inputs ? { inputs } : {}),
    ...(answer ? { answer } : {}),
    ...(crashLog === undefined ? {} : { crashLog }),
  };
}

async function leftOfWorkers(
  uid: string,
  workers: readonly SeenContainer[],
  docker: DockerReading,
): Promise<string[]> {
  const found = workerUids(uid).map((worker) => {
    const containers = workers.filter(({ labels }) => labels[LABEL.uid] === worker);
    return findLeftVolumes(docker, { uid: worker, containers });
  });
  return (await Promise.all(found)).flat();
}

async function missing(wanted: readonly string[], host: Reading['host']): Promise<string[]> {
  const found: string[] = [];
  for (const path of wanted) if (!(await host.folderExists(path))) found.push(path);
  return found;
}

function restartIsAsked({ document }: AddonWant): boolean {
  const asked = document.metadata.annotations?.[ANNOTATION.restartedAt];
  return asked !== undefined && asked !== document.status?.restartedAt;
}

/** The image that is wanted, and where the data is of another series that of the data. */
async function chooseImages(
  want: AddonWant,
  slots: Slots,
  docker: DockerReading,
): Promise<{ image: ChosenImage; present?: ChosenImage }> {
  const { spec, status } = want.document;
  const [data] = slots.data;
  const wanted = spec.version ?? versionOfTag(spec.image) ?? data?.series;
  const version = wanted || (await usualVersion(want, docker));
  const image = await findImage(want, version, docker);
  if (!data || data.series === image.series) return { image };
  const { upgrade } = status ?? {};
  const isDone = slots.verified.some(({ series }) => series === image.series);
  if (isDone) return { image };
  const before = await findImage({ ...want, document: withoutImage(want) }, data.series, docker);
  // What was tried and failed is not tried again by itself: the data goes on with the version that it has.
  if (upgrade?.state === 'failed' && upgrade.to === image.series && !isRetried(want))
    return { image: before };
  return { image, present: before };
}

/** Asked for since it failed. Not compared as times: people's clocks are others, and clocks jump. */
export function isRetried({ document }: AddonWant): boolean {
  const asked = document.metadata.annotations?.[ANNOTATION.retriedAt];
  return asked !== undefined && asked !== document.status?.upgrade?.asked;
}

/** An image that a person named is that of the version that they want. */
function withoutImage({ document }: AddonWant): AddonWant['document'] {
  const { image: _named, version: _wanted, ...spec } = document.spec;
  return { ...document, spec: spec as AddonWant['document']['spec'] };
}

/** postgres:16.4-alpine → 16.4 */
function versionOfTag(image: string | undefined): string | undefined {
  return /:v?([0-9]+(?:[.][0-9]+){0,2})[^/:]*$/.exec(image ?? '')?.[1];
}

/** The newest that was built here, else the platform's. */
async function usualVersion({ type }: AddonWant, docker: DockerReading): Promise<string> {
  for (const { version, local } of [...ADDON_IMAGES[type]].reverse())
    if (local && (await docker.image(local.image))) return version;
  return DEFAULT_VERSION[type];
}

/** What runs stays; then one that was built here, then one that is here, then the official one, to be pulled. */
async function findImage(want: AddonWant, version: string, docker: DockerReading): Promise<ChosenImage> {
  const { spec, status } = want.document;
  const { local, official } = addonImage(want.type, version);
  const candidates = spec.image === undefined ? [...(local ? [local.image] : []), official] : [spec.image];
  const pinned = status?.image;
  const series = seriesOf(want.type, version);
  if (pinned?.id !== undefined && candidates.includes(pinned.ref ?? '')) {
    const details = await docker.image(pinned.id);
    if (details) return { ref: pinned.ref ?? '', version, series, details };
  }
  for (const ref of candidates) {
    const details = await docker.image(ref);
    if (details) return { ref, version, series, details };
  }
  return { ref: candidates.at(-1) ?? official, version, series };
}

/** Also of the two that an upgrade runs beside each other. */
export function containerInputs(
  want: AddonWant,
  made: {
    image: ChosenImage;
    details: ImageDetails;
    folder: string;
    address: string;
    world: Pick<Reading, 'settings'>;
    profile: string | undefined;
    /** Name of the data's folder, where it is not the usual. */
    slot?: string;
  },
): ContainerInputs {
  const { name, uid, generation } = want.document.metadata;
  const { image, details, folder, address, world, profile } = made;
  const memoryWithSwap = serverMemory(want.document.spec);
  const main = dataPath(want.type, details.volumes);
  const slot = join(folder, made.slot ?? slotName('data', image.series));
  const others = details.volumes.filter((path) => path !== main && !['/run', '/tmp'].includes(path));
  return {
    owner: { kind: 'Addon', name, uid, generation },
    imageId: details.id,
    command: serverCommand(want.document.spec),
    env: serverEnv(want.type),
    network: want.network?.name ?? '',
    address,
    dns: [],
    data: [
      { path: main, folder: slot },
      ...others.map((path) => ({ path, folder: join(slot, `.volume${path.replaceAll('/', '-')}`) })),
    ],
    reads: [{ path: SECRET_PATH, folder: join(folder, 'secret') }],
    ports: [],
    readOnlyRoot: true,
    tty: false,
    stopSeconds: SERVER_STOP_SECONDS,
    ...(memoryWithSwap === undefined ? {} : { memoryWithSwap }),
    pidsLimit: 4096,
    ...(profile === undefined ? {} : { apparmorProfile: profile }),
    maker: { stateFolder: world.settings.stateFolder, version: world.settings.version },
  };
}

export function serverOf(want: AddonWant, address: string): DatabaseServer {
  const { type, port, password = '', document } = want;
  return { type, name: `addon/${document.metadata.name}`, address, port, password };
}

async function askServer(
  want: AddonWant,
  address: string | undefined,
  containers: readonly SeenContainer[],
  { databases }: Reading,
): Promise<Answer | undefined> {
  if (address === undefined || want.password === undefined || !containers.some(isUp)) return undefined;
  const server = serverOf(want, address);
  try {
    return { version: await databases.version(server), accounts: await databases.accounts(server) };
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    const refused = error.code === 'denied' || error.code === 'failed' ? error.code : 'unavailable';
    return { refused, message: error.message };
  }
}
