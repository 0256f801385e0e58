/**
 * Notes which images come onto the machine by a pull of ours, whoever asked for it, so that they can be removed when nobody needs them.
 * Around the raw driver in the wiring. An image that was there before, under whatever name, is somebody else's and is not noted.
 */
import { type Clock, delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { HostWriting } from '../host/index.ts';
import type { Docker } from './index.ts';
import { parseReference } from './reference.ts';

/** A line in a file: a disk that does not take it in this long hangs, and must not hold up a pull that is done. */
const NOTE_SECONDS = 30;

export function notePulls(docker: Docker, host: Pick<HostWriting, 'notePulled'>, clock: Clock): Docker {
  return {
    ...docker,
    async pull(reference, options) {
      const before = await docker.imageIds();
      const image = await docker.pull(reference, options);
      if (!before.has(image.id))
        await noteWithin(clock, host.notePulled({ id: image.id, reference: parseReference(reference).text }));
      return image;
    },
  };
}

async function noteWithin(clock: Clock, noted: Promise<void>): Promise<void> {
  const done = new AbortController();
  const late = delay(clock, NOTE_SECONDS * 1000, done.signal).then(() => {
    throw new DriverError(
      'timeout',
      `what was pulled could not be noted within ${NOTE_SECONDS} s: the disk hangs`,
    );
  });
  try {
    await Promise.race([noted, late]);
  } finally {
    late.catch(() => undefined);
    done.abort();
  }
}
