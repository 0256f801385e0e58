/** `holdfast rotate`: gives the accounts of Apps new passwords. */
import { ANNOTATION } from '../../resources/document.ts';
import type { BindingStatus } from '../../resources/generated.ts';
import { patchVerb } from './patch-verb.ts';

export const command = patchVerb({
  name: 'rotate',
  summary: 'give accounts in Addons new passwords',
  description:
    'The account gets a new password, and its App is started anew with it. The data stays as it is. Takes Bindings, such as binding/wiki-postgresql.',
  done: 'rotating',
  patch: (context) => ({
    metadata: { annotations: { [ANNOTATION.rotatedAt]: new Date(context.now()).toISOString() } },
  }),
  appsOnly: false,
  kinds: ['Binding'],
  waits: true,
  // Asking is no new generation, so that the Binding may be Ready as it was before.
  isDone: ({ metadata, status }) =>
    (status as BindingStatus | undefined)?.rotatedAt === metadata.annotations?.[ANNOTATION.rotatedAt],
});
