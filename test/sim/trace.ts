/**
 * What happened, line by line, with the virtual time. Always hashed, so that two runs of one seed can be compared byte for byte;
 * kept as text only when somebody wants to read it.
 */
import { createHash, type Hash } from 'node:crypto';

export class Trace {
  readonly #hash: Hash = createHash('sha256');
  readonly #lines: string[] | undefined;
  readonly #now: () => number;
  #count = 0;
  /** Lines of one batch, so that the hash is not fed letter by letter. */
  #waiting: string[] = [];

  constructor(now: () => number, keep: boolean) {
    this.#now = now;
    this.#lines = keep ? [] : undefined;
  }

  get count(): number {
    return this.#count;
  }

  say(text: string): void {
    const line = `${(this.#now() / 1000).toFixed(3)} ${text}`;
    this.#count += 1;
    this.#lines?.push(line);
    this.#waiting.push(line);
    if (this.#waiting.length >= 256) this.#feed();
  }

  /** Ends the trace: SHA-256 over all lines. */
  digest(): string {
    this.#feed();
    return this.#hash.digest('hex');
  }

  /** Empty where the text was not kept. */
  get lines(): readonly string[] {
    return this.#lines ?? [];
  }

  #feed(): void {
    this.#hash.update(`${this.#waiting.join('\n')}\n`);
    this.#waiting = [];
  }
}
