/**
 * Who asks, and what it takes to be answered: one place for both, asked before any route runs. Over the Unix socket it is
 * root; over HTTPS it is whoever a Token was made for. What is named for no one is refused.
 */
import type { IncomingMessage } from 'node:http';
import type { KindDefinition } from '../../resources/kind.ts';
import { Query } from './query.ts';
import { refuse } from './status.ts';

/** In order: each may do what those before it may. */
export const SCOPES = ['read', 'write', 'admin'] as const;
export type Scope = (typeof SCOPES)[number];

export interface Identity {
  user: string;
  scope: Scope;
  /** Kinds that it is limited to; undefined: all. */
  kinds: ReadonlySet<string> | undefined;
  /** For the audit: `socket`, or an address. */
  from: string;
  /** Name of the Token; undefined for root. */
  token: string | undefined;
  /** Secret values are in its answers without being asked for. Only ever true for admins. */
  showsSecrets?: boolean;
}

/** How a listener knows who asks. Rejects with 401. */
export type Admit = (request: IncomingMessage) => Identity | Promise<Identity>;

/**
 * What a route takes. public: no identity at all. any: some identity. host: reading what is of no single kind, so not for
 * tokens that are limited to kinds.
 */
export type Access = 'public' | 'any' | 'host' | Scope;

/** The only kind whose documents are rights. Only admins read or write them. */
export const TOKEN_KIND = 'Token';

export const ROOT: Identity = {
  user: 'root',
  scope: 'admin',
  kinds: undefined,
  from: 'socket',
  token: undefined,
};

const identities = new WeakMap<IncomingMessage, Identity>();

export function remember(request: IncomingMessage, identity: Identity): void {
  identities.set(request, identity);
}

/** Of a request that was admitted; asking for another is a mistake of ours, and ends the request. */
export function identityOf(request: { raw: IncomingMessage }): Identity {
  const identity = identities.get(request.raw);
  if (!identity) throw new Error('a route that is public asked who asks');
  return identity;
}

/** What a form shows, for a request that may be one that was not admitted. */
export function showsSecrets(request: { raw?: IncomingMessage }): boolean {
  const identity = request.raw && identities.get(request.raw);
  return identity?.showsSecrets === true && identity.scope === 'admin';
}

/** Throws 403 with what is missing. */
export function requireAccess(identity: Identity, access: Access, definition?: KindDefinition): void {
  if (access === 'public' || access === 'any') return;
  if (definition) requireKind(identity, definition.kind);
  if (access === 'host') {
    if (identity.kinds) throw missing(identity, 'a token that is not limited to kinds');
    return;
  }
  const has = SCOPES.indexOf(identity.scope);
  if (has < SCOPES.indexOf(access)) throw missing(identity, `the scope ${access}`);
}

/** Also for documents in a body, whose kinds no path names. */
export function requireKind(identity: Identity, kind: string): void {
  if (kind === TOKEN_KIND && identity.scope !== 'admin') throw missing(identity, 'the scope admin');
  if (identity.kinds && !identity.kinds.has(kind)) throw missing(identity, `a token for the kind ${kind}`);
}

/** Secret values are for admins alone, however often and in whatever spelling they are asked for. */
export function requireOpenSecrets(identity: Identity, url: string): void {
  if (identity.scope === 'admin') return;
  const asked = new Query(url).all('showSecrets');
  if (asked.some((value) => !/^(false|0)$/i.test(value))) throw missing(identity, 'the scope admin');
}

function missing({ user, token }: Identity, what: string): Error {
  const whose = token === undefined ? user : `token/${token} of ${user}`;
  return refuse.forbidden(`${whose} may not do this: it takes ${what}`);
}
