/**
 * Says what is wrong with a manifest, in words for the person who wrote it: its schema by ajv, then the checks of its kind.
 * Called by the store for every write and by the CLI before it asks the server. Pure; schemas are compiled once, when first used.
 */
import type { ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { API_VERSION } from './document.ts';
import { explain } from './explain-error.ts';
import type { FieldProblem, KindDefinition } from './kind.ts';
import { kindOf, kinds, nearestKind } from './registry.ts';
import { loadSchema } from './schemas.ts';
import { isRecord } from './unknown.ts';

let ajv: Ajv2020 | undefined;

function compiler(): Ajv2020 {
  if (ajv !== undefined) return ajv;
  // strictTypes and strictRequired dislike alternatives that only say what must be there.
  ajv = new Ajv2020({
    allErrors: true,
    verbose: true,
    strict: true,
    strictTypes: false,
    strictRequired: false,
  });
  formats.default(ajv);
  ajv.addSchema(loadSchema('common.json'));
  return ajv;
}

function validatorOf(kind: KindDefinition): ValidateFunction {
  const present = compiler();
  const known = present.getSchema(kind.schema);
  return known ?? present.compile(loadSchema(kind.schema));
}

/** Everything that is wrong, in no promised order. Empty: it may be stored. Takes any value. */
export function validate(manifest: unknown): FieldProblem[] {
  if (!isRecord(manifest))
    return [{ pointer: '', message: 'must be an object with apiVersion, kind, metadata and spec' }];
  const outer = [...checkApiVersion(manifest['apiVersion']), ...checkKind(manifest['kind'])];
  const kind = typeof manifest['kind'] === 'string' ? kindOf(manifest['kind']) : undefined;
  if (kind === undefined || outer.length > 0) return outer;
  const validator = validatorOf(kind);
  const errors = validator(manifest) ? [] : (validator.errors ?? []);
  const problems = explain(errors, { hideValues: kind.secret === true });
  if (isRecord(manifest['metadata']))
    problems.push(...(kind.check?.(manifest as { metadata: { name: string } }) ?? []));
  if (problems.length === 0 && errors.length > 0)
    problems.push({
      pointer: '',
      message: `is no valid ${kind.kind}: ${errors[0]?.message ?? 'unknown reason'}`,
    });
  return firstOfEachField(problems);
}

function checkApiVersion(found: unknown): FieldProblem[] {
  if (found === API_VERSION) return [];
  const pointer = '/apiVersion';
  if (found === undefined) return [{ pointer, message: `is required: ${API_VERSION}` }];
  return [{ pointer, message: `must be ${API_VERSION}, found ${JSON.stringify(found)}` }];
}

function checkKind(found: unknown): FieldProblem[] {
  const pointer = '/kind';
  const known = kinds.map((kind) => kind.kind).join(', ');
  if (found === undefined) return [{ pointer, message: `is required: one of ${known}` }];
  if (typeof found !== 'string') return [{ pointer, message: `must be one of ${known}` }];
  if (kinds.some((kind) => kind.kind === found)) return [];
  const near = kindOf(found) ?? nearestKind(found);
  const message = `must be one of ${known}, found "${found.slice(0, 100)}"`;
  return [{ pointer, message, ...(near === undefined ? {} : { suggestion: near.kind }) }];
}

/** The first problem of a field says enough: the schema's, where a check dislikes the same. */
function firstOfEachField(problems: FieldProblem[]): FieldProblem[] {
  const seen = new Set<string>();
  return problems.filter(({ pointer }) => !seen.has(pointer) && seen.add(pointer));
}
