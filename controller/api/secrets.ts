/**
 * Hides the values of secret kinds in everything that the API writes out. Pure. Field names stay, so that a person sees
 * which keys a Secret has.
 */
import type { Document, Json } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import type { Revision } from '../store/types.ts';

export const HIDDEN = '(hidden)';
const SECRET_FIELDS = ['stringData', 'data'];
/** kubectl keeps the whole manifest in it, values and all. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The document itself where its kind is not secret. */
export function hideSecrets(document: Document, definition: KindDefinition | undefined): Document {
  if (!definition?.secret) return document;
  const { annotations, ...metadata } = document.metadata;
  const { [LAST_APPLIED]: _secret, ...shown } = annotations ?? {};
  return {
    ...document,
    metadata: Object.keys(shown).length > 0 ? { ...metadata, annotations: shown } : metadata,
    spec: hideSpec(document.spec) as Document['spec'],
  };
}

/** RFC 6902 operations speak of values too. */
export function hideRevision(revision: Revision, definition: KindDefinition): Revision {
  if (!definition.secret || !Array.isArray(revision.patch)) return revision;
  return { ...revision, patch: revision.patch.map(hideOperation) };
}

function hideOperation(operation: Json): Json {
  if (typeof operation !== 'object' || operation === null || Array.isArray(operation)) return operation;
  if (!('value' in operation)) return operation;
  const steps = String(operation['path']).split('/').slice(1);
  // A patch may be of the document (/spec/data/…) or of its spec (/data/…).
  const inside = steps[0] === 'spec' ? steps.slice(1) : steps;
  const value = operation['value'] ?? null;
  if (SECRET_FIELDS.includes(inside[0] ?? '')) return { ...operation, value: hideAll(value) };
  return { ...operation, value: hideSpec(hideNested(value)) };
}

/** The value of an operation on the whole document holds the spec one level down. */
function hideNested(value: Json): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !('spec' in value)) return value;
  return { ...value, spec: hideSpec(value['spec']) };
}

function hideSpec(spec: unknown): Json {
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) return spec as Json;
  const entries = Object.entries(spec).map(([name, value]) => [
    name,
    SECRET_FIELDS.includes(name) ? hideAll(value) : value,
  ]);
  return Object.fromEntries(entries);
}

function hideAll(value: unknown): Json {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return HIDDEN;
  return Object.fromEntries(Object.keys(value).map((name) => [name, HIDDEN]));
}
