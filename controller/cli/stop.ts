/** `holdfast stop`: stops Apps; their sites say so. */
import { patchVerb } from './patch-verb.ts';

export const command = patchVerb({
  name: 'stop',
  summary: 'stop Apps',
  description: 'The container stops and the site says that it is stopped. Data stays.',
  done: 'stopped',
  patch: () => ({ spec: { state: 'stopped' } }),
  appsOnly: true,
  waits: true,
});
