/**
 * Containers that nothing leads to any more. Docker goes on making one for a controller that died, and it comes to be after the next
 * controller has removed all there was of its document. Pure.
 */
import type { Document } from '../../resources/document.ts';
import type { ContainerSummary } from '../drivers/docker/index.ts';
import { isOurs, madeFor } from '../drivers/docker/ownership.ts';

const KINDS = new Set(['App', 'Addon']);

/** Ours, of a document that is gone, and never started, so that nothing can be in it: any other is for a person to remove. */
export function findStrays(
  containers: readonly ContainerSummary[],
  documents: readonly Document[],
): ContainerSummary[] {
  const uids = new Set(documents.map(({ metadata }) => metadata.uid));
  return containers.filter(({ state, labels }) => {
    const { kind, uid } = madeFor(labels);
    return state === 'created' && isOurs(labels) && KINDS.has(kind) && !uids.has(uid);
  });
}
