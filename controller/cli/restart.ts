/** `holdfast restart`: asks for one restart of Apps. */
import { ANNOTATION } from '../../resources/document.ts';
import type { AppStatus } from '../../resources/generated.ts';
import { patchVerb } from './patch-verb.ts';

export const command = patchVerb({
  name: 'restart',
  summary: 'restart Apps and Addons',
  description: 'Restarts the container once. Data and settings stay as they are.',
  done: 'restarting',
  patch: (context) => ({
    metadata: { annotations: { [ANNOTATION.restartedAt]: new Date(context.now()).toISOString() } },
  }),
  appsOnly: false,
  kinds: ['App', 'Addon'],
  waits: true,
  // Asking is no new generation, so that the App may be Ready as it was before.
  isDone: ({ metadata, spec, status }) =>
    spec['state'] === 'stopped' ||
    (status as AppStatus | undefined)?.restartedAt === metadata.annotations?.[ANNOTATION.restartedAt],
});
