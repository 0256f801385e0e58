/**
 * A store in memory for tests of what stands on the store: as much of the interface as they need, none of its durability.
 * Live changes are handed out synchronously after the write.
 */
import { applyPatch, createPatch, type Operation } from 'rfc6902';
import {
  type Author,
  type Change,
  type List,
  type ListOptions,
  type Revision,
  type Store,
  StoreError,
  type WatchOptions,
  type Write,
  type WriteResult,
} from '../../controller/store/types.ts';
import type { Document, Json, Manifest, Reference } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';

export interface MemoryStore extends Store {
  /** Forgets changes up to this version. */
  compact(version: number): void;
  /** All writes that came in, with their author. */
  readonly calls: { writes: readonly Write[]; author: Author; dryRun: boolean }[];
  /** The next write fails with this. */
  failNext(error: Error): void;
}

type Labels = Record<string, string>;
type State = {
  documents: Map<string, Document>;
  version: number;
  changes: Change[];
  revisions: Map<string, Kept[]>;
};
type Kept = Revision & { spec: Record<string, unknown> };

export function memoryStore(kinds: readonly KindDefinition[]): MemoryStore {
  let state: State = { documents: new Map(), version: 0, changes: [], revisions: new Map() };
  let compacted = 0;
  let failure: Error | undefined;
  let uids = 0;
  const managed = new Map<string, Record<string, unknown>>();
  const watchers = new Set<WatchOptions>();
  const calls: MemoryStore['calls'] = [];

  function one(draft: State, write: Write, author: Author): WriteResult {
    switch (write.verb) {
      case 'create':
        if (draft.documents.has(keyOf(write.document))) throw error('AlreadyExists', refOf(write.document));
        return put(draft, write.document, author, undefined);
      case 'update': {
        const present = need(draft, refOf(write.document));
        expectVersion(present, write.document.metadata.resourceVersion);
        return put(draft, write.document, author, present);
      }
      case 'apply':
      case 'applyChild': {
        const key = keyOf(write.document);
        const present = draft.documents.get(key);
        if (write.verb === 'apply' && definitionOf(write.document.kind).writtenBy !== 'people') {
          throw error('Forbidden', refOf(write.document), 'is written by reconcilers');
        }
        const merged = merge(present, write.document, managed.get(key) ?? {});
        managed.set(key, write.document.spec ?? {});
        return put(draft, merged, author, present);
      }
      case 'patch': {
        const present = need(draft, write.reference);
        expectVersion(present, write.resourceVersion);
        return put(draft, patched(present, write.type, write.patch), author, present);
      }
      case 'delete':
        return remove(draft, write);
      case 'status': {
        const present = need(draft, write.reference);
        if (present.metadata.uid !== write.uid) throw error('Conflict', write.reference);
        const status = write.status(present);
        if (status === undefined) return { outcome: 'unchanged', document: present };
        return save(draft, { ...present, status } as Document, 'MODIFIED', 'configured');
      }
      case 'finalizers': {
        const present = need(draft, write.reference);
        const left = (present.metadata.finalizers ?? []).filter((name) => !write.remove?.includes(name));
        const finalizers = [...left, ...(write.add ?? [])];
        const document = { ...present, metadata: { ...present.metadata, finalizers } };
        const gone = present.metadata.deletionTimestamp && finalizers.length === 0;
        return gone
          ? save(draft, document, 'DELETED', 'deleted')
          : save(draft, document, 'MODIFIED', 'configured');
      }
    }
  }

  function definitionOf(kind: string): KindDefinition {
    const definition = kinds.find((entry) => entry.kind === kind);
    if (!definition) throw new StoreError('Invalid', `kind ${kind} is not known`);
    return definition;
  }

  function put(draft: State, manifest: Manifest, author: Author, present: Document | undefined): WriteResult {
    refuseInvalid(manifest);
    const definition = definitionOf(manifest.kind);
    const spec = manifest.spec ?? {};
    const { labels, annotations } = manifest.metadata;
    const sameSpec = JSON.stringify(spec) === JSON.stringify(present?.spec);
    const before = { labels: present?.metadata.labels, annotations: present?.metadata.annotations };
    if (present && sameSpec && JSON.stringify(before) === JSON.stringify({ labels, annotations })) {
      return { outcome: 'unchanged', document: present };
    }
    const generation = (present?.metadata.generation ?? 0) + (sameSpec ? 0 : 1);
    const finalizers = present ? present.metadata.finalizers : definition.finalizers;
    const document: Document = {
      apiVersion: manifest.apiVersion,
      kind: manifest.kind,
      metadata: {
        name: manifest.metadata.name,
        uid: present?.metadata.uid ?? `uid-${++uids}`,
        generation,
        resourceVersion: '',
        creationTimestamp: present?.metadata.creationTimestamp ?? '2026-01-01T00:00:00.000Z',
        ...(present?.metadata.deletionTimestamp && {
          deletionTimestamp: present.metadata.deletionTimestamp,
        }),
        ...(finalizers && { finalizers: [...finalizers] }),
        ...(labels && { labels }),
        ...(annotations && { annotations }),
      },
      spec,
      ...(present?.status && { status: present.status }),
    };
    if (!sameSpec && definition.history !== false) {
      const patch = createPatch(present?.spec ?? {}, spec) as unknown as Json;
      const kept = { generation, at: '2026-01-01T00:00:00.000Z', author, patch, spec };
      draft.revisions.set(keyOf(manifest), [...(draft.revisions.get(keyOf(manifest)) ?? []), kept]);
    }
    return save(draft, document, present ? 'MODIFIED' : 'ADDED', present ? 'configured' : 'created');
  }

  function remove(draft: State, write: Extract<Write, { verb: 'delete' }>): WriteResult {
    const present = need(draft, write.reference);
    if (write.uid !== undefined && write.uid !== present.metadata.uid)
      throw error('Conflict', write.reference);
    expectVersion(present, write.resourceVersion);
    if (present.metadata.annotations?.['holdfast.dev/keep'] === 'true') {
      throw error('Forbidden', write.reference, 'carries holdfast.dev/keep');
    }
    if (!present.metadata.finalizers?.length) return save(draft, present, 'DELETED', 'deleted');
    const metadata = { ...present.metadata, deletionTimestamp: '2026-01-01T00:00:01.000Z' };
    return save(draft, { ...present, metadata }, 'MODIFIED', 'deleting');
  }

  function save(
    draft: State,
    document: Document,
    type: Change['type'],
    outcome: WriteResult['outcome'],
  ): WriteResult {
    const version = ++draft.version;
    const saved = { ...document, metadata: { ...document.metadata, resourceVersion: String(version) } };
    if (type === 'DELETED') draft.documents.delete(keyOf(saved));
    else draft.documents.set(keyOf(saved), saved);
    draft.changes.push({ type, version, document: saved });
    return { outcome, document: saved };
  }

  return {
    calls,
    get version() {
      return state.version;
    },
    compact: (version) => {
      compacted = version;
    },
    failNext: (error) => {
      failure = error;
    },
    get: (kind, name) => state.documents.get(`${kind}/${name}`),
    list: (kind, options = {}) => list([...state.documents.values()], state.version, kind, options),
    async write(writes, author, options = {}) {
      await Promise.resolve();
      calls.push({ writes, author, dryRun: options.dryRun ?? false });
      const thrown = failure;
      failure = undefined;
      if (thrown) throw thrown;
      const draft: State = {
        documents: new Map(state.documents),
        version: state.version,
        changes: [],
        revisions: new Map(state.revisions),
      };
      const results = writes.map((write) => one(draft, write, author));
      if (options.dryRun) return results;
      const { changes } = draft;
      state = { ...draft, changes: [...state.changes, ...changes] };
      for (const change of changes) for (const watcher of [...watchers]) offer(watcher, change);
      return results;
    },
    watch(options) {
      refuseSelectors(options);
      if (options.fromVersion < compacted) {
        throw new StoreError('Expired', `version ${options.fromVersion} is compacted; list again`);
      }
      for (const change of state.changes) if (change.version > options.fromVersion) offer(options, change);
      watchers.add(options);
      return () => void watchers.delete(options);
    },
    history: (kind, name) =>
      (state.revisions.get(`${kind}/${name}`) ?? []).map(({ spec, ...revision }) => revision),
    specAt: (kind, name, generation) =>
      state.revisions.get(`${kind}/${name}`)?.find((revision) => revision.generation === generation)?.spec,
    specs: (kind, name) =>
      [...(state.revisions.get(`${kind}/${name}`) ?? [])].reverse().map(({ spec }) => spec),
    leases: {
      of: () => undefined,
      all: () => new Map(),
      lease: async () => undefined,
      release: async () => {},
    },
    async close() {
      for (const watcher of watchers) watcher.onEnd?.('closed');
      watchers.clear();
    },
  };
}

function refuseInvalid(manifest: Manifest): void {
  const { image } = (manifest.spec ?? {}) as { image?: unknown };
  if (image === undefined || typeof image === 'string') return;
  throw new StoreError(
    'Invalid',
    `${manifest.kind} "${manifest.metadata.name}" is invalid: spec.image: text is expected`,
    {
      reference: refOf(manifest),
      causes: [{ field: 'spec.image', message: 'text is expected' }],
    },
  );
}

/** What was applied last and is left out now goes; what others set stays. */
function merge(present: Document | undefined, manifest: Manifest, last: Record<string, unknown>): Manifest {
  if (!present) return manifest;
  const spec: Record<string, unknown> = { ...present.spec, ...manifest.spec };
  for (const name of Object.keys(last)) if (!(name in (manifest.spec ?? {}))) delete spec[name];
  const labels = manifest.metadata.labels ?? present.metadata.labels;
  const annotations = manifest.metadata.annotations ?? present.metadata.annotations;
  return {
    ...manifest,
    spec,
    metadata: { ...manifest.metadata, ...(labels && { labels }), ...(annotations && { annotations }) },
  };
}

function patched(present: Document, type: 'json' | 'merge', patch: Json): Manifest {
  const document = structuredClone(present) as Document;
  if (type === 'merge') return mergePatch(document, patch) as Manifest;
  const problem = applyPatch(document, patch as unknown as Operation[]).find((result) => result !== null);
  if (problem) throw new StoreError('Invalid', `the patch does not fit: ${problem.message}`);
  return document as unknown as Manifest;
}

function mergePatch(target: unknown, patch: unknown): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const result: Record<string, unknown> =
    typeof target === 'object' && target !== null ? { ...(target as object) } : {};
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name];
    else result[name] = mergePatch(result[name], value);
  }
  return result;
}

function need(draft: State, reference: Reference): Document {
  const present = draft.documents.get(`${reference.kind}/${reference.name}`);
  if (!present) throw error('NotFound', reference);
  return present;
}

function expectVersion(present: Document, version: string | undefined): void {
  if (version === undefined || version === '' || version === present.metadata.resourceVersion) return;
  throw error(
    'Conflict',
    refOf(present),
    `is at version ${present.metadata.resourceVersion}, not ${version}`,
  );
}

function error(
  reason: 'NotFound' | 'AlreadyExists' | 'Conflict' | 'Forbidden',
  reference: Reference,
  words: string = reason,
): StoreError {
  return new StoreError(reason, `${reference.kind} "${reference.name}": ${words}`, { reference });
}

function list(documents: Document[], version: number, kind: string, options: ListOptions): List {
  refuseSelectors(options);
  const all = documents
    .filter((document) => document.kind === kind && selects(options, document))
    .sort((left, right) => (left.metadata.name < right.metadata.name ? -1 : 1));
  const from =
    options.continue === undefined
      ? 0
      : all.findIndex((item) => item.metadata.name > (options.continue ?? ''));
  const rest = from < 0 ? [] : all.slice(from);
  const items = options.limit ? rest.slice(0, options.limit) : rest;
  const left = rest.length - items.length;
  const last = items.at(-1)?.metadata.name;
  return {
    items,
    resourceVersion: String(version),
    ...(left > 0 && last !== undefined && { continue: last, remainingItemCount: left }),
  };
}

function offer(watcher: WatchOptions, change: Change): void {
  if (watcher.kind !== undefined && watcher.kind !== change.document.kind) return;
  if (selects(watcher, change.document)) watcher.onChange(change);
}

/** `a=b,c!=d,e` on labels, `metadata.name=x` on fields. */
function selects(options: Pick<ListOptions, 'labelSelector' | 'fieldSelector'>, document: Document): boolean {
  const labels: Labels = document.metadata.labels ?? {};
  return (
    terms(options.labelSelector).every(([name, operator, value]) => {
      if (operator === '') return name in labels;
      return operator === '!=' ? labels[name] !== value : labels[name] === value;
    }) &&
    terms(options.fieldSelector).every(([, operator, value]) => {
      return operator === '!=' ? document.metadata.name !== value : document.metadata.name === value;
    })
  );
}

function refuseSelectors(options: Pick<ListOptions, 'labelSelector' | 'fieldSelector'>): void {
  terms(options.labelSelector);
  const unknown = terms(options.fieldSelector).find(([name]) => name !== 'metadata.name');
  if (unknown) throw new StoreError('Invalid', `field ${unknown[0]} is not selectable`);
}

function terms(selector: string | undefined): [string, string, string][] {
  if (!selector) return [];
  return selector.split(',').map((term) => {
    const match = /^([A-Za-z0-9./_-]+)(?:(!=|==?)([A-Za-z0-9._-]*))?$/.exec(term);
    if (!match) throw new StoreError('Invalid', `selector "${term}" cannot be read`);
    return [match[1] ?? '', match[2] ?? '', match[3] ?? ''];
  });
}

function keyOf(document: { kind: string; metadata: { name: string } }): string {
  return `${document.kind}/${document.metadata.name}`;
}

function refOf(document: { kind: string; metadata: { name: string } }): Reference {
  return { kind: document.kind, name: document.metadata.name };
}
