/**
 * Reads the files of schemas/, from the sources and from the built program alike. Called once per file: by validation, by
 * `explain` and by the generators. What it answers is shared: never change it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { at } from './unknown.ts';

/** As much of JSON Schema 2020-12 as the project's schemas use. */
export interface Schema {
  $id?: string;
  $ref?: string;
  $defs?: Record<string, Schema>;
  title?: string;
  description?: string;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  format?: string;
  pattern?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  minItems?: number;
  maxItems?: number;
  uniqueItems?: boolean;
  properties?: Record<string, Schema>;
  propertyNames?: Schema;
  additionalProperties?: boolean | Schema;
  required?: string[];
  items?: Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  not?: Schema;
}

/** Beside resources/ in the sources, one folder further up in dist/. */
const folder = ['../schemas/', '../../schemas/']
  .map((path) => fileURLToPath(new URL(path, import.meta.url)))
  .find((path) => existsSync(path));

const read = new Map<string, Schema>();

/** A schema by its file name, such as app.v1.json. */
export function loadSchema(file: string): Schema {
  const known = read.get(file);
  if (known !== undefined) return known;
  if (folder === undefined)
    throw new Error('the folder schemas/ is missing beside the program; install it again');
  const schema = JSON.parse(readFileSync(folder + file, 'utf8')) as Schema;
  read.set(file, schema);
  return schema;
}

/** The schema with a $ref into another file or its own $defs resolved; the text beside the $ref wins. */
export function resolve(schema: Schema): Schema {
  if (schema.$ref === undefined) return schema;
  const [file = '', pointer = ''] = schema.$ref.split('#/');
  let target: unknown = loadSchema(file === '' ? 'common.json' : file);
  for (const key of pointer === '' ? [] : pointer.split('/')) target = at(target, key);
  if (target === undefined) throw new Error(`schemas/: ${schema.$ref} leads nowhere`);
  const { $ref, ...beside } = schema;
  return { ...resolve(target as Schema), ...beside };
}
