/** `holdfast history`: each generation of a spec, who made it, when and why. */

import { fieldPath, isRecord, listOf } from '../../resources/unknown.ts';
import type { Revision } from '../store/types.ts';
import { valueText } from './differences.ts';
import { parseReference } from './references.ts';
import { table } from './terminal.ts';
import { flagOption, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'history',
  summary: 'show who changed a document, when and why',
  arguments: [
    { name: 'ref', description: 'such as app/wiki', required: true, variadic: true, complete: 'reference' },
  ],
  options: [
    {
      flags: '-o, --output <format>',
      description: 'table or json',
      choices: ['table', 'json'],
      default: 'table',
    },
    { flags: '--patches', description: 'with every changed field' },
  ],
  async run(context, args, options) {
    const revisions = await context.client.history(parseReference(args));
    if (textOption(options, 'output') === 'json')
      context.stdout.write(`${JSON.stringify(revisions, null, 2)}\n`);
    else context.stdout.write(flagOption(options, 'patches') ? withPatches(revisions) : asTable(revisions));
    return 0;
  },
};

function asTable(revisions: readonly Revision[]): string {
  const rows = revisions.map(({ generation, at, author, patch }) => [
    String(generation),
    at,
    author.user,
    author.via,
    changedFields(patch),
    author.reason ?? '',
  ]);
  return table(['GENERATION', 'AT', 'BY', 'THROUGH', 'CHANGED', 'REASON'], rows);
}

function changedFields(patch: unknown): string {
  const fields = listOf(patch).map((operation) => pathOf(operation));
  const shown = fields.slice(0, 3).join(', ');
  return fields.length > 3 ? `${shown} and ${fields.length - 3} more` : shown;
}

/** Revisions patch the spec: the path of an operation is inside of it. */
function pathOf(operation: unknown): string {
  const pointer = isRecord(operation) ? String(operation['path'] ?? '') : '';
  return pointer === '' ? 'spec' : fieldPath(pointer.startsWith('/spec') ? pointer : `/spec${pointer}`);
}

function withPatches(revisions: readonly Revision[]): string {
  return revisions
    .map(({ generation, at, author, patch }) => {
      const reason = author.reason === undefined ? '' : `: ${author.reason}`;
      const head = `generation ${generation} at ${at} by ${author.user} through ${author.via}${reason}`;
      return [head, ...listOf(patch).map((operation) => `    ${operationLine(operation)}`)].join('\n');
    })
    .map((text) => `${text}\n`)
    .join('');
}

function operationLine(operation: unknown): string {
  const { op, value } = isRecord(operation) ? operation : {};
  const mark = op === 'add' ? '+' : op === 'remove' ? '-' : '~';
  return `${mark} ${pathOf(operation)}${op === 'remove' ? '' : `: ${valueText(value)}`}`;
}
