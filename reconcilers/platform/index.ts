/**
 * The reconciler of Platform: the one network that all containers are on, the firewall on it, images and containers that nobody needs
 * any more, and what is to be said of the server. Inter-container traffic is off, so no App reaches another; the firewall opens what Bindings
 * allow; nginx on the host reaches all of them at fixed addresses.
 */
import type { Reconciler, Run, Step, View } from '../../controller/engine/contract.ts';
import { condition, type Document, refText, type StatusBase } from '../../resources/document.ts';
import type { PlatformSpec, PlatformStatus } from '../../resources/generated.ts';
import { PLATFORM_NAME } from '../../resources/platform.ts';
import { APPARMOR_PROFILE } from '../container/seen.ts';
import { type ContainerSummary, type EngineInfo, LABEL, type NetworkSpec } from '../drivers/docker/index.ts';
import { madeFor } from '../drivers/docker/ownership.ts';
import type { FirewallPolicy } from '../drivers/firewall/index.ts';
import type { PulledImage } from '../drivers/host/index.ts';
import type { Reading, Writing } from '../world.ts';
import { BRIDGE } from './bridge.ts';
import type { SeenDisk, TakesRoom } from './disk-monitor.ts';
import {
  FIREWALL_KINDS,
  type FirewallHave,
  firewallDifferences,
  firewallLookAgainSeconds,
  isBridgeOpen,
  observeFirewall,
  wantedPolicy,
} from './firewall.ts';
import { findUnneeded, KEEP_IMAGES } from './images.ts';
import { findNetwork, planNetwork, type SeenNetwork } from './network.ts';
import { type Level, levelOf, type Thresholds, thresholdsOf, worst } from './pressure.ts';
import { platformStatus } from './status.ts';
import { findStrays } from './strays.ts';
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
  addons: readonly Document[];
  policy: FirewallPolicy;
  cause: () => string;
}

export interface PlatformHave extends SeenNetwork {
  engine: EngineInfo;
  firewall: FirewallHave;
  nginxVersion?: string;
  version: string;
  stateFolder: string;
  disks: SeenDisk[];
  /** What takes the room; empty while there is enough. */
  largest: TakesRoom[];
  unneeded: PulledImage[];
  strays: ContainerSummary[];
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

interface RemoveContainer extends Step {
  readonly type: 'RemoveContainer';
  readonly container: ContainerSummary;
}

interface WriteFirewall extends Step {
  readonly type: 'WriteFirewall';
  readonly policy: FirewallPolicy;
}

interface FilterBridge extends Step {
  readonly type: 'FilterBridge';
}

export type PlatformStep = CreateNetwork | RemoveImage | RemoveContainer | WriteFirewall | FilterBridge;

/** Many Bindings come at once: one rewriting for all of them. */
const SETTLE_MILLISECONDS = 50;
/** So many differences are named in a plan and in an event; a chain may have thousands. */
const MOST_REASONS = 12;

export const platformReconciler: Reconciler<PlatformWant, PlatformHave, PlatformStep, Reading, Writing> = {
  kind: 'Platform',
  parallelism: 1,
  settleMilliseconds: SETTLE_MILLISECONDS,
  watches: FIREWALL_KINDS,
  key: ({ metadata }) => metadata.name,
  wakes,
  want: platformWant,
  documents: ({ document }) => [document],
  observe: observePlatform,
  diff: diffPlatform,
  converge: convergePlatform,
  status: platformStatus,
  requeueAfterSeconds: ({ policy }) => firewallLookAgainSeconds(policy),
};

/**
 * An App without a Binding opens nothing, however often its status changes. One that goes leaves its image; what is not needed any more
 * for another reason is found by and by.
 */
function wakes({ kind, metadata }: Document, view: View): readonly string[] {
  const says = kind !== 'App' || metadata.deletionTimestamp !== undefined;
  const opens = says || view.list('Binding').some(({ spec }) => spec['app'] === metadata.name);
  return opens ? [PLATFORM_NAME] : [];
}

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
    addons: view.list('Addon'),
    policy: wantedPolicy(view),
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
  const [engine, containers, networks, routes, nginx, firewall, disks, unneeded] = await Promise.all([
    docker.info(),
    docker.containers(),
    docker.networks(),
    host.routes(),
    world.nginx.state(),
    observeFirewall(world),
    disk.disks(),
    findUnneeded(want, want.keepImages, world),
  ]);
  const level = worst(disks.map((one) => levelOf(one, want.thresholds, want.level)));
  return {
    ...findNetwork(networks, routes, settings.stateFolder),
    engine,
    firewall,
    version: settings.version,
    stateFolder: settings.stateFolder,
    disks,
    largest: level === 'none' ? [] : await disk.largest(),
    unneeded,
    strays: findStrays(containers, [...want.apps, ...want.addons]),
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
  const images = have.unneeded.map(removeImage);
  // The network, the chain and the containers of another installation are its own.
  if (have.network && !have.isOurs) return images;
  const containers = have.strays.map(removeContainer);
  return [...createNetwork(want, have), ...diffFirewall(want, have), ...containers, ...images];
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

function diffFirewall({ policy }: PlatformWant, { firewall }: PlatformHave): PlatformStep[] {
  const steps: PlatformStep[] = [];
  const differences = firewallDifferences(policy, firewall);
  if (differences.length > 0) {
    const ways = policy.accepts.length;
    steps.push({
      type: 'WriteFirewall',
      target: 'firewall/HOLDFAST-FORWARD',
      action: differences.every(({ field }) => field.endsWith('.chain')) ? 'create' : 'change',
      impact: 'none',
      message: `keep containers apart, with ${ways === 1 ? '1 way' : `${ways} ways`} open from Apps to what they are bound to`,
      because: differences.slice(0, MOST_REASONS),
      policy,
    });
  }
  if (isBridgeOpen(firewall)) {
    steps.push({
      type: 'FilterBridge',
      target: `bridge/${BRIDGE}`,
      action: 'change',
      impact: 'none',
      message: `have packets between containers on ${BRIDGE} come to the firewall`,
      because: [{ field: 'firewall.bridge', found: 'not filtered', wanted: 'filtered', cause: 'drift' }],
    });
  }
  return steps;
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

function removeContainer(container: ContainerSummary): PlatformStep {
  const { name, labels } = container;
  const { kind, ...metadata } = madeFor(labels);
  const document = refText({ kind, metadata });
  return {
    type: 'RemoveContainer',
    target: `container/${name}`,
    action: 'delete',
    impact: 'none',
    message: `remove the container ${name}, which was made for ${document} and never started`,
    because: [{ field: 'containers', found: name, wanted: null, cause: `that ${document} is gone` }],
    container,
  };
}

async function convergePlatform(step: PlatformStep, world: Writing, run: Run): Promise<void> {
  if (step.type === 'CreateNetwork') await world.docker.createNetwork(step.network);
  else if (step.type === 'WriteFirewall') await world.firewall.write(step.policy);
  else if (step.type === 'FilterBridge') await world.firewall.filterBridge(BRIDGE);
  else if (step.type === 'RemoveContainer') await convergeContainer(step, world, run);
  else await convergeImage(step, world, run);
}

/** A document that came to be since this was planned looks after its containers itself. */
async function convergeContainer(
  { container: { id, labels } }: RemoveContainer,
  { docker }: Writing,
  run: Run,
): Promise<void> {
  if (!run.documents.exists(madeFor(labels))) await docker.remove(id);
}

async function convergeImage(step: RemoveImage, { docker, host }: Writing, run: Run): Promise<void> {
  const { id, reference } = step.image;
  if ((await docker.removeImage(id, reference)) === 'kept')
    run.event('Normal', 'ImageKept', `${reference} stays: another name, image or container needs it`);
  await host.forgetPulled(id);
}
