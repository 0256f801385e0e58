/**
 * What a document's spec was before, and the way back: history and rollback. Rolling back is an ordinary update whose spec
 * is an older one; it makes a new generation and keeps the labels and annotations of now.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Document, Manifest } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { hideRevision } from '../store/secrets.ts';
import { StoreError } from '../store/types.ts';
import { writeAudited } from './audit.ts';
import { isObject } from './body.ts';
import { authorOf, type Context, found, nameOf, path } from './context.ts';
import { formOf } from './forms.ts';
import { isDryRun, Query } from './query.ts';
import { GROUP_PATH } from './resources.ts';
import { ApiError, refuse } from './status.ts';

export function addHistoryRoutes(
  server: FastifyInstance,
  context: Context,
  definition: KindDefinition,
): void {
  const document = `${GROUP_PATH}/${definition.plural}/:name`;
  path(
    server,
    `${document}/history`,
    { GET: (request) => history(context, definition, request) },
    { kind: definition },
  );
  path(
    server,
    `${document}/rollback`,
    { POST: (request) => rollback(context, definition, request) },
    { kind: definition },
  );
}

function history(context: Context, definition: KindDefinition, request: FastifyRequest): unknown {
  const name = nameOf(request, definition);
  const open = new Query(request.url).flag('showSecrets');
  const revisions = context.store.history(definition.kind, name);
  if (revisions.length === 0) found(context, definition, name);
  return { items: open || !definition.secret ? revisions : revisions.map(hideRevision) };
}

async function rollback(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
): Promise<unknown> {
  const name = nameOf(request, definition);
  const query = new Query(request.url);
  const { to, dryRun, resourceVersion } = rollbackOptions(request.body);
  const author = authorOf(request, `rollback to generation ${to}`);
  const options = { dryRun: dryRun || query.dryRun() };
  for (let attempt = 1; ; attempt++) {
    const present = found(context, definition, name);
    const document = earlier(context, definition, present, to, resourceVersion);
    try {
      const [result] = await writeAudited(context, request, [{ verb: 'update', document }], author, options);
      return formOf(context, definition, request).render(result?.document ?? present);
    } catch (error) {
      // A status was written in between. Only a client that named a version wants to hear of it.
      const again = error instanceof StoreError && error.reason === 'Conflict' && attempt < 5;
      if (!again || resourceVersion !== undefined) throw error;
    }
  }
}

function earlier(
  context: Context,
  definition: KindDefinition,
  present: Document,
  generation: number,
  resourceVersion: string | undefined,
): Manifest {
  const { name, labels, annotations } = present.metadata;
  const spec = context.store.specAt(definition.kind, name, generation);
  if (!spec) throw notKept(context, definition, present, generation);
  return {
    apiVersion: present.apiVersion,
    kind: present.kind,
    metadata: {
      name,
      resourceVersion: resourceVersion ?? present.metadata.resourceVersion,
      ...(labels && { labels }),
      ...(annotations && { annotations }),
    },
    spec,
  };
}

function notKept(
  context: Context,
  definition: KindDefinition,
  present: Document,
  generation: number,
): ApiError {
  const { name } = present.metadata;
  const kept = context.store.history(definition.kind, name).map((revision) => revision.generation);
  const range =
    kept.length > 0
      ? `generations ${Math.min(...kept)} to ${Math.max(...kept)} are kept`
      : `no generations of a ${definition.kind} are kept`;
  return new ApiError(
    404,
    'NotFound',
    `generation ${generation} of ${definition.singular}/${name} is not kept; ${range}`,
    { reference: { kind: definition.kind, name } },
  );
}

function rollbackOptions(body: unknown): {
  to: number;
  dryRun: boolean;
  resourceVersion: string | undefined;
} {
  const { to, dryRun = false, resourceVersion } = isObject(body) ? body : {};
  if (typeof to !== 'number' || !Number.isSafeInteger(to) || to < 1) {
    throw refuse.badRequest('"to" must be the number of a generation, from 1');
  }
  if (resourceVersion !== undefined && typeof resourceVersion !== 'string') {
    throw refuse.badRequest('resourceVersion must be text');
  }
  if (typeof dryRun === 'boolean') return { to, dryRun, resourceVersion };
  return { to, dryRun: isDryRun(Array.isArray(dryRun) ? dryRun : [dryRun]), resourceVersion };
}
