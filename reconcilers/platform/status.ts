/** What can be said of the server from what was seen: network, disks, AppArmor. Pure. */
import type { ConditionDraft, Outcome, StatusDraft } from '../../controller/engine/contract.ts';
import type { NetworkSummary } from '../drivers/docker/index.ts';
import type { SeenDisk } from './disk-monitor.ts';
import { firewallCondition, firewallFields } from './firewall.ts';
import type { PlatformHave, PlatformStep, PlatformWant } from './index.ts';
import { isInPool, NETWORK, overlapsNow, planNetwork } from './network.ts';
import { type DayOfUse, fullOn, type Level, levelOf, percentFree, withToday, worst } from './pressure.ts';
import { gatewayOf } from './subnet.ts';

interface Problem {
  reason: string;
  message: string;
}

export function platformStatus(
  want: PlatformWant,
  have: PlatformHave | undefined,
  { pending, failure, now }: Outcome<PlatformStep>,
): StatusDraft[] {
  const { document } = want;
  if (!have) {
    const reason = failure?.reason ?? 'NotLookedAt';
    const message = `Docker cannot be looked at: ${failure?.message ?? 'not tried yet'}`;
    return [{ document, conditions: [{ type: 'Ready', status: 'Unknown', reason, message }] }];
  }
  const ofFirewall = failure?.step?.type === 'WriteFirewall' || failure?.step?.type === 'FilterBridge';
  const firewall = firewallCondition(want.policy, have.firewall, ofFirewall ? failure : undefined);
  // With nothing to open, what is not right with the firewall keeps nobody from anything.
  const needed = want.policy.accepts.length > 0 && firewall.status !== 'True';
  const closed = needed ? { reason: 'FirewallNotReady', message: firewall.message } : undefined;
  // An image that could not be removed is no reason not to be ready, either.
  const ofImage = failure?.step?.type === 'RemoveImage';
  const missing = noNetwork(want, have);
  const overlap = networkConflict(want, have);
  const blocked = missing ?? overlap;
  const fields = {
    version: have.version,
    docker: { version: have.engine.version, apiVersion: have.engine.apiVersion },
    firewall: firewallFields(want.policy, have.firewall),
    nginx: have.nginxVersion === undefined ? undefined : { version: have.nginxVersion },
    disks: have.disks.map((disk) => diskFields(disk, want, now)),
    largest: have.largest.length > 0 ? have.largest : undefined,
    ...(have.network && have.isOurs ? { network: networkStatus(have.network) } : {}),
  };
  const conditions = [
    readyCondition(missing ?? (ofFirewall || ofImage ? closed : (failure ?? closed)), pending),
    firewall,
    diskCondition(want, have),
    appArmorCondition(have),
    ...(overlap ? [{ type: 'NetworkConflict', status: 'True' as const, ...overlap }] : []),
  ];
  return [{ document, conditions, ...(blocked ? { blocked } : {}), fields }];
}

/** Without the network nothing starts; cleaning up is no reason not to be ready. */
function readyCondition(problem: Problem | undefined, pending: readonly PlatformStep[]): ConditionDraft {
  if (problem) return { type: 'Ready', status: 'False', reason: problem.reason, message: problem.message };
  const step = pending.find(({ type }) => type === 'CreateNetwork');
  if (step) return { type: 'Ready', status: 'False', reason: 'Progressing', message: step.message };
  const message = 'Docker and the network are as wanted';
  return { type: 'Ready', status: 'True', reason: 'Running', message };
}

/** There is no network, and none can be made until a person does something. */
function noNetwork(want: PlatformWant, have: PlatformHave): Problem | undefined {
  if (have.network && !have.isOurs) {
    const message =
      have.owner === undefined
        ? `a Docker network named ${NETWORK} is there that Holdfast did not make; remove or rename it`
        : `the Docker network ${NETWORK} belongs to the installation in ${have.owner}; an engine serves one, so remove that one (holdfast purge --state ${have.owner}) or use another engine`;
    return { reason: 'NetworkNameTaken', message };
  }
  if (have.network) return undefined;
  const taken = everyoneInTheWay(want, have);
  if (taken === undefined) return undefined;
  return {
    reason: 'NoFreeSubnet',
    message: `every subnet of the pool is taken: ${taken}; set spec.network.pool`,
  };
}

const MOVE =
  'to move it, stop everything (holdfast down), remove the network (docker network rm) and start again (holdfast up)';

/** The network is there and serves, but something else has its addresses, or the pool has it no more. */
function networkConflict(want: PlatformWant, have: PlatformHave): Problem | undefined {
  const { network } = have;
  if (!network || !have.isOurs) return undefined;
  const [first] = overlapsNow(have);
  if (first) {
    const message = `the network's addresses ${network.subnets.join(', ')} overlap ${first.by} (${first.subnet}): what is there cannot be reached from here, or Apps cannot; name a free pool in spec.network.pool; ${MOVE}`;
    return { reason: 'Overlap', message };
  }
  if (network.subnets.every((subnet) => isInPool(want.pool, subnet))) return undefined;
  const taken = everyoneInTheWay(want, have);
  // Whoever moves it would find out only then.
  const but = taken === undefined ? '' : `; but every subnet of that pool is taken: ${taken}`;
  const message = `the network keeps ${network.subnets.join(', ')}, which is not in spec.network.pool: Apps have addresses in it; ${MOVE}${but}`;
  return { reason: 'NotInPool', message };
}

/** Which subnet of the pool is taken by whom; undefined when one is free. */
function everyoneInTheWay(want: PlatformWant, have: PlatformHave): string | undefined {
  const choice = planNetwork(want.pool, have, '');
  if ('spec' in choice) return undefined;
  return choice.conflicts.map(({ subnet, by }) => `${subnet} by ${by}`).join(', ');
}

function networkStatus({ id, name, subnets, gateway }: NetworkSummary): Record<string, unknown> {
  const [subnet] = subnets;
  return { id, name, ...(subnet === undefined ? {} : { subnet, gateway: gateway ?? gatewayOf(subnet) }) };
}

const DOES: Record<Exclude<Level, 'none'>, string> = {
  warning: 'make room',
  critical: 'no image is pulled until there is room again; what runs goes on, and no data is removed',
};

function diskCondition(want: PlatformWant, have: PlatformHave): ConditionDraft {
  const level = levelNow(want, have);
  if (level === 'none') {
    const message = have.disks.map((disk) => `${percentFree(disk)} % free of ${disk.path}`).join(', ');
    return { type: 'DiskPressure', status: 'False', reason: 'Enough', message: message || 'not known' };
  }
  const full = have.disks
    .filter((disk) => levelOf(disk, want.thresholds, want.level) !== 'none')
    .map(
      (disk) => `${percentFree(disk)} % (${sizeText(disk.freeBytes)}) free of ${disk.path}${fewFiles(disk)}`,
    );
  const takes = have.largest.slice(0, 4).map(({ what, bytes }) => `${what} ${sizeText(bytes)}`);
  const room = takes.length > 0 ? `; most of it: ${takes.join(', ')}` : '';
  return {
    type: 'DiskPressure',
    status: 'True',
    reason: level === 'critical' ? 'Critical' : 'Warning',
    message: `${full.join(', ')}: ${DOES[level]}${room}`,
  };
}

function fewFiles({ freeFiles, totalFiles }: SeenDisk): string {
  const few = totalFiles > 0 && freeFiles < totalFiles / 20;
  return few ? `, and room for ${freeFiles} more files only` : '';
}

export function levelNow({ thresholds, level }: PlatformWant, have: Pick<PlatformHave, 'disks'>): Level {
  return worst(have.disks.map((disk) => levelOf(disk, thresholds, level)));
}

function sizeText(bytes: number): string {
  for (const [unit, size] of [
    ['GiB', 2 ** 30],
    ['MiB', 2 ** 20],
  ] as const)
    if (bytes >= size) return `${(bytes / size).toFixed(1)} ${unit}`;
  return `${Math.ceil(bytes / 1024)} KiB`;
}

function diskFields(disk: SeenDisk, { document }: PlatformWant, now: string): Record<string, unknown> {
  const before = document.status?.disks?.find(({ path }) => path === disk.path)?.history ?? [];
  const known = before.flatMap(({ day, usedBytes }): DayOfUse[] =>
    day === undefined || usedBytes === undefined ? [] : [{ day, usedBytes }],
  );
  const usedBytes = disk.totalBytes - disk.freeBytes;
  const history = withToday(known, { day: now.slice(0, 10), usedBytes });
  const full = fullOn(history, disk.totalBytes);
  return {
    path: disk.path,
    holds: disk.holds,
    totalBytes: disk.totalBytes,
    freePercent: percentFree(disk),
    ...(full === undefined ? {} : { fullOn: full }),
    history,
  };
}

function appArmorCondition({ appArmor }: PlatformHave): ConditionDraft {
  const type = 'AppArmor';
  if (appArmor === 'confined') {
    return {
      type,
      status: 'True',
      reason: 'Confined',
      message: 'containers run under the profile docker-holdfast-app',
    };
  }
  if (appArmor === 'unloaded') {
    const message =
      "the kernel has AppArmor, but the profile docker-holdfast-app is not loaded, so containers run under Docker's own: holdfast up loads it (package apparmor)";
    return { type, status: 'False', reason: 'ProfileNotLoaded', message };
  }
  const message = 'the kernel has no AppArmor, or Docker does not use it: containers are not confined by it';
  return { type, status: 'False', reason: 'NotInKernel', message };
}
