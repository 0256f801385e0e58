/**
 * metadata.managedFields as Kubernetes writes it, from what the store keeps about owners, and back: kubectl writes it when it takes an
 * object from client-side to server-side apply. Pure but for asking the store.
 */
import type { Document } from '../../resources/document.ts';
import type { Shape } from '../store/merge.ts';
import type { Manager, Store } from '../store/types.ts';
import { isObject } from './body.ts';
import { refuse } from './status.ts';

/** FieldsV1: a field is `f:` and its name, a leaf is an empty object. */
interface FieldsV1 {
  [field: string]: FieldsV1;
}

export function managedFields(store: Store, document: Document): Document {
  const managers = store.managers?.(document) ?? [];
  if (managers.length === 0) return document;
  const entries = managers.map((entry) => entryOf(document.apiVersion, entry));
  return { ...document, metadata: { ...document.metadata, managedFields: entries } as Document['metadata'] };
}

function entryOf(apiVersion: string, { manager, operation, time, fields }: Manager): object {
  const { spec, ...metadata } = fields;
  return {
    manager,
    operation,
    apiVersion,
    time,
    fieldsType: 'FieldsV1',
    fieldsV1: {
      ...(hasAny(metadata) && { 'f:metadata': fieldsOf(metadata) }),
      ...(spec !== undefined && hasAny(spec) && { 'f:spec': fieldsOf(spec) }),
    },
  };
}

function fieldsOf(shape: Shape | 1): FieldsV1 {
  if (shape === 1) return {};
  const fields = Object.entries(shape).filter(([, member]) => hasAny(member));
  return Object.fromEntries(fields.map(([key, member]) => [`f:${key}`, fieldsOf(member)]));
}

/** An apply keeps empty maps in its shape; they are no fields. */
function hasAny(shape: Shape | 1): boolean {
  return shape === 1 || Object.values(shape).some((member) => member === 1 || hasAny(member));
}

const FIELD = 'metadata.managedFields';
const MOST_MANAGERS = 100;
const DEEPEST = 32;

/** Throws Invalid for what is no list of owners. An entry without a manager, as Kubernetes has it, stands for none. */
export function parseManagedFields(value: unknown, now: string): Manager[] {
  if (!Array.isArray(value) || value.length > MOST_MANAGERS)
    throw refused(FIELD, `must be a list of at most ${MOST_MANAGERS} entries`);
  return value.flatMap((entry, index) => {
    const at = `${FIELD}[${index}]`;
    if (!isObject(entry)) throw refused(at, 'must be an object');
    const { manager, operation, time, fieldsV1, subresource } = entry;
    // Owners of a status are not kept: only reconcilers write it.
    if (Object.keys(entry).length === 0 || (subresource !== undefined && subresource !== '')) return [];
    if (typeof manager !== 'string' || !/^[\x20-\x7e]{1,128}$/.test(manager))
      throw refused(`${at}.manager`, 'must be at most 128 printable characters');
    if (operation !== 'Apply' && operation !== 'Update')
      throw refused(`${at}.operation`, 'must be Apply or Update');
    const fields = shapeOfFields(fieldsV1, `${at}.fieldsV1`);
    const isTime = typeof time === 'string' && !Number.isNaN(Date.parse(time));
    return [{ manager, operation, time: isTime ? time : now, fields }];
  });
}

function shapeOfFields(value: unknown, at: string): Shape {
  const whole = value === undefined ? {} : shapeAt(value, at, 0);
  if (whole === 1) return {};
  const { spec, metadata } = whole;
  const { labels, annotations } = metadata === undefined || metadata === 1 ? {} : metadata;
  return {
    ...(spec !== undefined && { spec }),
    ...(labels !== undefined && { labels }),
    ...(annotations !== undefined && { annotations }),
  };
}

/** Entries of a list (`k:`, `v:`, `i:`) make the list one field, as it is here. */
function shapeAt(value: unknown, at: string, depth: number): Shape | 1 {
  if (!isObject(value)) throw refused(at, 'must be an object');
  if (depth > DEEPEST) throw refused(at, 'is nested too deep');
  const members = Object.entries(value).filter(([key]) => key.startsWith('f:'));
  if (members.length === 0) return 1;
  return Object.fromEntries(
    members.map(([key, member]) => [key.slice(2), shapeAt(member, `${at}.${key}`, depth + 1)]),
  );
}

function refused(field: string, message: string): Error {
  return refuse.invalid(`${field} ${message}`, [{ field, message }]);
}
