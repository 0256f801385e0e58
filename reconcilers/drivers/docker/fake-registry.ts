/**
 * A registry in memory for the fake engine: images that can be pulled, and how pulling each of them goes. Called by fake.ts.
 */
import { type Clock, delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { FakeImage } from './fake-container.ts';
import type { DockerWriting } from './index.ts';

export interface FakeRemoteImage {
  image: FakeImage;
  /** Time that the pull takes, in four movements. Default 0. */
  milliseconds?: number;
  /** Moves once, then never again. */
  hangs?: boolean;
  /** Rejects with this, after the first movement. */
  fails?: DriverError;
  /** Credentials that it wants. */
  auth?: { username: string; password: string };
}

const MOVEMENTS = 4;

export async function pullFromFake(
  clock: Clock,
  registry: ReadonlyMap<string, FakeRemoteImage>,
  reference: string,
  options: Parameters<DockerWriting['pull']>[1],
): Promise<FakeImage> {
  const { signal, onProgress, stallSeconds = 60, auth } = options;
  const about = `pulling ${reference}`;
  const remote = registry.get(reference);
  if (!remote)
    throw new DriverError('notFound', `${about}: manifest for ${reference} not found: manifest unknown`);
  const right = remote.auth?.username === auth?.username && remote.auth?.password === auth?.password;
  if (remote.auth && !right)
    throw new DriverError('denied', `${about}: unauthorized: authentication required`);
  for (let movement = 1; movement <= MOVEMENTS; movement += 1) {
    await wait(clock, about, (remote.milliseconds ?? 0) / MOVEMENTS, signal);
    onProgress?.({ percent: (movement * 100) / MOVEMENTS, message: `${movement} of ${MOVEMENTS} layers` });
    if (remote.fails) throw remote.fails;
    if (!remote.hangs) continue;
    await wait(clock, about, stallSeconds * 1000, signal);
    throw new DriverError('timeout', `${about}: nothing moved for ${stallSeconds} s`);
  }
  return remote.image;
}

async function wait(clock: Clock, about: string, milliseconds: number, signal?: AbortSignal): Promise<void> {
  try {
    if (milliseconds > 0) await delay(clock, milliseconds, signal);
    signal?.throwIfAborted();
  } catch (caught) {
    throw new DriverError('aborted', `${about}: cancelled`, { cause: caught });
  }
}
