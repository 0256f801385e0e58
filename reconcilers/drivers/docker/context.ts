/** What the files of the real driver share; built once by createDocker. */
import type { Clock } from '../../../controller/clock.ts';
import type { Semaphore } from '../semaphore.ts';
import type { Connection } from './connection.ts';
import type { Ownership } from './ownership.ts';
import type { VolumeLabels } from './volumes.ts';

/** End of a plain call, in seconds. */
export const CALL_SECONDS = 60;

export interface Context {
  connection: Connection;
  clock: Clock;
  log: { warn(message: string): void } | undefined;
  ownership: Ownership;
  writes: Semaphore;
  /** By registry: one that hangs holds up no other. */
  pulls: (registry: string) => Semaphore;
  /** What mostly waits for programs to end does not keep the others from their turn. */
  stops: Semaphore;
  /** Labels of all volumes, by name; shared by those who ask at the same time. */
  volumes: () => Promise<VolumeLabels>;
}
