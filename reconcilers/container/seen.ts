/**
 * Looks at the containers of one document, by mark. From caches where nothing happened; a container is inspected only when something says
 * that it must be looked at. Used by the reconcilers of App and Addon.
 */
import { settingsDifference } from '../drivers/docker/difference.ts';
import type {
  ContainerDetails,
  ContainerSpec,
  ContainerSummary,
  Deviation,
  DockerReading,
} from '../drivers/docker/index.ts';
import { LABEL } from '../drivers/docker/index.ts';
import type { HostReading } from '../drivers/host/index.ts';
import type { Reading } from '../world.ts';
import { SETTINGS_LABEL } from './description.ts';

/** Crash loops are told with this many last lines of the log. */
export const LOG_LINES = 12;
export const APPARMOR_PROFILE = 'docker-holdfast-app';

export interface SeenContainer extends ContainerSummary {
  hash: string;
  generation: string;
  settings: string | undefined;
  /** Only where it was inspected. */
  details?: ContainerDetails;
  /** Fields changed behind our back, such as memory by docker update. */
  drift: Deviation[];
}

export interface Look {
  uid: string;
  /** What is wanted, to compare with. */
  spec?: ContainerSpec & { hash: string };
  /** Inspect each, whatever is known of it. */
  lookAtAll: boolean;
  /** Nothing about the summary asks for a closer look. */
  isWell(container: ContainerSummary): boolean;
}

/** All containers of ours for this document, newest first. */
export async function seeContainers(docker: Reading['docker'], look: Look): Promise<SeenContainer[]> {
  const { uid, spec } = look;
  const ours = (await docker.containers()).filter(({ labels }) => labels[LABEL.uid] === uid);
  const seen: SeenContainer[] = [];
  for (const container of ours.sort((a, b) => b.createdAt - a.createdAt)) {
    const entry: SeenContainer = {
      ...container,
      hash: container.labels[LABEL.hash] ?? '',
      generation: container.labels[LABEL.generation] ?? '',
      settings: container.labels[SETTINGS_LABEL],
      drift: [],
    };
    const isLookedAt = docker.needsLook(container.id) || look.lookAtAll || !look.isWell(container);
    const details = isLookedAt ? await docker.container(container.id) : undefined;
    if (isLookedAt && !details) continue;
    if (details) {
      const { name, state, addresses } = details;
      Object.assign(entry, { details, name, state, addresses });
      const isCompared = spec !== undefined && entry.hash === spec.hash;
      if (isCompared) entry.drift = settingsDifference(spec, details);
      // One that was made for other settings was compared with nothing.
      if (isCompared && entry.drift.length === 0 && look.isWell(details))
        docker.looked(container.id, details);
      else if (isCompared) docker.doubt(container.id);
    }
    seen.push(entry);
  }
  return seen;
}

/** Names of volumes whose containers are gone. Those of the wanted container do not count: it is about to be made, and makes room for itself. */
export async function findLeftVolumes(
  docker: DockerReading,
  { uid, containers, wantedHash }: { uid: string; containers: readonly SeenContainer[]; wantedHash?: string },
): Promise<string[]> {
  const used = new Set(containers.map(({ hash }) => hash));
  // A task that still runs works in those of the container that it was started beside.
  for (const { labels } of await docker.containers())
    if (labels[LABEL.app] === uid) used.add(labels[LABEL.hash] ?? '');
  if (wantedHash !== undefined) used.add(wantedHash);
  return (await docker.volumes())
    .filter(({ labels }) => labels[LABEL.uid] === uid)
    .filter(({ labels }) => !used.has(labels[LABEL.hash] ?? ''))
    .map(({ name }) => name)
    .sort();
}

/** Name of the AppArmor profile, where the kernel has it. */
export async function findProfile(host: HostReading): Promise<string | undefined> {
  return (await host.hasAppArmorProfile(APPARMOR_PROFILE)) ? APPARMOR_PROFILE : undefined;
}

/** Running, or kept running by Docker, or frozen. */
export function isUp({ state }: Pick<SeenContainer, 'state'>): boolean {
  return state === 'running' || state === 'restarting' || state === 'paused';
}

export interface Choice {
  /** The one that is wanted, where it is there. */
  current: SeenContainer | undefined;
  others: readonly SeenContainer[];
  /** Of the others, the one whose place it takes, and which comes back where it fails. */
  replaced: SeenContainer | undefined;
}

/** `hash`: of what is wanted. */
export function choose(
  containers: readonly SeenContainer[],
  hash: string,
  hasDrifted: (container: SeenContainer) => boolean,
): Choice {
  const fits = (container: SeenContainer) => container.hash === hash && !hasDrifted(container);
  const current = containers.filter(fits).sort(runningFirst)[0];
  const others = containers.filter((container) => container !== current);
  // One that was made for the same and does not run is left from a loop, or came late from a controller that is gone: nothing to go back to.
  const isLeft = (container: SeenContainer) =>
    current !== undefined && isUp(current) && container.hash === hash;
  return { current, others, replaced: others.find(isUp) ?? others.find((container) => !isLeft(container)) };
}

function runningFirst(a: SeenContainer, b: SeenContainer): number {
  return Number(isUp(b)) - Number(isUp(a)) || b.createdAt - a.createdAt;
}

/** The log of a container that came to an end with an error, or that Docker starts again and again. */
export async function lastLines(
  containers: readonly SeenContainer[],
  docker: DockerReading,
): Promise<string | undefined> {
  const crashed = containers.find(({ details }) => details && hasCrashed(details));
  if (!crashed) return undefined;
  return logTail(crashed.id, docker);
}

/** The last lines of its log; undefined where it cannot be read: it is a help, not a need. */
export async function logTail(id: string, docker: Pick<DockerReading, 'logs'>): Promise<string | undefined> {
  const lines: string[] = [];
  try {
    for await (const line of docker.logs(id, { tail: LOG_LINES })) lines.push(line.text.trimEnd());
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
