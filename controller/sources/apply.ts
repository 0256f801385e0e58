/**
 * The writes of a watched directory: files applied together while all are sound, one by one when not, and documents deleted
 * that no file names. Each answer says what became of it; nothing here decides what is to be written.
 */
import { ANNOTATION } from '../../resources/document.ts';
import { type Author, type Store, StoreError, type Write, type WriteResult } from '../store/types.ts';
import { type FileReading, listed, nameOf, type OwnedDocument } from './entries.ts';

export type FileOutcome = { results: WriteResult[] } | { error: unknown };

function author(paths: readonly string[]): Author {
  return { user: 'directory', via: 'directory', reason: listed(paths, 5, ', ') };
}

/** Never rejects: one bad file holds up no other. */
export async function applyFiles(
  store: Store,
  readings: readonly FileReading[],
  manager: string,
): Promise<Map<string, FileOutcome>> {
  const all = await applyTogether(store, readings, manager);
  if (!('error' in all)) return all.outcomes;
  if (readings.length === 1 || !isAboutDocuments(all.error)) {
    return new Map(readings.map(({ path }) => [path, { error: all.error }]));
  }
  const outcomes = new Map<string, FileOutcome>();
  for (const reading of readings) {
    const one = await applyTogether(store, [reading], manager);
    outcomes.set(reading.path, 'error' in one ? one : (one.outcomes.get(reading.path) ?? { results: [] }));
  }
  return outcomes;
}

async function applyTogether(
  store: Store,
  readings: readonly FileReading[],
  manager: string,
): Promise<{ outcomes: Map<string, FileOutcome> } | { error: unknown }> {
  const writes = readings.flatMap(({ manifests }) =>
    manifests.map((document): Write => ({ verb: 'apply', document, manager })),
  );
  try {
    const results =
      writes.length > 0 ? await store.write(writes, author(readings.map(({ path }) => path))) : [];
    let at = 0;
    const outcomes = new Map<string, FileOutcome>();
    for (const { path, manifests } of readings) {
      outcomes.set(path, { results: results.slice(at, at + manifests.length) });
      at += manifests.length;
    }
    return { outcomes };
  } catch (error) {
    return { error };
  }
}

/** A full disk or a broken store is the same for every file. */
function isAboutDocuments(error: unknown): boolean {
  return error instanceof StoreError && error.reason !== 'StorageFull' && error.reason !== 'Internal';
}

type Pruned =
  | { outcome: 'deleted' | 'gone' }
  /** It is not ours to delete; somebody was told why. */
  | { outcome: 'left'; why: string }
  /** It should go and could not yet. */
  | { outcome: 'failed'; why: string };

/** Deletes a document that its file no longer names. Only the very one that was applied: not its namesake. */
export async function prune(store: Store, document: OwnedDocument, path: string): Promise<Pruned> {
  const { kind, name, uid } = document;
  const present = store.get(kind, name);
  if (!present) return { outcome: 'gone' };
  if (present.metadata.deletionTimestamp) return { outcome: 'deleted' };
  if (present.metadata.annotations?.[ANNOTATION.keep] === 'true') {
    return { outcome: 'left', why: `${nameOf(document)} carries ${ANNOTATION.keep}` };
  }
  if (uid === undefined || present.metadata.uid !== uid) {
    return { outcome: 'left', why: `${nameOf(document)} was made anew by somebody else` };
  }
  try {
    await store.write([{ verb: 'delete', reference: { kind, name }, uid }], author([path]));
    return { outcome: 'deleted' };
  } catch (error) {
    return refusedPrune(document, error);
  }
}

function refusedPrune(document: OwnedDocument, error: unknown): Pruned {
  const message = error instanceof Error ? error.message : String(error);
  const reason = error instanceof StoreError ? error.reason : undefined;
  if (reason === 'NotFound') return { outcome: 'gone' };
  const why = `${nameOf(document)} could not be deleted: ${message}`;
  if (reason === 'Forbidden' || reason === 'Conflict') return { outcome: 'left', why };
  return { outcome: 'failed', why };
}
