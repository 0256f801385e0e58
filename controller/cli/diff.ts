/** `holdfast diff`: how documents would change, field by field, if manifests were applied. Stores nothing. */
import type { Document, Reference } from '../../resources/document.ts';
import { ApiError, type ApplyResult } from './client.ts';
import { differenceLine, differences } from './differences.ts';
import { FILE_OPTION, readFiles } from './reading.ts';
import { referenceText } from './references.ts';
import { withoutServerFields } from './server-fields.ts';
import { painter } from './terminal.ts';
import { type CliContext, CliError, flagOption, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'diff',
  summary: 'show how documents would change, field by field',
  description: 'For what would be done outside of the documents, see plan.',
  options: [
    FILE_OPTION,
    { flags: '--detailed-exitcode', description: 'exit with 2 where something differs' },
    { flags: '--manager <name>', description: 'who manages the fields that are set', default: 'cli' },
  ],
  async run(context, _args, options) {
    const manifests = await readFiles(context, options);
    if (manifests.length === 0)
      throw new CliError('compare what? Name a file, a directory or - for stdin with -f');
    const results = await context.client.apply(manifests.map(withoutServerFields), {
      manager: textOption(options, 'manager') ?? 'cli',
      dryRun: true,
    });
    const changed = results.filter((result) => result.outcome !== 'unchanged');
    for (const result of changed) context.stdout.write(await lines(context, result));
    return changed.length > 0 && flagOption(options, 'detailedExitcode') ? 2 : 0;
  },
};

async function lines(context: CliContext, result: ApplyResult): Promise<string> {
  const paint = painter(context, context.stdout);
  const live = result.outcome === 'created' ? undefined : await find(context, result);
  const found = live === undefined ? {} : withoutServerFields(live);
  const fields = differences(found, withoutServerFields(result.document));
  const mark = live === undefined ? '+' : '~';
  const head = paint(mark === '+' ? 'green' : 'yellow', `${mark} ${referenceText(result)}`);
  // Both sides come hidden: that they differ is all that can be told.
  const body =
    fields.length === 0
      ? ['    ~ a value that is hidden']
      : fields.map((field) => `    ${differenceLine(field, paint)}`);
  return `${[head, ...body].join('\n')}\n`;
}

async function find(context: CliContext, reference: Reference): Promise<Document | undefined> {
  try {
    return await context.client.get({ kind: reference.kind, name: reference.name });
  } catch (error) {
    if (error instanceof ApiError && error.code === 404) return undefined;
    throw error;
  }
}
