/**
 * A schema as a list of fields, in words: for `holdfast explain` and for the reference pages. Pure.
 */
import { resolve, type Schema } from './schemas.ts';

export interface Field {
  /** Dotted path; [] stands for the entries of a list and .<name> for the keys of a map. */
  path: string;
  name: string;
  schema: Schema;
  required: boolean;
  depth: number;
}

/** All fields below this one, each before its own fields. */
export function fieldsOf(schema: Schema, path: string, depth = 0): Field[] {
  const result: Field[] = [];
  for (const [name, child] of childrenOf(schema)) {
    const field = resolve(child);
    const childPath = name.startsWith('[') ? `${path}${name}` : `${path}.${name}`;
    const required = schema.required?.includes(name) ?? false;
    const entries = name.startsWith('[') || name === '<name>';
    if (!entries) result.push({ path: childPath, name, schema: field, required, depth });
    result.push(...fieldsOf(field, childPath, entries ? depth : depth + 1));
  }
  return result;
}

/** Fields right below: properties, then entries of a list as [], then entries of a map as <name>. */
export function childrenOf(schema: Schema): [string, Schema][] {
  const own: [string, Schema][] = Object.entries(schema.properties ?? {});
  if (schema.items !== undefined) own.push(['[]', schema.items]);
  if (typeof schema.additionalProperties === 'object') own.push(['<name>', schema.additionalProperties]);
  for (const branch of schema.oneOf ?? []) own.push(...childrenOf(resolve(branch)));
  return own;
}

/** Child of this name; any name where the schema is a map; entries of a list are looked through. */
export function childField(schema: Schema, name: string): Schema | undefined {
  const present = resolve(schema);
  if (name === '[]') return present.items === undefined ? undefined : resolve(present.items);
  const own = present.properties?.[name];
  if (own !== undefined) return resolve(own);
  if (typeof present.additionalProperties === 'object') return resolve(present.additionalProperties);
  for (const branch of [...(present.oneOf ?? []), ...(present.items === undefined ? [] : [present.items])]) {
    const found = childField(branch, name);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** "text", "list of text", "map of number", "running or stopped". */
export function typeText(schema: Schema): string {
  const present = resolve(schema);
  if (present.const !== undefined) return String(present.const);
  if (present.enum !== undefined) return present.enum.map(String).join(' or ');
  const types = (present.oneOf ?? []).filter((branch) => branch.type !== undefined);
  if (present.type === undefined && types.length > 0) return types.map(typeText).join(' or ');
  if (present.type === 'array')
    return `list of ${present.items === undefined ? 'anything' : typeText(present.items)}`;
  if (typeof present.additionalProperties === 'object' && present.properties === undefined)
    return `map of ${typeText(present.additionalProperties)}`;
  return WORDS[present.type ?? ''] ?? 'anything';
}

const WORDS: Record<string, string> = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: 'true or false',
  object: 'object',
  array: 'list',
  null: 'nothing',
};

export function typeWord(type: string): string {
  return WORDS[type] ?? type;
}

/** What the description says after "Default", which is where a default is told. */
export function defaultOf(schema: Schema): string {
  const match = /Default(?: of [a-z ]+)?:? (.+?)(?:[.;](?: |$)|$)/.exec(schema.description ?? '');
  return match?.[1] ?? '';
}
