/**
 * All committed documents in memory, frozen, by kind and name: what get and list answer from without reading the disk.
 * Only the store changes it, after a commit.
 */
import type { Document } from '../../resources/document.ts';

interface KindDocuments {
  byName: Map<string, Document>;
  /** Sorted by name; undefined when it has to be made again. */
  names: string[] | undefined;
  sorted: readonly Document[] | undefined;
}

export class Documents {
  private readonly kinds = new Map<string, KindDocuments>();

  get(kind: string, name: string): Document | undefined {
    return this.kinds.get(kind)?.byName.get(name);
  }

  /** Sorted by name, in the order of code units. The same list until something of the kind changes. */
  all(kind: string): readonly Document[] {
    const documents = this.kinds.get(kind);
    if (documents === undefined) return [];
    if (documents.sorted === undefined) {
      documents.names ??= [...documents.byName.keys()].sort();
      documents.sorted = documents.names.flatMap((name) => documents.byName.get(name) ?? []);
    }
    return documents.sorted;
  }

  put(document: Document): void {
    const { kind, metadata } = document;
    let documents = this.kinds.get(kind);
    if (documents === undefined) {
      documents = { byName: new Map(), names: undefined, sorted: undefined };
      this.kinds.set(kind, documents);
    }
    if (!documents.byName.has(metadata.name)) documents.names = undefined;
    documents.byName.set(metadata.name, document);
    documents.sorted = undefined;
  }

  remove(kind: string, name: string): void {
    const documents = this.kinds.get(kind);
    if (documents === undefined || !documents.byName.delete(name)) return;
    documents.names = undefined;
    documents.sorted = undefined;
  }

  *everything(): Iterable<Document> {
    for (const { byName } of this.kinds.values()) yield* byName.values();
  }
}
