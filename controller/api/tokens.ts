/**
 * Bearer tokens: whom a text lets in. A token is 256 random bits; the store holds its SHA-256 alone, so nothing in it opens
 * a door. Called by the HTTPS listener for each request.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { Document } from '../../resources/document.ts';
import type { Token } from '../../resources/token.ts';
import { type Clock, timestamp } from '../clock.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/types.ts';
import { type Identity, SCOPES, TOKEN_KIND } from './identity.ts';

/** A use is written down at most this often for each token, in milliseconds: a write for each request would be too dear. */
const USE_WRITTEN = 60_000;

export interface TokenDependencies {
  store: Store;
  clock: Clock;
  log: Log;
}

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

export class Tokens {
  readonly #dependencies: TokenDependencies;
  readonly #written = new Map<string, number>();

  constructor(dependencies: TokenDependencies) {
    this.#dependencies = dependencies;
  }

  /** Looks at every token, whether one fitted or not, so that the time tells nothing. */
  find(text: string): Token | undefined {
    const asked = Buffer.from(hashOf(text), 'hex');
    let found: Token | undefined;
    for (const document of this.#dependencies.store.list(TOKEN_KIND).items) {
      const token = asToken(document);
      const hash = Buffer.from(token.spec.hash, 'hex');
      if (hash.length === asked.length && timingSafeEqual(hash, asked) && this.#isGood(token)) found = token;
    }
    return found;
  }

  #isGood({ metadata, spec }: Token): boolean {
    if (metadata.deletionTimestamp !== undefined || spec.suspend === true) return false;
    return spec.expiresAt === undefined || this.#dependencies.clock.now() < Date.parse(spec.expiresAt);
  }

  /** Answers at once; a use that cannot be written down keeps nobody out. */
  used({ metadata: { name, uid } }: Token): void {
    const { store, clock, log } = this.#dependencies;
    const now = clock.now();
    const before = this.#written.get(uid);
    if (before !== undefined && now - before < USE_WRITTEN && now >= before) return;
    // As many as there are tokens, and no more.
    if (this.#written.size > 10_000) this.#written.clear();
    this.#written.set(uid, now);
    const lastUsedAt = timestamp(clock);
    store
      .write(
        [
          {
            verb: 'status',
            reference: { kind: TOKEN_KIND, name },
            uid,
            status: (document) => ({ ...document.status, lastUsedAt }),
          },
        ],
        { user: 'holdfast', via: 'controller' },
      )
      .catch((error: unknown) => log.warn('the use of a token was not written down', { name, error }));
  }
}

export function asToken(document: Document): Token {
  return document as unknown as Token;
}

export function identityFor({ metadata, spec }: Token, from: string): Identity {
  const scope = [...SCOPES].reverse().find((entry) => spec.scopes.includes(entry)) ?? 'read';
  return {
    user: spec.user,
    scope,
    kinds: spec.kinds && new Set(spec.kinds),
    from,
    token: metadata.name,
    showsSecrets: scope === 'admin' && spec.showSecrets === true,
  };
}
