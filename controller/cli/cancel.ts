/** `holdfast cancel`: ends what runs for documents, and leaves it until it is asked for. */
import { parseReferences, referenceText } from './references.ts';
import type { VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'cancel',
  summary: 'end what is being done for documents',
  description:
    'Ends the step that runs, such as a pull that hangs, at once. It is not done again until retry or a change of the document.',
  arguments: [
    { name: 'ref', description: 'such as app/wiki', required: true, variadic: true, complete: 'reference' },
  ],
  examples: ['holdfast get operations', 'holdfast cancel app/wiki'],
  async run(context, args) {
    for (const reference of parseReferences(args)) {
      const name = referenceText(reference);
      const { cancelled, operation } = await context.client.cancel(reference);
      const isRetry = operation?.state === 'Retrying';
      const idle = isRetry ? 'its next try' : 'looking';
      const what = operation?.step === undefined ? idle : `${operation.step} on ${operation.target}`;
      if (cancelled) context.stdout.write(`${name} cancelled (${what})\n`);
      else context.stderr.write(`nothing runs for ${name}\n`);
    }
    return 0;
  },
};
