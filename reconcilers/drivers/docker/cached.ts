/**
 * The driver that the controller works with: reads come from memory, filled by one list and kept right by the event stream
 * and by our own writes. Built in main.ts around the real driver, in simulations around the fake. While nobody follows the
 * events nothing is kept, and while the engine is gone reads reject: it never answers what it cannot vouch for.
 *
 * Answers are shared between callers and must not be changed by them.
 */
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import { type CachedValue, cacheValue } from './cached-value.ts';
import { ContainerCache } from './container-cache.ts';
import { type CallCounts, countCalls } from './count.ts';
import { type ContainerDetails, type Docker, type DockerEvent, type ImageDetails, LABEL } from './index.ts';

/** Something happened to a container of ours (also on a network), or to a network. */
export type DockerChange = Pick<DockerEvent, 'type' | 'id' | 'name' | 'labels' | 'action'>;

export interface CachedDocker extends Docker {
  /** Forgets everything. */
  invalidate(): void;
  /** Lists containers and networks anew: two calls, whatever their number. Details that still fit stay. */
  refresh(): Promise<void>;
  /** Answers how to stop. Called after the cache knows. */
  onChange(listener: (change: DockerChange) => void): () => void;
  /** Nobody has compared this container in full since the engine came up, or since something may have changed it. */
  needsLook(id: string): boolean;
  /**
   * It was compared in full. Counts only if nothing was heard of it since its details were given out; with `details` also
   * when somebody else has asked for them again meanwhile.
   */
  looked(id: string, details?: ContainerDetails): void;
  /** What was seen of this container is doubted: the next who asks looks at the engine's own answer. */
  doubt(id: string): void;
  /**
   * What was heard of the containers of the document with this uid since one of them was last compared in full and fitted, in words:
   * "Docker told of die with exit code 137 and start, last at 2026-01-01T10:00:00.000Z". undefined: nothing.
   */
  heard(uid: string): string | undefined;
  /** The engine answers and its events are followed. */
  isUp(): boolean;
  /** Milliseconds since 1970 of the last list; undefined while nothing is known. */
  listedAt(): number | undefined;
  /** Calls made to the driver behind, by method. */
  readonly counts: CallCounts;
}

/** After these a container may be, or have, something else than before. The rest (exec, top, health) is noise. */
const TELLING = new Set([
  'create',
  'start',
  'restart',
  'stop',
  'die',
  'destroy',
  'pause',
  'unpause',
  'rename',
  'update',
  'oom',
]);
/** After these its settings may be others, so that its hash label says nothing any more. */
const SUSPECT = new Set(['update', 'rename', 'connect', 'disconnect', 'oom', 'die']);
const IMAGES_KEPT = 1000;
/** After this long a container is compared in full again, at the next refresh. */
const LOOKS_HOLD_MILLISECONDS = 20 * 60_000;
/** After a call that ended so, nobody knows whether it had its effect. */
const UNSURE = new Set(['unavailable', 'timeout', 'aborted', 'failed']);

interface Heard {
  /** Oldest first; each once. */
  words: readonly string[];
  /** Milliseconds since 1970. */
  at: number;
}

const MOST_HEARD = 4;

export function cacheDocker(docker: Docker, { clock }: { clock: Clock }): CachedDocker {
  const raw = countCalls(docker);
  /** By id: when it was compared in full, by the monotonic clock. */
  const looked = new Map<string, number>();
  const heard = new Map<string, Heard>();
  const listeners = new Set<(change: DockerChange) => void>();
  const images = new Map<string, CachedValue<ImageDetails | undefined>>();
  let state: 'unfollowed' | 'up' | { down: DriverError } = 'unfollowed';
  let listedAt: number | undefined;

  const containers = new ContainerCache(
    {
      async containers() {
        const found = await raw.containers();
        listedAt = clock.now();
        return found;
      },
      container: (id) => raw.container(id),
    },
    (id) => looked.delete(id),
  );
  const networks = cacheValue(() => raw.networks());
  const volumes = cacheValue(() => raw.volumes());
  /** Settings of the daemon, which do not change while it runs. */
  const info = cacheValue(() => raw.info());

  function invalidate(): void {
    containers.clear();
    networks.invalidate();
    volumes.invalidate();
    info.invalidate();
    images.clear();
    looked.clear();
    listedAt = undefined;
  }

  async function read<T>(fromCache: () => Promise<T>, fromEngine: () => Promise<T>): Promise<T> {
    if (state === 'unfollowed') return fromEngine();
    if (state === 'up') return fromCache();
    throw state.down;
  }

  function image(reference: string): Promise<ImageDetails | undefined> {
    if (images.size >= IMAGES_KEPT) images.clear();
    const kept = images.get(reference) ?? cacheValue(() => raw.image(reference));
    images.set(reference, kept);
    return kept.get();
  }

  /** Events tell of changed settings; should one have been lost, this finds what it was about. */
  function doubtOldLooks(): void {
    const oldest = clock.monotonic() - LOOKS_HOLD_MILLISECONDS;
    for (const [id, at] of looked) {
      if (at > oldest) continue;
      looked.delete(id);
      containers.touch(id);
    }
  }

  function touch(idOrName: string): void {
    const id = containers.resolve(idOrName);
    if (id === undefined) containers.relist();
    else containers.touch(id);
  }

  /** A write to one container: whatever became of it, what was known of the container is not sure any more. */
  async function change(idOrName: string, write: Promise<void>): Promise<void> {
    try {
      await write;
    } finally {
      touch(idOrName);
    }
  }

  function tell(change: DockerChange): void {
    for (const listener of [...listeners]) listener(change);
  }

  function take(event: DockerEvent): void {
    const { type, id, action } = event;
    if (type === 'container' && TELLING.has(action)) {
      hear(event.labels[LABEL.uid], event);
      if (SUSPECT.has(action)) looked.delete(id);
      if (action === 'destroy') {
        looked.delete(id);
        containers.forget(id);
      } else containers.touch(id);
      tell(event);
    }
    if (type === 'network') takeNetwork(event);
    if (type === 'image') {
      images.clear();
      tell(event);
    }
    // Being mounted changes nothing of what is listed.
    if (type === 'volume' && action !== 'mount' && action !== 'unmount') volumes.invalidate();
  }

  function hear(uid: string | undefined, { action, exitCode }: DockerEvent): void {
    if (uid === undefined) return;
    const words = exitCode === undefined || exitCode === 0 ? action : `${action} with exit code ${exitCode}`;
    const before = heard.get(uid)?.words.filter((other) => other !== words) ?? [];
    heard.set(uid, { words: [...before, words].slice(-MOST_HEARD), at: clock.now() });
  }

  function takeNetwork(event: DockerEvent): void {
    const { containerId, action, name } = event;
    if (containerId === undefined) {
      const labels = networks.peek()?.find(({ id }) => id === event.id)?.labels ?? {};
      networks.invalidate();
      tell({ ...event, labels });
      return;
    }
    if (!containers.tracks(containerId)) return;
    const { labels = {} } = containers.known(containerId) ?? {};
    hear(labels[LABEL.uid], event);
    looked.delete(containerId);
    containers.touch(containerId);
    tell({ type: 'network', id: containerId, name, labels, action });
  }

  return {
    ...raw,
    counts: raw.counts,
    info: () =>
      read(
        () => info.get(),
        () => raw.info(),
      ),
    containers: () =>
      read(
        () => containers.list(),
        () => raw.containers(),
      ),
    container: (idOrName) =>
      read(
        () => containers.get(idOrName),
        () => raw.container(idOrName),
      ),
    networks: () =>
      read(
        () => networks.get(),
        () => raw.networks(),
      ),
    volumes: () =>
      read(
        () => volumes.get(),
        () => raw.volumes(),
      ),
    image: (reference) =>
      read(
        () => image(reference),
        () => raw.image(reference),
      ),

    async createContainer(spec) {
      try {
        const id = await raw.createContainer(spec);
        containers.touch(id);
        return id;
      } catch (caught) {
        if (!(caught instanceof DriverError) || UNSURE.has(caught.code)) containers.relist();
        // An image that is thought to be there and is not would be missing at every try.
        images.clear();
        throw caught;
      } finally {
        volumes.invalidate();
      }
    },
    start: (id) => change(id, raw.start(id)),
    stop: (id, grace) => change(id, raw.stop(id, grace)),
    restart: (id, grace) => change(id, raw.restart(id, grace)),
    rename: (id, name) => change(id, raw.rename(id, name)),
    unpause: (id) => change(id, raw.unpause(id)),
    setRestartPolicy: (id, policy) => change(id, raw.setRestartPolicy(id, policy)),
    async remove(id) {
      await change(id, raw.remove(id)).finally(() => volumes.invalidate());
      const full = containers.resolve(id);
      if (full !== undefined) containers.forget(full);
    },
    removeImage: (id, reference) => raw.removeImage(id, reference).finally(() => images.clear()),
    removeVolume: (name) => raw.removeVolume(name).finally(() => volumes.invalidate()),
    createNetwork: (spec) => raw.createNetwork(spec).finally(() => networks.invalidate()),
    removeNetwork: (id) => raw.removeNetwork(id).finally(() => networks.invalidate()),
    pull: (reference, options) => raw.pull(reference, options).finally(() => images.clear()),

    async follow(listener, signal) {
      try {
        await raw.follow(
          {
            onEvent(event) {
              take(event);
              listener.onEvent(event);
            },
            onUp() {
              invalidate();
              state = 'up';
              listener.onUp();
            },
            onDown(error) {
              invalidate();
              state = { down: unavailable(error) };
              listener.onDown(error);
            },
          },
          signal,
        );
      } finally {
        state = 'unfollowed';
        invalidate();
      }
    },

    invalidate,
    async refresh() {
      await read(
        async () => {
          doubtOldLooks();
          containers.relist();
          networks.invalidate();
          await Promise.all([containers.list(), networks.get()]);
        },
        async () => {},
      );
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    needsLook: (id) => !looked.has(id),
    looked(id, details) {
      if (!containers.holds(id, details)) return;
      looked.set(id, clock.monotonic());
      const uid = details?.labels[LABEL.uid];
      // One that fits and does not run is not as wanted: how that came is still of interest.
      if (uid !== undefined && details?.state === 'running') heard.delete(uid);
    },
    doubt: (id) => containers.touch(id),
    heard(uid) {
      const known = heard.get(uid);
      if (!known) return undefined;
      return `Docker told of ${known.words.join(', ')}, last at ${new Date(known.at).toISOString()}`;
    },
    isUp: () => state === 'up',
    listedAt: () => listedAt,
  };
}

function unavailable(error: Error): DriverError {
  if (error instanceof DriverError && error.code === 'unavailable') return error;
  return new DriverError('unavailable', error.message, { cause: error });
}
