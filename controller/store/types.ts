/**
 * The store's interface: versioned documents, one way in. Every writer (API, CLI, directory, reconcilers)
 * goes through `write`, which validates, applies the kind's rules and answers only when it is on disk.
 * Implemented by SqliteStore; there is no other.
 */
import type { Document, Json, Manifest, Reference } from '../../resources/document.ts';
import type { Shape } from './merge.ts';

/** Who asked for a write; kept in the history. */
export interface Author {
  /** Login name, token name, or `holdfast` for the controller itself. */
  user: string;
  via: 'cli' | 'api' | 'directory' | 'git' | 'controller';
  /** Free words: a commit, a file, a request id. */
  reason?: string;
}

export type Write =
  /** 409 AlreadyExists when there is one of that name. */
  | { verb: 'create'; document: Manifest; manager?: string }
  /** Replaces spec, labels, annotations. metadata.resourceVersion, where given, must be the present one. */
  | { verb: 'update'; document: Manifest; manager?: string }
  /**
   * Creates or merges three ways: what this manager applied last time and leaves out now goes, what it sets is set, and
   * fields that others set and the manifest does not name stay. Lists are replaced whole. `force` given: as server-side apply
   * does. false is a Conflict where another manager owns a field and has another value there; and what another manager owns, too,
   * stays when it is left out.
   */
  | { verb: 'apply'; document: Manifest; manager: string; force?: boolean }
  | {
      verb: 'patch';
      reference: Reference;
      type: 'json' | 'merge';
      patch: Json;
      resourceVersion?: string;
      manager?: string;
      /** Who owns which fields from now on: as the patch says it, in place of what the store keeps. */
      managers?: readonly Manager[];
    }
  /** Sets deletionTimestamp; the document goes at once when it has no finalizers. */
  | { verb: 'delete'; reference: Reference; uid?: string; resourceVersion?: string; deleteData?: boolean }
  /** Reconcilers only. Conflict when a given uid differs. `undefined` from the function writes nothing. */
  | { verb: 'status'; reference: Reference; uid?: string; status: (document: Document) => unknown }
  /** Reconcilers only: adds and takes off finalizers. The document goes when it is being deleted and none is left. */
  | { verb: 'finalizers'; reference: Reference; uid: string; add?: string[]; remove?: string[] }
  /** Reconcilers only: sets ownerReferences too, and may write the kinds that people cannot. `status` as of the verb status, in one change. */
  | { verb: 'applyChild'; document: Manifest; status?: (document: Document) => unknown };

/** Who set which fields. */
export interface Manager {
  manager: string;
  operation: 'Apply' | 'Update';
  /** RFC 3339: when it last changed what it owns. */
  time: string;
  /** Under spec, labels and annotations. */
  fields: Shape;
}

export interface WriteResult {
  outcome: 'created' | 'configured' | 'unchanged' | 'deleted' | 'deleting';
  /** After the write; for `deleted`, the last state. */
  document: Document;
}

export interface Change {
  type: 'ADDED' | 'MODIFIED' | 'DELETED';
  /** As a number; the document carries it as text. */
  version: number;
  document: Document;
}

export interface Revision {
  generation: number;
  at: string;
  author: Author;
  /** RFC 6902, from the generation before to this one. Hidden for secret kinds unless asked for. */
  patch: Json;
}

export interface ListOptions {
  labelSelector?: string;
  fieldSelector?: string;
  limit?: number;
  continue?: string;
}

export interface List {
  items: Document[];
  /** The version at which this was the whole truth. */
  resourceVersion: string;
  continue?: string;
  remainingItemCount?: number;
}

export interface WatchOptions {
  kind?: string;
  /** Changes after this version. `Expired` (410) when compacted away. */
  fromVersion: number;
  labelSelector?: string;
  fieldSelector?: string;
  onChange(change: Change): void;
  /** Called once, when the store closes or the watcher is cut; `failed`: onChange has thrown. */
  onEnd?(reason: 'closed' | 'slow' | 'failed'): void;
}

export interface Store {
  /** Present version of the counter. */
  readonly version: number;
  get(kind: string, name: string): Document | undefined;
  list(kind: string, options?: ListOptions): List;
  /** All in one transaction, or none. With dryRun everything is checked and nothing is stored. Rejects with StoreError. */
  write(writes: readonly Write[], author: Author, options?: { dryRun?: boolean }): Promise<WriteResult[]>;
  /** In process, after commit, in order. Old changes first, before it returns. Returns a function that ends it. */
  watch(options: WatchOptions): () => void;
  /** Who set which fields of a document that people write. Absent: the store does not keep it. */
  managers?(document: Document): readonly Manager[];
  history(kind: string, name: string): Revision[];
  /** Spec as of a generation, or undefined when it is not kept. */
  specAt(kind: string, name: string, generation: number): Record<string, unknown> | undefined;
  /** Of every generation that is kept, newest first. */
  specs(kind: string, name: string): Record<string, unknown>[];
  /**
   * Values that are unique in a pool and survive a crash, such as container addresses. `lease` answers the owner's
   * present value, or takes the first candidate that nobody has; undefined when all are taken.
   */
  leases: {
    of(pool: string, owner: string): string | undefined;
    all(pool: string): Map<string, string>;
    lease(pool: string, owner: string, candidates: Iterable<string>): Promise<string | undefined>;
    release(pool: string, owner: string): Promise<void>;
  };
  close(): Promise<void>;
}

export type StoreErrorReason =
  | 'NotFound'
  | 'AlreadyExists'
  | 'Conflict'
  | 'Invalid'
  | 'Forbidden'
  | 'Expired'
  | 'StorageFull'
  | 'Internal';

export interface FieldCause {
  /** Dotted path, such as spec.ports.SSH_PORT. */
  field: string;
  message: string;
}

/** The only error that the store throws. The API makes a Status object of it. */
export class StoreError extends Error {
  readonly reason: StoreErrorReason;
  readonly reference: Reference | undefined;
  readonly causes: FieldCause[];
  constructor(
    reason: StoreErrorReason,
    message: string,
    options: { reference?: Reference; causes?: FieldCause[]; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'StoreError';
    this.reason = reason;
    this.reference = options.reference;
    this.causes = options.causes ?? [];
  }
}
