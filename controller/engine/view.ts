/**
 * The informer: documents as reconcilers see them, and indexes over them. StoreView reads the store's own frozen documents;
 * OverlayView puts the documents of a plan over another view and leaves the store alone.
 */
import type { Document, Reference } from '../../resources/document.ts';
import type { Change, Store } from '../store/types.ts';
import type { View } from './contract.ts';

/** What an index may depend on: everything but status. */
function shape(document: Document): string {
  const { generation, deletionTimestamp, labels, annotations, uid } = document.metadata;
  return JSON.stringify([uid, generation, deletionTimestamp, labels, annotations]);
}

export function controllerOwner(document: Document): string | undefined {
  return document.metadata.ownerReferences?.find((owner) => owner.controller !== false)?.uid;
}

/** Remembers what was computed over kinds until one of them changes in more than status. */
class DerivedValues {
  readonly #values = new Map<string, { at: string; value: unknown }>();

  get<T>(name: string, at: string, compute: () => T): T {
    const kept = this.#values.get(name);
    if (kept?.at === at) return kept.value as T;
    const value = compute();
    this.#values.set(name, { at, value });
    return value;
  }
}

export class StoreView implements View {
  readonly #store: Store;
  readonly #shapes = new Map<string, Map<string, string>>();
  readonly #shapeVersions = new Map<string, number>();
  readonly #children = new Map<string, Map<string, Document>>();
  readonly #lists = new Map<string, { version: number; items: readonly Document[] }>();
  readonly #versions = new Map<string, number>();
  readonly #derived = new DerivedValues();
  /** Of the newest generation of each document, by uid: no look reads a history. */
  readonly #causes = new Map<string, { generation: number; cause: string }>();

  constructor(store: Store, kinds: readonly string[]) {
    this.#store = store;
    for (const kind of kinds) {
      for (const document of store.list(kind).items)
        this.accept({ type: 'ADDED', version: store.version, document });
    }
  }

  /** Takes in one change of the store before anybody is woken; answers whether more than the status changed. */
  accept(change: Change): boolean {
    const { document } = change;
    const { kind } = document;
    this.#versions.set(kind, (this.#versions.get(kind) ?? 0) + 1);
    const owner = controllerOwner(document);
    const childKey = `${kind}/${document.metadata.name}`;
    if (owner) {
      const siblings = this.#children.get(owner) ?? new Map<string, Document>();
      if (change.type === 'DELETED') siblings.delete(childKey);
      else siblings.set(childKey, document);
      if (siblings.size === 0) this.#children.delete(owner);
      else this.#children.set(owner, siblings);
    }
    const shapes = this.#shapes.get(kind) ?? new Map<string, string>();
    this.#shapes.set(kind, shapes);
    const before = shapes.get(document.metadata.name);
    const after = change.type === 'DELETED' ? undefined : shape(document);
    if (before === after) return false;
    if (change.type === 'DELETED') this.#causes.delete(document.metadata.uid);
    if (after === undefined) shapes.delete(document.metadata.name);
    else shapes.set(document.metadata.name, after);
    this.#shapeVersions.set(kind, (this.#shapeVersions.get(kind) ?? 0) + 1);
    return true;
  }

  get(kind: string, name: string): Document | undefined {
    return this.#store.get(kind, name);
  }

  list(kind: string): readonly Document[] {
    const version = this.#versions.get(kind) ?? 0;
    const kept = this.#lists.get(kind);
    if (kept?.version === version) return kept.items;
    const items = this.#store.list(kind).items;
    this.#lists.set(kind, { version, items });
    return items;
  }

  childrenOf(kind: string, ownerUid: string): readonly Document[] {
    return this.allChildrenOf(ownerUid).filter((child) => child.kind === kind);
  }

  allChildrenOf(ownerUid: string): readonly Document[] {
    return [...(this.#children.get(ownerUid)?.values() ?? [])];
  }

  /** Owners that have children, for the garbage collector. */
  owners(): Iterable<[string, readonly Document[]]> {
    return [...this.#children].map(([uid, children]) => [uid, [...children.values()]]);
  }

  derived<T>(name: string, kinds: readonly string[], compute: (view: View) => T): T {
    const at = kinds.map((kind) => this.#versionOf(kind)).join(',');
    return this.#derived.get(name, at, () => compute(this));
  }

  #versionOf(kind: string): number {
    const [name = kind, part] = kind.split('#');
    return (part === 'status' ? this.#versions : this.#shapeVersions).get(name) ?? 0;
  }

  causeOf(document: Document): string {
    const { uid, generation } = document.metadata;
    const known = this.#causes.get(uid);
    if (known?.generation === generation) return known.cause;
    const revision = this.#store.history(document.kind, document.metadata.name).at(-1);
    const author = revision && ` by ${revision.author.user} through ${revision.author.via}`;
    const cause = `generation ${generation}${author ?? ''}`;
    this.#causes.set(uid, { generation, cause });
    return cause;
  }
}

/** A view with some documents replaced, added or taken away. */
export class OverlayView implements View {
  readonly #base: View;
  readonly #replaced = new Map<string, Document | undefined>();
  readonly #derived = new DerivedValues();
  readonly #author: string;
  #edits = 0;

  /** `author` names who plans, for reasons: "root through cli". */
  constructor(base: View, author: string) {
    this.#base = base;
    this.#author = author;
  }

  put(document: Document): void {
    this.#edits += 1;
    this.#replaced.set(`${document.kind}/${document.metadata.name}`, document);
  }

  remove(reference: Reference): void {
    this.#edits += 1;
    this.#replaced.set(`${reference.kind}/${reference.name}`, undefined);
  }

  get(kind: string, name: string): Document | undefined {
    const key = `${kind}/${name}`;
    return this.#replaced.has(key) ? this.#replaced.get(key) : this.#base.get(kind, name);
  }

  list(kind: string): readonly Document[] {
    const kept = this.#base
      .list(kind)
      .filter((document) => !this.#replaced.has(`${kind}/${document.metadata.name}`));
    const added = [...this.#replaced.values()].filter((document) => document?.kind === kind);
    return [...kept, ...(added as Document[])].sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  }

  childrenOf(kind: string, ownerUid: string): readonly Document[] {
    return this.list(kind).filter((document) => controllerOwner(document) === ownerUid);
  }

  derived<T>(name: string, _kinds: readonly string[], compute: (view: View) => T): T {
    return this.#derived.get(name, String(this.#edits), () => compute(this));
  }

  causeOf(document: Document): string {
    const present = this.#base.get(document.kind, document.metadata.name);
    if (present && present.metadata.generation === document.metadata.generation)
      return this.#base.causeOf(present);
    return `generation ${document.metadata.generation} by ${this.#author}`;
  }
}
