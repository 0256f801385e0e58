/** Waits until a server that was just started answers, or has ended. Asked of the server itself, by its own client. */
import { delay } from '../../controller/clock.ts';
import { proveContainer } from '../container/work.ts';
import type { Writing } from '../world.ts';
import { serverOf } from './observe.ts';
import type { AddonWant } from './want.ts';

/** A first start makes the data; one after a crash may have much to read. */
const START_MILLISECONDS = 600_000;
const ASK_MILLISECONDS = 250;

/** Throws when the container ends, or the server has not answered in its time. */
export async function answers(
  want: AddonWant,
  address: string,
  container: string,
  world: Writing,
  signal: AbortSignal,
): Promise<void> {
  const server = serverOf(want, address);
  let last = 'it was not asked yet';
  let isTaken = false;
  const ask = async () => {
    try {
      await world.databases.version(server);
      isTaken = true;
      return true;
    } catch (error) {
      last = error instanceof Error ? error.message : String(error);
      await delay(world.clock, ASK_MILLISECONDS, signal);
      return false;
    }
  };
  await proveContainer(container, { answers: ask, milliseconds: START_MILLISECONDS }, world, signal);
  if (!isTaken) throw new Error(`the server does not answer: ${last}`);
}
