/** `holdfast restart`: asks for one restart of Apps. */
import { ANNOTATION } from '../../resources/document.ts';
import { patchVerb } from './patch-verb.ts';

export const command = patchVerb({
  name: 'restart',
  summary: 'restart Apps',
  description: 'Restarts the container once. Data and settings stay as they are.',
  done: 'restarting',
  patch: (context) => ({
    metadata: { annotations: { [ANNOTATION.restartedAt]: new Date(context.now()).toISOString() } },
  }),
  appsOnly: true,
  waits: true,
});
