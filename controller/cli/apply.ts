/** `holdfast apply`: stores what manifests say, all of them or none. */
import type { Reference } from '../../resources/document.ts';
import type { ApplyResult, Client } from './client.ts';
import { FILE_OPTION, readFiles } from './reading.ts';
import { referenceText } from './references.ts';
import { readSavedPlan } from './saved-plan.ts';
import { withoutServerFields } from './server-fields.ts';
import {
  type CliContext,
  CliError,
  durationOption,
  flagOption,
  type Options,
  textOption,
  type VerbDefinition,
} from './verb.ts';
import { becomesReady, conditionGoal, DEFAULT_TIMEOUT, waitFor } from './waiting.ts';

export const command: VerbDefinition = {
  name: 'apply',
  summary: 'create and change documents as manifests say',
  arguments: [
    {
      name: 'plan',
      description: 'a plan that holdfast plan --out kept, instead of manifests',
      complete: 'file',
    },
  ],
  description:
    'Reads manifests, checks them all, and stores all of them or none. What was applied before and is left out now goes; what others set stays. With a kept plan: applies what it was made for, or nothing when documents or the world have moved since.',
  options: [
    FILE_OPTION,
    {
      flags: '--dry-run [where]',
      description: 'check and say what would be stored, and store nothing; by the server',
      choices: ['server'],
    },
    { flags: '--wait', description: 'wait until all of them are Ready' },
    { flags: '--timeout <duration>', description: 'how long to wait', default: '120s' },
    { flags: '--manager <name>', description: 'who manages the fields that are set', default: 'cli' },
    { flags: '--reason <text>', description: 'kept in the history' },
  ],
  examples: [
    'holdfast apply -f wiki.yaml --wait',
    'holdfast apply -f manifests/ --dry-run=server',
    'holdfast plan -f wiki.yaml --out wiki.plan && holdfast apply wiki.plan',
  ],
  async run(context, args, options) {
    const dryRun = options['dryRun'] !== undefined;
    const results = await store(context, args, options, {
      manager: textOption(options, 'manager') ?? 'cli',
      dryRun,
      reason: textOption(options, 'reason'),
    });
    for (const result of results)
      context.stdout.write(`${referenceText(result)} ${result.outcome}${dryRun ? ' (dry run)' : ''}\n`);
    if (!flagOption(options, 'wait') || dryRun) return 0;
    const isKept = ({ outcome }: ApplyResult) => outcome !== 'deleted' && outcome !== 'deleting';
    const waited: Reference[] = results.filter((result) => becomesReady(result.kind) && isKept(result));
    const timeout = durationOption(options, 'timeout') ?? DEFAULT_TIMEOUT;
    return waitFor(context, waited, conditionGoal('Ready', 'True'), timeout);
  },
};

type ApplyOptions = Parameters<Client['apply']>[1];

async function store(
  context: CliContext,
  args: readonly string[],
  options: Options,
  how: ApplyOptions,
): Promise<ApplyResult[]> {
  const [file, ...more] = args;
  if (more.length > 0) throw new CliError(`apply takes one plan, not "${more[0]}" as well`);
  const manifests = await readFiles(context, options);
  if (file === undefined) {
    if (manifests.length === 0)
      throw new CliError('apply what? Name a file, a directory or - for stdin with -f');
    return context.client.apply(manifests.map(withoutServerFields), how);
  }
  if (manifests.length > 0) throw new CliError('apply takes a plan or manifests with -f, not both');
  return context.client.applyPlan(readSavedPlan(file), how);
}
