/**
 * Watches: changes of one kind as lines of JSON, for as long as the client listens. Each change once and in order, from the
 * version the client names or from a list made at the start.
 *
 * A watcher that reads slower than the world changes gets no queue here: when its buffer is full it is taken off the store's
 * feed and put on again at the version it got to once it has read; when it does not read in time it is cut. Memory per
 * watcher therefore stays under the buffer's bound and one change.
 */
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Document } from '../../resources/document.ts';
import { type Change, type List, type ListOptions, StoreError, type WatchOptions } from '../store/types.ts';
import type { Context } from './context.ts';
import { bookmarkLine, eventLine } from './events.ts';
import { type Form, formOf, type Shown } from './forms.ts';
import { Query, selectors } from './query.ts';
import { refuse, toStatus } from './status.ts';

/** Without timeoutSeconds a watch ends between half an hour and a whole, as in Kubernetes. */
const LIFETIME = 30 * 60_000;

type Selection = Pick<ListOptions, 'labelSelector' | 'fieldSelector'>;

/** What changes, and can be listed: documents of one kind, or what a projection makes of the world. */
export interface Feed {
  /** The newest version of it. */
  readonly version: number;
  list(options: ListOptions): List;
  watch(options: Omit<WatchOptions, 'kind'>): () => void;
}

/** The documents of one kind in the store. */
export function feedOf({ store }: Context, kind: string): Feed {
  return {
    get version() {
      return store.version;
    },
    list: (options) => store.list(kind, options),
    watch: (options) => store.watch({ kind, ...options }),
  };
}

export function serveWatch(
  context: Context,
  what: { feed: Feed; shown: Shown; selection?: Selection },
  request: FastifyRequest,
  reply: FastifyReply,
): void {
  const { feed, shown } = what;
  const query = new Query(request.url);
  const selection = what.selection ?? selectors(query);
  const asked = askedVersion(query);
  const initial = query.flag('sendInitialEvents') || (asked === 0 && !query.text('sendInitialEvents'));
  // Listing also refuses a bad selector while an ordinary answer is still possible.
  const list = feed.list(initial ? selection : { ...selection, limit: 1 });
  const version = initial || asked === 0 ? Number(list.resourceVersion) : asked;
  const timeout = (query.count('timeoutSeconds') ?? 0) * 1000 || LIFETIME * (1 + context.clock.random());
  const stream = new WatchStream(context, {
    feed,
    kind: shown.kind,
    selection,
    form: formOf(context, shown, request),
    bookmarks: query.flag('allowWatchBookmarks'),
    markInitial: query.flag('sendInitialEvents'),
    out: reply.raw,
  });
  const done = context.streams.add(() => stream.end());
  reply.raw.once('close', done);
  reply.hijack();
  stream.start(initial ? list.items : [], version, timeout);
}

/** 0, as in Kubernetes, is the same as none: whatever is here now. */
function askedVersion(query: Query): number {
  const text = query.text('resourceVersion') ?? '0';
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw refuse.badRequest(`resourceVersion is "${text}"; it must be a version that the server gave`);
}

interface WatchSettings {
  feed: Feed;
  kind: string;
  selection: Selection;
  form: Form;
  bookmarks: boolean;
  /** Ends the initial items with a marked bookmark. */
  markInitial: boolean;
  out: ServerResponse;
}

class WatchStream {
  readonly #context: Context;
  readonly #settings: WatchSettings;
  readonly #cancels = new Set<() => void>();
  #unsubscribe: (() => void) | undefined;
  /** Everything up to this version was sent or does not concern this watcher. */
  #sent = 0;
  /** Not on the store's feed, until the client has read. */
  #paused = false;
  #ended = false;

  constructor(context: Context, settings: WatchSettings) {
    this.#context = context;
    this.#settings = settings;
  }

  start(items: readonly Document[], version: number, timeout: number): void {
    const { out } = this.#settings;
    this.#sent = version;
    out.once('close', () => this.#stop());
    out.on('error', () => this.#stop());
    out.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' });
    out.flushHeaders();
    this.#later(timeout, () => this.end());
    this.#sendInitial(items, 0);
  }

  end(): void {
    if (this.#ended) return;
    this.#stop();
    this.#settings.out.end();
  }

  /** What exists now, as fast as the client reads; what changes meanwhile comes from the store's log afterwards. */
  #sendInitial(items: readonly Document[], from: number): void {
    for (let index = from; index < items.length; index++) {
      const item = items[index];
      if (item) this.#write(eventLine('ADDED', this.#settings.form.render(item)));
      if (!this.#full()) continue;
      this.#whenDrained(() => this.#sendInitial(items, index + 1));
      return;
    }
    if (this.#settings.markInitial) this.#write(bookmarkLine(this.#settings.form, this.#sent, true));
    this.#subscribe();
    if (this.#settings.bookmarks) this.#scheduleBookmark();
  }

  #subscribe(): void {
    const { feed, selection } = this.#settings;
    this.#paused = false;
    try {
      if (this.#sent > feed.version) throw this.#unknownVersion();
      const unsubscribe = feed.watch({
        fromVersion: this.#sent,
        ...selection,
        onChange: (change) => this.#onChange(change),
        onEnd: (reason) => (reason === 'slow' ? this.#cut('the store gave up on it') : this.end()),
      });
      // The store may have replayed changes just now, and the last of them may have ended this.
      if (this.#paused || this.#ended) unsubscribe();
      else this.#unsubscribe = unsubscribe;
    } catch (error) {
      this.#fail(error);
    }
  }

  #onChange(change: Change): void {
    if (this.#paused || this.#ended) return;
    this.#sent = change.version;
    this.#write(this.#context.texts.of(change, this.#settings.form));
    if (this.#full()) this.#pause();
  }

  #pause(): void {
    this.#paused = true;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    this.#whenDrained(() => this.#subscribe());
  }

  /** Goes on when the client has read everything; cuts it when it does not. */
  #whenDrained(next: () => void): void {
    const { out } = this.#settings;
    const cancel = this.#later(this.#context.limits.watchDrain, () => this.#cut('it does not read'));
    out.once('drain', () => {
      cancel();
      if (!this.#ended) next();
    });
  }

  /** The store hands a change out in the turn that commits it, so between turns nothing up to its version is missing. */
  #scheduleBookmark(): void {
    this.#later(this.#context.limits.bookmark, () => {
      if (!this.#paused) this.#write(bookmarkLine(this.#settings.form, this.#settings.feed.version, false));
      this.#scheduleBookmark();
    });
  }

  #full(): boolean {
    return this.#settings.out.writableLength > this.#context.limits.watchBuffer;
  }

  #write(line: Buffer): void {
    if (!this.#ended) this.#settings.out.write(line);
  }

  /** After the head an error can only be told as an event. */
  #fail(error: unknown): void {
    const status = toStatus(error, this.#context.kinds);
    if (status.code >= 500) this.#context.log.error('a watch failed', { error });
    this.#write(eventLine('ERROR', status));
    this.end();
  }

  /** Versions come from the store alone, so this one is from before the state folder was replaced. */
  #unknownVersion(): StoreError {
    return new StoreError(
      'Expired',
      `resourceVersion ${this.#sent} is not known here (the newest is ${this.#settings.feed.version}); list again`,
    );
  }

  #cut(why: string): void {
    this.#context.log.info('cut a watcher', { kind: this.#settings.kind, why });
    this.#stop();
    this.#settings.out.destroy();
  }

  #stop(): void {
    this.#ended = true;
    this.#unsubscribe?.();
    this.#unsubscribe = undefined;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  #later(milliseconds: number, run: () => void): () => void {
    const cancel = this.#context.clock.after(milliseconds, () => {
      this.#cancels.delete(cancel);
      if (!this.#ended) run();
    });
    this.#cancels.add(cancel);
    return () => {
      this.#cancels.delete(cancel);
      cancel();
    };
  }
}
