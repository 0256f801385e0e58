/**
 * The text of watch events. A change is made into bytes once for all watchers that want the same form, so that a thousand
 * watchers cost a thousand writes and one serialisation. Bounded in bytes: the oldest texts go first.
 */
import type { Change } from '../store/types.ts';
import type { Form } from './forms.ts';

export class EventTexts {
  readonly #texts = new Map<string, Buffer>();
  readonly #limit: number;
  #bytes = 0;

  constructor(limit = 8 * 1024 * 1024) {
    this.#limit = limit;
  }

  of(change: Change, form: Form): Buffer {
    const { kind, metadata } = change.document;
    const key = `${change.version} ${kind} ${metadata.name} ${change.type} ${form.name}`;
    const known = this.#texts.get(key);
    if (known) return known;
    const text = eventLine(change.type, form.render(change.document));
    this.#keep(key, text);
    return text;
  }

  #keep(key: string, text: Buffer): void {
    this.#texts.set(key, text);
    this.#bytes += text.length;
    for (const [oldest, bytes] of this.#texts) {
      if (this.#bytes <= this.#limit) break;
      this.#texts.delete(oldest);
      this.#bytes -= bytes.length;
    }
  }
}

export function eventLine(type: string, object: unknown): Buffer {
  return Buffer.from(`${JSON.stringify({ type, object })}\n`);
}

/** Says that everything up to this version was sent, with nothing else in it. */
export function bookmarkLine({ type }: Form, version: number, initial: boolean): Buffer {
  return eventLine('BOOKMARK', {
    ...type,
    metadata: {
      resourceVersion: String(version),
      creationTimestamp: null,
      ...(initial && { annotations: { 'k8s.io/initial-events-end': 'true' } }),
    },
  });
}
