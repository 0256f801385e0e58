/**
 * The whole API as one fastify instance that listens nowhere yet: a test injects requests, `startApi` gives it a socket. It
 * knows the kinds by their registry only.
 */
import fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { addReviewRoutes } from './access-reviews.ts';
import { addBodyParsers } from './body.ts';
import { addLogRoutes, CONTAINER_KIND } from './containers.ts';
import type { Context } from './context.ts';
import { addCoreRoutes, coreKinds } from './core-v1.ts';
import { type ApiDependencies, LIMITS } from './dependencies.ts';
import { addDiscoveryRoutes } from './discovery.ts';
import { EventTexts } from './events.ts';
import { addExecRoute, execUpgrade } from './exec.ts';
import { addHealthRoutes } from './health.ts';
import { addHistoryRoutes } from './history.ts';
import { type Admit, ROOT, remember, requireAccess, requireOpenSecrets } from './identity.ts';
import { addMetrics, RequestMetrics } from './metrics.ts';
import { addOpenApiRoutes } from './openapi.ts';
import { addOperationRoutes } from './operations.ts';
import { addResourceRoutes } from './resources.ts';
import { refuse, toStatus } from './status.ts';
import { OpenStreams } from './streams.ts';
import { addUpgrades } from './upgrades.ts';
import { addWorkRoutes } from './work.ts';

/** Where the API listens: who asks there, and the certificate where it speaks TLS. */
export interface Door {
  admit: Admit;
  tls?: { key: string; cert: string };
}

const SOCKET: Door = { admit: () => ROOT };

/** Closing the instance ends every watch, log and exec session. */
export function buildApi(dependencies: ApiDependencies, door: Door = SOCKET): FastifyInstance {
  const limits = { ...LIMITS, ...dependencies.limits };
  const context: Context = {
    ...dependencies,
    limits,
    streams: new OpenStreams(limits.streams),
    texts: new EventTexts(),
    admit: door.admit,
    requests: requestsOf(dependencies.store),
  };
  const server = fastify({
    // What it serves over TLS is what it serves without: the types of the two differ in nothing that is used here.
    ...(door.tls && ({ https: door.tls } as object)),
    logger: false,
    bodyLimit: limits.document,
    // What was sent before it stops is answered.
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: 1024 },
    frameworkErrors: (error, request, reply) => answerError(context, error, request, reply),
  });
  server.setErrorHandler<FastifyError>((error, request, reply) =>
    answerError(context, error, request, reply),
  );
  server.setNotFoundHandler((request) => {
    throw refuse.unknownPath(request.url.split('?', 1)[0] ?? '');
  });
  addBodyParsers(server);
  addGuard(server, context);
  addLogLines(server, context);
  server.addHook('preClose', async () => context.streams.close());
  addDiscoveryRoutes(server, context);
  addMetrics(server, context);
  addHealthRoutes(server, context);
  addOpenApiRoutes(server, context);
  addOperationRoutes(server, context);
  addReviewRoutes(server, context);
  addWorkRoutes(server, context);
  for (const definition of context.kinds) {
    addResourceRoutes(server, context, definition);
    addHistoryRoutes(server, context, definition);
    if (definition.kind !== CONTAINER_KIND) continue;
    addLogRoutes(server, context, definition);
    addExecRoute(server, definition);
  }
  addViews(server, context);
  return server;
}

/** What shows what runs, and the sessions with it. */
function addViews(server: FastifyInstance, context: Context): void {
  const { apps, events } = coreKinds(context.kinds);
  if (!apps) return;
  const core = addCoreRoutes(server, context, { apps, events });
  addUpgrades(server, context, [execUpgrade(context, apps), ...core]);
}

/** All listeners over one store count together. */
const counted = new WeakMap<object, RequestMetrics>();

function requestsOf(store: object): RequestMetrics {
  const requests = counted.get(store) ?? new RequestMetrics();
  counted.set(store, requests);
  return requests;
}

/** Before the body is read: who asks, and whether the route is for them. A path that nobody has takes a login, too. */
function addGuard(server: FastifyInstance, context: Context): void {
  server.addHook('onRequest', async (request) => {
    const need = request.is404 ? undefined : request.routeOptions.config.need;
    const access = request.is404 ? 'any' : (need?.access ?? 'admin');
    if (access === 'public') return;
    const identity = await context.admit(request.raw);
    remember(request.raw, identity);
    requireAccess(identity, access, need?.kind);
    requireOpenSecrets(identity, request.url);
  });
}

function answerError(context: Context, error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const status = toStatus(error, context.kinds);
  if (status.code >= 500) {
    context.log.error('a request failed', { method: request.method, path: pathOf(request), error });
  }
  if (status.details?.retryAfterSeconds) reply.header('retry-after', status.details.retryAfterSeconds);
  if (status.code === 401) reply.header('www-authenticate', 'Bearer realm="holdfast"');
  reply.code(status.code).type('application/json; charset=utf-8').send(JSON.stringify(status));
}

/** One line for each write that was tried, without its content; reads only at debug. */
function addLogLines(server: FastifyInstance, context: Context): void {
  server.addHook('onResponse', async (request, reply) => {
    const fields = {
      method: request.method,
      path: pathOf(request),
      code: reply.statusCode,
      milliseconds: Math.round(reply.elapsedTime),
      from: request.socket.remoteAddress ?? 'socket',
    };
    if (request.method === 'GET' || request.routeOptions.config.reads) context.log.debug('read', fields);
    else context.log.info('request', fields);
  });
}

function pathOf(request: FastifyRequest): string {
  return request.url.split('?', 1)[0] ?? '';
}
