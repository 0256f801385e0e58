/**
 * Makes sentences for people of what ajv found. ajv tells every failed branch of every alternative; a person is told the one
 * thing that is wrong. Called by validation only. Pure.
 */
import type { ErrorObject } from 'ajv';
import { typeWord } from './fields.ts';
import type { FieldProblem } from './kind.ts';
import { nearest } from './near.ts';
import { PATTERN_WORDS } from './patterns.ts';
import type { Schema } from './schemas.ts';
import { escapePointer, isRecord } from './unknown.ts';

/** With hideValues no sentence shows what was found: for kinds whose values are secret. */
export function explain(
  errors: readonly ErrorObject[],
  options: { hideValues?: boolean } = {},
): FieldProblem[] {
  const shownErrors = options.hideValues === true ? errors.map(withoutValue) : errors;
  return explainAll(shownErrors);
}

/** Values of metadata are no secret, but a person finds them without being told. */
function withoutValue(error: ErrorObject): ErrorObject {
  return { ...error, data: HIDDEN_VALUE };
}

/** Stands for a value that must not be shown. */
const HIDDEN_VALUE = Symbol('hidden');

/** More are not worth the time that near names take. */
const MOST = 100;

function explainAll(errors: readonly ErrorObject[]): FieldProblem[] {
  const alternatives = errors.filter((error) => error.keyword === 'oneOf' || error.keyword === 'anyOf');
  const problems: FieldProblem[] = [];
  for (const error of errors) {
    if (problems.length >= MOST) break;
    if (alternatives.some((other) => other !== error && isInside(error, other))) continue;
    const isAlternative = alternatives.includes(error);
    problems.push(...(isAlternative ? explainAlternative(error, errors) : explainOne(error)));
  }
  return problems;
}

function isInside(error: ErrorObject, alternative: ErrorObject): boolean {
  return (
    error.schemaPath.startsWith(`${alternative.schemaPath}/`) &&
    error.instancePath.startsWith(alternative.instancePath)
  );
}

/**
 * The branch of the found type is the one that was meant: its errors are told. Branches that only say which fields must be there
 * are left to the checks of the kind, which have better words.
 */
function explainAlternative(error: ErrorObject, all: readonly ErrorObject[]): FieldProblem[] {
  const branches = error.schema as Schema[];
  if (branches.every((branch) => branch.format !== undefined))
    return [
      { pointer: error.instancePath, message: `must be an IPv4 or IPv6 address, found ${shown(error.data)}` },
    ];
  const typed = branches.filter((branch) => branch.type !== undefined);
  if (typed.length === 0) return [];
  const meant = branches.findIndex((branch) => hasType(error.data, branch.type));
  if (meant >= 0) {
    const prefix = `${error.schemaPath}/${meant}/`;
    const inner = all.filter(
      (other) => other.schemaPath.startsWith(prefix) && other.instancePath.startsWith(error.instancePath),
    );
    return explainAll(inner);
  }
  const wanted = typed.map((branch) => `${article(typeWord(branch.type ?? ''))}`).join(' or ');
  return [{ pointer: error.instancePath, message: `must be ${wanted}, found ${shown(error.data)}` }];
}

function hasType(value: unknown, type: string | undefined): boolean {
  if (type === 'integer') return Number.isInteger(value);
  if (type === 'array') return Array.isArray(value);
  if (type === 'object') return isRecord(value);
  if (type === 'null') return value === null;
  return typeof value === type;
}

function explainOne(error: ErrorObject): FieldProblem[] {
  const propertyName = error.propertyName;
  if (propertyName !== undefined) {
    const pointer = `${error.instancePath}/${escapePointer(propertyName)}`;
    return [{ pointer, message: `has a name that ${sentence(error)}` }];
  }
  switch (error.keyword) {
    case 'propertyNames':
    case 'not':
      return []; // Told by the error inside, or by the checks of the kind.
    case 'additionalProperties':
      return [unknownField(error)];
    case 'required': {
      const pointer = `${error.instancePath}/${escapePointer(String(error.params['missingProperty']))}`;
      return [{ pointer, message: requiredSentence(error) }];
    }
    case 'enum':
      return [notInList(error)];
    default:
      return [{ pointer: error.instancePath, message: sentence(error), ...quoted(error) }];
  }
}

function unknownField(error: ErrorObject): FieldProblem {
  const name = String(error.params['additionalProperty']);
  const known = Object.keys((error.parentSchema as Schema | undefined)?.properties ?? {});
  const suggestion = nearest(name, known);
  const pointer = `${error.instancePath}/${escapePointer(name)}`;
  return suggestion === undefined
    ? {
        pointer,
        message: known.length > 12 ? 'unknown field' : `unknown field; there are ${known.join(', ')}`,
      }
    : { pointer, message: 'unknown field', suggestion };
}

function requiredSentence(error: ErrorObject): string {
  const name = String(error.params['missingProperty']);
  const description = (error.parentSchema as Schema | undefined)?.properties?.[name]?.description;
  return description === undefined
    ? 'is required'
    : `is required: ${lowerFirst(description)}`.replace(/[.]$/, '');
}

function notInList(error: ErrorObject): FieldProblem {
  const allowed = (error.params['allowedValues'] as unknown[]).map(String);
  const suggestion = typeof error.data === 'string' ? nearest(error.data, allowed) : undefined;
  const message = `must be ${listed(allowed)}, found ${shown(error.data)}`;
  return { pointer: error.instancePath, message, ...(suggestion === undefined ? {} : { suggestion }) };
}

/** Numbers and truth values where text is wanted: YAML needs quotes around them. */
function quoted(error: ErrorObject): { suggestion?: string } {
  const isPlain = typeof error.data === 'number' || typeof error.data === 'boolean';
  return error.keyword === 'type' && error.params['type'] === 'string' && isPlain
    ? { suggestion: JSON.stringify(String(error.data)) }
    : {};
}

function sentence(error: ErrorObject): string {
  const limit = error.params['limit'];
  switch (error.keyword) {
    case 'type':
      return `must be ${article(typeWord(String(error.params['type'])))}, found ${numberWord(error.data)}${shown(error.data)}`;
    case 'const':
      return `must be ${shown(error.params['allowedValue'])}, found ${shown(error.data)}`;
    case 'pattern': {
      const words = PATTERN_WORDS[String(error.params['pattern'])];
      return `${words ?? `must match ${error.params['pattern']}`}, found ${shown(error.data)}`;
    }
    case 'format':
      return `must be ${FORMAT_WORDS[String(error.params['format'])] ?? error.params['format']}, found ${shown(error.data)}`;
    case 'minimum':
    case 'maximum':
      return `must be ${range(error.parentSchema as Schema | undefined)}, found ${shown(error.data)}`;
    case 'minLength':
      return limit === 1 ? 'must not be empty' : `must have at least ${limit} letters`;
    case 'maxLength':
      return limit === 0
        ? 'must be empty'
        : `must have at most ${limit} letters, found ${lengthOf(error.data)}`;
    case 'minItems':
      return limit === 1 ? 'must not be empty' : `must have at least ${limit} entries`;
    case 'maxItems':
      return `must have at most ${limit} entries, found ${lengthOf(error.data)}`;
    case 'uniqueItems':
      return `must not hold an entry twice: entries ${error.params['j']} and ${error.params['i']} are the same`;
    default:
      return error.message ?? 'is wrong';
  }
}

const FORMAT_WORDS: Record<string, string> = {
  email: 'an e-mail address',
  uri: 'an address such as https://example.com/a.png',
  'date-time': 'a time such as 2026-01-31T12:00:00Z',
};

function range(schema: Schema | undefined): string {
  const { minimum, maximum } = schema ?? {};
  if (minimum !== undefined && maximum !== undefined) return `from ${minimum} to ${maximum}`;
  return minimum === undefined ? `at most ${maximum}` : `at least ${minimum}`;
}

function listed(values: readonly string[]): string {
  if (values.length < 2) return values.join('');
  return `${values.slice(0, -1).join(', ')} or ${values.at(-1)}`;
}

function article(word: string): string {
  if (word === 'text' || word === 'nothing' || word === 'true or false') return word;
  return /^[aeiou]/.test(word) ? `an ${word}` : `a ${word}`;
}

function numberWord(value: unknown): string {
  return typeof value === 'number' ? 'the number ' : '';
}

function lengthOf(value: unknown): number | string {
  return typeof value === 'string' || Array.isArray(value) ? value.length : 'more';
}

/** What was found, short enough for a line. */
function shown(value: unknown): string {
  if (value === HIDDEN_VALUE) return 'another value';
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}…"` : text;
}

function lowerFirst(text: string): string {
  return /^[A-Z][A-Z]/.test(text) ? text : text.slice(0, 1).toLowerCase() + text.slice(1);
}
