/**
 * The Source document of a watched directory: the inventory that survives a restart, and what a person is told. Written
 * by the controller as itself; read once at the start. A status that says nothing new is not written.
 */
import { isDeepStrictEqual } from 'node:util';
import { API_VERSION, type Condition, type Document, type StatusBase } from '../../resources/document.ts';
import { type Clock, timestamp } from '../clock.ts';
import type { Author, Store } from '../store/types.ts';
import type { FileEntry } from './entries.ts';
import type { Verdict } from './verdict.ts';

const SOURCE_KIND = 'Source';
const AUTHOR: Author = { user: 'holdfast', via: 'controller', reason: 'directory' };

export interface SourceStatus extends StatusBase {
  files?: FileEntry[];
  folder?: string;
}

export function readStatus(store: Store, name: string): SourceStatus {
  return (store.get(SOURCE_KIND, name)?.status ?? {}) as SourceStatus;
}

/** Makes the document where it is missing or speaks of another path. */
export async function ensureSource(store: Store, name: string, path: string): Promise<Document> {
  const present = store.get(SOURCE_KIND, name);
  if (present && (present.spec as { path?: unknown }).path === path) return present;
  const manifest = {
    apiVersion: API_VERSION,
    kind: SOURCE_KIND,
    metadata: { name },
    spec: { type: 'directory', path },
  };
  const [result] = await store.write([{ verb: 'applyChild', document: manifest }], AUTHOR);
  if (!result) throw new Error('the store answered a write with nothing');
  return result.document;
}

export async function writeStatus(
  store: Store,
  clock: Clock,
  source: Document,
  found: { files: FileEntry[]; folder: string | undefined; verdict: Verdict },
): Promise<void> {
  const now = timestamp(clock);
  const status = (document: Document): unknown => {
    const before = (document.status ?? {}) as SourceStatus;
    const next: SourceStatus = {
      ...before,
      observedGeneration: document.metadata.generation,
      conditions: [readyCondition(before, document, found.verdict, now)],
      files: found.files,
      ...(found.folder !== undefined && { folder: found.folder }),
    };
    return isDeepStrictEqual(next, before) ? undefined : { ...next, observedAt: now };
  };
  const reference = { kind: SOURCE_KIND, name: source.metadata.name };
  await store.write([{ verb: 'status', reference, uid: source.metadata.uid, status }], AUTHOR);
}

function readyCondition(before: SourceStatus, document: Document, verdict: Verdict, now: string): Condition {
  const status = verdict.ready ? 'True' : 'False';
  const last = before.conditions?.find((entry) => entry.type === 'Ready');
  return {
    type: 'Ready',
    status,
    reason: verdict.reason,
    message: verdict.message,
    lastTransitionTime: last?.status === status ? last.lastTransitionTime : now,
    observedGeneration: document.metadata.generation,
  };
}
