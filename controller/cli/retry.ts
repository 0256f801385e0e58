/** `holdfast retry`: forgets what failed and begins anew at once. */
import type { Document } from '../../resources/document.ts';
import { parseReferences, referenceText } from './references.ts';
import { durationOption, flagOption, type VerbDefinition } from './verb.ts';
import { becomesReady, conditionGoal, DEFAULT_TIMEOUT, waitFor } from './waiting.ts';

export const command: VerbDefinition = {
  name: 'retry',
  summary: 'try again at once what failed, hangs, loops or was cancelled',
  description:
    'Ends what hangs, forgets failures and the pauses after them, and begins anew. A new container that did not come up is tried once more.',
  arguments: [
    { name: 'ref', description: 'such as app/wiki', required: true, variadic: true, complete: 'reference' },
  ],
  options: [
    { flags: '--wait', description: 'wait until they are Ready' },
    { flags: '--timeout <duration>', description: 'how long to wait', default: '120s' },
  ],
  examples: ['holdfast retry app/wiki --wait'],
  async run(context, args, options) {
    const references = parseReferences(args);
    for (const reference of references) {
      await context.client.retry(reference);
      context.stdout.write(`${referenceText(reference)} is tried again\n`);
    }
    if (!flagOption(options, 'wait')) return 0;
    const waited = references.filter(({ kind }) => becomesReady(kind));
    const timeout = durationOption(options, 'timeout') ?? DEFAULT_TIMEOUT;
    const ready = conditionGoal('Ready', 'True');
    const isMet = (document: Document | undefined) => ready.isMet(document);
    return waitFor(context, waited, { ...ready, isMet }, timeout);
  },
};
