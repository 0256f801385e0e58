/**
 * What Kubernetes has no path for: many documents in one transaction, a plan, and the doctor. The command line uses these.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Manifest, Reference } from '../../resources/document.ts';
import { type FieldCause, StoreError, type Write, type WriteResult } from '../store/types.ts';
import { writeAudited } from './audit.ts';
import { asManifests, isObject } from './body.ts';
import { authorOf, type Context, path } from './context.ts';
import type { KeptPlan } from './dependencies.ts';
import { formOf } from './forms.ts';
import { identityOf, requireAccess, requireKind } from './identity.ts';
import { isDryRun, Query } from './query.ts';
import { ApiError, refuse } from './status.ts';

const FOLDER = '/holdfast/v1';

export function addOperationRoutes(server: FastifyInstance, context: Context): void {
  const large = { bodyLimit: context.limits.documents };
  path(server, `${FOLDER}/apply`, { POST: (request) => apply(context, request) }, large);
  path(server, `${FOLDER}/plan`, { POST: (request) => plan(context, request) }, { ...large, reads: true });
  path(server, `${FOLDER}/apply-plan`, { POST: (request) => applyPlan(context, request) }, large);
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
  const { documents, manager: given, dryRun } = body(request, ['documents', 'manager', 'dryRun']);
  const manifests = asManifests(documents, 'documents');
  requireKinds(request, manifests);
  const manager = managerOf(given);
  const writes = manifests.map((document): Write => ({ verb: 'apply', document, manager }));
  const options = { dryRun: wantsDryRun(dryRun) || query.dryRun() };
  const results =
    writes.length > 0 ? await writeAudited(context, request, writes, authorOf(request), options) : [];
  return { results: results.map((result) => shownResult(context, request, result)) };
}

/** Writes nothing, here or further in; so the store does not get to refuse a bad document, and it is done here. */
async function plan(context: Context, request: FastifyRequest): Promise<unknown> {
  const { documents, delete: deletions, basis } = body(request, ['documents', 'delete', 'basis']);
  const { manifests, references } = planned(context, request, documents, deletions);
  const made = await context.plan(manifests, references, authorOf(request));
  if (basis === true) return made;
  const { basis: _notAsked, ...shown } = made;
  return shown;
}

function planned(
  context: Context,
  request: FastifyRequest,
  documents: unknown,
  deletions: unknown,
): { manifests: Manifest[]; references: Reference[] } {
  const manifests = documents === undefined ? [] : asManifests(documents, 'documents');
  requireKinds(request, manifests);
  refuseInvalid(context, manifests);
  const references = deletions === undefined ? [] : asReferences(context, deletions);
  // A plan follows every child of every kind.
  requireAccess(identityOf(request), 'host');
  return { manifests, references };
}

/** Statuses may be written between the look and the write; more than this is something else. */
const MOST_ATTEMPTS = 5;

/** Stores what a kept plan was made for, when things are as it found them; else nothing, with the reasons. */
async function applyPlan(context: Context, request: FastifyRequest): Promise<unknown> {
  const given = body(request, ['documents', 'delete', 'basis', 'steps', 'manager', 'dryRun']);
  const { manifests, references } = planned(context, request, given['documents'], given['delete']);
  const manager = managerOf(given['manager']);
  const kept = keptPlan(given['basis'], given['steps']);
  const author = authorOf(request);
  const options = { dryRun: wantsDryRun(given['dryRun']) };
  for (let attempt = 1; ; attempt += 1) {
    const versions = versionsOf(context, [...manifests.map(referenceTo), ...references]);
    const reasons = context.engine.moved(kept, await context.plan(manifests, references, author));
    if (reasons.length > 0) throw moved(reasons);
    const writes: Write[] = [
      ...manifests.map((document): Write => {
        const resourceVersion = versions.get(`${document.kind}/${document.metadata.name}`);
        const metadata = {
          ...document.metadata,
          ...(resourceVersion === undefined ? {} : { resourceVersion }),
        };
        return { verb: 'apply', document: { ...document, metadata }, manager };
      }),
      ...references.map((reference): Write => {
        const resourceVersion = versions.get(`${reference.kind}/${reference.name}`);
        return { verb: 'delete', reference, ...(resourceVersion === undefined ? {} : { resourceVersion }) };
      }),
    ];
    try {
      const results = writes.length > 0 ? await writeAudited(context, request, writes, author, options) : [];
      return { results: results.map((result) => shownResult(context, request, result)) };
    } catch (error) {
      const again = error instanceof StoreError && error.reason === 'Conflict' && attempt < MOST_ATTEMPTS;
      if (!again) throw error;
    }
  }
}

function referenceTo({ kind, metadata }: Manifest): Reference {
  return { kind, name: metadata.name };
}

function versionsOf({ store }: Context, references: readonly Reference[]): Map<string, string | undefined> {
  return new Map(
    references.map(({ kind, name }) => [`${kind}/${name}`, store.get(kind, name)?.metadata.resourceVersion]),
  );
}

function keptPlan(basis: unknown, steps: unknown): KeptPlan {
  const isListOf = (value: unknown, fits: (entry: Record<string, unknown>) => boolean) =>
    Array.isArray(value) && value.every((entry) => isObject(entry) && fits(entry));
  const isBasis = isListOf(basis, ({ kind, name }) => typeof kind === 'string' && typeof name === 'string');
  const isSteps = isListOf(
    steps,
    ({ document, step }) => isObject(document) && isObject(step) && Array.isArray(step['because']),
  );
  if (isBasis && isSteps) return { basis, steps } as KeptPlan;
  throw refuse.badRequest('"basis" and "steps" must be those of a plan that was made with "basis": true');
}

function moved(reasons: readonly string[]): ApiError {
  const causes = reasons.map((message) => ({ field: 'plan', message }));
  const [first = '', ...more] = reasons;
  const others = more.length === 0 ? '' : ` (and ${more.length} more)`;
  return new ApiError(
    409,
    'Conflict',
    `things have moved since the plan was made, and nothing was applied: ${first}${others}. Plan again`,
    { causes },
  );
}

function managerOf(manager: unknown): string {
  if (typeof manager === 'string' && /^[\x21-\x7e]{1,128}$/.test(manager)) return manager;
  throw refuse.badRequest('"manager" must name who applies, in 1 to 128 characters without spaces');
}

function shownResult(context: Context, request: FastifyRequest, { outcome, document }: WriteResult): unknown {
  const definition = context.kinds.find((entry) => entry.kind === document.kind);
  const shown = definition ? formOf(context, definition, request).render(document) : document;
  return { kind: document.kind, name: document.metadata.name, outcome, document: shown };
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
export function body(request: FastifyRequest, fields: readonly string[]): Record<string, unknown> {
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
