/** Which document owns which, by ownerReferences. Called by tree and describe. */
import type { Document } from '../../resources/document.ts';
import { kinds } from '../../resources/registry.ts';
import type { CliContext } from './verb.ts';

/** All documents but events, by the uid of their owner. */
export type Family = ReadonlyMap<string, readonly Document[]>;

export async function readFamily(context: CliContext): Promise<Family> {
  const family = new Map<string, Document[]>();
  const lists = await Promise.all(
    kinds.filter((kind) => kind.kind !== 'Event').map((kind) => context.client.list(kind.kind)),
  );
  for (const document of lists.flatMap((list) => list.items)) {
    for (const { uid } of document.metadata.ownerReferences ?? [])
      family.set(uid, [...(family.get(uid) ?? []), document]);
  }
  return family;
}

export function childrenOf(document: Document, family: Family): readonly Document[] {
  return family.get(document.metadata.uid) ?? [];
}
