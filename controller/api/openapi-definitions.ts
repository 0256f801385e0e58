/**
 * The project's schemas as OpenAPI has them: as much of JSON Schema as OpenAPI v2 and v3 share. What they cannot say (patterns of
 * names, alternatives) is left out here and is still checked by the store. Pure.
 */
import type { KindDefinition } from '../../resources/kind.ts';
import { loadSchema, resolve, type Schema } from '../../resources/schemas.ts';

export interface Definition {
  $ref?: string;
  description?: string;
  type?: string;
  format?: string;
  enum?: unknown[];
  pattern?: string;
  minimum?: number;
  maximum?: number;
  required?: string[];
  properties?: Record<string, Definition>;
  additionalProperties?: Definition;
  items?: Definition;
  'x-kubernetes-group-version-kind'?: { group: string; version: string; kind: string }[];
  'x-kubernetes-int-or-string'?: boolean;
  'x-kubernetes-preserve-unknown-fields'?: boolean;
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

const text = (description: string): Definition => ({ type: 'string', description });

/** What Kubernetes clients put into metadata and this API takes without keeping it. */
const FOREIGN: Record<string, Definition> = {
  generateName: text('A name is made that begins with this, where there is none.'),
  namespace: text('Always empty: all kinds are of the whole server.'),
  selfLink: text('Ignored.'),
  managedFields: {
    type: 'array',
    description: 'Kept by the store: who set which fields.',
    items: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
  },
};

export const metaDefinitions = (): Record<string, Definition> => ({
  [`${META}.ObjectMeta`]: objectMeta(),
  [`${META}.ListMeta`]: {
    description: 'What a list says of itself.',
    type: 'object',
    properties: {
      resourceVersion: text('The version at which the list was the whole truth.'),
      continue: text('Asks for the next page.'),
      remainingItemCount: { type: 'integer', description: 'So many come after this page.' },
    },
  },
  [`${META}.Status`]: {
    description: 'How a request went.',
    type: 'object',
    properties: {
      status: text('Success or Failure.'),
      message: text('A sentence for a person.'),
      reason: text('One word for machines.'),
      code: { type: 'integer', description: 'The HTTP status.' },
      details: { type: 'object', description: 'The document, and the fields that are wrong.' },
    },
  },
});

function objectMeta(): Definition {
  // A name is required only where there is no generateName, which cannot be said here.
  const { required: _name, ...own } = definitionOf({ $ref: 'common.json#/$defs/metadata' });
  return { ...own, properties: { ...own.properties, ...FOREIGN } };
}

export function kindDefinition(definition: KindDefinition): Definition {
  const converted = definitionOf(loadSchema(definition.schema));
  const metadata = { $ref: `${META}.ObjectMeta` };
  return { ...converted, properties: { ...converted.properties, metadata } };
}

const COPIED = ['description', 'type', 'format', 'pattern', 'minimum', 'maximum'] as const;

function definitionOf(given: Schema): Definition {
  const schema = resolve(given);
  const definition: Record<string, unknown> = {};
  for (const key of COPIED) if (schema[key] !== undefined) definition[key] = schema[key];
  const values = schema.const === undefined ? schema.enum : [schema.const];
  if (values?.every((value) => typeof value === 'string')) {
    definition['type'] = 'string';
    definition['enum'] = values;
  }
  if (definition['type'] === undefined && isIntOrString(schema)) {
    definition['x-kubernetes-int-or-string'] = true;
  }
  if (schema.required !== undefined) definition['required'] = schema.required;
  if (schema.items !== undefined) definition['items'] = definitionOf(schema.items);
  if (schema.properties !== undefined) {
    const entries = Object.entries(schema.properties);
    definition['type'] ??= 'object';
    definition['properties'] = Object.fromEntries(
      entries.map(([name, field]) => [name, definitionOf(field)]),
    );
  }
  const { additionalProperties } = schema;
  if (typeof additionalProperties === 'object') {
    definition['additionalProperties'] = definitionOf(additionalProperties);
  } else if (definition['type'] === 'object' && schema.properties === undefined) {
    definition['x-kubernetes-preserve-unknown-fields'] = true;
  }
  return definition as Definition;
}

function isIntOrString(schema: Schema): boolean {
  const types = (schema.anyOf ?? schema.oneOf ?? []).map((branch) => resolve(branch).type).sort();
  return types.length === 2 && ['integer', 'number'].includes(types[0] ?? '') && types[1] === 'string';
}
