/**
 * What is done to containers, the same for Apps and Addons. Each may be done twice. Containers are found by mark, not remembered: a step
 * that ran before a crash finds what it made.
 */
import { delay } from '../../controller/clock.ts';
import { ReconcileError, type Run } from '../../controller/engine/contract.ts';
import {
  type ContainerDetails,
  type ContainerSummary,
  LABEL,
  type RegistryAuth,
} from '../drivers/docker/index.ts';
import { DriverError } from '../drivers/error.ts';
import type { Writing } from '../world.ts';
import { restartPolicyOf } from './description.ts';
import { isUp, logTail } from './seen.ts';

export const STOP_SECONDS = 10;
const PROVE_INTERVAL_MILLISECONDS = 200;
const NEXT_END_MILLISECONDS = 3_000;
const LOOKS_FOR_LAST_WORDS = 3;
const LAST_WORDS_MILLISECONDS = 150;

export async function pull(
  { image, auth, secret }: { image: string; auth?: RegistryAuth; secret?: string },
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

async function ofDocument(uid: string, { docker }: Writing): Promise<ContainerSummary[]> {
  return (await docker.containers()).filter(({ labels }) => labels[LABEL.uid] === uid);
}

/** `replaced`: ids of those that are known to be of no use. The time of making says little where the clock has jumped. */
export async function find(
  { uid, hash, replaced = [] }: { uid: string; hash: string; replaced?: readonly string[] },
  world: Writing,
): Promise<ContainerSummary> {
  const found = (await ofDocument(uid, world))
    .filter(({ id, labels }) => !replaced.includes(id) && (hash === '' || labels[LABEL.hash] === hash))
    .sort(newestFirst)[0];
  if (!found) throw new DriverError('notFound', 'the container went away; it is made again');
  return found;
}

export async function start(container: ContainerSummary, { docker }: Writing): Promise<void> {
  try {
    // One that never ran has the policy that it was made with.
    if (container.state !== 'created')
      await ensureRestartPolicy(container.id, restartPolicyOf(container.labels[LABEL.kind]), docker);
    await docker.start(container.id);
  } catch (error) {
    throw startFailure(error);
  }
}

/** Setting what is set would be an event, which wakes what has just failed. */
async function ensureRestartPolicy(
  id: string,
  wanted: ReturnType<typeof restartPolicyOf>,
  docker: Writing['docker'],
): Promise<void> {
  const found = (await docker.container(id))?.settings.restartPolicy;
  if (found !== wanted) await docker.setRestartPolicy(id, wanted);
}

function startFailure(error: unknown): unknown {
  if (!(error instanceof DriverError)) return error;
  if (error.code === 'conflict')
    return new ReconcileError('retryable', 'PortInUse', error.message, { cause: error });
  if (error.code !== 'failed' && error.code !== 'invalid') return error;
  return new ReconcileError('retryable', 'StartFailed', error.message, { cause: error });
}

/** Its restart policy would bring a stopped container back when Docker starts. */
export async function stop(id: string, { docker }: Writing, seconds = STOP_SECONDS): Promise<void> {
  await docker.setRestartPolicy(id, 'no');
  await docker.stop(id, seconds);
}

export interface Switch {
  uid: string;
  hash: string;
  /** Ids of the old ones. One that has drifted has the hash of the new one. */
  replaced: readonly string[];
  /** Seconds that the old one has to end. */
  stopSeconds?: number;
  /** Called before anything is stopped. */
  check?(next: ContainerSummary, up: readonly ContainerSummary[]): Promise<void>;
  /** Answers when the new one serves; throws when it does not. */
  prove(next: ContainerSummary): Promise<void>;
  signal: AbortSignal;
}

/**
 * Two containers cannot have one address and one data folder at the same time: the old one stops. On failure it comes back, unless it is
 * the same as the new one: then the new one, which is as the document says, stays.
 */
export async function switchContainer(work: Switch, world: Writing): Promise<void> {
  const next = await find(work, world);
  const others = (await ofDocument(work.uid, world)).filter(({ id }) => id !== next.id);
  const up = others.filter(isUp);
  await work.check?.(next, up);
  // One that ended by itself, too: Docker would bring it back beside the new one if it started anew just then.
  for (const { id } of others.filter(({ state }) => state === 'exited'))
    await ensureRestartPolicy(id, 'no', world.docker);
  for (const { id } of up) await stop(id, world, work.stopSeconds);
  try {
    await start(next, world);
    await work.prove(next);
  } catch (error) {
    if (work.signal.aborted || !isAboutContainer(error)) throw error;
    if (isPortInUse(error)) {
      // Somebody took it in the moment between: nothing is wrong with the new one, which waits beside the old one.
      const [before] = up;
      if (before) await start(before, world);
      throw error;
    }
    const text = await tellFailure(error, next, world);
    const lost = await lostNetwork(next, world);
    const back = up[0] ?? others.sort((a, b) => b.createdAt - a.createdAt)[0];
    if (back && lost === undefined && back.labels[LABEL.hash] === next.labels[LABEL.hash]) {
      // The same program with the same settings, but for what it had drifted from: started anew it would fare no better.
      await world.docker.remove(back.id);
      throw new ReconcileError('retryable', 'StartFailed', text, { cause: error });
    }
    // Forced: one that starts again and again may be between two lives.
    await world.docker.remove(next.id);
    const after = back ? await goBack(back, world) : '';
    if (lost !== undefined) {
      const message = `the new container lost the network ${lost} while it came up; it is made again`;
      throw new ReconcileError('retryable', 'NetworkLost', message, { cause: error });
    }
    throw new ReconcileError('terminal', 'RolloutFailed', `${text}${after}`, { cause: error });
  }
}

/** The network that somebody has taken from it; undefined where it has it. */
async function lostNetwork({ id }: ContainerSummary, { docker }: Writing): Promise<string | undefined> {
  const found = await docker.container(id);
  if (found?.state !== 'running') return undefined;
  const { name } = found.settings.network;
  return found.addresses[name] === undefined ? name : undefined;
}

/** What to say of it. That another has its port by now is no reason to try the new one again. */
async function goBack(back: ContainerSummary, world: Writing): Promise<string> {
  try {
    await start(back, world);
    return '; the container before it serves again';
  } catch (error) {
    if (!isPortInUse(error)) throw error;
    return `; the container before it does not start either: ${(error as Error).message}`;
  }
}

/** Whether it says anything about the new container. What does not is looked at again, and gone on with. */
function isAboutContainer(error: unknown): boolean {
  return !(error instanceof DriverError) || !SAYS_NOTHING.has(error.code);
}

const SAYS_NOTHING: ReadonlySet<string> = new Set(['unavailable', 'timeout', 'aborted', 'notFound']);

function isPortInUse(error: unknown): boolean {
  return error instanceof ReconcileError && error.reason === 'PortInUse';
}

export async function tellFailure(
  error: unknown,
  container: ContainerSummary,
  world: Writing,
): Promise<string> {
  const message = error instanceof Error ? error.message : String(error);
  const said = await lastWords(container.id, world);
  return said ? `${message}. Last lines of its log:\n${said}` : message;
}

/** The engine writes down what a container said a moment after it has ended. */
async function lastWords(id: string, { docker, clock }: Writing): Promise<string | undefined> {
  let said = await logTail(id, docker);
  for (let look = 1; look < LOOKS_FOR_LAST_WORDS && said === ''; look += 1) {
    await delay(clock, LAST_WORDS_MILLISECONDS);
    said = await logTail(id, docker);
  }
  return said;
}

/** Waits until it answers, or has stayed up for a while where that is enough. Throws when it ends. */
export async function proveContainer(
  id: string,
  { answers, milliseconds }: { answers(): Promise<boolean>; milliseconds: number },
  { docker, clock }: Writing,
  signal: AbortSignal,
): Promise<void> {
  const began = clock.monotonic();
  while (clock.monotonic() - began < milliseconds) {
    const details = present(await docker.container(id));
    if (details.state !== 'running' || details.restartCount > 0)
      throw new DriverError('failed', endOf(await lastEnd(details, { docker, clock }, signal)));
    if (await answers()) return;
    await delay(clock, PROVE_INTERVAL_MILLISECONDS, signal);
  }
}

export function isGone(error: unknown): error is DriverError {
  return error instanceof DriverError && error.code === 'notFound';
}

/** Of two that were made in the same second, the one that has not run yet. */
function newestFirst(a: ContainerSummary, b: ContainerSummary): number {
  return b.createdAt - a.createdAt || Number(b.state === 'created') - Number(a.state === 'created');
}

function present(details: ContainerDetails | undefined): ContainerDetails {
  if (!details) throw new DriverError('notFound', 'the new container went away');
  return details;
}

/** Where Docker has started it again already, it tells how it ended only once it ends again: what fails at its start soon does. */
async function lastEnd(
  found: ContainerDetails,
  { docker, clock }: Pick<Writing, 'docker' | 'clock'>,
  signal: AbortSignal,
): Promise<ContainerDetails> {
  const began = clock.monotonic();
  let details = found;
  while (details.state === 'running' && clock.monotonic() - began < NEXT_END_MILLISECONDS) {
    await delay(clock, PROVE_INTERVAL_MILLISECONDS / 4, signal);
    details = present(await docker.container(found.id));
  }
  return details;
}

function endOf({ state, exitCode, oomKilled, error, restartCount }: ContainerDetails): string {
  if (state === 'running') return `the new container ended, and was started again ${restartCount} times`;
  const memory = oomKilled ? ' (out of memory)' : '';
  return `the new container ended with exit code ${exitCode}${memory} ${error}`.trim();
}
