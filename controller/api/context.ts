/**
 * What each route is given: the dependencies, the limits that hold, and the few things that all routes share. Made once by
 * buildApi.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Document } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import type { Author } from '../store/types.ts';
import type { ApiDependencies, ApiLimits } from './dependencies.ts';
import type { EventTexts } from './events.ts';
import { type Access, type Admit, identityOf } from './identity.ts';
import type { RequestMetrics } from './metrics.ts';
import { Query } from './query.ts';
import { refuse } from './status.ts';
import type { OpenStreams } from './streams.ts';

export interface Context extends ApiDependencies {
  limits: ApiLimits;
  streams: OpenStreams;
  texts: EventTexts;
  admit: Admit;
  requests: RequestMetrics;
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown;
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;
type Method = (typeof METHODS)[number];

export interface PathOptions {
  bodyLimit?: number;
  kind?: KindDefinition;
  access?: Access;
  reads?: boolean;
  /** Told to who asks for a method that is not possible: what to do instead. */
  instead?: string;
}

/** One path with its methods; every other method is answered with 405 and what is possible. */
export function path(
  server: FastifyInstance,
  url: string,
  handlers: Partial<Record<Method, Handler>>,
  options: PathOptions = {},
): void {
  const allowed = METHODS.filter((method) => handlers[method]);
  for (const method of METHODS) {
    const handler = handlers[method] ?? refuseMethod(allowed, options.instead);
    server.route({
      method,
      url,
      handler: async (request, reply) => handler(request, reply),
      config: {
        need: { access: options.access ?? accessOf(method), kind: options.kind },
        reads: options.reads ?? false,
      },
      ...(options.bodyLimit !== undefined && { bodyLimit: options.bodyLimit }),
    });
  }
}

function accessOf(method: Method): Access {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS' ? 'read' : 'write';
}

/** What the route of a request takes; a route that says nothing is for admins. */
export interface Need {
  access: Access;
  kind?: KindDefinition | undefined;
}

declare module 'fastify' {
  interface FastifyContextConfig {
    need?: Need;
    /** Changes nothing whatever its method, not even a log. */
    reads?: boolean;
  }
}

function refuseMethod(allowed: readonly Method[], instead: string | undefined): Handler {
  return (request, reply) => {
    reply.header('allow', allowed.join(', '));
    throw refuse.method(request.method, request.url.split('?', 1)[0] ?? '', instead);
  };
}

/**
 * By way of the socket only root can ask, and the header says which person root was for; a token has its user. `doing` is what the
 * request itself is a reason of; a person's own words come after it.
 */
export function authorOf(request: FastifyRequest, doing?: string): Author {
  const identity = identityOf(request);
  const isRoot = identity.token === undefined;
  const user = (isRoot ? header(request, 'x-holdfast-user') : undefined) ?? identity.user;
  if (!/^[A-Za-z0-9_][-A-Za-z0-9_.@+]{0,63}$/.test(user)) {
    throw refuse.badRequest('X-Holdfast-User must be a login name of at most 64 characters');
  }
  const given = new Query(request.url).text('reason');
  const words = [doing, given].filter((text) => text !== undefined).join(': ');
  if (words.length > 1024) {
    throw refuse.badRequest('reason is longer than 1024 characters');
  }
  const via = isRoot && header(request, 'x-holdfast-via') === 'cli' ? 'cli' : 'api';
  return { user, via, ...(words !== '' && { reason: words }) };
}

function header(request: FastifyRequest, name: string): string | undefined {
  const value = request.headers[name];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The name in a path, percent codes already decoded. What can be no name is not found, whatever it would reach. */
export function nameOf(request: FastifyRequest, definition: KindDefinition): string {
  const { name } = request.params as { name: string };
  if (!isName(definition, name)) throw refuse.notFound(definition, name);
  return name;
}

/** The same for a path that may create: there a bad name is a mistake to explain. */
export function newNameOf(request: FastifyRequest, definition: KindDefinition): string {
  const { name } = request.params as { name: string };
  if (isName(definition, name)) return name;
  const message =
    definition.names === 'host'
      ? 'a host name is expected: lower-case letters, digits and dashes, with dots between parts'
      : 'lower-case letters, digits and dashes are expected, at most 63';
  throw refuse.invalid(
    `${definition.kind} "${name}" is invalid: metadata.name: ${message}`,
    [{ field: 'metadata.name', message }],
    { kind: definition.kind, name },
  );
}

const DNS_LABEL = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;

/** Of a kind whose names are host names, several labels with dots between. */
function isName({ names }: KindDefinition, name: string): boolean {
  if (names !== 'host') return DNS_LABEL.test(name);
  return name.length <= 253 && name.split('.').every((label) => DNS_LABEL.test(label));
}

export function found(context: Context, definition: KindDefinition, name: string): Document {
  const document = context.store.get(definition.kind, name);
  if (!document) throw refuse.notFound(definition, name);
  return document;
}
