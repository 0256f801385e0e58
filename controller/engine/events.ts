/**
 * Writes what happened as Event documents. The same thing happening again counts up instead of making another document, and
 * old ones go. Events are told, not waited for: losing the last one in a crash harms nothing, since the world is looked at anew.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { API_VERSION, type Document } from '../../resources/document.ts';
import { type Clock, timestamp } from '../clock.ts';
import type { Author, Store, Write } from '../store/types.ts';
import type { Step } from './contract.ts';
import { eventStep, type Subject } from './step.ts';

export interface EventDraft {
  regarding: Subject;
  type: 'Normal' | 'Warning';
  reason: string;
  message: string;
  step?: Step;
}

interface EventStatus {
  count?: number;
  firstTimestamp?: string;
}

const KEEP_EVENTS = 4_000;
const KEEP_MILLISECONDS = 7 * 24 * 3_600_000;
const CONTROLLER: Author = { user: 'holdfast', via: 'controller' };

export class EventRecorder {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #onError: (error: unknown) => void;
  #pending: Promise<unknown> = Promise.resolve();

  constructor(store: Store, clock: Clock, onError: (error: unknown) => void) {
    this.#store = store;
    this.#clock = clock;
    this.#onError = onError;
  }

  record(draft: EventDraft): void {
    const written = this.#store.write([this.#write(draft)], CONTROLLER).catch(this.#onError);
    this.#pending = Promise.all([this.#pending, written]);
  }

  /** Resolves when everything recorded so far is on disk or given up. */
  async flush(): Promise<void> {
    await this.#pending;
  }

  /** Removes what is too old, and the oldest of what is too many. */
  async prune(): Promise<void> {
    const oldest = this.#clock.now() - KEEP_MILLISECONDS;
    const byAge = this.#store
      .list('Event')
      .items.map((event) => ({ event, at: Date.parse(lastTimestamp(event)) }))
      .sort((a, b) => b.at - a.at);
    const gone = byAge.filter((entry, index) => entry.at < oldest || index >= KEEP_EVENTS);
    for (let start = 0; start < gone.length; start += 200) {
      const writes = gone
        .slice(start, start + 200)
        .map(
          ({ event }): Write => ({ verb: 'delete', reference: { kind: 'Event', name: event.metadata.name } }),
        );
      await this.#store.write(writes, CONTROLLER).catch(this.#onError);
    }
  }

  #write({ regarding, type, reason, message, step }: EventDraft): Write {
    const { name, uid, generation } = regarding;
    const about = step && eventStep(step, name);
    const text = message.length > 4_000 ? `${message.slice(0, 4_000)} …` : message;
    // The reasons too: the same step for another reason is another event. What is known of drift has a time in it.
    const identity = JSON.stringify(
      [regarding.kind, uid ?? name, type, reason, text, about, generation],
      unlessTimed,
    );
    const digest = createHash('sha256').update(identity).digest('hex').slice(0, 16);
    // A key need not be the name of a document.
    const words = name.replaceAll(/[^a-z0-9]+/g, '-').slice(0, 46);
    const eventName = `${words.replaceAll(/^-+|-+$/g, '')}-${digest}`;
    const present = this.#store.get('Event', eventName);
    const now = timestamp(this.#clock);
    const status = (document: Document) => {
      const { count = 0, firstTimestamp = now } = (document.status ?? {}) as EventStatus;
      return { count: count + 1, firstTimestamp, lastTimestamp: now };
    };
    const metadata = { name: eventName };
    if (present && !isNewlyKnown(present, about))
      return { verb: 'status', reference: { kind: 'Event', ...metadata }, status };
    const spec = {
      regarding: { kind: regarding.kind, name, ...(uid === undefined ? {} : { uid }) },
      type,
      reason,
      message: text,
      ...(generation === undefined ? {} : { generation }),
      ...(about ? { step: about } : {}),
    };
    return {
      verb: 'applyChild',
      document: { apiVersion: API_VERSION, kind: 'Event', metadata, spec },
      status,
    };
  }
}

function unlessTimed(key: string, value: unknown): unknown {
  return key === 'known' ? undefined : value;
}

/** It happened before, and this time something else is known of how it came. */
function isNewlyKnown(present: Document, about: Record<string, unknown> | undefined): boolean {
  return about !== undefined && !isDeepStrictEqual(present.spec['step'], about);
}

function lastTimestamp(event: Document): string {
  const status = event.status as { lastTimestamp?: string } | undefined;
  return status?.lastTimestamp ?? event.metadata.creationTimestamp;
}
