/**
 * How the next state of a document comes from the present one. Pure: equal parts stay the same objects, only a change
 * of spec moves generation, and the version comes last, from the transaction.
 */
import type { Document, Metadata, OwnerReference } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import { deepFreeze, type JsonObject } from './json.ts';
import type { Wanted } from './manifest.ts';
import { checkNotDeleting, type Setting } from './rules.ts';
import type { WriteResult } from './types.ts';

/** What a write comes to. `next` is absent where nothing changes; for `deleted` it is the last state. */
export interface Decision {
  outcome: WriteResult['outcome'];
  /** Its resourceVersion is still that of before: the transaction gives the new one. */
  next?: Document;
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
