/**
 * Specs made by chance from a kind's JSON schema, for tests that ask whether something holds whatever people write. Where a schema alone
 * says too little (a name of another document, a schedule), `choices` says what there is, by the path of the field.
 */
import fc from 'fast-check';
import { loadSchema, resolve, type Schema } from '../../resources/schemas.ts';

/** What a field may be, by its path: `volumes[].path`, `env{}`. `undefined`: it is left out. */
export type Choices = Record<string, fc.Arbitrary<unknown> | undefined>;

const MOST_ENTRIES = 3;
/** An integer without an end of its own is small. */
const LARGEST = 100_000;
const WORDS = ['a', 'one', 'two words', 'Ünïcode ✓', '0', 'true', "it's", '"quoted"', 'a=b', '$HOME', '-'];

const FORMATS: Record<string, fc.Arbitrary<string>> = {
  ipv4: fc.constantFrom('192.0.2.53', '198.51.100.7'),
  ipv6: fc.constantFrom('2001:db8::53', '2001:db8::7'),
  email: fc.constant('admin@example.com'),
  uri: fc.constant('https://example.com/'),
};

/** Specs of a kind. They keep to the schema field by field; what fields say together, validation tells. */
export function specsOf(kind: string, choices: Choices = {}): fc.Arbitrary<Record<string, unknown>> {
  const spec = loadSchema(`${kind.toLowerCase()}.v1.json`).properties?.['spec'] ?? {};
  return arbitraryOf(spec, '', choices) as fc.Arbitrary<Record<string, unknown>>;
}

function arbitraryOf(schema: Schema, path: string, choices: Choices): fc.Arbitrary<unknown> {
  const choice = choices[path];
  if (choice) return choice;
  if (schema.$ref !== undefined) return arbitraryOf(resolve(schema), path, choices);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.type === 'object') return objectOf(schema, path, choices);
  const either = schema.oneOf ?? schema.anyOf;
  if (either)
    return fc.oneof(...either.map((one) => arbitraryOf({ ...schema, ...without(one) }, path, choices)));
  if (schema.type === 'array') return arrayOf(schema, path, choices);
  if (schema.type === 'boolean') return fc.boolean();
  if (schema.type === 'integer' || schema.type === 'number')
    return fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? LARGEST });
  return stringOf(schema);
}

/** Of the alternatives of a value, one is taken, with what holds for all of them. */
function without(one: Schema): Schema {
  return { oneOf: undefined, anyOf: undefined, ...one } as unknown as Schema;
}

function stringOf({ pattern, format, minLength = 0, maxLength = 40 }: Schema): fc.Arbitrary<string> {
  const known = format === undefined ? undefined : FORMATS[format];
  if (known) return known;
  const fits = ({ length }: string) => length >= minLength && length <= maxLength;
  if (pattern === undefined) return fc.constantFrom(...WORDS).filter(fits);
  return fc.stringMatching(new RegExp(pattern), { size: 'xsmall' }).filter(fits);
}

function arrayOf(schema: Schema, path: string, choices: Choices): fc.Arbitrary<unknown> {
  const { items = {}, minItems: minLength = 0, maxItems = MOST_ENTRIES, uniqueItems = false } = schema;
  const bounds = { minLength, maxLength: Math.max(minLength, Math.min(maxItems, MOST_ENTRIES)) };
  const entry = arbitraryOf(items, `${path}[]`, choices);
  return uniqueItems ? fc.uniqueArray(entry, bounds) : fc.array(entry, bounds);
}

function objectOf(schema: Schema, path: string, choices: Choices): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], oneOf, additionalProperties: rest, propertyNames } = schema;
  if (typeof rest === 'object')
    return fc.dictionary(
      stringOf({ maxLength: 12, ...propertyNames }).filter((name) => name !== '' && name !== '__proto__'),
      arbitraryOf(rest, `${path}{}`, choices),
      { maxKeys: MOST_ENTRIES },
    );
  const fields = (needed: string[], left: string[]) => {
    const models = Object.entries(properties)
      .map(([name, field]) => [name, path === '' ? name : `${path}.${name}`, field] as const)
      .filter(([name, at]) => !left.includes(name) && !(at in choices && choices[at] === undefined))
      .map(([name, at, field]) => [name, arbitraryOf(field, at, choices)] as const);
    const present = new Set(models.map(([name]) => name));
    const requiredKeys = [...required, ...needed].filter((name) => present.has(name));
    return fc.record(Object.fromEntries(models), { requiredKeys: requiredKeys as never[] });
  };
  if (!oneOf) return fields([], []);
  const needs = oneOf.map((one) => one.required ?? []);
  return fc.oneof(
    ...oneOf.map((one) => {
      const own = one.required ?? [];
      return fields(
        own,
        [...needs.flat(), ...refused(one)].filter((name) => !own.includes(name)),
      );
    }),
  );
}

/** What an alternative must not have beside it. */
function refused({ not }: Schema): string[] {
  return [...(not?.required ?? []), ...(not?.anyOf ?? []).flatMap(({ required = [] }) => required)];
}
