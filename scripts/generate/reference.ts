/** A page per kind for people: every field with its type, default and meaning. Called by scripts/generate.ts. */

import { defaultOf, fieldsOf, typeText } from '../../resources/fields.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { loadSchema, resolve, type Schema } from '../../resources/schemas.ts';

export function referencePage(kind: KindDefinition): string {
  const schema = loadSchema(kind.schema);
  const names = [kind.plural, kind.singular, ...kind.shortNames].map((name) => `\`${name}\``).join(', ');
  return [
    `# ${kind.kind}`,
    '',
    schema.description ?? '',
    '',
    `\`apiVersion: holdfast.dev/v1\`, \`kind: ${kind.kind}\`. On the command line: ${names}. ${writer(kind)}`,
    '',
    ...table('spec', schema.properties?.['spec']),
    ...table('status', schema.properties?.['status']),
  ].join('\n');
}

export function referenceIndex(kinds: readonly KindDefinition[]): string {
  const rows = kinds.map((kind) => {
    const description = loadSchema(kind.schema).description ?? '';
    const short = kind.shortNames.map((name) => `\`${name}\``).join(', ');
    return `| [${kind.kind}](${kind.singular}.md) | ${short} | ${description} |`;
  });
  return [
    '# Reference',
    '',
    'Every kind and every field, written from `schemas/` by `npm run generate`. The same is shown by `holdfast explain app.spec`.',
    '',
    '| kind | short | what it is |',
    '|---|---|---|',
    ...rows,
    '',
    'All kinds share `metadata`:',
    '',
    ...rowsOf('metadata', { $ref: 'common.json#/$defs/metadata' }),
    '',
  ].join('\n');
}

function writer(kind: KindDefinition): string {
  const single = kind.singleton === undefined ? '' : ` There is one, named \`${kind.singleton}\`.`;
  return kind.writtenBy === 'people' ? `Written by people.${single}` : 'Written by the controller.';
}

function table(name: string, schema: Schema | undefined): string[] {
  if (schema === undefined) return [];
  return [`## ${name}`, '', ...rowsOf(name, schema), ''];
}

function rowsOf(name: string, schema: Schema): string[] {
  const rows = fieldsOf(resolve(schema), name).map(({ path, schema: field, required }) => {
    const description = `${required ? 'Required. ' : ''}${field.description ?? ''}`;
    return `| \`${path}\` | ${cellText(typeText(field))} | ${cellText(defaultOf(field))} | ${cellText(description)} |`;
  });
  return ['| field | type | default | meaning |', '|---|---|---|---|', ...rows];
}

function cellText(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;');
}
