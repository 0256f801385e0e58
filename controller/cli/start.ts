/** `holdfast start`: starts Apps that were stopped. */
import { patchVerb } from './patch-verb.ts';

export const command = patchVerb({
  name: 'start',
  summary: 'start Apps that were stopped',
  description: 'The container starts with its data as it was.',
  done: 'started',
  patch: () => ({ spec: { state: 'running' } }),
  appsOnly: true,
  waits: true,
});
