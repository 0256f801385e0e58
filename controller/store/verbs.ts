/**
 * One function for each verb of a write: from the present document and what is asked for to the next state or a
 * StoreError. No I/O; called by the transaction (transaction.ts), which stores what they answer.
 */
import { ANNOTATION, type Document, type Json, type Manifest, refText } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import { copyJson, isObject, type JsonObject } from './json.ts';
import { KEPT_METADATA, readManifest, type Wanted } from './manifest.ts';
import { mergeThreeWay, type Shape, shapeOf } from './merge.ts';
import { change, type Decision, first, type Parts } from './next-state.ts';
import { applyJsonPatch, applyMergePatch } from './patch.ts';
import { conflict, invalid, referenceTo } from './refusals.ts';
import {
  checkController,
  checkManifest,
  checkNotDeleting,
  checkPreconditions,
  checkRequest,
  checkUnused,
  checkWriter,
  type Setting,
} from './rules.ts';
import { type FieldCause, StoreError } from './types.ts';

export function create(setting: Setting, present: Document | undefined, manifest: Manifest): Decision {
  const wanted = readManifest(manifest);
  checkWriter(setting, wanted.name, present);
  if (present !== undefined) {
    checkNotDeleting(present);
    throw new StoreError('AlreadyExists', `${refText(present)} exists already`, {
      reference: referenceTo(present),
    });
  }
  return createFrom(setting, wanted, {});
}

function createFrom(setting: Setting, wanted: Wanted, parts: Parts): Decision {
  checkManifest(setting, wanted, undefined);
  return { outcome: 'created', next: first(setting, wanted, parts) };
}

export function update(setting: Setting, present: Document, manifest: Manifest): Decision {
  const wanted = readManifest(manifest);
  checkWriter(setting, wanted.name, present);
  checkPreconditions(present, wanted);
  return replace(setting, present, wanted, {});
}

/** Spec, labels and annotations as wanted, with further parts. */
function replace(setting: Setting, present: Document, wanted: Wanted, parts: Parts): Decision {
  checkManifest(setting, wanted, present);
  const { apiVersion, labels, annotations, spec } = wanted;
  return change(present, { apiVersion, labels, annotations, spec, ...parts });
}

/**
 * `last`: the shape that this manager applied before. The answer's shape is what to remember for the next time: of the
 * three maps that are merged.
 */
export function apply(
  setting: Setting,
  present: Document | undefined,
  manifest: Manifest,
  last: Shape | undefined,
): Decision & { shape: Shape } {
  const wanted = readManifest(manifest);
  const shape = shapeOf({ spec: wanted.spec, labels: wanted.labels, annotations: wanted.annotations });
  checkWriter(setting, wanted.name, present);
  if (present === undefined) return { ...createFrom(setting, wanted, {}), shape };
  checkNotDeleting(present);
  checkPreconditions(present, wanted);
  return { ...replace(setting, present, mergeWith(present, last, wanted), {}), shape };
}

function mergeWith(present: Document, last: Shape | undefined, wanted: Wanted): Wanted {
  const { labels, annotations } = present.metadata;
  const merge = (part: string, before: object | undefined, after: JsonObject) => {
    const was = last?.[part];
    const copy = copyJson(before ?? {}, part) as JsonObject;
    return mergeThreeWay(copy, was === undefined || was === 1 ? {} : was, after);
  };
  return {
    ...wanted,
    labels: merge('labels', labels, wanted.labels) as Record<string, string>,
    annotations: merge('annotations', annotations, wanted.annotations) as Record<string, string>,
    spec: merge('spec', present.spec, wanted.spec),
  };
}

export function patch(
  setting: Setting,
  present: Document,
  write: { type: 'json' | 'merge'; patch: Json; resourceVersion?: string },
): Decision {
  const isRequest = write.type === 'merge' && checkRequest(setting, write.patch);
  if (!isRequest) checkWriter(setting, present.metadata.name, present);
  checkPreconditions(present, write);
  const before: JsonObject = { ...present };
  const after = patched(present, () =>
    write.type === 'json' ? applyJsonPatch(before, write.patch) : applyMergePatch(before, write.patch),
  );
  const metadata = isObject(after.metadata) ? after.metadata : {};
  if (write.type === 'merge' && typeof metadata.resourceVersion === 'string') {
    // As in Kubernetes, a merge patch may say which state it is meant for.
    checkPreconditions(present, { resourceVersion: metadata.resourceVersion });
  }
  refuseKeptFields(present, after, metadata);
  return replace(setting, present, readManifest(after as unknown as Manifest), {});
}

function patched(present: Document, run: () => JsonObject): JsonObject {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const { reason, causes } = error;
    const message = `${refText(present)} cannot be patched: ${error.message}`;
    throw new StoreError(reason, message, { reference: referenceTo(present), causes, cause: error });
  }
}

function refuseKeptFields(present: Document, after: JsonObject, metadata: JsonObject): void {
  const before: JsonObject = { ...present.metadata };
  const causes: FieldCause[] = [];
  for (const key of ['apiVersion', 'kind', 'status'] as const) {
    if (!equal(present[key], after[key]))
      causes.push({ field: key, message: 'cannot be changed by a patch' });
  }
  for (const key of ['name', ...KEPT_METADATA]) {
    if (equal(before[key], metadata[key])) continue;
    causes.push({ field: `metadata.${key}`, message: 'cannot be changed by a patch' });
  }
  if (causes.length > 0) throw invalid(referenceTo(present), causes);
}

export function remove(
  setting: Setting,
  present: Document,
  write: { uid?: string; resourceVersion?: string; deleteData?: boolean },
): Decision {
  const { metadata } = present;
  checkWriter(setting, metadata.name, present);
  checkPreconditions(present, write);
  checkUnused(setting, present, write);
  if (metadata.annotations?.[ANNOTATION.keep] === 'true') {
    throw new StoreError(
      'Forbidden',
      `${refText(present)} is kept: its annotation ${ANNOTATION.keep} is "true". Take the annotation off first, then delete it`,
      { reference: referenceTo(present) },
    );
  }
  const annotations = write.deleteData
    ? { ...metadata.annotations, [ANNOTATION.deleteData]: 'true' }
    : (metadata.annotations ?? {});
  const { next } = change(present, { annotations, deletionTimestamp: setting.now });
  const finalizers = metadata.finalizers ?? [];
  if (finalizers.length === 0) return { outcome: 'deleted', next: next ?? present };
  return next === undefined ? { outcome: 'deleting' } : { outcome: 'deleting', next };
}

/**
 * Not validated again: the spec was when it was written, and a stricter schema of a newer program must not keep the
 * controller from telling what it sees.
 */
export function status(
  setting: Setting,
  present: Document,
  write: { uid?: string; status: (document: Document) => unknown },
): Decision {
  checkController(setting, referenceTo(present), 'status');
  checkPreconditions(present, write);
  const next = statusBy(write.status, present);
  if (next === undefined) return { outcome: 'unchanged' };
  // A look that found the same as the last one is not worth a write.
  const observedAt = present.status?.observedAt;
  if (observedAt !== undefined && equal({ ...next, observedAt }, present.status))
    return { outcome: 'unchanged' };
  return change(present, { status: next });
}

function statusBy(say: (document: Document) => unknown, document: Document): JsonObject | undefined {
  const wanted = say(document);
  if (wanted === undefined) return undefined;
  const status = copyJson(wanted, 'status');
  if (isObject(status)) return status;
  throw invalid(referenceTo(document), [{ field: 'status', message: 'must be an object' }]);
}

export function finalizers(
  setting: Setting,
  present: Document,
  write: { uid: string; add?: string[]; remove?: string[] },
): Decision {
  checkController(setting, referenceTo(present), 'finalizers');
  checkPreconditions(present, { uid: write.uid });
  const had = present.metadata.finalizers ?? [];
  const added = (write.add ?? []).filter((finalizer) => !had.includes(finalizer));
  if (added.length > 0) checkNotDeleting(present);
  const left = [...had, ...new Set(added)].filter((finalizer) => !write.remove?.includes(finalizer));
  const decision = change(present, { finalizers: left });
  const gone = left.length === 0 && present.metadata.deletionTimestamp !== undefined;
  return gone ? { outcome: 'deleted', next: decision.next ?? present } : decision;
}

/**
 * Spec as given. Labels, annotations and owners replace where they are given and stay where not; finalizers are only
 * added, since other reconcilers put theirs. Annotations that people set on a child stay.
 */
export function applyChild(
  setting: Setting,
  present: Document | undefined,
  { document: manifest, status: say }: { document: Manifest; status?: (document: Document) => unknown },
): Decision {
  const wanted = readManifest(manifest);
  const { ownerReferences, finalizers: added } = wanted;
  checkController(setting, { kind: setting.definition.kind, name: wanted.name }, 'a child document');
  const owners: Parts = ownerReferences === undefined ? {} : { ownerReferences };
  if (present === undefined) {
    const made = createFrom(setting, wanted, added === undefined ? owners : { ...owners, finalizers: added });
    const status = say && made.next && statusBy(say, made.next);
    return status && made.next ? { ...made, next: { ...made.next, status } } : made;
  }
  checkNotDeleting(present);
  checkPreconditions(present, wanted);
  checkSameOwner(setting, present, wanted);
  const had = present.metadata.finalizers ?? [];
  const merged: Wanted = {
    ...wanted,
    labels: manifest.metadata.labels === undefined ? { ...present.metadata.labels } : wanted.labels,
    annotations: { ...present.metadata.annotations, ...wanted.annotations },
  };
  const status = say && statusBy(say, present);
  return replace(setting, present, merged, {
    ...owners,
    finalizers: [...new Set([...had, ...(added ?? [])])],
    ...(status ? { status } : {}),
  });
}

/** A child is taken neither from another owner nor from the person who wrote it. */
function checkSameOwner(setting: Setting, present: Document, wanted: Wanted): void {
  const owner = wanted.ownerReferences?.find((reference) => reference.controller);
  if (owner === undefined) return;
  const has = present.metadata.ownerReferences?.find((reference) => reference.controller);
  if (has?.uid === owner.uid) return;
  const wants = `${owner.kind.toLowerCase()}/${owner.name}`;
  if (has !== undefined) {
    throw conflict(
      present,
      `belongs to ${has.kind.toLowerCase()}/${has.name} (${has.uid}) and cannot become a child of ${wants}`,
    );
  }
  if (setting.definition.writtenBy === 'people') {
    throw conflict(present, `was not made for ${wants}: rename or delete one of the two`);
  }
}
