/**
 * The connections that tokens opened. A token that is deleted, changed or expired loses them at once, with every watch and
 * exec session on them; without this an open watch would outlive its right.
 */
import type { Socket } from 'node:net';
import type { KindDefinition } from '../../resources/kind.ts';
import type { Token } from '../../resources/token.ts';
import type { Clock } from '../clock.ts';
import type { Store } from '../store/types.ts';
import { TOKEN_KIND } from './identity.ts';

interface Session {
  generation: number;
  sockets: Set<Socket>;
  cancelExpiry(): void;
}

/** The longest that a timer can wait; a token that lives longer is looked at again then. */
const LONGEST_WAIT = 2 ** 31 - 1;

export class LoggedIn {
  readonly #clock: Clock;
  /** By the token's uid. */
  readonly #sessions = new Map<string, Session>();
  readonly #endWatch: () => void;

  constructor({ store, clock, kinds }: { store: Store; clock: Clock; kinds: readonly KindDefinition[] }) {
    this.#clock = clock;
    const hasTokens = kinds.some(({ kind }) => kind === TOKEN_KIND);
    this.#endWatch = hasTokens ? this.#watch(store) : () => undefined;
  }

  add(token: Token, socket: Socket): void {
    const { uid, generation } = token.metadata;
    const session = this.#sessions.get(uid) ?? {
      generation,
      sockets: new Set(),
      cancelExpiry: () => undefined,
    };
    if (session.sockets.has(socket)) return;
    if (session.sockets.size === 0) this.#expire(token, session);
    this.#sessions.set(uid, session);
    session.sockets.add(socket);
    socket.once('close', () => {
      session.sockets.delete(socket);
      if (session.sockets.size > 0) return;
      session.cancelExpiry();
      if (this.#sessions.get(uid) === session) this.#sessions.delete(uid);
    });
  }

  close(): void {
    this.#endWatch();
    for (const uid of [...this.#sessions.keys()]) this.#end(uid);
  }

  #watch(store: Store): () => void {
    return store.watch({
      kind: TOKEN_KIND,
      fromVersion: store.version,
      onChange: ({ type, document: { metadata } }) => {
        const session = this.#sessions.get(metadata.uid);
        const isSame =
          session?.generation === metadata.generation && metadata.deletionTimestamp === undefined;
        if (type === 'DELETED' || !isSame) this.#end(metadata.uid);
      },
    });
  }

  #expire(token: Token, session: Session): void {
    if (token.spec.expiresAt === undefined) return;
    const left = Date.parse(token.spec.expiresAt) - this.#clock.now();
    session.cancelExpiry = this.#clock.after(Math.min(Math.max(0, left), LONGEST_WAIT), () => {
      if (left > LONGEST_WAIT) this.#expire(token, session);
      else this.#end(token.metadata.uid);
    });
  }

  #end(uid: string): void {
    const session = this.#sessions.get(uid);
    this.#sessions.delete(uid);
    session?.cancelExpiry();
    for (const socket of session?.sockets ?? []) socket.destroy();
  }
}
