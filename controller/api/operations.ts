/**
 * What Kubernetes has no path for: many documents in one transaction, a plan, and the doctor. The command line uses these.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Manifest, Reference } from '../../resources/document.ts';
import type { FieldCause, Write } from '../store/types.ts';
import { writeAudited } from './audit.ts';
import { asManifests, isObject } from './body.ts';
import { authorOf, type Context, path } from './context.ts';
import { formOf } from './forms.ts';
import { identityOf, requireAccess, requireKind } from './identity.ts';
import { isDryRun, Query } from './query.ts';
import { refuse } from './status.ts';

const FOLDER = '/holdfast/v1';

export function addOperationRoutes(server: FastifyInstance, context: Context): void {
  const large = { bodyLimit: context.limits.documents };
  path(server, `${FOLDER}/apply`, { POST: (request) => apply(context, request) }, large);
  path(server, `${FOLDER}/plan`, { POST: (request) => plan(context, request) }, { ...large, reads: true });
  path(
    server,
    `${FOLDER}/doctor`,
    { GET: async () => ({ checks: await context.doctor() }) },
    { access: 'host' },
  );
  path(server, `${FOLDER}/https`, { GET: () => context.https() }, { access: 'any' });
}

/** All of the documents or none. */
async function apply(context: Context, request: FastifyRequest): Promise<unknown> {
  const query = new Query(request.url);
  const { documents, manager, dryRun } = body(request, ['documents', 'manager', 'dryRun']);
  const manifests = asManifests(documents, 'documents');
  requireKinds(request, manifests);
  if (typeof manager !== 'string' || !/^[\x21-\x7e]{1,128}$/.test(manager)) {
    throw refuse.badRequest('"manager" must name who applies, in 1 to 128 characters without spaces');
  }
  const writes = manifests.map((document): Write => ({ verb: 'apply', document, manager }));
  const options = { dryRun: wantsDryRun(dryRun) || query.dryRun() };
  const results =
    writes.length > 0 ? await writeAudited(context, request, writes, authorOf(request), options) : [];
  return {
    results: results.map(({ outcome, document }) => {
      const definition = context.kinds.find((entry) => entry.kind === document.kind);
      const shown = definition ? formOf(context, definition, request).render(document) : document;
      return { kind: document.kind, name: document.metadata.name, outcome, document: shown };
    }),
  };
}

/** Writes nothing, here or further in; so the store does not get to refuse a bad document, and it is done here. */
async function plan(context: Context, request: FastifyRequest): Promise<unknown> {
  const { documents, delete: deletions } = body(request, ['documents', 'delete']);
  const manifests = documents === undefined ? [] : asManifests(documents, 'documents');
  requireKinds(request, manifests);
  refuseInvalid(context, manifests);
  const references = deletions === undefined ? [] : asReferences(context, deletions);
  // A plan follows every child of every kind.
  requireAccess(identityOf(request), 'host');
  return context.plan(manifests, references, authorOf(request));
}

function requireKinds(request: FastifyRequest, manifests: readonly Manifest[]): void {
  const identity = identityOf(request);
  for (const { kind } of manifests) requireKind(identity, kind);
}

function refuseInvalid(context: Context, manifests: readonly Manifest[]): void {
  const causes = manifests.flatMap((manifest, index) =>
    context.validate(manifest).map(({ pointer, message, suggestion }): FieldCause => {
      const field = pointer.split('/').slice(1).join('.');
      const hint = suggestion ? `; did you mean "${suggestion}"?` : '';
      return { field: `documents[${index}].${field}`, message: `${message}${hint}` };
    }),
  );
  if (causes.length === 0) return;
  throw refuse.invalid(causes.map((cause) => `${cause.field}: ${cause.message}`).join('; '), causes);
}

function asReferences(context: Context, value: unknown): Reference[] {
  if (!Array.isArray(value)) throw refuse.badRequest('"delete" must be a list of {kind, name}');
  return value.map((item, index) => {
    const { kind, name } = isObject(item) ? item : {};
    const known = context.kinds.some((entry) => entry.kind === kind);
    if (typeof kind === 'string' && typeof name === 'string' && known) return { kind, name };
    throw refuse.badRequest(`delete[${index}] must be {kind, name} of a kind that is known`);
  });
}

/** A misspelt "dryRun" must not be taken for a real apply. */
function body(request: FastifyRequest, fields: readonly string[]): Record<string, unknown> {
  const value = request.body ?? {};
  if (!isObject(value)) throw refuse.badRequest('the body must be an object');
  const unknown = Object.keys(value).find((field) => !fields.includes(field));
  if (unknown === undefined) return value;
  throw refuse.badRequest(`"${unknown}" is not known here; the fields are ${fields.join(', ')}`);
}

function wantsDryRun(value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value === true;
  return isDryRun(Array.isArray(value) ? value : [value]);
}
