/**
 * The engine at work, for people: what runs, ending it, trying again, and why a document is as it is. The command line's
 * `get operations`, `cancel`, `retry` and `why` ask here.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ANNOTATION, type Document } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { timestamp } from '../clock.ts';
import { writeAudited } from './audit.ts';
import { authorOf, type Context, found, path } from './context.ts';
import { identityOf, requireAccess } from './identity.ts';
import { body } from './operations.ts';
import { Query } from './query.ts';
import { refuse } from './status.ts';

const FOLDER = '/holdfast/v1';

export function addWorkRoutes(server: FastifyInstance, context: Context): void {
  const items = async () => ({ items: context.engine.operations() });
  path(server, `${FOLDER}/operations`, { GET: items }, { access: 'host' });
  path(server, `${FOLDER}/why`, { GET: (request) => why(context, request) }, { access: 'host' });
  path(server, `${FOLDER}/cancel`, { POST: (request) => cancel(context, request) });
  path(server, `${FOLDER}/retry`, { POST: (request) => retry(context, request) });
}

function why(context: Context, request: FastifyRequest): unknown {
  const query = new Query(request.url);
  const { document } = named(context, request, query.text('kind'), query.text('name'));
  return context.engine.why(document, authorOf(request));
}

function cancel(context: Context, request: FastifyRequest): unknown {
  const { kind, name } = body(request, ['kind', 'name']);
  const { document, definition } = named(context, request, kind, name);
  const ended = context.engine.cancel(document, by(request));
  if (ended === 'never') throw nothingEver(definition);
  if (ended === 'idle') return { cancelled: false };
  context.log.info('cancelled', { by: by(request), ...ended });
  return { cancelled: true, operation: ended };
}

/** A rollout that failed is remembered in status until this annotation is newer; what people cannot write has none. */
async function retry(context: Context, request: FastifyRequest): Promise<unknown> {
  const { kind, name } = body(request, ['kind', 'name']);
  const { document, definition } = named(context, request, kind, name);
  if (definition.writtenBy === 'people') {
    const patch = { metadata: { annotations: { [ANNOTATION.retriedAt]: timestamp(context.clock) } } };
    const reference = { kind: document.kind, name: document.metadata.name };
    const author = authorOf(request, 'retry');
    await writeAudited(context, request, [{ verb: 'patch', reference, type: 'merge', patch }], author);
  }
  if (!context.engine.retry(document, by(request))) throw nothingEver(definition);
  return { retried: true };
}

function by(request: FastifyRequest): string {
  const { user, via } = authorOf(request);
  return `${user} through ${via}`;
}

function named(
  context: Context,
  request: FastifyRequest,
  kind: unknown,
  name: unknown,
): { document: Document; definition: KindDefinition } {
  const definition = context.kinds.find((entry) => entry.kind === kind);
  if (!definition || typeof name !== 'string')
    throw refuse.badRequest('"kind" must be a kind that is known, and "name" the name of a document');
  requireAccess(identityOf(request), request.method === 'GET' ? 'read' : 'write', definition);
  return { document: found(context, definition, name), definition };
}

function nothingEver({ kind, singular }: KindDefinition): Error {
  return refuse.badRequest(`nothing ever runs for a ${singular}: a ${kind} is just there`);
}
