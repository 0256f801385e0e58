/**
 * The reconciler of Platform: the one network that all containers are on, images that nobody needs any more, and what is to be said of
 * the server. Inter-container traffic is off on the network, so no App reaches another; nginx on the host reaches all of them at
 * fixed addresses.
 */
import type { Reconciler, Run, Step, View } from '../../controller/engine/contract.ts';
import { condition, type Document, type StatusBase } from '../../resources/document.ts';
import type { PlatformSpec, PlatformStatus } from '../../resources/generated.ts';
import { APPARMOR_PROFILE } from '../container/seen.ts';
import { type EngineInfo, LABEL, type NetworkSpec } from '../drivers/docker/index.ts';
import type { PulledImage } from '../drivers/host/index.ts';
import type { Reading, Writing } from '../world.ts';
import type { SeenDisk, TakesRoom } from './disk-monitor.ts';
import { findUnneeded, KEEP_IMAGES } from './images.ts';
import { findNetwork, planNetwork, type SeenNetwork } from './network.ts';
import { type Level, levelOf, type Thresholds, thresholdsOf, worst } from './pressure.ts';
import { platformStatus } from './status.ts';
import { DEFAULT_POOL } from './subnet.ts';

type PlatformDocument = Document<PlatformSpec & Record<string, unknown>, PlatformStatus & StatusBase>;

export interface PlatformWant {
  document: PlatformDocument;
  pool: readonly string[];
  thresholds: Thresholds;
  /** As it was told the last time. */
  level: Level;
  keepImages: number;
  apps: readonly Document[];
  cause: () => string;
}

export interface PlatformHave extends SeenNetwork {
  engine: EngineInfo;
  nginxVersion?: string;
  version: string;
  stateFolder: string;
  disks: SeenDisk[];
  /** What takes the room; empty while there is enough. */
  largest: TakesRoom[];
  unneeded: PulledImage[];
  appArmor: 'confined' | 'unloaded' | 'absent';
}

interface CreateNetwork extends Step {
  readonly type: 'CreateNetwork';
  readonly network: NetworkSpec;
}

interface RemoveImage extends Step {
  readonly type: 'RemoveImage';
  readonly image: PulledImage;
}

export type PlatformStep = CreateNetwork | RemoveImage;

export const platformReconciler: Reconciler<PlatformWant, PlatformHave, PlatformStep, Reading, Writing> = {
  kind: 'Platform',
  parallelism: 1,
  watches: ['App'],
  key: ({ metadata }) => metadata.name,
  // An App that goes leaves its image; what an App does not need any more for another reason is found by and by.
  wakes: ({ kind, metadata }, view) =>
    kind === 'App' && metadata.deletionTimestamp !== undefined
      ? view.list('Platform').map((platform) => platform.metadata.name)
      : [],
  want: platformWant,
  documents: ({ document }) => [document],
  observe: observePlatform,
  diff: diffPlatform,
  converge: convergePlatform,
  status: platformStatus,
};

function platformWant(name: string, view: View): PlatformWant | undefined {
  const document = view.get('Platform', name) as PlatformDocument | undefined;
  if (!document) return undefined;
  const before = document.status?.network?.subnet;
  const pool = document.spec.network?.pool ?? DEFAULT_POOL;
  return {
    document,
    // The one that is in use stays, as long as the pool still has it.
    pool:
      before !== undefined && pool.includes(before)
        ? [before, ...pool.filter((subnet) => subnet !== before)]
        : pool,
    thresholds: thresholdsOf(document.spec),
    level: levelBefore(document),
    keepImages: document.spec.disk?.keepImages ?? KEEP_IMAGES,
    apps: view.list('App'),
    cause: () => view.causeOf(document),
  };
}

function levelBefore(document: Document): Level {
  const pressure = condition(document, 'DiskPressure');
  if (pressure?.status !== 'True') return 'none';
  return pressure.reason === 'Critical' ? 'critical' : 'warning';
}

async function observePlatform(want: PlatformWant, world: Reading): Promise<PlatformHave> {
  const { docker, host, disk, settings } = world;
  const [engine, networks, routes, nginx, disks, unneeded] = await Promise.all([
    docker.info(),
    docker.networks(),
    host.routes(),
    world.nginx.state(),
    disk.disks(),
    findUnneeded(want.apps, want.keepImages, world),
  ]);
  const level = worst(disks.map((one) => levelOf(one, want.thresholds, want.level)));
  return {
    ...findNetwork(networks, routes, settings.stateFolder),
    engine,
    version: settings.version,
    stateFolder: settings.stateFolder,
    disks,
    largest: level === 'none' ? [] : await disk.largest(),
    unneeded,
    appArmor: await lookAtAppArmor(engine, host),
    ...(nginx.version === undefined ? {} : { nginxVersion: nginx.version }),
  };
}

async function lookAtAppArmor(
  { security }: EngineInfo,
  host: Reading['host'],
): Promise<PlatformHave['appArmor']> {
  if (!security.includes('apparmor') || !(await host.hasAppArmor())) return 'absent';
  return (await host.hasAppArmorProfile(APPARMOR_PROFILE)) ? 'confined' : 'unloaded';
}

function diffPlatform(want: PlatformWant, have: PlatformHave): PlatformStep[] {
  return [...createNetwork(want, have), ...have.unneeded.map(removeImage)];
}

function createNetwork(want: PlatformWant, have: PlatformHave): PlatformStep[] {
  if (have.network) return [];
  const known = want.document.status?.network?.subnet !== undefined;
  const planned = planNetwork(want.pool, have, known ? 'drift' : want.cause());
  if (!('spec' in planned)) return [];
  const { name, uid } = want.document.metadata;
  const labels = {
    [LABEL.managed]: 'true',
    [LABEL.kind]: 'Platform',
    [LABEL.name]: name,
    [LABEL.uid]: uid,
    [LABEL.state]: have.stateFolder,
  };
  return [
    {
      type: 'CreateNetwork',
      target: `network/${planned.spec.name}`,
      action: 'create',
      impact: 'none',
      message: `make the network ${planned.spec.name} with ${planned.spec.subnet}`,
      because: planned.because,
      network: { ...planned.spec, labels },
    },
  ];
}

function removeImage(image: PulledImage): PlatformStep {
  return {
    type: 'RemoveImage',
    target: `image/${image.reference}`,
    action: 'delete',
    impact: 'none',
    message: `remove the image ${image.reference}, which was pulled for an App`,
    because: [
      { field: 'images', found: image.reference, wanted: null, cause: 'no App and no kept revision has it' },
    ],
    image,
  };
}

async function convergePlatform(step: PlatformStep, { docker, host }: Writing, run: Run): Promise<void> {
  if (step.type === 'CreateNetwork') {
    await docker.createNetwork(step.network);
    return;
  }
  const { id, reference } = step.image;
  if ((await docker.removeImage(id, reference)) === 'kept')
    run.event('Normal', 'ImageKept', `${reference} stays: another name, image or container needs it`);
  await host.forgetPulled(id);
}
