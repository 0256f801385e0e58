/**
 * Which generation was once as it is wanted: what differs from it since then has drifted, and what was never so has not. Pure. Kept in the
 * status of Apps and Addons.
 */
import type { Document, StatusBase } from '../../resources/document.ts';

type Converged = Document<Record<string, unknown>, StatusBase & { convergedGeneration?: number }>;

/** Whether its present generation was ever as it is wanted. */
export function wasAsWanted({ status, metadata }: Pick<Converged, 'status' | 'metadata'>): boolean {
  // A status of before the field was there speaks of a generation once it was seen.
  return (status?.convergedGeneration ?? status?.observedGeneration) === metadata.generation;
}

/** For the next status. */
export function convergedGeneration(
  { status, metadata }: Pick<Converged, 'status' | 'metadata'>,
  isAsWanted: boolean,
): number | undefined {
  if (isAsWanted) return metadata.generation;
  return status?.convergedGeneration ?? (status ? undefined : 0);
}
