/**
 * Does one step for an App. Each may be done twice. Containers are found by mark, not remembered: a step that ran before a crash
 * finds what it made.
 */
import { basename, dirname, join } from 'node:path';
import { ReconcileError, type Run } from '../../controller/engine/contract.ts';
import { ADDRESS_POOL, leaseAddress } from '../container/address.ts';
import { isUp } from '../container/seen.ts';
import {
  find,
  isGone,
  proveContainer,
  pull,
  STOP_SECONDS,
  start,
  stop,
  switchContainer,
} from '../container/work.ts';
import type { ContainerSummary } from '../drivers/docker/index.ts';
import type { Writing } from '../world.ts';
import type { AppStep, AppWork } from './diff.ts';
import { CERTIFICATE_FILE, certificateId, KEY_FILE } from './tls.ts';

const PROVE_MILLISECONDS = 10_000;

export async function convergeApp({ work }: AppStep, world: Writing, run: Run): Promise<void> {
  try {
    await doWork(work, world, run);
  } catch (error) {
    throw wentAway(work, error);
  }
}

/**
 * Somebody removed the container, or the network, since they were looked at. Docker tells of both, which wakes the App again, so
 * that this is nothing to warn of.
 */
function wentAway(work: AppWork, error: unknown): unknown {
  const isOfContainer = /Container$|^SetRestartPolicy$/.test(work.type) && work.type !== 'CreateContainer';
  if (!isOfContainer || !isGone(error)) return error;
  return new ReconcileError('waiting', 'ContainerGone', error.message, { cause: error });
}

async function doWork(work: AppWork, world: Writing, run: Run): Promise<void> {
  const { docker } = world;
  switch (work.type) {
    case 'LeaseAddress':
      return leaseAddress(work, world.leases);
    case 'ApplySite':
      return run.documents.apply(work.owner, work.site);
    case 'DeleteSite':
      return run.documents.delete({ kind: 'Site', name: work.name });
    case 'ApplyRecord':
      return run.documents.apply(work.owner, work.record);
    case 'DeleteRecord':
      return run.documents.delete({ kind: 'DNSRecord', name: work.name });
    case 'ApplyBinding':
      return run.documents.apply(work.owner, work.binding);
    case 'DeleteBinding':
      return run.documents.delete({ kind: 'Binding', name: work.name }, { data: work.data });
    case 'ApplyTask':
      return run.documents.apply(work.owner, work.task);
    case 'DeleteTask':
      return run.documents.delete({ kind: 'Task', name: work.name });
    case 'CreateFolders':
      for (const folder of work.folders) await world.host.ensureFolder(folder, { mode: 0o755 });
      return;
    case 'PullImage':
      return pull(work, world, run);
    case 'CreateContainer':
      if (!work.spec) throw new Error('the container was planned before its image and address were known');
      await docker.createContainer(work.spec);
      return;
    case 'StartContainer':
      return start(await find(work, world), world);
    case 'SwitchContainer':
      return switchTo(work, world, run.signal);
    case 'StopContainer':
      return stop(work.id, world);
    case 'UnpauseContainer':
      return docker.unpause(work.id);
    case 'SetRestartPolicy':
      return docker.setRestartPolicy(work.id, 'always');
    case 'RestartContainer':
      // What it was before is written down first: after a crash that tells whether it was restarted.
      await run.checkpoint(work.asked);
      return docker.restart(work.id, STOP_SECONDS);
    case 'RemoveContainer':
      return remove(work, world, run);
    case 'RemoveVolumes':
      for (const name of work.names) await docker.removeVolume(name);
      return;
    case 'RenameContainer':
      return docker.rename((await find(work, world)).id, work.name);
    case 'WriteCertificate':
      return writeCertificate(work, world);
    case 'RemoveCertificates':
      for (const folder of work.folders) await world.host.removeFolder(folder);
      return;
    case 'ReleaseAddress':
      return world.leases.release(ADDRESS_POOL, work.uid);
    case 'DeleteData':
      return world.host.removeFolder(work.folder);
  }
}

type Work<T extends AppWork['type']> = Extract<AppWork, { type: T }>;

/** Read again, so that no key is in a step. */
async function writeCertificate(
  { file, folder }: Work<'WriteCertificate'>,
  { nginx, host }: Writing,
): Promise<void> {
  const pair = await nginx.certificate(file);
  if (!pair || certificateId(pair) !== basename(folder)) {
    const message = 'the certificate was changed while it was to be written; it is looked at again';
    throw new ReconcileError('retryable', 'CertificateNotReady', message);
  }
  // Only root gets this far; in the container it is whoever the image runs as.
  await host.ensureFolder(dirname(folder), { mode: 0o700 });
  await host.ensureFolder(folder, { mode: 0o755 });
  await host.writeFile(join(folder, KEY_FILE), pair.key, { mode: 0o444 });
  await host.writeFile(join(folder, CERTIFICATE_FILE), pair.certificate, { mode: 0o444 });
}

async function remove(work: Work<'RemoveContainer'>, world: Writing, run: Run): Promise<void> {
  if (work.afterSite !== undefined && run.documents.exists({ kind: 'Site', name: work.afterSite })) {
    const message = `waits until nginx has let go of site/${work.afterSite}`;
    throw new ReconcileError('waiting', 'SiteNotGone', message);
  }
  // They work in the App's folders.
  const task = work.afterTasks?.find((name) => run.documents.exists({ kind: 'Task', name }));
  if (task !== undefined)
    throw new ReconcileError('waiting', 'TaskNotGone', `waits until task/${task} has ended`);
  await world.docker.stop(work.id, STOP_SECONDS).catch(ignoreNotFound);
  await world.docker.remove(work.id);
}

function ignoreNotFound(error: unknown): void {
  if (!isGone(error)) throw error;
}

async function switchTo(
  { uid, hash, replaced, probe }: Work<'SwitchContainer'>,
  world: Writing,
  signal: AbortSignal,
): Promise<void> {
  const answers = async () => probe !== undefined && (await world.probe.ask(probe, signal)).ok;
  await switchContainer(
    {
      uid,
      hash,
      replaced,
      signal,
      check: (next, up) => requireFreePorts(next, up, world),
      prove: ({ id }) => proveContainer(id, { answers, milliseconds: PROVE_MILLISECONDS }, world, signal),
    },
    world,
  );
}

/** A port that somebody else has would be found out only when the old container has stopped. */
async function requireFreePorts(
  next: ContainerSummary,
  present: readonly ContainerSummary[],
  { docker, host }: Writing,
): Promise<void> {
  const portsOf = async ({ id }: ContainerSummary) =>
    ((await docker.container(id))?.settings.ports ?? []).map(({ hostPort }) => hostPort);
  const wanted = await portsOf(next);
  if (wanted.length === 0) return;
  // A start whose answer was lost has happened all the same: then it holds them itself.
  const own = new Set((await Promise.all([...present, ...(isUp(next) ? [next] : [])].map(portsOf))).flat());
  const taken = (await host.listeners()).find(
    ({ protocol, port }) => protocol === 'tcp' && wanted.includes(port) && !own.has(port),
  );
  if (!taken) return;
  const holder =
    taken.program === undefined ? 'another program' : `${taken.program} (pid ${taken.pid ?? '?'})`;
  const message = `port ${taken.port} is held by ${holder}: stop that, or choose another in spec.ports; the container before goes on`;
  throw new ReconcileError('retryable', 'PortInUse', message);
}
