/**
 * Who set which fields of a document, as Kubernetes keeps it in managedFields: what server-side apply compares with. Pure. Only
 * the names of fields are kept, never a value. A list is one field, as in the merge of apply.
 */
import type { Document } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import { isObject, type JsonObject } from './json.ts';
import { type Shape, shapeOf } from './merge.ts';
import type { FieldCause, Manager } from './types.ts';

/** What has owners: the three maps that people write. */
export interface Owned {
  spec: object;
  labels: object;
  annotations: object;
}

export function ownedPart(document: Document | undefined): Owned {
  const { labels = {}, annotations = {} } = document?.metadata ?? {};
  return { spec: document?.spec ?? {}, labels, annotations };
}

/** Fields that differ: those that are there now, and those that are gone. */
function difference(before: JsonObject, after: JsonObject): { set: Shape; gone: Shape } {
  const set: Shape = {};
  const gone: Shape = {};
  for (const [key, value] of Object.entries(after)) {
    const was = before[key];
    if (equal(was, value)) continue;
    if (isObject(value) && isObject(was)) {
      const inner = difference(was, value);
      if (hasAny(inner.set)) set[key] = inner.set;
      if (hasAny(inner.gone)) gone[key] = inner.gone;
    } else {
      set[key] = isObject(value) ? shapeOf(value) : 1;
    }
  }
  for (const [key, was] of Object.entries(before)) {
    if (!(key in after)) gone[key] = isObject(was) ? shapeOf(was) : 1;
  }
  return { set, gone };
}

function hasAny(shape: Shape): boolean {
  return Object.keys(shape).length > 0;
}

/** `shape` without what `taken` has, above or below. */
export function without(shape: Shape, taken: Shape): Shape {
  const rest: Shape = {};
  for (const [key, member] of Object.entries(shape)) {
    const other = Object.hasOwn(taken, key) ? taken[key] : undefined;
    if (other === undefined) rest[key] = member;
    else if (member !== 1 && other !== 1) {
      const inner = without(member, other);
      // An empty map is a field of its own, and says nothing about what others put into it.
      if (hasAny(inner) || hasAny(member) !== hasAny(other)) rest[key] = inner;
    }
  }
  return rest;
}

export function union(one: Shape, other: Shape): Shape {
  const all: Shape = { ...one };
  for (const [key, member] of Object.entries(other)) {
    const present = all[key];
    all[key] = present === undefined || present === 1 || member === 1 ? member : union(present, member);
  }
  return all;
}

interface Writer {
  manager: string;
  now: string;
}

/** After a create, update or patch: what it changed is its own, and nobody else's. */
export function afterUpdate(
  managers: readonly Manager[],
  before: Owned,
  after: Owned,
  { manager, now }: Writer,
): readonly Manager[] {
  const { set, gone } = difference({ ...before }, { ...after });
  if (!hasAny(set) && !hasAny(gone)) return managers;
  const isOwn = (entry: Manager) => entry.manager === manager && entry.operation === 'Update';
  const own = managers.find(isOwn);
  const fields = union(without(own?.fields ?? {}, gone), set);
  const others = loseFields(
    managers.filter((entry) => !isOwn(entry)),
    union(set, gone),
  );
  return hasAny(fields) ? [...others, { manager, operation: 'Update', time: now, fields }] : others;
}

/** After an apply: its manager owns exactly what it applied; who had another value there owns it no more. */
export function afterApply(
  managers: readonly Manager[],
  before: Owned,
  after: Owned,
  { manager, now, applied }: Writer & { applied: Shape },
): readonly Manager[] {
  const { set, gone } = difference({ ...before }, { ...after });
  const isOwn = (entry: Manager) => entry.manager === manager && entry.operation === 'Apply';
  const own = managers.find(isOwn);
  const changed = union(set, gone);
  if (own && equal(own.fields, applied) && !hasAny(changed)) return managers;
  const others = loseFields(
    managers.filter((entry) => !isOwn(entry)),
    changed,
  );
  return [...others, { manager, operation: 'Apply', time: now, fields: applied }];
}

function loseFields(managers: readonly Manager[], taken: Shape): Manager[] {
  return managers
    .map((entry) => ({ ...entry, fields: without(entry.fields, taken) }))
    .filter((entry) => hasAny(entry.fields));
}

/** What a manager applied before and nobody else owns: what goes when it is left out. */
export function ownAlone(managers: readonly Manager[], manager: string): Shape {
  const own = managers.find((entry) => entry.manager === manager && entry.operation === 'Apply');
  const others = managers.filter((entry) => entry !== own);
  return others.reduce<Shape>((rest, entry) => without(rest, entry.fields), own?.fields ?? {});
}

/** Fields where an apply wants another value than there is, and which another manager owns. */
export function conflictsOf(
  managers: readonly Manager[],
  manager: string,
  present: Owned,
  wanted: Owned,
): FieldCause[] {
  const others = managers.filter((entry) => entry.manager !== manager);
  const causes: FieldCause[] = [];
  walk(others, { ...present }, { ...wanted }, [], causes);
  return causes;
}

function walk(
  managers: readonly Manager[],
  present: JsonObject,
  wanted: JsonObject,
  path: string[],
  causes: FieldCause[],
): void {
  for (const [key, value] of Object.entries(wanted)) {
    const was = present[key];
    if (equal(was, value)) continue;
    const here = [...path, key];
    if (isObject(was) && isObject(value)) {
      walk(managers, was, value, here, causes);
      continue;
    }
    for (const { manager, fields } of managers) {
      if (!owns(fields, here)) continue;
      causes.push({ field: fieldName(here), message: `conflict with "${manager}" using holdfast.dev/v1` });
    }
  }
}

function owns(fields: Shape, path: readonly string[]): boolean {
  let shape: Shape | 1 | undefined = fields;
  for (const key of path) {
    if (shape === 1) return true;
    shape = shape !== undefined && Object.hasOwn(shape, key) ? shape[key] : undefined;
    if (shape === undefined) return false;
  }
  return true;
}

/** As Kubernetes writes it: `.spec.image`. */
function fieldName([part = '', ...rest]: readonly string[]): string {
  const root = part === 'spec' ? '.spec' : `.metadata.${part}`;
  return [root, ...rest].join('.');
}
