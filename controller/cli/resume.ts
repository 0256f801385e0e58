/** `holdfast resume`: ends suspend. */
import { patchVerb } from './patch-verb.ts';

export const command = patchVerb({
  name: 'resume',
  summary: 'change things again for suspended documents',
  description: 'Ends suspend: what differs is repaired.',
  done: 'resumed',
  patch: () => ({ spec: { suspend: null } }),
  appsOnly: false,
  waits: true,
});
