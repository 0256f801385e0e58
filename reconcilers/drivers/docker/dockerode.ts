/**
 * The real container driver: every verb of Docker over the engine's socket with dockerode. Built in main.ts and in the
 * conformance tests. It looks and does as it is told; what should be is decided by reconcilers.
 */
import type { Clock } from '../../../controller/clock.ts';
import { createSemaphore, createSemaphores } from '../semaphore.ts';
import { createConnection } from './connection.ts';
import { CALL_SECONDS, type Context } from './context.ts';
import { followEvents } from './events.ts';
import type { Docker } from './index.ts';
import { createOwnership } from './ownership.ts';
import { createReading } from './reading.ts';
import { shareNext } from './share-next.ts';
import { listVolumes } from './volumes.ts';
import { createWriting } from './writing.ts';

export interface DockerOptions {
  /** Default: DOCKER_HOST, or the usual socket. */
  socketPath?: string;
  clock: Clock;
  log?: { warn(message: string): void };
  /** More than this many at once make each of them slower. */
  parallelWrites?: number;
  /** From one registry. */
  parallelPulls?: number;
  parallelStops?: number;
  /** End of a plain call. Default 60. */
  timeoutSeconds?: number;
}

export function createDocker(options: DockerOptions): Docker {
  const { clock, log, parallelWrites = 6, parallelPulls = 3, parallelStops = 32 } = options;
  const { socketPath, timeoutSeconds = CALL_SECONDS } = options;
  const connection = createConnection({
    clock,
    timeoutSeconds,
    ...(socketPath === undefined ? {} : { socketPath }),
  });
  const context: Context = {
    connection,
    clock,
    log,
    ownership: createOwnership(connection),
    writes: createSemaphore(parallelWrites),
    pulls: createSemaphores(parallelPulls),
    stops: createSemaphore(parallelStops),
    volumes: shareNext(() => listVolumes(connection)),
  };
  return {
    ...createReading(context),
    ...createWriting(context),
    follow: (listener, signal) => followEvents(context, listener, signal),
  };
}
