/**
 * Reads a manifest as it comes in from anywhere: own copies of what writers may set, checked to be JSON; the rest is
 * ignored or kept for validation to refuse. Pure. What kind it is and who may write it is none of its business.
 */
import type { Manifest, OwnerReference, Reference } from '../../resources/document.ts';
import { copyJson, isObject, type JsonObject } from './json.ts';
import { invalid } from './refusals.ts';

/** A manifest as it came in: own copies, checked to be JSON. */
export interface Wanted {
  apiVersion: string;
  name: string;
  uid: string | undefined;
  resourceVersion: string | undefined;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  spec: JsonObject;
  ownerReferences: OwnerReference[] | undefined;
  finalizers: string[] | undefined;
  /** What no document has; kept so that validation sees it and refuses it. */
  unknown: { document: JsonObject; metadata: JsonObject };
}

const DOCUMENT_KEYS = new Set(['apiVersion', 'kind', 'metadata', 'spec', 'status']);

/** Metadata that writers cannot set. Ignored in a manifest, so that what `get` prints can be applied again. */
export const KEPT_METADATA = [
  'uid',
  'generation',
  'resourceVersion',
  'creationTimestamp',
  'deletionTimestamp',
  'finalizers',
  'ownerReferences',
  'managedFields',
] as const;

const METADATA_KEYS = new Set<string>([...KEPT_METADATA, 'name', 'labels', 'annotations']);

/** Reads a manifest that may come from anywhere. Throws Invalid. */
export function readManifest(manifest: Manifest): Wanted {
  const { metadata } = manifest;
  const { name, uid, resourceVersion, ownerReferences, finalizers } = metadata;
  return {
    apiVersion: String(manifest.apiVersion),
    name,
    uid: optionalText(uid, 'metadata.uid'),
    resourceVersion: optionalText(resourceVersion, 'metadata.resourceVersion'),
    labels: textMap(metadata.labels, 'metadata.labels'),
    annotations: textMap(metadata.annotations, 'metadata.annotations'),
    spec: objectAt(manifest.spec, 'spec'),
    ownerReferences: ownerReferences && (copyJson(ownerReferences, 'metadata') as OwnerReference[]),
    finalizers: finalizers && (copyJson(finalizers, 'metadata') as string[]),
    unknown: { document: without(manifest, DOCUMENT_KEYS), metadata: without(metadata, METADATA_KEYS) },
  };
}

/** Kind and name of a manifest that may be anything. Throws Invalid. */
export function manifestReference(manifest: Manifest): Reference {
  const input: unknown = manifest;
  if (!isObject(input)) throw invalid(undefined, [{ field: 'document', message: 'must be an object' }]);
  if (typeof input.kind !== 'string')
    throw invalid(undefined, [{ field: 'kind', message: 'must be a text' }]);
  const name = isObject(input.metadata) ? input.metadata.name : undefined;
  if (typeof name === 'string' && name !== '') return { kind: input.kind, name };
  throw invalid(undefined, [
    { field: 'metadata.name', message: `is missing in a document of kind ${input.kind}` },
  ]);
}

function optionalText(value: unknown, field: string): string | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value === 'string') return value;
  throw invalid(undefined, [{ field, message: 'must be a text' }]);
}

function objectAt(value: unknown, field: string): JsonObject {
  if (value === undefined || value === null) return {};
  if (isObject(value)) return copyJson(value, field) as JsonObject;
  throw invalid(undefined, [{ field, message: 'must be an object' }]);
}

function textMap(value: unknown, field: string): Record<string, string> {
  const map = objectAt(value, field);
  const odd = Object.keys(map).find((key) => typeof map[key] !== 'string');
  if (odd === undefined) return map as Record<string, string>;
  throw invalid(undefined, [{ field: `${field}[${odd}]`, message: 'must be a text: put it in quotes' }]);
}

function without(value: object, keys: ReadonlySet<string>): JsonObject {
  const rest = Object.entries(value).filter(([key, member]) => !keys.has(key) && member !== undefined);
  return rest.length === 0 ? {} : (copyJson(Object.fromEntries(rest), '') as JsonObject);
}
