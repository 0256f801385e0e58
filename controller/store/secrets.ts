/**
 * The marker `(hidden)` that stands for a secret value in everything that people see, and what it means when it comes
 * back in a manifest: keep what is stored. The API masks its output with these functions; the store reads the marker.
 */
import { type Document, HIDDEN, type Json } from '../../resources/document.ts';
import { isObject, type JsonObject } from './json.ts';
import { type FieldCause, type Revision, StoreError } from './types.ts';

/** Members of spec whose values are secret. */
const SECTIONS = ['stringData', 'data'] as const;

/** kubectl keeps the whole manifest in it, values and all. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** The same document with `(hidden)` for every value. For documents of secret kinds only. */
export function hideSecrets(document: Document): Document {
  const spec: JsonObject = { ...document.spec };
  for (const section of SECTIONS) if (section in spec) spec[section] = hide(spec[section]);
  const { annotations, ...metadata } = document.metadata;
  if (annotations === undefined) return { ...document, spec };
  const { [LAST_APPLIED]: _secret, ...shown } = annotations;
  const some = Object.keys(shown).length > 0;
  return { ...document, metadata: some ? { ...metadata, annotations: shown } : metadata, spec };
}

/** The same revision without the values that it brought. */
export function hideRevision(revision: Revision): Revision {
  const patch = (Array.isArray(revision.patch) ? revision.patch : []).map((operation) =>
    isObject(operation) && 'value' in operation && /^\/(stringData|data)(\/|$)/.test(String(operation.path))
      ? { ...operation, value: hide(operation.value) }
      : operation,
  );
  return { ...revision, patch: patch as Json };
}

function hide(value: unknown): unknown {
  if (!isObject(value)) return HIDDEN;
  return Object.fromEntries(Object.keys(value).map((key) => [key, HIDDEN]));
}

/** Puts the stored value where `spec` has the marker. Changes `spec`. Throws Invalid where nothing is stored. */
export function keepHidden(spec: JsonObject, stored: JsonObject | undefined): void {
  const causes: FieldCause[] = [];
  for (const section of SECTIONS) {
    const values = spec[section];
    const kept = stored?.[section];
    if (!isObject(values)) continue;
    for (const key of Object.keys(values)) {
      if (values[key] !== HIDDEN) continue;
      if (isObject(kept) && Object.hasOwn(kept, key)) values[key] = kept[key];
      else causes.push({ field: `spec.${section}.${key}`, message: NOTHING_KEPT });
    }
  }
  if (causes.length === 0) return;
  throw new StoreError('Invalid', causes.map((cause) => `${cause.field} ${cause.message}`).join('; '), {
    causes,
  });
}

const NOTHING_KEPT = `is "${HIDDEN}", which means to keep what is stored, but nothing is stored under this key: write the value`;
