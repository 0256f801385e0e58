/**
 * The verbs on documents: list, get, create, update, patch, delete, for every kind of the registry alike. Each handler
 * parses what was asked, makes one store call of it and shows the result; rules of documents are the store's.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { API_VERSION, type Document, type Json } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { timestamp } from '../clock.ts';
import { type Manager, StoreError, type Write, type WriteResult } from '../store/types.ts';
import { writeAudited } from './audit.ts';
import { asJsonPatch, asManifest, isObject, mediaType, PATCH_TYPE } from './body.ts';
import { authorOf, type Context, found, nameOf, newNameOf, path } from './context.ts';
import { formOf } from './forms.ts';
import { parseManagedFields } from './managed-fields.ts';
import { isDryRun, Query, selectors } from './query.ts';
import { refuse, success } from './status.ts';
import { feedOf, serveWatch } from './watch.ts';

export const GROUP_PATH = `/apis/${API_VERSION}`;

export function addResourceRoutes(
  server: FastifyInstance,
  context: Context,
  definition: KindDefinition,
): void {
  const collection = `${GROUP_PATH}/${definition.plural}`;
  path(
    server,
    collection,
    {
      GET: (request, reply) => listOrWatch(context, definition, request, reply),
      POST: (request, reply) => create(context, definition, request, reply),
      DELETE: (request) => deleteCollection(context, definition, request),
    },
    { kind: definition },
  );
  path(
    server,
    `${collection}/:name`,
    {
      GET: (request) => get(context, definition, request),
      PUT: (request) => update(context, definition, request),
      PATCH: (request, reply) => patch(context, definition, request, reply),
      DELETE: (request) => remove(context, definition, request),
    },
    { kind: definition },
  );
  // Only reconcilers write it, and they do so by the store.
  path(
    server,
    `${collection}/:name/status`,
    { GET: (request) => get(context, definition, request) },
    { kind: definition },
  );
}

function get(context: Context, definition: KindDefinition, request: FastifyRequest): unknown {
  const document = found(context, definition, nameOf(request, definition));
  return formOf(context, definition, request).render(document);
}

function listOrWatch(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
  reply: FastifyReply,
): unknown {
  const query = new Query(request.url);
  if (query.flag('watch')) {
    serveWatch(context, { feed: feedOf(context, definition.kind), shown: definition }, request, reply);
    return reply;
  }
  return list(context, definition, request);
}

function list(context: Context, definition: KindDefinition, request: FastifyRequest): unknown {
  const query = new Query(request.url);
  const limit = query.count('limit');
  const from = query.text('continue');
  const page = context.store.list(definition.kind, {
    ...selectors(query),
    ...(limit && { limit }),
    ...(from !== undefined && { continue: from }),
  });
  if (
    query.text('resourceVersionMatch') === 'Exact' &&
    query.text('resourceVersion') !== page.resourceVersion
  ) {
    throw new StoreError(
      'Expired',
      `only version ${page.resourceVersion} can be listed; list without a version`,
    );
  }
  const metadata = {
    resourceVersion: page.resourceVersion,
    ...(page.continue !== undefined && { continue: page.continue }),
    ...(page.remainingItemCount !== undefined && { remainingItemCount: page.remainingItemCount }),
  };
  return formOf(context, definition, request).list(metadata, page.items);
}

async function create(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const document = asManifest(named(context, request.body), definition);
  const result = await write(context, request, { verb: 'create', document, manager: managerOf(request) });
  reply.code(201);
  return shown(context, definition, request, result.document);
}

/** `metadata.generateName`: a name that begins with it. Two that draw the same five letters: one is told to try again. */
function named(context: Context, body: unknown): unknown {
  const metadata = isObject(body) ? body['metadata'] : undefined;
  if (!isObject(body) || !isObject(metadata) || typeof metadata['generateName'] !== 'string') return body;
  const { generateName, ...rest } = metadata;
  if (rest['name'] !== undefined && rest['name'] !== '') return { ...body, metadata: rest };
  const letters = Array.from(
    { length: 5 },
    () => LETTERS[Math.floor(context.clock.random() * LETTERS.length)],
  );
  return { ...body, metadata: { ...rest, name: `${generateName.slice(0, 58)}${letters.join('')}` } };
}

/** Without vowels, which make words, and without what looks like something else. */
const LETTERS = 'bcdfghjklmnpqrstvwxz2456789';

async function update(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
): Promise<unknown> {
  const document = asManifest(request.body, definition, nameOf(request, definition));
  const result = await write(context, request, { verb: 'update', document, manager: managerOf(request) });
  return shown(context, definition, request, result.document);
}

async function patch(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const result = await write(context, request, asPatch(context, definition, request));
  if (result.outcome === 'created') reply.code(201);
  return shown(context, definition, request, result.document);
}

function asPatch(context: Context, definition: KindDefinition, request: FastifyRequest): Write {
  const type = mediaType(request.headers['content-type']);
  if (type === PATCH_TYPE.apply) {
    const name = newNameOf(request, definition);
    const manager = new Query(request.url).text('fieldManager');
    if (!manager) {
      throw refuse.invalid('fieldManager is required for apply patch', [
        { field: 'fieldManager', message: 'is required for apply patch' },
      ]);
    }
    const force = new Query(request.url).flag('force');
    return { verb: 'apply', document: asManifest(request.body, definition, name), manager, force };
  }
  const reference = { kind: definition.kind, name: nameOf(request, definition) };
  if (type === PATCH_TYPE.json) {
    const { patch, ...more } = takeOut(asJsonPatch(request.body), timestamp(context.clock));
    return { verb: 'patch', reference, type: 'json', patch, manager: managerOf(request), ...more };
  }
  if (type !== PATCH_TYPE.merge) throw refuse.mediaType(Object.values(PATCH_TYPE));
  if (!isObject(request.body)) throw refuse.badRequest('a merge patch is an object');
  const resourceVersion = expectedVersion(request.body);
  return {
    verb: 'patch',
    reference,
    type: 'merge',
    patch: request.body as Json,
    manager: managerOf(request),
    ...(resourceVersion !== undefined && { resourceVersion }),
  };
}

/**
 * A JSON patch that replaces metadata.resourceVersion is meant for that version, and one that replaces metadata.managedFields
 * changes who owns what: neither is in the document that the rest of the patch is about.
 */
function takeOut(
  operations: Record<string, unknown>[],
  now: string,
): { patch: Json; resourceVersion?: string; managers?: Manager[] } {
  const isSet = ({ op }: Record<string, unknown>) => op === 'add' || op === 'replace';
  const isAt = (path: string) => (operation: Record<string, unknown>) =>
    isSet(operation) && operation['path'] === path;
  const version = operations.find(isAt('/metadata/resourceVersion'))?.['value'];
  const owners = operations.find(isAt('/metadata/managedFields'));
  const rest = operations.filter(
    (operation) =>
      !isAt('/metadata/managedFields')(operation) &&
      !(isAt('/metadata/resourceVersion')(operation) && typeof version === 'string'),
  );
  return {
    patch: rest as Json,
    ...(typeof version === 'string' && { resourceVersion: version }),
    ...(owners && { managers: parseManagedFields(owners['value'], now) }),
  };
}

/** The name under which what is written is owned: as the client says, else the program that it is, as in Kubernetes. */
function managerOf(request: FastifyRequest): string {
  const given = new Query(request.url).text('fieldManager');
  if (given === undefined)
    return /^[\x21-\x2e\x30-\x7e]{1,128}/.exec(request.headers['user-agent'] ?? '')?.[0] ?? 'unknown';
  if (/^[\x20-\x7e]{1,128}$/.test(given)) return given;
  const message = 'must be at most 128 printable characters';
  throw refuse.invalid(`fieldManager ${message}`, [{ field: 'fieldManager', message }]);
}

/** A merge patch that names metadata.resourceVersion is meant for that version only. */
function expectedVersion(body: Record<string, unknown>): string | undefined {
  const metadata = body['metadata'];
  const version = isObject(metadata) ? metadata['resourceVersion'] : undefined;
  return typeof version === 'string' && version !== '' ? version : undefined;
}

async function remove(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
): Promise<unknown> {
  const name = nameOf(request, definition);
  const { dryRun, orphan, ...options } = deleteOptions(request);
  if (orphan) refuseOrphans(context, definition, [found(context, definition, name)]);
  const write: Write = { verb: 'delete', reference: { kind: definition.kind, name }, ...options };
  const [result] = await writeAudited(context, request, [write], authorOf(request), { dryRun });
  if (result?.outcome === 'deleting') return shown(context, definition, request, result.document);
  const uid = result?.document.metadata.uid;
  return success({ name, group: 'holdfast.dev', kind: definition.plural, ...(uid && { uid }) });
}

/**
 * All that the selectors fit, in one transaction. A selector is asked for: the same request is what a name that came out
 * empty in somebody's script makes of a delete.
 */
async function deleteCollection(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
): Promise<unknown> {
  const selection = selectors(new Query(request.url));
  if (!selection.labelSelector && !selection.fieldSelector) {
    throw refuse.badRequest(
      `deleting every ${definition.kind} at once takes a labelSelector or a fieldSelector, such as metadata.name!=none`,
    );
  }
  const { dryRun, orphan, uid, resourceVersion, ...options } = deleteOptions(request);
  if (uid ?? resourceVersion)
    throw refuse.badRequest('preconditions are for one document, not for a collection');
  const page = context.store.list(definition.kind, selection);
  if (orphan) refuseOrphans(context, definition, page.items);
  const writes = page.items.map((document): Write => {
    const reference = { kind: document.kind, name: document.metadata.name };
    return { verb: 'delete', reference, uid: document.metadata.uid, ...options };
  });
  const results =
    writes.length > 0 ? await writeAudited(context, request, writes, authorOf(request), { dryRun }) : [];
  const metadata = { resourceVersion: String(context.store.version) };
  return formOf(context, definition, request).list(
    metadata,
    results.map(({ document }) => document),
  );
}

interface DeleteOptions {
  uid?: string;
  resourceVersion?: string;
  deleteData?: boolean;
  dryRun: boolean;
  /** Children are to stay. */
  orphan: boolean;
}

const DELETE_FIELDS = new Set([
  'kind',
  'apiVersion',
  'preconditions',
  'dryRun',
  'propagationPolicy',
  'gracePeriodSeconds',
  'orphanDependents',
]);

/** A misspelt option of a deletion is refused: what it was to hold back must not happen. */
function deleteOptions(request: FastifyRequest): DeleteOptions {
  const query = new Query(request.url);
  const body = request.body ?? {};
  if (!isObject(body)) throw refuse.badRequest('the body of a delete is a DeleteOptions object');
  const unknown = Object.keys(body).find((field) => !DELETE_FIELDS.has(field));
  if (unknown !== undefined) throw refuse.badRequest(`DeleteOptions has no field "${unknown}"`);
  const preconditions = body['preconditions'] ?? {};
  if (!isObject(preconditions)) throw refuse.badRequest('preconditions must be an object');
  for (const [field, value] of Object.entries(preconditions)) {
    if ((field !== 'uid' && field !== 'resourceVersion') || typeof value !== 'string') {
      throw refuse.badRequest(`preconditions can hold uid and resourceVersion as text, not "${field}"`);
    }
  }
  const dryRun = body['dryRun'] ?? [];
  if (!Array.isArray(dryRun)) throw refuse.badRequest('dryRun must be a list');
  return {
    ...(preconditions as { uid?: string; resourceVersion?: string }),
    ...(query.flag('deleteData') && { deleteData: true }),
    dryRun: query.dryRun() || isDryRun(dryRun),
    orphan: wantsOrphans(
      body['propagationPolicy'] ?? query.text('propagationPolicy'),
      body['orphanDependents'],
    ),
  };
}

const POLICIES = ['Foreground', 'Background', 'Orphan'];

/**
 * Foreground and Background are the same here: what runs is torn down while the document still stands, and its children go
 * when it is gone.
 */
function wantsOrphans(policy: unknown, orphanDependents: unknown): boolean {
  if (policy !== undefined && !POLICIES.some((known) => known === policy)) {
    const message = `must be one of ${POLICIES.join(', ')}, not ${JSON.stringify(policy)}`;
    throw refuse.invalid(`propagationPolicy ${message}`, [{ field: 'propagationPolicy', message }]);
  }
  return policy === 'Orphan' || (policy === undefined && orphanDependents === true);
}

/** A child that reconcilers write stands for its owner alone: without it nothing would look after it any more. */
function refuseOrphans(context: Context, definition: KindDefinition, documents: readonly Document[]): void {
  const owners = new Map(documents.map(({ metadata }) => [metadata.uid, metadata.name]));
  for (const { kind, writtenBy } of context.kinds) {
    if (writtenBy !== 'reconcilers') continue;
    for (const child of context.store.list(kind).items) {
      const owner = child.metadata.ownerReferences?.find(({ uid }) => owners.has(uid));
      if (!owner) continue;
      const message = `Orphan is not possible: ${kind.toLowerCase()}/${child.metadata.name} is written for ${definition.singular}/${owner.name} by Holdfast itself and cannot stand alone; delete with Background, or keep the data by not deleting`;
      throw refuse.invalid(message, [{ field: 'propagationPolicy', message }], {
        kind: definition.kind,
        name: owner.name,
      });
    }
  }
}

async function write(context: Context, request: FastifyRequest, write: Write): Promise<WriteResult> {
  const dryRun = new Query(request.url).dryRun();
  const [result] = await writeAudited(context, request, [write], authorOf(request), { dryRun });
  if (!result) throw new Error('the store answered a write with nothing');
  return result;
}

function shown(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
  document: Document,
): unknown {
  return formOf(context, definition, request).render(document);
}
