/** `holdfast plan`: what would be done, step by step with the reasons. It writes nothing; neither does the controller for it. */

import { formatPlan, planSummary } from './plan-text.ts';
import { FILE_OPTION, readFiles } from './reading.ts';
import { parseReferences } from './references.ts';
import { savePlan } from './saved-plan.ts';
import { withoutServerFields } from './server-fields.ts';
import { painter } from './terminal.ts';
import { CliError, flagOption, listOption, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'plan',
  summary: 'show what would be done, and do nothing',
  description:
    'With -f: what applying these manifests would do. With --delete: what deleting would do. Without either: what is left to do now. Marks: + create, ~ change, - delete, ! cannot be told.',
  options: [
    FILE_OPTION,
    {
      flags: '--delete <ref>',
      description: 'plan the deletion of a document, such as app/wiki',
      repeatable: true,
    },
    { flags: '--out <file>', description: 'keep the plan in this file, for holdfast apply FILE' },
    { flags: '--detailed-exitcode', description: 'exit with 2 where there is something to do' },
    {
      flags: '-o, --output <format>',
      description: 'text or json',
      choices: ['text', 'json'],
      default: 'text',
    },
  ],
  examples: [
    'holdfast plan -f wiki.yaml',
    'holdfast plan --delete app/wiki',
    'holdfast plan -f wiki.yaml --out wiki.plan && holdfast apply wiki.plan',
  ],
  async run(context, args, options) {
    if (args.length > 0)
      throw new CliError(`plan takes files with -f and documents with --delete, not "${args[0]}"`);
    const manifests = await readFiles(context, options);
    const deletions = parseReferences(listOption(options, 'delete'));
    const file = textOption(options, 'out');
    if (file !== undefined && manifests.length + deletions.length === 0)
      throw new CliError('--out keeps what is to be applied or deleted: name it with -f or --delete');
    const documents = manifests.map(withoutServerFields);
    const plan = await context.client.plan(
      {
        ...(manifests.length === 0 ? {} : { documents }),
        ...(deletions.length === 0 ? {} : { delete: deletions }),
        ...(file === undefined ? {} : { basis: true }),
      },
      context.signal,
    );
    const isJson = textOption(options, 'output') === 'json';
    const paint = painter(context, context.stdout);
    context.stdout.write(
      isJson
        ? `${JSON.stringify({ ...plan, summary: planSummary(plan) }, null, 2)}\n`
        : formatPlan(plan, paint),
    );
    if (file !== undefined) {
      savePlan(file, plan, { madeAt: new Date(context.now()).toISOString(), documents, delete: deletions });
      context.stderr.write(`kept in ${file}; holdfast apply ${file} does it while things stay as they are\n`);
    }
    if (plan.problems.length > 0) return 1;
    return plan.steps.length > 0 && flagOption(options, 'detailedExitcode') ? 2 : 0;
  },
};
