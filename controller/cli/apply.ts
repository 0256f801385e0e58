/** `holdfast apply`: stores what manifests say, all of them or none. */
import type { Reference } from '../../resources/document.ts';
import { FILE_OPTION, readFiles } from './reading.ts';
import { referenceText } from './references.ts';
import { withoutServerFields } from './server-fields.ts';
import { CliError, durationOption, flagOption, textOption, type VerbDefinition } from './verb.ts';
import { becomesReady, conditionGoal, DEFAULT_TIMEOUT, waitFor } from './waiting.ts';

export const command: VerbDefinition = {
  name: 'apply',
  summary: 'create and change documents as manifests say',
  description:
    'Reads manifests, checks them all, and stores all of them or none. What was applied before and is left out now goes; what others set stays.',
  options: [
    FILE_OPTION,
    { flags: '--dry-run', description: 'check and say what would be stored, and store nothing' },
    { flags: '--wait', description: 'wait until all of them are Ready' },
    { flags: '--timeout <duration>', description: 'how long to wait', default: '120s' },
    { flags: '--manager <name>', description: 'who manages the fields that are set', default: 'cli' },
    { flags: '--reason <text>', description: 'kept in the history' },
  ],
  examples: ['holdfast apply -f wiki.yaml --wait', 'holdfast apply -f manifests/ --dry-run'],
  async run(context, _args, options) {
    const manifests = await readFiles(context, options);
    if (manifests.length === 0)
      throw new CliError('apply what? Name a file, a directory or - for stdin with -f');
    const dryRun = flagOption(options, 'dryRun');
    const results = await context.client.apply(manifests.map(withoutServerFields), {
      manager: textOption(options, 'manager') ?? 'cli',
      dryRun,
      reason: textOption(options, 'reason'),
    });
    for (const result of results)
      context.stdout.write(`${referenceText(result)} ${result.outcome}${dryRun ? ' (dry run)' : ''}\n`);
    if (!flagOption(options, 'wait') || dryRun) return 0;
    const waited: Reference[] = results.filter(({ kind }) => becomesReady(kind));
    const timeout = durationOption(options, 'timeout') ?? DEFAULT_TIMEOUT;
    return waitFor(context, waited, conditionGoal('Ready', 'True'), timeout);
  },
};
