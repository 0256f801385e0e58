/**
 * The Pods that there are, with versions, so that clients can list and watch them like documents. Looks when it is asked, and
 * while somebody watches also when something changed; keeps the present list and the last changes, nothing on disk.
 */
import type { Document } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import type { Clock } from '../clock.ts';
import type { Log } from '../log.ts';
import {
  fieldText,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
} from '../store/selectors.ts';
import {
  type Change,
  type List,
  type ListOptions,
  type Store,
  StoreError,
  type WatchOptions,
} from '../store/types.ts';
import type { PodAccess, RunningContainer } from './dependencies.ts';
import { type Pod, podOf } from './pod.ts';
import type { Feed } from './watch.ts';

/** Fields to select by, as in Kubernetes. */
const SELECTABLE = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.restartPolicy',
  'status.phase',
  'status.podIP',
];
/** Changes that a watch can begin before; a client that comes later lists again. */
const KEPT_CHANGES = 1_000;
/** Changes come in bursts: so long after the first of one, all are looked at together; milliseconds. */
const SETTLE = 50;

type Watcher = Pick<WatchOptions, 'onChange' | 'onEnd'> & { matches(pod: Document): boolean };

interface PodChange extends Change {
  /** The same Pod before, where it is modified. */
  before?: Document;
}

export interface PodDependencies {
  store: Pick<Store, 'get' | 'watch' | 'version'>;
  pods: PodAccess;
  clock: Clock;
  log: Log;
}

export interface Entry {
  pod: Pod;
  container: RunningContainer;
}

export class Pods implements Feed {
  readonly #dependencies: PodDependencies;
  #entries = new Map<string, Entry>();
  /** From the time of the start, so that versions of before a restart are known to be old. */
  #version: number;
  readonly #oldest: number;
  #changes: PodChange[] = [];
  readonly #watchers = new Set<Watcher>();
  #stopFollowing: (() => void) | undefined;
  #isDue = false;
  #looking: Promise<void> = Promise.resolve();

  constructor(dependencies: PodDependencies) {
    this.#dependencies = dependencies;
    this.#version = dependencies.clock.now();
    this.#oldest = this.#version;
  }

  get version(): number {
    return this.#version;
  }

  /** Looks at what runs. Rejects when Docker cannot be asked; what was known before stays. */
  refresh(): Promise<void> {
    const look = this.#looking.then(
      () => this.#look(),
      () => this.#look(),
    );
    this.#looking = look;
    return look;
  }

  find(name: string): Entry | undefined {
    return this.#entries.get(name);
  }

  /** As it was at the last look. */
  list(options: ListOptions): List {
    const matches = selectionOf(options);
    const items = [...this.#entries.values()].map(({ pod }) => pod as unknown as Document).filter(matches);
    return { items, resourceVersion: String(this.#version) };
  }

  watch({ fromVersion, onChange, onEnd, ...selection }: Omit<WatchOptions, 'kind'>): () => void {
    const matches = selectionOf(selection);
    const first = this.#changes[0]?.version ?? this.#version + 1;
    const forgotten = first - 1;
    if (fromVersion < Math.max(this.#oldest, forgotten)) {
      throw new StoreError('Expired', `version ${fromVersion} of Pods is too old; list again`);
    }
    const watcher: Watcher = { onChange, matches, ...(onEnd && { onEnd }) };
    for (const change of this.#changes) {
      if (change.version > fromVersion) show(watcher, change);
    }
    this.#watchers.add(watcher);
    this.#follow();
    return () => {
      this.#watchers.delete(watcher);
      if (this.#watchers.size > 0) return;
      this.#stopFollowing?.();
      this.#stopFollowing = undefined;
    };
  }

  #follow(): void {
    if (this.#stopFollowing) return;
    const { pods, store } = this.#dependencies;
    const stops = [
      pods.onChange(() => this.#later()),
      // Readiness and labels of a Pod are those of its document.
      store.watch({
        fromVersion: store.version,
        onChange: ({ document }) => document.kind !== 'Event' && this.#later(),
      }),
    ];
    this.#stopFollowing = () => {
      for (const stop of stops) stop();
    };
  }

  #later(): void {
    if (this.#isDue) return;
    this.#isDue = true;
    const { clock, log } = this.#dependencies;
    clock.after(SETTLE, () => {
      this.#isDue = false;
      if (this.#watchers.size === 0) return;
      this.refresh().catch((error: unknown) => log.debug('Pods cannot be looked at', { error }));
    });
  }

  async #look(): Promise<void> {
    const { pods, store } = this.#dependencies;
    const found = new Map<string, Entry>();
    for (const [name, container] of named(await pods.list())) {
      const { kind, name: owner, uid } = container.owner;
      const document = store.get(kind, owner);
      // Another installation on the same engine has containers that look like ours.
      if (document?.metadata.uid !== uid) continue;
      found.set(name, { container, pod: podOf(name, container, document, pods.node) });
    }
    for (const [name, { pod }] of this.#entries) if (!found.has(name)) this.#tell('DELETED', pod);
    for (const [name, entry] of found) this.#take(this.#entries.get(name), entry);
    this.#entries = found;
  }

  #take(before: Entry | undefined, entry: Entry): void {
    const { pod } = entry;
    const { resourceVersion = '' } = before?.pod.metadata ?? {};
    const same = { ...pod, metadata: { ...pod.metadata, resourceVersion } };
    if (before && equal(before.pod, same)) {
      entry.pod = before.pod;
      return;
    }
    // Another container under the same name is another Pod.
    if (before && before.pod.metadata.uid !== pod.metadata.uid) this.#tell('DELETED', before.pod);
    const isNew = before?.pod.metadata.uid !== pod.metadata.uid;
    entry.pod = this.#tell(isNew ? 'ADDED' : 'MODIFIED', pod, before?.pod);
  }

  #tell(type: Change['type'], pod: Pod, before?: Pod): Pod {
    this.#version += 1;
    const stamped = { ...pod, metadata: { ...pod.metadata, resourceVersion: String(this.#version) } };
    const change: PodChange = { type, version: this.#version, document: stamped as unknown as Document };
    if (type === 'MODIFIED' && before) change.before = before as unknown as Document;
    this.#changes.push(change);
    if (this.#changes.length > KEPT_CHANGES) this.#changes = this.#changes.slice(-KEPT_CHANGES / 2);
    for (const watcher of [...this.#watchers]) {
      if (this.#watchers.has(watcher)) show(watcher, change);
    }
    return stamped;
  }
}

/** A Pod that comes into what was selected is ADDED for this watcher, and one that leaves it is DELETED. */
function show(watcher: Watcher, { before, ...change }: PodChange): void {
  const isIn = watcher.matches(change.document);
  const wasIn = before ? watcher.matches(before) : isIn;
  if (isIn) watcher.onChange(wasIn ? change : { ...change, type: 'ADDED' });
  else if (wasIn) watcher.onChange({ ...change, type: 'DELETED' });
}

/**
 * A document's container has the document's name, so that `kubectl logs wiki` is the App's log. Those beside it (an older one that
 * is on its way out, a task) have a part of their id after a dot; documents that are no Apps have their kind after one.
 */
function named(containers: readonly RunningContainer[]): Map<string, RunningContainer> {
  const rank = (container: RunningContainer): number => {
    const { kind, name } = container.owner;
    const isMain = container.name === `holdfast-${kind.toLowerCase()}-${name}`;
    return Number(isMain) * 2 + Number(container.state === 'running');
  };
  const sorted = [...containers].sort((a, b) => rank(b) - rank(a) || b.createdAt - a.createdAt);
  const result = new Map<string, RunningContainer>();
  for (const container of sorted) {
    const { kind, name } = container.owner;
    const base = kind === 'App' ? name : `${name}.${kind.toLowerCase()}`;
    result.set(result.has(base) ? `${base}.${container.id.slice(0, 6)}` : base, container);
  }
  return new Map([...result].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function selectionOf(options: {
  labelSelector?: string;
  fieldSelector?: string;
}): (pod: Document) => boolean {
  const labels = parseLabelSelector(options.labelSelector ?? '');
  const fields = parseFieldSelector(options.fieldSelector ?? '', SELECTABLE);
  return (pod) =>
    matchesLabels(labels, pod.metadata.labels) && matchesFields(fields, (field) => fieldText(pod, field));
}
