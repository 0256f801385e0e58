/**
 * What holds for every write: what may enter, who may write what, when a write conflicts, and how the next state of a
 * document comes from the present one. Pure but for `validate` and `uuid`, which come as arguments. Used by verbs.ts.
 */
import type { Document, Manifest, Metadata, OwnerReference, Reference } from '../../resources/document.ts';
import { refText } from '../../resources/document.ts';
import type { FieldProblem, KindDefinition } from '../../resources/kind.ts';
import { copyJson, deepFreeze, equal, isObject, type JsonObject, pointerToField } from './json.ts';
import { keepHidden } from './secrets.ts';
import { type Author, type FieldCause, StoreError, type WriteResult } from './types.ts';

/** What the rules need to know beside the documents. */
export interface Setting {
  definition: KindDefinition;
  author: Author;
  /** RFC 3339. The same for all of a transaction. */
  now: string;
  uuid(): string;
  validate(manifest: Manifest): FieldProblem[];
}

/** What a write comes to. `next` is absent where nothing changes; for `deleted` it is the last state. */
export interface Decision {
  outcome: WriteResult['outcome'];
  /** Its resourceVersion is still that of before: the transaction gives the new one. */
  next?: Document;
}

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

/** Validates what would be stored, after markers of hidden values are replaced in its spec. */
export function checkManifest(setting: Setting, wanted: Wanted, present: Document | undefined): void {
  const { definition } = setting;
  const { name, labels, annotations, spec, unknown } = wanted;
  if (definition.secret) keepHidden(spec, present?.spec);
  const manifest: Manifest = {
    ...unknown.document,
    apiVersion: wanted.apiVersion,
    kind: definition.kind,
    metadata: { ...unknown.metadata, name, labels, annotations },
    spec,
  };
  const problems = setting.validate(manifest);
  if (problems.length > 0) throw invalid({ kind: definition.kind, name }, problems.map(causeOf));
  if (definition.singleton === undefined || name === definition.singleton) return;
  const message = `must be "${definition.singleton}": there is one ${definition.kind} only`;
  throw invalid({ kind: definition.kind, name }, [{ field: 'metadata.name', message }]);
}

function causeOf({ pointer, message, suggestion }: FieldProblem): FieldCause {
  const hint = suggestion === undefined ? '' : `; did you mean ${suggestion}?`;
  return { field: pointerToField(pointer), message: `${message}${hint}` };
}

export function invalid(reference: Reference | undefined, causes: FieldCause[]): StoreError {
  const list = causes.map(({ field, message }) => `${field}: ${message}`).join('; ');
  if (reference === undefined) return new StoreError('Invalid', list, { causes });
  return new StoreError('Invalid', `${textOf(reference)} is not valid: ${list}`, { reference, causes });
}

export function conflict(document: Document, words: string): StoreError {
  return new StoreError('Conflict', `${refText(document)} ${words}`, { reference: referenceTo(document) });
}

export function textOf({ kind, name }: Reference): string {
  return `${kind.toLowerCase()}/${name}`;
}

export function referenceTo(document: Document): Reference {
  return { kind: document.kind, name: document.metadata.name };
}

/** Throws Forbidden where people write what reconcilers write. */
export function checkWriter(setting: Setting, name: string, present: Document | undefined): void {
  const { definition, author } = setting;
  if (definition.writtenBy === 'people' || author.via === 'controller') return;
  const owner = present?.metadata.ownerReferences?.find((reference) => reference.controller);
  const whose = owner === undefined ? 'what it is made for' : textOf(owner);
  throw new StoreError(
    'Forbidden',
    `${textOf({ kind: definition.kind, name })}: documents of kind ${definition.kind} are written by Holdfast's own reconcilers; change ${whose} instead`,
    { reference: { kind: definition.kind, name } },
  );
}

/** Throws Forbidden for what only reconcilers do. */
export function checkController(setting: Setting, reference: Reference, what: string): void {
  if (setting.author.via === 'controller') return;
  throw new StoreError(
    'Forbidden',
    `${textOf(reference)}: ${what} is written by Holdfast's own reconcilers only`,
    {
      reference,
    },
  );
}

/** Throws Conflict when the writer speaks of another document or of an older state of this one. */
export function checkPreconditions(
  present: Document,
  wanted: { uid?: string | undefined; resourceVersion?: string | undefined },
): void {
  const { uid, resourceVersion } = present.metadata;
  if (wanted.uid !== undefined && wanted.uid !== uid) {
    throw conflict(
      present,
      `has another uid (${uid}) than the write names (${wanted.uid}): it was deleted and made anew`,
    );
  }
  if (wanted.resourceVersion !== undefined && wanted.resourceVersion !== resourceVersion) {
    throw conflict(
      present,
      `has changed since it was read: it is at version ${resourceVersion}, the write is based on ${wanted.resourceVersion}; read it again and repeat the change`,
    );
  }
}

export function checkNotDeleting(present: Document): void {
  if (present.metadata.deletionTimestamp !== undefined) {
    throw conflict(present, 'is being deleted; wait until it is gone');
  }
}

/** Parts of a document that a write may replace. What is absent stays; empty maps and lists are left out. */
export interface Parts {
  apiVersion?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  finalizers?: string[];
  ownerReferences?: OwnerReference[];
  deletionTimestamp?: string;
  spec?: JsonObject;
  status?: NonNullable<Document['status']>;
}

/** The next state, or `unchanged`. Only a change of spec moves generation. */
export function change(present: Document, parts: Parts): Decision {
  const { metadata } = present;
  const spec = keep(present.spec, parts.spec);
  if (spec !== present.spec) checkNotDeleting(present);
  const next = assemble(parts.apiVersion ?? present.apiVersion, present.kind, {
    ...metadata,
    generation: spec === present.spec ? metadata.generation : metadata.generation + 1,
    ...given('deletionTimestamp', metadata.deletionTimestamp ?? parts.deletionTimestamp),
    ...given('finalizers', keep(metadata.finalizers ?? [], parts.finalizers)),
    ...given('ownerReferences', keep(metadata.ownerReferences ?? [], parts.ownerReferences)),
    ...given('labels', keep(metadata.labels ?? {}, parts.labels)),
    ...given('annotations', keep(metadata.annotations ?? {}, parts.annotations)),
  });
  const status = keep(present.status, parts.status);
  const document: Document = status === undefined ? { ...next, spec } : { ...next, spec, status };
  return equal(document, present) ? { outcome: 'unchanged' } : { outcome: 'configured', next: document };
}

/** The first state of a document. */
export function first(setting: Setting, wanted: Wanted, parts: Parts): Document {
  const { definition, now } = setting;
  return {
    ...assemble(wanted.apiVersion, definition.kind, {
      name: wanted.name,
      uid: setting.uuid(),
      generation: 1,
      resourceVersion: '0',
      creationTimestamp: now,
      finalizers: [...new Set([...(definition.finalizers ?? []), ...(parts.finalizers ?? [])])],
      ownerReferences: parts.ownerReferences ?? [],
      labels: wanted.labels,
      annotations: wanted.annotations,
    }),
    spec: wanted.spec,
  };
}

/** The present value where the wanted one says the same: unchanged parts stay shared between versions. */
function keep<T>(present: T, wanted: T | undefined): T {
  return wanted === undefined || equal(present, wanted) ? present : wanted;
}

function given<K extends string, V>(key: K, value: V | undefined): Record<K, V> | object {
  return value === undefined ? {} : { [key]: value };
}

function assemble(apiVersion: string, kind: string, all: Metadata): Omit<Document, 'spec' | 'status'> {
  const { deletionTimestamp, finalizers, ownerReferences, labels, annotations, ...metadata } = all;
  return {
    apiVersion,
    kind,
    metadata: {
      ...metadata,
      ...given('deletionTimestamp', deletionTimestamp),
      ...given('finalizers', some(finalizers)),
      ...given('ownerReferences', some(ownerReferences)),
      ...given('labels', some(labels)),
      ...given('annotations', some(annotations)),
    },
  };
}

function some<T extends object>(value: T | undefined): T | undefined {
  return value !== undefined && Object.keys(value).length > 0 ? value : undefined;
}

/** Gives a document its version and freezes it. */
export function stamped(document: Document, version: number): Document {
  return deepFreeze({
    ...document,
    metadata: { ...document.metadata, resourceVersion: String(version) },
  });
}
