/** `holdfast events`: what happened, oldest first, and as it happens. */
import type { Document, Reference } from '../../resources/document.ts';
import { eventKind } from '../../resources/event.ts';
import { eventSelector, eventsOf } from './event-list.ts';
import { follow } from './follow.ts';
import { documentTable, formatDocuments, parseFormat } from './output.ts';
import { parseReference } from './references.ts';
import { type CliContext, flagOption, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'events',
  summary: 'show what happened',
  arguments: [
    {
      name: 'ref',
      description: 'only of this document, such as app/wiki',
      variadic: true,
      complete: 'reference',
    },
  ],
  options: [
    { flags: '-w, --watch', description: 'go on and show what happens' },
    { flags: '--types <types>', description: 'only these types, such as Warning' },
    {
      flags: '-o, --output <format>',
      description: 'table, wide, yaml, json, name or jsonpath=TEMPLATE',
      default: 'table',
    },
    { flags: '--no-headers', description: 'leave out the line of column names' },
  ],
  async run(context, args, options) {
    const reference = args.length === 0 ? undefined : parseReference(args);
    const types = textOption(options, 'types')?.toLowerCase().split(',');
    const isWanted = (event: Document) =>
      types === undefined || types.includes(String(event.spec['type']).toLowerCase());
    const format = parseFormat(textOption(options, 'output'));
    let noHeaders = options['headers'] === false;
    const show = async (events: readonly Document[]) => {
      const wanted = events.filter(isWanted);
      const tableOptions = { wide: format === 'wide', noHeaders, now: context.now() };
      if (format !== 'table' && format !== 'wide')
        context.stdout.write(await formatDocuments(wanted, format, { single: false }));
      else if (wanted.length > 0 || !noHeaders)
        context.stdout.write(documentTable(eventKind, wanted, tableOptions));
      noHeaders = true;
    };
    if (flagOption(options, 'watch')) return watch(context, reference, show);
    const events = (await eventsOf(context, reference)) as unknown as Document[];
    if (events.filter(isWanted).length === 0) context.stderr.write('no events found\n');
    else await show(events);
    return 0;
  },
};

async function watch(
  context: CliContext,
  reference: Reference | undefined,
  show: (events: readonly Document[]) => Promise<void>,
): Promise<number> {
  const shown = new Map<string, string>();
  let last: Promise<unknown> = Promise.resolve();
  const see = (events: readonly Document[]) => {
    const news = events.filter(({ metadata }) => shown.get(metadata.uid) !== metadata.resourceVersion);
    for (const { metadata } of news) shown.set(metadata.uid, metadata.resourceVersion);
    last = last.then(() => show(news));
  };
  const follower = {
    onList: (events: readonly Document[]) => see([...events].sort((a, b) => versionOf(a) - versionOf(b))),
    onChange: ({ type, object }: { type: string; object: Document }) => type !== 'DELETED' && see([object]),
  };
  await follow(
    context.client,
    'Event',
    { fieldSelector: eventSelector(reference) },
    follower,
    context.signal,
  );
  await last;
  return 0;
}

function versionOf(event: Document): number {
  return Number(event.metadata.resourceVersion);
}
