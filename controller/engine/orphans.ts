/** Removes the children of documents that are gone: owner garbage collection. */
import type { Document } from '../../resources/document.ts';
import type { Store } from '../store/types.ts';
import { CONTROLLER } from './run.ts';
import type { StoreView } from './view.ts';

export class OrphanCollector {
  readonly #store: Store;
  readonly #view: StoreView;
  readonly #onError: (error: unknown) => void;

  constructor(store: Store, view: StoreView, onError: (error: unknown) => void) {
    this.#store = store;
    this.#view = view;
    this.#onError = onError;
  }

  /** Deletes what this document owned. Called when it is gone from the store. */
  async collect(ownerUid: string): Promise<void> {
    for (const child of this.#view.allChildrenOf(ownerUid)) await this.#delete(child);
  }

  /** Finds children whose owner went while nobody looked. Called at start and at each resync. */
  async sweep(): Promise<void> {
    for (const [ownerUid, children] of this.#view.owners()) {
      const owner = children[0]?.metadata.ownerReferences?.find(({ uid }) => uid === ownerUid);
      if (!owner || this.#store.get(owner.kind, owner.name)?.metadata.uid === ownerUid) continue;
      for (const child of children) await this.#delete(child);
    }
  }

  async #delete(child: Document): Promise<void> {
    if (child.metadata.deletionTimestamp) return;
    const reference = { kind: child.kind, name: child.metadata.name };
    try {
      await this.#store.write([{ verb: 'delete', reference, uid: child.metadata.uid }], CONTROLLER);
    } catch (error) {
      if ((error as { reason?: string }).reason !== 'NotFound') this.#onError(error);
    }
  }
}
