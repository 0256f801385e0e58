/**
 * Does one step for an App. Each may be done twice. Containers are found by mark, not remembered: a step that ran before a crash
 * finds what it made.
 */

import { delay } from '../../controller/clock.ts';
import { ReconcileError, type Run } from '../../controller/engine/contract.ts';
import type { ContainerSummary } from '../drivers/docker/index.ts';
import { LABEL } from '../drivers/docker/index.ts';
import { DriverError } from '../drivers/error.ts';
import type { Writing } from '../world.ts';
import type { AppStep, AppWork } from './diff.ts';
import { ADDRESS_POOL, freeAddresses } from './observe.ts';

const STOP_SECONDS = 10;
const PROVE_MILLISECONDS = 10_000;
const PROVE_INTERVAL_MILLISECONDS = 200;
const LOG_LINES = 12;

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

function isGone(error: unknown): error is DriverError {
  return error instanceof DriverError && error.code === 'notFound';
}

async function doWork(work: AppWork, world: Writing, run: Run): Promise<void> {
  const { docker } = world;
  switch (work.type) {
    case 'LeaseAddress':
      return leaseAddress(work, world);
    case 'ApplySite':
      return run.documents.apply(work.owner, work.site);
    case 'DeleteSite':
      return run.documents.delete({ kind: 'Site', name: work.name });
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
      return switchContainer(work, world, run);
    case 'StopContainer':
      return stop(work.id, world);
    case 'UnpauseContainer':
      return docker.unpause(work.id);
    case 'SetRestartPolicy':
      return docker.setRestartPolicy(work.id, 'always');
    case 'RestartContainer':
      return docker.restart(work.id, STOP_SECONDS);
    case 'RemoveContainer':
      return remove(work, world, run);
    case 'RemoveVolumes':
      for (const name of work.names) await docker.removeVolume(name);
      return;
    case 'RenameContainer':
      return docker.rename((await find(work, world)).id, work.name);
    case 'ReleaseAddress':
      return world.leases.release(ADDRESS_POOL, work.uid);
    case 'DeleteData':
      return world.host.removeFolder(work.folder);
  }
}

type Work<T extends AppWork['type']> = Extract<AppWork, { type: T }>;

async function leaseAddress({ uid, network }: Work<'LeaseAddress'>, { leases }: Writing): Promise<void> {
  const present = leases.of(ADDRESS_POOL, uid);
  // An address of a subnet that is no longer ours: give it back first.
  if (present !== undefined) await leases.release(ADDRESS_POOL, uid);
  const free = freeAddresses(network, leases.all(ADDRESS_POOL));
  const address = await leases.lease(ADDRESS_POOL, uid, free);
  if (address === undefined) {
    throw new ReconcileError('retryable', 'AddressesExhausted', `no address of ${network.subnet} is free`);
  }
}

async function pull(
  { image, auth, secret }: Work<'PullImage'>,
  { docker }: Writing,
  run: Run,
): Promise<void> {
  try {
    await docker.pull(image, {
      ...(auth ? { auth } : {}),
      signal: run.signal,
      onProgress: ({ percent, message }) => run.progress(percent, message),
    });
  } catch (error) {
    throw pullFailure(error, image, secret);
  }
}

function pullFailure(error: unknown, image: string, secret: string | undefined): unknown {
  if (!(error instanceof DriverError)) return error;
  const { message } = error;
  const options = { cause: error };
  if (error.code === 'notFound') return new ReconcileError('retryable', 'ImageNotFound', message, options);
  if (error.code === 'denied') {
    const advice =
      secret === undefined
        ? 'name a Secret with username and password in spec.imagePullSecret'
        : `check username and password of secret/${secret}`;
    return new ReconcileError('retryable', 'RegistryDenied', `${message}; ${advice}`, options);
  }
  if (error.code === 'timeout') return new ReconcileError('retryable', 'PullStalled', message, options);
  if (error.code === 'invalid')
    return new ReconcileError('retryable', 'ImageRefused', `${image}: ${message}`, options);
  if (error.code === 'failed') {
    const reason = UNREACHABLE.test(message) ? 'RegistryUnreachable' : 'PullFailed';
    return new ReconcileError('retryable', reason, message, options);
  }
  return error;
}

/** The engine's words for a registry that it cannot talk to. */
const UNREACHABLE =
  /dial tcp|connection refused|no such host|name resolution|network is unreachable|no route to host|timeout|request canceled/i;

async function ofApp(uid: string, { docker }: Writing): Promise<ContainerSummary[]> {
  return (await docker.containers()).filter(({ labels }) => labels[LABEL.uid] === uid);
}

async function find({ uid, hash }: { uid: string; hash: string }, world: Writing): Promise<ContainerSummary> {
  const found = (await ofApp(uid, world))
    .filter(({ labels }) => hash === '' || labels[LABEL.hash] === hash)
    .sort((a, b) => b.createdAt - a.createdAt)[0];
  if (!found) throw new DriverError('notFound', 'the container went away; it is made again');
  return found;
}

async function start(container: ContainerSummary, { docker }: Writing): Promise<void> {
  try {
    // One that never ran has the policy that it was made with.
    if (container.state !== 'created') await docker.setRestartPolicy(container.id, 'always');
    await docker.start(container.id);
  } catch (error) {
    throw startFailure(error);
  }
}

function startFailure(error: unknown): unknown {
  if (!(error instanceof DriverError)) return error;
  if (error.code === 'conflict')
    return new ReconcileError('retryable', 'PortInUse', error.message, { cause: error });
  if (error.code !== 'failed' && error.code !== 'invalid') return error;
  return new ReconcileError('retryable', 'StartFailed', error.message, { cause: error });
}

/** Restart policy `always` would bring a stopped container back when Docker starts. */
async function stop(id: string, { docker }: Writing): Promise<void> {
  await docker.setRestartPolicy(id, 'no');
  await docker.stop(id, STOP_SECONDS);
}

async function remove(work: Work<'RemoveContainer'>, world: Writing, run: Run): Promise<void> {
  if (work.afterSite !== undefined && run.documents.exists({ kind: 'Site', name: work.afterSite })) {
    const message = `waits until nginx has let go of site/${work.afterSite}`;
    throw new ReconcileError('waiting', 'SiteNotGone', message);
  }
  await world.docker.stop(work.id, STOP_SECONDS).catch(ignoreNotFound);
  await world.docker.remove(work.id);
}

function ignoreNotFound(error: unknown): void {
  if (!isGone(error)) throw error;
}

/** Two containers cannot have one address and one data folder at the same time: the old one stops, and comes back on failure. */
async function switchContainer(work: Work<'SwitchContainer'>, world: Writing, run: Run): Promise<void> {
  const next = await find(work, world);
  const others = (await ofApp(work.uid, world)).filter(({ id }) => id !== next.id);
  const up = others.filter(
    ({ state }) => state === 'running' || state === 'restarting' || state === 'paused',
  );
  await requireFreePorts(next, up, world);
  for (const { id } of up) await stop(id, world);
  try {
    await start(next, world);
    await prove(next, work, world, run.signal);
  } catch (error) {
    if (run.signal.aborted || !isAboutContainer(error)) throw error;
    if (isPortInUse(error)) {
      // Somebody took it in the moment between: nothing is wrong with the new one, which waits beside the old one.
      const [before] = up;
      if (before) await start(before, world);
      throw error;
    }
    const text = await tellFailure(error, next, world);
    // Forced: one that starts again and again may be between two lives.
    await world.docker.remove(next.id);
    const back = up[0] ?? others.sort((a, b) => b.createdAt - a.createdAt)[0];
    if (back) await start(back, world);
    const after = back ? '; the container before it serves again' : '';
    throw new ReconcileError('terminal', 'RolloutFailed', `${text}${after}`, { cause: error });
  }
}

/** Whether it says anything about the new container. What does not is looked at again, and gone on with. */
function isAboutContainer(error: unknown): boolean {
  return (
    !(error instanceof DriverError) || !['unavailable', 'timeout', 'aborted', 'notFound'].includes(error.code)
  );
}

function isPortInUse(error: unknown): boolean {
  return error instanceof ReconcileError && error.reason === 'PortInUse';
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
  const own = new Set((await Promise.all(present.map(portsOf))).flat());
  const taken = (await host.listeners()).find(
    ({ protocol, port }) => protocol === 'tcp' && wanted.includes(port) && !own.has(port),
  );
  if (!taken) return;
  const holder =
    taken.program === undefined ? 'another program' : `${taken.program} (pid ${taken.pid ?? '?'})`;
  const message = `port ${taken.port} is held by ${holder}: stop that, or choose another in spec.ports; the container before goes on`;
  throw new ReconcileError('retryable', 'PortInUse', message);
}

async function tellFailure(
  error: unknown,
  container: ContainerSummary,
  { docker }: Writing,
): Promise<string> {
  const message = error instanceof Error ? error.message : String(error);
  const lines: string[] = [];
  try {
    for await (const line of docker.logs(container.id, { tail: LOG_LINES })) lines.push(line.text.trimEnd());
  } catch {
    // The log is a help, not a need.
  }
  return lines.length > 0 ? `${message}. Last lines of its log:\n${lines.join('\n').slice(-2_000)}` : message;
}

/** Waits until the container answers, or has stayed up for a while. Throws when it ends. */
async function prove(
  next: ContainerSummary,
  { probe }: Work<'SwitchContainer'>,
  { docker, probe: prober, clock }: Writing,
  signal: AbortSignal,
): Promise<void> {
  const began = clock.monotonic();
  while (clock.monotonic() - began < PROVE_MILLISECONDS) {
    const details = await docker.container(next.id);
    if (!details) throw new DriverError('notFound', 'the new container went away');
    if (details.state !== 'running' || details.restartCount > 0) {
      const memory = details.oomKilled ? ' (out of memory)' : '';
      throw new DriverError(
        'failed',
        `the new container ended with exit code ${details.exitCode}${memory} ${details.error}`.trim(),
      );
    }
    if (probe && (await prober.ask(probe, signal)).ok) return;
    await delay(clock, PROVE_INTERVAL_MILLISECONDS, signal);
  }
}
