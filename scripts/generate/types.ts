/** The TypeScript types of every kind's spec and status, by json-schema-to-typescript. Called by scripts/generate.ts. */
import { compile, type JSONSchema } from 'json-schema-to-typescript';
import type { KindDefinition } from '../../resources/kind.ts';
import { loadSchema, type Schema } from '../../resources/schemas.ts';

const HEADER = `/**
 * Types of every kind's spec and status, written by scripts/generate.ts from schemas/. Do not edit: change the schema and run
 * \`npm run generate\`.
 */
import type { Condition, Operation, StoppedStep } from './document.ts';
`;

/** References to common.json that are types of document.ts already. */
const KNOWN: Record<string, string> = {
  'common.json#/$defs/condition': 'Condition',
  'common.json#/$defs/operation': 'Operation',
  'common.json#/$defs/stopped': 'StoppedStep',
};

export async function generatedTypes(kinds: readonly KindDefinition[]): Promise<string> {
  const parts = [HEADER];
  for (const kind of kinds) {
    const schema = loadSchema(kind.schema);
    for (const part of ['spec', 'status'] as const) {
      const title = kind.kind + (part === 'spec' ? 'Spec' : 'Status');
      parts.push(await typeOf(title, schema.properties?.[part]));
    }
  }
  return parts.join('\n');
}

async function typeOf(title: string, schema: Schema | undefined): Promise<string> {
  if (schema === undefined) throw new Error(`schemas/: ${title} has no schema`);
  return compile({ ...(withoutShapes(schema) as object), title } as JSONSchema, title, {
    bannerComment: '',
    additionalProperties: false,
    style: { singleQuote: true, printWidth: 110 },
    unknownAny: true,
  });
}

/**
 * The schema as far as a type can say it. Alternatives that only name required fields would become unions that nobody can
 * write code against, and limits of list lengths become tuples; both are for validation alone.
 */
function withoutShapes(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(withoutShapes);
  if (typeof node !== 'object' || node === null) return node;
  const schema = node as Schema & Record<string, unknown>;
  const known = schema.$ref === undefined ? undefined : KNOWN[schema.$ref];
  if (known !== undefined) return { tsType: known, description: schema.description };
  const result: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'minItems' || key === 'maxItems' || key === 'propertyNames') continue;
    if (
      (key === 'oneOf' || key === 'anyOf') &&
      (value as Schema[]).every((branch) => branch.type === undefined)
    )
      continue;
    result[key] = withoutShapes(value);
  }
  return result;
}
