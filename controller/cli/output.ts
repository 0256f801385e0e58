/** Documents on stdout in the format that was asked for. Called by get and by what shows documents. */
import { cell } from '../../resources/columns.ts';
import { type Document, refText } from '../../resources/document.ts';
import type { KindDefinition, PrinterColumn } from '../../resources/kind.ts';
import { jsonpath } from './jsonpath.ts';
import { table } from './terminal.ts';
import { CliError } from './verb.ts';

export type Format = 'table' | 'wide' | 'yaml' | 'json' | 'name' | `jsonpath=${string}`;

const FORMATS = ['table', 'wide', 'yaml', 'json', 'name'];

export function parseFormat(text: string | undefined): Format {
  if (text === undefined) return 'table';
  if (FORMATS.includes(text) || text.startsWith('jsonpath=')) return text as Format;
  throw new CliError(`-o takes ${FORMATS.join(', ')} or jsonpath=TEMPLATE, not "${text}"`);
}

/** Documents as text. One that was asked for by its name stands alone; several are a list. */
export async function formatDocuments(
  documents: readonly Document[],
  format: Exclude<Format, 'table' | 'wide'>,
  options: { single: boolean },
): Promise<string> {
  if (format === 'name') return documents.map((document) => `${refText(document)}\n`).join('');
  if (format === 'yaml') return toYaml(documents);
  const [only] = documents;
  const data = options.single && only !== undefined ? only : listOf(documents);
  if (format === 'json') return `${JSON.stringify(data, null, 2)}\n`;
  return jsonpath(format.slice('jsonpath='.length), data);
}

function listOf(documents: readonly Document[]): unknown {
  return { apiVersion: 'v1', kind: 'List', items: documents };
}

/** Several documents in one file, each after ---. */
export async function toYaml(documents: readonly unknown[]): Promise<string> {
  const { stringify } = await import('yaml');
  // Without aliases: what is the same twice is written twice, as a person would.
  const texts = documents.map((document) =>
    stringify(document, { lineWidth: 0, aliasDuplicateObjects: false }),
  );
  return texts.join('---\n');
}

export function columnsOf(kind: KindDefinition, wide: boolean): PrinterColumn[] {
  return kind.columns.filter((column) => wide || column.wide !== true);
}

export interface TableOptions {
  wide: boolean;
  noHeaders: boolean;
  /** Milliseconds since 1970. */
  now: number;
  /** Names with their kind in front, where several kinds are shown. */
  withKind?: boolean;
}

export function documentTable(
  kind: KindDefinition,
  documents: readonly Document[],
  options: TableOptions,
): string {
  const columns = columnsOf(kind, options.wide);
  const rows = documents.map((document) => rowOf(columns, document, options));
  return table(
    columns.map((column) => column.name),
    rows,
    options.noHeaders,
  );
}

export function rowOf(
  columns: readonly PrinterColumn[],
  document: Document,
  options: TableOptions,
): string[] {
  return columns.map((column) => {
    const text = cell(column, document, options.now);
    return options.withKind === true && column.value === 'metadata.name' ? refText(document) : text;
  });
}
