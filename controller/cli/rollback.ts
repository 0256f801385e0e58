/** `holdfast rollback`: brings the spec of an earlier generation back, as a new generation. */
import { differenceLine, differences } from './differences.ts';
import { parseReference, referenceText } from './references.ts';
import { painter } from './terminal.ts';
import {
  CliError,
  durationOption,
  flagOption,
  numberOption,
  textOption,
  type VerbDefinition,
} from './verb.ts';
import { becomesReady, conditionGoal, DEFAULT_TIMEOUT, waitFor } from './waiting.ts';

export const command: VerbDefinition = {
  name: 'rollback',
  summary: 'bring back the spec of an earlier generation',
  arguments: [
    { name: 'ref', description: 'such as app/wiki', required: true, variadic: true, complete: 'reference' },
  ],
  options: [
    { flags: '--to <generation>', description: 'the generation, as history shows it' },
    { flags: '--dry-run', description: 'show what would change, and change nothing' },
    { flags: '--wait', description: 'wait until it is Ready' },
    { flags: '--timeout <duration>', description: 'how long to wait', default: '120s' },
    { flags: '--reason <text>', description: 'kept in the history' },
  ],
  async run(context, args, options) {
    const reference = parseReference(args);
    const to = numberOption(options, 'to');
    if (to === undefined)
      throw new CliError(
        `roll back to which generation? See holdfast history ${referenceText(reference)}, then say --to N`,
      );
    const dryRun = flagOption(options, 'dryRun');
    const before = await context.client.get(reference);
    const after = await context.client.rollback(reference, to, {
      dryRun,
      reason: textOption(options, 'reason'),
    });
    const paint = painter(context, context.stdout);
    const fields = differences({ spec: before.spec }, { spec: after.spec });
    for (const field of fields) context.stdout.write(`${differenceLine(field, paint)}\n`);
    const words =
      fields.length === 0 ? `is as in generation ${to} already` : `rolled back to generation ${to}`;
    context.stdout.write(`${referenceText(reference)} ${words}${dryRun ? ' (dry run)' : ''}\n`);
    if (dryRun || !flagOption(options, 'wait') || !becomesReady(reference.kind)) return 0;
    const timeout = durationOption(options, 'timeout') ?? DEFAULT_TIMEOUT;
    return waitFor(context, [reference], conditionGoal('Ready', 'True'), timeout);
  },
};
