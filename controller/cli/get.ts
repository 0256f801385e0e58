/** `holdfast get`: documents as a table, as YAML or JSON, by name, or by a template; and as they change. */
import type { Document } from '../../resources/document.ts';
import { kinds } from '../../resources/registry.ts';
import type { ListQuery } from './client.ts';
import { follow } from './follow.ts';
import { OPERATION_WORDS, showOperations } from './operations.ts';
import {
  columnsOf,
  documentTable,
  type Format,
  formatDocuments,
  parseFormat,
  rowOf,
  type TableOptions,
} from './output.ts';
import { parseTargets, type Target } from './references.ts';
import { oneLine, pad } from './terminal.ts';
import {
  type CliContext,
  CliError,
  flagOption,
  type Options,
  textOption,
  type VerbDefinition,
} from './verb.ts';

export const command: VerbDefinition = {
  name: 'get',
  summary: 'show documents',
  arguments: [
    {
      name: 'ref',
      description: 'a kind, kind/name, or kind and names; all kinds without',
      variadic: true,
      complete: 'reference',
    },
  ],
  options: [
    {
      flags: '-o, --output <format>',
      description: 'table, wide, yaml, json, name or jsonpath=TEMPLATE',
      default: 'table',
    },
    { flags: '-l, --selector <labels>', description: 'only with these labels, such as tier=web,env!=test' },
    {
      flags: '--field-selector <fields>',
      description: 'only with these values, such as spec.domain=example.com',
    },
    { flags: '-w, --watch', description: 'go on and show every change' },
    { flags: '--no-headers', description: 'leave out the line of column names' },
    { flags: '--show-secrets', description: 'show the values of Secrets' },
  ],
  examples: [
    'holdfast get apps',
    'holdfast get app/wiki -o yaml',
    'holdfast get operations',
    'holdfast get apps -o jsonpath=\'{range .items[*]}{.metadata.name}{"\\n"}{end}\'',
  ],
  async run(context, args, options) {
    if (args.length === 1 && OPERATION_WORDS.includes(args[0] ?? ''))
      return showOperations(context, textOption(options, 'output') ?? 'table', options['headers'] === false);
    const targets = args.length === 0 || args[0] === 'all' ? everything() : parseTargets(args);
    const format = parseFormat(textOption(options, 'output'));
    if (flagOption(options, 'watch')) return watch(context, targets, format, options);
    const groups = await read(context, targets, queryOf(options));
    const documents = groups.flatMap((group) => group.documents);
    if (format === 'table' || format === 'wide') printTables(context, groups, format, options);
    else {
      const single = targets.length === 1 && targets[0]?.name !== undefined;
      context.stdout.write(await formatDocuments(documents, format, { single }));
    }
    return 0;
  },
};

/** All kinds but events, which are many and have a verb of their own. */
function everything(): Target[] {
  return kinds.filter((kind) => kind.kind !== 'Event').map((kind) => ({ kind }));
}

function queryOf(options: Options): ListQuery {
  return {
    labelSelector: textOption(options, 'selector'),
    fieldSelector: textOption(options, 'fieldSelector'),
    showSecrets: flagOption(options, 'showSecrets'),
  };
}

interface Group {
  target: Target;
  documents: Document[];
}

/** Grouped by kind, in the order asked for. Names of one kind together are one group. */
async function read(context: CliContext, targets: readonly Target[], query: ListQuery): Promise<Group[]> {
  const groups = new Map<string, Group>();
  for (const target of targets) {
    const { kind, name } = target;
    const group = groups.get(kind.kind) ?? { target, documents: [] };
    groups.set(kind.kind, group);
    if (name === undefined) group.documents.push(...(await context.client.list(kind.kind, query)).items);
    else
      group.documents.push(
        await context.client.get({ kind: kind.kind, name }, { showSecrets: query.showSecrets === true }),
      );
  }
  return [...groups.values()];
}

function tableOptions(context: CliContext, format: Format, options: Options): TableOptions {
  return { wide: format === 'wide', noHeaders: options['headers'] === false, now: context.now() };
}

function printTables(context: CliContext, groups: readonly Group[], format: Format, options: Options): void {
  const filled = groups.filter((group) => group.documents.length > 0);
  if (filled.length === 0) {
    const [only] = groups;
    const what = groups.length === 1 && only !== undefined ? only.target.kind.plural : 'documents';
    context.stderr.write(`no ${what} found\n`);
  }
  const withKind = groups.length > 1;
  const texts = filled.map(({ target, documents }) =>
    documentTable(target.kind, documents, { ...tableOptions(context, format, options), withKind }),
  );
  context.stdout.write(texts.join('\n'));
}

async function watch(
  context: CliContext,
  targets: readonly Target[],
  format: Format,
  options: Options,
): Promise<number> {
  const [target, ...more] = targets;
  if (target === undefined || more.length > 0) throw new CliError('-w watches one kind or one document');
  const query = queryOf(options);
  if (target.name !== undefined) query.fieldSelector = `metadata.name=${target.name}`;
  const print = watchPrinter(context, target, format, options);
  const shown = new Map<string, string>();
  // One after another: a slow format must not turn the order round.
  let last: Promise<unknown> = Promise.resolve();
  const show = (documents: readonly Document[]) => {
    last = last.then(() => print(documents));
  };
  const follower = {
    onList(documents: readonly Document[]) {
      show(documents.filter(({ metadata }) => shown.get(metadata.uid) !== metadata.resourceVersion));
      for (const { metadata } of documents) shown.set(metadata.uid, metadata.resourceVersion);
    },
    onChange({ object }: { object: Document }) {
      shown.set(object.metadata.uid, object.metadata.resourceVersion);
      show([object]);
    },
  };
  await follow(context.client, target.kind.kind, query, follower, context.signal);
  await last;
  return 0;
}

/** Rows keep the widths of the first ones, so that columns stay columns. */
function watchPrinter(
  context: CliContext,
  target: Target,
  format: Format,
  options: Options,
): (documents: readonly Document[]) => Promise<void> {
  if (format !== 'table' && format !== 'wide')
    return async (documents) => {
      for (const document of documents) {
        const text = await formatDocuments([document], format, { single: true });
        context.stdout.write(format === 'yaml' ? `---\n${text}` : text);
      }
    };
  const columns = columnsOf(target.kind, format === 'wide');
  const widths = columns.map((column) => column.name.length);
  let isFirst = options['headers'] !== false;
  return async (documents) => {
    const rows = documents.map((document) =>
      rowOf(columns, document, { ...tableOptions(context, format, options), now: context.now() }).map(
        oneLine,
      ),
    );
    if (isFirst) rows.unshift(columns.map((column) => column.name));
    isFirst = false;
    for (const row of rows)
      for (const [index, text] of row.entries())
        widths[index] = Math.max(widths[index] ?? 0, [...text].length);
    for (const row of rows)
      context.stdout.write(
        `${row
          .map((text, index) => pad(text, widths[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
      );
  };
}
