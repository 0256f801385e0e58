/**
 * Label and field selectors as Kubernetes writes them. Pure; used by the store's list and watch, the API and the CLI.
 * A selector that cannot be read throws Invalid and says where.
 */
import { isObject } from './json.ts';
import { StoreError } from './types.ts';

export interface LabelRequirement {
  key: string;
  operator: 'in' | 'notin' | 'exists' | 'absent';
  values: readonly string[];
}

export interface FieldRequirement {
  /** Dotted path, such as metadata.name. */
  field: string;
  operator: '=' | '!=';
  value: string;
}

const KEY = /^([a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$/;

const SET = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/;
const COMPARISON = /^([^=!\s]+)\s*(==|=|!=)\s*(\S*)$/;

/** `a=b,c!=d,e in (x,y),f notin (z),g,!h`. Empty text selects all. */
export function parseLabelSelector(text: string): LabelRequirement[] {
  return splitOutsideParentheses(text).map((part) => {
    const requirement = parseLabelRequirement(part);
    const { key, values } = requirement ?? { key: '', values: [] };
    if (requirement === undefined || !KEY.test(key) || key.length > 317)
      throw unreadable('label', text, part);
    if (values.some((value) => !VALUE.test(value) || value.length > 63))
      throw unreadable('label', text, part);
    return requirement;
  });
}

function parseLabelRequirement(part: string): LabelRequirement | undefined {
  const set = SET.exec(part);
  if (set) {
    const [, key = '', operator, list = ''] = set;
    const values = list.split(',').map((value) => value.trim());
    return { key, operator: operator === 'in' ? 'in' : 'notin', values };
  }
  const comparison = COMPARISON.exec(part);
  if (comparison) {
    const [, key = '', operator, value = ''] = comparison;
    return { key, operator: operator === '!=' ? 'notin' : 'in', values: [value] };
  }
  if (part.startsWith('!')) return { key: part.slice(1).trim(), operator: 'absent', values: [] };
  return { key: part, operator: 'exists', values: [] };
}

function splitOutsideParentheses(text: string): string[] {
  if (text.trim() === '') return [];
  return text.split(/,(?![^()]*\))/).map((part) => part.trim());
}

/** `!=` and `notin` also select what has no such label, as in Kubernetes. */
export function matchesLabels(
  requirements: readonly LabelRequirement[],
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  return requirements.every((requirement) => matchesLabel(requirement, labels ?? {}));
}

function matchesLabel({ key, operator, values }: LabelRequirement, labels: Readonly<Record<string, string>>) {
  const value = Object.hasOwn(labels, key) ? labels[key] : undefined;
  switch (operator) {
    case 'in':
      return value !== undefined && values.includes(value);
    case 'notin':
      return value === undefined || !values.includes(value);
    case 'exists':
      return value !== undefined;
    case 'absent':
      return value === undefined;
  }
}

/** `metadata.name=wiki,spec.type!=Warning`; a backslash takes the meaning of `,`, `=` and `\`. */
export function parseFieldSelector(text: string, allowed: readonly string[]): FieldRequirement[] {
  if (text.trim() === '') return [];
  return (text.match(/(\\.|[^,\\])+/g) ?? []).map((part) => {
    const match = /^\s*([^=!\\\s]+)\s*(==|=|!=)((?:\\.|[^\\=])*)$/.exec(part);
    if (!match) throw unreadable('field', text, part);
    const [, field = '', operator, value = ''] = match;
    if (!allowed.includes(field)) {
      const message = `the field selector "${text}" names ${field}; fields to select by here: ${allowed.join(', ')}`;
      throw new StoreError('Invalid', message, { causes: [{ field: 'fieldSelector', message }] });
    }
    return { field, operator: operator === '!=' ? '!=' : '=', value: value.trim().replace(/\\(.)/g, '$1') };
  });
}

export function matchesFields(
  requirements: readonly FieldRequirement[],
  read: (field: string) => string,
): boolean {
  return requirements.every(({ field, operator, value }) => (read(field) === value) === (operator === '='));
}

/** Value at a dotted path as text. Empty where there is nothing, as in Kubernetes. */
export function fieldText(document: unknown, field: string): string {
  let value = document;
  for (const key of field.split('.'))
    value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

function unreadable(what: string, text: string, part: string): StoreError {
  const message = `the ${what} selector "${text}" cannot be read at "${part.trim()}"`;
  return new StoreError('Invalid', message, { causes: [{ field: `${what}Selector`, message }] });
}
