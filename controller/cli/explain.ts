/** `holdfast explain`: what a kind and its fields mean, from the schemas. Asks no controller. */

import { childField, childrenOf, fieldsOf, typeText } from '../../resources/fields.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { nearest } from '../../resources/near.ts';
import { loadSchema, resolve, type Schema } from '../../resources/schemas.ts';
import { requireKind } from './references.ts';
import { indent, painter } from './terminal.ts';
import { type CliContext, CliError, flagOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'explain',
  summary: 'explain a kind and its fields',
  arguments: [
    {
      name: 'field',
      description: 'a kind or a field, such as app.spec.ports',
      required: true,
      complete: 'field',
    },
  ],
  options: [{ flags: '--recursive', description: 'all fields below it, in short' }],
  examples: [
    'holdfast explain app',
    'holdfast explain app.spec.env',
    'holdfast explain app.spec --recursive',
  ],
  async run(context, args, options) {
    const [word = '', ...path] = (args[0] ?? '').replaceAll('[]', '').split('.');
    const kind = requireKind(word);
    const schema = descend(loadSchema(kind.schema), word, path);
    const recursive = flagOption(options, 'recursive');
    context.stdout.write(explain(context, kind, path, schema, recursive));
    return 0;
  },
};

function descend(schema: Schema, word: string, path: readonly string[]): Schema {
  let present = resolve(schema);
  let walked = word;
  for (const name of path) {
    const next = childField(present, name);
    if (next === undefined) {
      const known = childrenOf(present).flatMap(([key, child]) =>
        key === '[]' ? childrenOf(resolve(child)).map(([inner]) => inner) : key,
      );
      const near = nearest(name, known);
      const hint = near === undefined ? `it has ${known.join(', ') || 'no fields'}` : `did you mean ${near}?`;
      throw new CliError(`${walked} has no field ${name}; ${hint}`);
    }
    present = next;
    walked += `.${name}`;
  }
  return present;
}

function explain(
  context: CliContext,
  kind: KindDefinition,
  path: readonly string[],
  schema: Schema,
  recursive: boolean,
): string {
  const paint = painter(context, context.stdout);
  const where = path.length === 0 ? '' : `FIELD:    ${path.join('.')} (${typeText(schema)})\n`;
  const head = `KIND:     ${kind.kind}\nVERSION:  holdfast.dev/v1\n${where}\n${schema.description ?? ''}\n`;
  const limits = limitsOf(schema);
  const fields = fieldLines(schema, recursive, (text) => paint('bold', text));
  return head + (limits === '' ? '' : `\n${limits}\n`) + (fields === '' ? '' : `\nFIELDS:\n${fields}`);
}

function fieldLines(schema: Schema, recursive: boolean, bold: (text: string) => string): string {
  const all = fieldsOf(schema, '');
  const shown = recursive ? all : all.filter((field) => field.depth === 0);
  return shown
    .map((field) => {
      const required = field.required ? ' (required)' : '';
      const line = `${bold(field.name)}  <${typeText(field.schema)}>${required}\n`;
      const description = recursive ? '' : `${indent(field.schema.description ?? '', 4)}\n`;
      return indent(line, 2 + 2 * field.depth) + indent(description, 2);
    })
    .join('');
}

/** What the schema allows beyond the type. */
function limitsOf(schema: Schema): string {
  const { minimum, maximum, maxLength, minItems, maxItems } = schema;
  const parts: string[] = [];
  if (minimum !== undefined || maximum !== undefined)
    parts.push(`from ${minimum ?? '…'} to ${maximum ?? '…'}`);
  if (maxLength !== undefined) parts.push(`at most ${maxLength} letters`);
  if (minItems !== undefined || maxItems !== undefined)
    parts.push(`${minItems ?? 0} to ${maxItems ?? 'any number of'} entries`);
  return parts.length === 0 ? '' : `LIMITS:   ${parts.join(', ')}`;
}
