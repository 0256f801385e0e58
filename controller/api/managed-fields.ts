/** metadata.managedFields as Kubernetes writes it, from what the store keeps about owners. Pure but for asking the store. */
import type { Document } from '../../resources/document.ts';
import type { Shape } from '../store/merge.ts';
import type { Manager, Store } from '../store/types.ts';

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
