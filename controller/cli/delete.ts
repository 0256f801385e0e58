/** `holdfast delete`: asks for documents to be torn down. Data folders stay unless it is said that they go. */

import type { Reference } from '../../resources/document.ts';
import { kindOf } from '../../resources/registry.ts';
import { ApiError } from './client.ts';
import { FILE_OPTION, readFiles } from './reading.ts';
import { parseReferences, referenceText } from './references.ts';
import {
  type CliContext,
  CliError,
  durationOption,
  flagOption,
  type Options,
  textOption,
  type VerbDefinition,
} from './verb.ts';
import { DEFAULT_TIMEOUT, DELETED, waitFor } from './waiting.ts';

export const command: VerbDefinition = {
  name: 'delete',
  summary: 'delete documents and tear down what they stand for',
  description: 'The data of an App stays on disk unless --delete-data is given.',
  arguments: [
    {
      name: 'ref',
      description: 'such as app/wiki, or app wiki wiki2',
      variadic: true,
      complete: 'reference',
    },
  ],
  options: [
    FILE_OPTION,
    { flags: '--delete-data', description: 'delete the data folder too: it cannot be brought back' },
    { flags: '--ignore-not-found', description: 'what is not there counts as deleted' },
    { flags: '--dry-run', description: 'say what would be deleted, and delete nothing' },
    { flags: '--wait', description: 'wait until they are gone' },
    { flags: '--timeout <duration>', description: 'how long to wait', default: '120s' },
    { flags: '--reason <text>', description: 'kept in the history' },
  ],
  examples: ['holdfast delete app/wiki', 'holdfast delete -f manifests/ --wait'],
  async run(context, args, options) {
    const references = [...parseReferences(args), ...(await referencesOfFiles(context, options))];
    if (references.length === 0)
      throw new CliError('delete what? Name documents, such as app/wiki, or files with -f');
    let failed = false;
    const deleting: Reference[] = [];
    for (const reference of references) {
      const outcome = await deleteOne(context, reference, options);
      if (outcome === 'failed') failed = true;
      if (outcome === 'deleting') deleting.push(reference);
    }
    const wait = flagOption(options, 'wait') && deleting.length > 0;
    const timeout = durationOption(options, 'timeout') ?? DEFAULT_TIMEOUT;
    const code = wait ? await waitFor(context, deleting, DELETED, timeout) : 0;
    return failed ? 1 : code;
  },
};

async function referencesOfFiles(context: CliContext, options: Options): Promise<Reference[]> {
  const manifests = await readFiles(context, options);
  return manifests.map(({ kind, metadata }) => ({ kind, name: metadata.name }));
}

/** One that cannot be deleted does not keep the others. */
async function deleteOne(context: CliContext, reference: Reference, options: Options): Promise<string> {
  const dryRun = flagOption(options, 'dryRun');
  try {
    const document = await context.client.delete(reference, {
      deleteData: flagOption(options, 'deleteData'),
      reason: textOption(options, 'reason'),
      ...(dryRun ? { dryRun: 'All' as const } : {}),
    });
    const isTornDown = (document.metadata?.finalizers ?? []).length > 0;
    const outcome = isTornDown && kindOf(reference.kind) !== undefined ? 'deleting' : 'deleted';
    context.stdout.write(`${referenceText(reference)} ${outcome}${dryRun ? ' (dry run)' : ''}\n`);
    return dryRun ? 'deleted' : outcome;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.code === 404 && flagOption(options, 'ignoreNotFound')) return 'deleted';
    context.stderr.write(`error: ${error.message}\n`);
    return 'failed';
  }
}
