/** `holdfast resume`: ends suspend. */
import { pauseVerb } from './pause-verb.ts';

export const command = pauseVerb({
  name: 'resume',
  summary: 'change things again for suspended documents',
  description:
    'Ends suspend: what differs is repaired. A document that was suspended by name is resumed by name.',
  done: 'resumed',
  suspend: false,
  waits: true,
});
