/** One text for equal values, whatever the order of their keys. Pure; for comparisons and digests. */
import type { Json } from '../../resources/document.ts';
import { memoOf } from '../../resources/memo.ts';

export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'undefined';
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${entries.map(([key, entry]) => `${JSON.stringify(key)}:${canonicalJson(entry)}`).join(',')}}`;
}

/** The same, worked out once: for what is never changed, such as the spec of a document. */
export const canonicalFrozen: (value: object) => string = memoOf(canonicalJson);

export function sameJson(a: Json | undefined, b: Json | undefined): boolean {
  return canonicalJson(a) === canonicalJson(b);
}

type Spec = Readonly<Record<string, Json>>;

/** Fields in which a child's spec is not what its owner wants. Whether it is suspended is for people. */
export function changedFields(found: Spec | undefined, wanted: Spec): string[] {
  return Object.keys({ ...wanted, ...found }).filter(
    (field) => field !== 'suspend' && !sameJson(found?.[field], wanted[field]),
  );
}
