/** `holdfast approve`: lets go now what waits for a maintenance window. */
import { ANNOTATION, condition, type Document, refText } from '../../resources/document.ts';
import { kinds } from '../../resources/registry.ts';
import { parseReferences } from './references.ts';
import { oneLine } from './terminal.ts';
import { type CliContext, CliError, flagOption, textOption, type VerbDefinition } from './verb.ts';

const WAITS: readonly string[] = ['WaitingForWindow', 'UpgradePending'];

export const command: VerbDefinition = {
  name: 'approve',
  summary: 'let go now what waits for a maintenance window',
  description:
    'What nobody asked for and what would disturb what runs waits for a window. This says that it may be done now: what waits now, and nothing that begins to wait later.',
  arguments: [{ name: 'ref', description: 'such as app/wiki', variadic: true, complete: 'reference' }],
  options: [
    { flags: '--all', description: 'everything that waits' },
    { flags: '--reason <text>', description: 'kept in the history' },
  ],
  examples: ['holdfast get operations', 'holdfast approve app/wiki', 'holdfast approve --all'],
  async run(context, args, options) {
    const isAll = flagOption(options, 'all');
    if (isAll === args.length > 0) throw new CliError('approve what? Name documents, or say --all');
    const documents = isAll ? await everything(context) : await named(context, args);
    const waiting = documents.filter(waits);
    for (const document of documents) {
      const words = condition(document, 'Reconciling')?.message ?? '';
      if (waits(document)) await approve(context, document, textOption(options, 'reason'));
      if (waits(document)) context.stdout.write(`${refText(document)} approved: ${oneLine(words)}\n`);
      else if (!isAll) context.stderr.write(`nothing waits for ${refText(document)}\n`);
    }
    if (isAll && waiting.length === 0) context.stderr.write('nothing waits\n');
    return 0;
  },
};

function waits(document: Document): boolean {
  return WAITS.includes(condition(document, 'Reconciling')?.reason ?? '');
}

function named(context: CliContext, args: readonly string[]): Promise<Document[]> {
  return Promise.all(parseReferences(args).map((reference) => context.client.get(reference)));
}

async function everything(context: CliContext): Promise<Document[]> {
  const people = kinds.filter(({ writtenBy }) => writtenBy === 'people');
  const lists = await Promise.all(people.map(({ kind }) => context.client.list(kind)));
  return lists.flatMap(({ items }) => items);
}

async function approve(context: CliContext, document: Document, reason: string | undefined): Promise<void> {
  const annotations = { [ANNOTATION.approvedAt]: new Date(context.now()).toISOString() };
  const reference = { kind: document.kind, name: document.metadata.name };
  await context.client.mergePatch(reference, { metadata: { annotations } }, { reason });
}
