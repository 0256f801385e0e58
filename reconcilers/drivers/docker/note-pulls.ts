/**
 * Notes which images come onto the machine by a pull of ours, whoever asked for it, so that they can be removed when nobody needs them.
 * Around the raw driver in the wiring. An image that was there before, under whatever name, is somebody else's and is not noted.
 */
import type { HostWriting } from '../host/index.ts';
import type { Docker } from './index.ts';
import { parseReference } from './reference.ts';

export function notePulls(docker: Docker, host: Pick<HostWriting, 'notePulled'>): Docker {
  return {
    ...docker,
    async pull(reference, options) {
      const before = await docker.imageIds();
      const image = await docker.pull(reference, options);
      if (!before.has(image.id))
        await host.notePulled({ id: image.id, reference: parseReference(reference).text });
      return image;
    },
  };
}
