/**
 * Looks at everything that an App is made of: its containers by mark, its image, its folders, its address, its health.
 * From caches where nothing happened; a container is inspected only when something says that it must be looked at.
 */
import { join } from 'node:path';
import { ANNOTATION } from '../../resources/document.ts';
import { volumeFolder } from '../../resources/volume.ts';
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
  lastLines,
  type SeenContainer,
  seeContainers,
} from '../container/seen.ts';
import type { ContainerSummary, DockerReading, ImageDetails } from '../drivers/docker/index.ts';
import { DriverError } from '../drivers/error.ts';
import type { Reading } from '../world.ts';
import type { Health } from './health.ts';
import { findTakenPorts, type TakenPort } from './ports.ts';
import type { AliasLead } from './records.ts';
import { CERTIFICATE_PATH, findCertificate, leftCertificates, type TlsHave } from './tls.ts';
import type { AppWant } from './want.ts';

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
  /** What Docker told of its containers since they last were as wanted. */
  heard?: string;
  /** Somebody removed the network; the Platform makes it again, and nothing can be started meanwhile. */
  networkGone?: boolean;
  /** Public ports that somebody else has, and who. Looked for only where no container of the App has them. */
  takenPorts: TakenPort[];
  /** Last lines of what crashed. */
  crashLog?: string;
  inputs?: ContainerInputs;
  tls: TlsHave;
  /** Where its aliases in other people's domains lead to. */
  aliases: readonly AliasLead[];
}

export async function observeApp(want: AppWant, world: Reading): Promise<AppHave> {
  const { uid, name } = want.document.metadata;
  // Before they are looked at: what fits then is forgotten.
  const heard = world.docker.heard(uid);
  const image = await findImage(want, world.docker);
  const address = world.leases.of(ADDRESS_POOL, uid);
  const folder = appFolder(world.settings.stateFolder, name);
  const data = dataFolders(want, image, folder);
  const certificate = await findCertificate(want, world);
  const apparmorProfile = await findProfile(world.host);
  const maker = world.settings;
  const inputs =
    image &&
    sameInputs(
      want.document.spec,
      containerInputs(want, {
        image,
        address: address ?? '',
        data,
        certificates: certificate.folder,
        apparmorProfile,
        maker,
      }),
    );
  const containers = await seeContainers(world.docker, {
    uid,
    ...(inputs ? { spec: containerSpec(inputs) } : {}),
    lookAtAll: restartIsAsked(want),
    isWell: (container) => isWell(want, container),
  });
  const networks = await world.docker.networks();
  const networkGone =
    want.network !== undefined && !networks.some(({ name: known }) => known === want.network?.name);
  const missingFolders: string[] = [];
  for (const wanted of data)
    if (!(await world.host.folderExists(wanted.folder))) missingFolders.push(wanted.folder);
  const leftVolumes = await findLeftVolumes(world.docker, {
    uid,
    containers,
    ...(inputs && !want.deleting ? { wantedHash: settingsHash(canonicalSettings(inputs)) } : {}),
  });
  const health = world.health.of(uid);
  const crashLog = await lastLines(containers, world.docker);
  const next = nextAddress(world.leases, uid, want.network);
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
    ...(heard === undefined ? {} : { heard }),
    tls: { ...certificate, left: await leftCertificates(uid, certificate, containers, world) },
    aliases: await followAliases(want, world),
  };
}

/** It is only told where they lead to, so that a resolver that is silent changes nothing. */
async function followAliases({ names, deleting }: AppWant, world: Reading): Promise<AliasLead[]> {
  if (deleting) return [];
  return Promise.all(
    names.elsewhere.map(async (name): Promise<AliasLead> => {
      try {
        return { name, leads: await world.lookup.leadsTo(name, names.resolvers) };
      } catch (error) {
        if (!(error instanceof DriverError)) throw error;
        return { name, problem: error.message };
      }
    }),
  );
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
  const certificates = want.tls ? [CERTIFICATE_PATH] : [];
  const taken = new Set(['/run', '/tmp', ...certificates, ...wanted.map(({ path }) => path)]);
  const declared = (image?.volumes ?? []).filter((path) => !taken.has(path)).sort();
  return [...wanted, ...declared.map((path) => ({ path, folder: join(folder, volumeFolder(path)) }))];
}

function containerInputs(
  want: AppWant,
  found: {
    image: ImageDetails;
    address: string;
    data: { path: string; folder: string }[];
    certificates: string | undefined;
    apparmorProfile: string | undefined;
    maker: Reading['settings'];
  },
): ContainerInputs {
  const { app, document } = want;
  const { name, uid, generation } = document.metadata;
  const { command, memoryWithSwap } = app;
  return {
    owner: { kind: 'App', name, uid, generation },
    imageId: found.image.id,
    ...(command ? { command } : {}),
    env: want.env,
    network: want.network?.name ?? '',
    address: found.address,
    dns: want.dns,
    data: found.data,
    ...(found.certificates === undefined
      ? {}
      : { reads: [{ path: CERTIFICATE_PATH, folder: found.certificates }] }),
    ports: app.tcpPorts,
    hosts: want.addons.hosts,
    readOnlyRoot: app.readOnlyRoot,
    ...(memoryWithSwap === undefined ? {} : { memoryWithSwap }),
    pidsLimit: app.pidsLimit,
    ...(found.apparmorProfile ? { apparmorProfile: found.apparmorProfile } : {}),
    maker: { stateFolder: found.maker.stateFolder, version: found.maker.version },
  };
}

function restartIsAsked({ document }: AppWant): boolean {
  const asked = document.metadata.annotations?.[ANNOTATION.restartedAt];
  return asked !== undefined && asked !== document.status?.restartedAt;
}

/** Nothing about the summary asks for a closer look. */
function isWell({ app }: AppWant, { state }: ContainerSummary): boolean {
  return app.state === 'stopped' ? state === 'exited' || state === 'created' : state === 'running';
}

/** Folder of everything that an App keeps. */
function appFolder(stateFolder: string, app: string): string {
  return join(stateFolder, 'apps', app);
}
