/**
 * The answers that do not end by themselves: watches, followed logs, exec sessions. Counted, so that nobody opens them
 * without end, and ended together when the server closes.
 */
import { refuse } from './status.ts';

export class OpenStreams {
  readonly #open = new Set<() => void>();
  readonly #limit: number;
  #closed = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get size(): number {
    return this.#open.size;
  }

  /** `end` is called at most once, when the server closes. Answers what to call when the stream ended by itself. */
  add(end: () => void): () => void {
    if (this.#closed) throw refuse.tooMany('the controller is stopping');
    if (this.#open.size >= this.#limit) {
      throw refuse.tooMany(`${this.#limit} watches, logs and exec sessions are open; end some and try again`);
    }
    // The same function twice must count twice.
    const entry = () => end();
    this.#open.add(entry);
    return () => void this.#open.delete(entry);
  }

  close(): void {
    this.#closed = true;
    const open = [...this.#open];
    this.#open.clear();
    for (const end of open) end();
  }
}
