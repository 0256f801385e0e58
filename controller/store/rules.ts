/**
 * What holds for every write: that the document is valid, that this writer may write it, and that nobody else did in
 * the meantime. Each check throws a StoreError that says what to do. Used by verbs.ts and next-state.ts.
 */
import type { Document, Manifest, Reference } from '../../resources/document.ts';
import type { FieldProblem, KindDefinition } from '../../resources/kind.ts';
import { isObject, pointerToField } from './json.ts';
import type { Wanted } from './manifest.ts';
import { conflict, invalid, textOf } from './refusals.ts';
import { keepHidden } from './secrets.ts';
import { type Author, type FieldCause, StoreError } from './types.ts';

/** What the rules need to know beside the documents. */
export interface Setting {
  definition: KindDefinition;
  author: Author;
  /** RFC 3339. The same for all of a transaction. */
  now: string;
  uuid(): string;
  validate(manifest: Manifest): FieldProblem[];
  /** As the transaction has it: with what was written before in it. */
  list(kind: string): readonly Document[];
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

/** Whether a merge patch sets nothing but annotations by which people may ask for something. */
export function checkRequest({ definition }: Setting, patch: unknown): boolean {
  const allowed = definition.requests;
  if (allowed === undefined || !isObject(patch)) return false;
  const { metadata, ...others } = patch;
  if (Object.keys(others).length > 0 || !isObject(metadata)) return false;
  const { annotations, resourceVersion: _version, ...more } = metadata;
  if (Object.keys(more).length > 0 || !isObject(annotations)) return false;
  return Object.keys(annotations).every((name) => allowed.includes(name));
}

/** Most users that a refusal names. */
const MOST_NAMED = 10;

/**
 * Throws Conflict where a person deletes what others still use; names them. Those that go themselves have nothing to clean up in it
 * when its data goes, too: what is broken for good can be removed.
 */
export function checkUnused(
  setting: Setting,
  present: Document,
  { deleteData = false }: { deleteData?: boolean },
): void {
  const { definition, author } = setting;
  if (definition.usedBy === undefined || author.via === 'controller') return;
  const { kind, names, remedy } = definition.usedBy;
  const { name } = present.metadata;
  const users = setting
    .list(kind)
    .filter((user) => names(user).includes(name) && !(deleteData && user.metadata.deletionTimestamp));
  if (users.length === 0) return;
  const named = users.slice(0, MOST_NAMED).map((user) => textOf(ownerOf(user) ?? referenceOf(user)));
  const more = users.length > MOST_NAMED ? ` and ${users.length - MOST_NAMED} more` : '';
  throw conflict(present, `is in use by ${named.join(', ')}${more}: ${remedy}, then delete it`);
}

function ownerOf(document: Document): Reference | undefined {
  return document.metadata.ownerReferences?.find((reference) => reference.controller);
}

function referenceOf({ kind, metadata }: Document): Reference {
  return { kind, name: metadata.name };
}
