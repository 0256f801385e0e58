/**
 * `kubectl auth can-i` and `auth whoami`: what the one who asks may do, by the rules of identity.ts and nothing else. Nothing is
 * stored; they are POST only because Kubernetes has them so.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { API_GROUP } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { isObject } from './body.ts';
import { CONTAINER_KIND } from './containers.ts';
import { type Context, path } from './context.ts';
import { EVENT_KIND } from './core-events.ts';
import { type Access, type Identity, identityOf, requireAccess } from './identity.ts';
import { refuse } from './status.ts';

const AUTHORIZATION = 'authorization.k8s.io';
const AUTHENTICATION = 'authentication.k8s.io';

const GROUPS: Record<string, { name: string; kind: string }[]> = {
  [AUTHORIZATION]: [
    { name: 'selfsubjectaccessreviews', kind: 'SelfSubjectAccessReview' },
    { name: 'selfsubjectrulesreviews', kind: 'SelfSubjectRulesReview' },
  ],
  [AUTHENTICATION]: [{ name: 'selfsubjectreviews', kind: 'SelfSubjectReview' }],
};

/** For /apis. */
export const REVIEW_GROUPS = Object.keys(GROUPS).map((name) => {
  const version = { groupVersion: `${name}/v1`, version: 'v1' };
  return { name, versions: [version], preferredVersion: version };
});

export function addReviewRoutes(server: FastifyInstance, context: Context): void {
  const any = { access: 'any' } as const;
  for (const group of REVIEW_GROUPS) {
    const { name, preferredVersion } = group;
    const resources = (GROUPS[name] ?? []).map((entry) => ({
      ...entry,
      singularName: '',
      namespaced: false,
      verbs: ['create'],
    }));
    const { groupVersion } = preferredVersion;
    const list = { kind: 'APIResourceList', apiVersion: 'v1', groupVersion, resources };
    path(server, `/apis/${name}`, { GET: () => ({ kind: 'APIGroup', apiVersion: 'v1', ...group }) }, any);
    path(server, `/apis/${groupVersion}`, { GET: () => list }, any);
  }
  const answers: Record<string, (request: FastifyRequest) => object> = {
    [`${AUTHORIZATION}/v1/selfsubjectaccessreviews`]: (request) => accessReview(context, request),
    [`${AUTHORIZATION}/v1/selfsubjectrulesreviews`]: (request) => rulesReview(context, request),
    [`${AUTHENTICATION}/v1/selfsubjectreviews`]: whoAmI,
  };
  for (const [name, answer] of Object.entries(answers)) {
    const create = (request: FastifyRequest, reply: { code(code: number): unknown }) => {
      reply.code(201);
      return answer(request);
    };
    path(server, `/apis/${name}`, { POST: create }, any);
  }
}

function specOf(request: FastifyRequest): Record<string, unknown> {
  const spec = isObject(request.body) ? (request.body['spec'] ?? {}) : undefined;
  if (!isObject(spec)) throw refuse.badRequest('the body must be a review with a spec');
  return spec;
}

function whoAmI(request: FastifyRequest): object {
  const { user, token } = identityOf(request);
  return {
    kind: 'SelfSubjectReview',
    apiVersion: `${AUTHENTICATION}/v1`,
    metadata: { creationTimestamp: null },
    status: {
      userInfo: { username: user, groups: groupsOf(identityOf(request)), ...(token && { uid: token }) },
    },
  };
}

function groupsOf({ scope, token }: Identity): string[] {
  return [`holdfast:${scope}`, ...(token === undefined ? ['system:masters'] : [])];
}

function accessReview({ kinds }: Context, request: FastifyRequest): object {
  const spec = specOf(request);
  const reason = refusal(identityOf(request), kinds, spec);
  return {
    kind: 'SelfSubjectAccessReview',
    apiVersion: `${AUTHORIZATION}/v1`,
    metadata: { creationTimestamp: null },
    spec,
    status: { allowed: reason === undefined, ...(reason !== undefined && { reason }) },
  };
}

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'update', 'patch', 'delete', 'deletecollection'];

/** Why not; undefined: it may. */
function refusal(
  identity: Identity,
  kinds: readonly KindDefinition[],
  spec: Record<string, unknown>,
): string | undefined {
  const { resourceAttributes: asked, nonResourceAttributes: url } = spec;
  if (isObject(url)) return url['verb'] === 'get' ? undefined : 'only get is possible there';
  if (!isObject(asked)) throw refuse.badRequest('spec needs resourceAttributes or nonResourceAttributes');
  const { verb = '', group = '', resource = '', subresource = '' } = asked;
  const words = { verb: String(verb), subresource: String(subresource) };
  if (resource === '*' || verb === '*') return isAll(identity) ? undefined : 'it takes the scope admin';
  if (group === '') return refusalOfView(identity, kinds, { ...words, resource: String(resource) });
  const definition = kinds.find(({ plural }) => group === API_GROUP && plural === resource);
  if (!definition) return `there is no ${String(resource)} in the group "${String(group)}" here`;
  if (WRITE.includes(words.verb) && (definition.writtenBy === 'reconcilers' || subresource !== ''))
    return `${definition.plural} are written by Holdfast's own reconcilers`;
  return missing(identity, accessOf(words), definition);
}

function isAll({ scope }: Identity): boolean {
  return scope === 'admin';
}

function accessOf({ verb, subresource }: { verb: string; subresource: string }): Access | undefined {
  if (subresource === 'exec' || subresource === 'portforward') return 'write';
  if (READ.includes(verb)) return 'read';
  return WRITE.includes(verb) ? 'write' : undefined;
}

/** Pods, Events and namespaces are looked at and not written. */
function refusalOfView(
  identity: Identity,
  kinds: readonly KindDefinition[],
  asked: { verb: string; resource: string; subresource: string },
): string | undefined {
  const { verb, resource, subresource } = asked;
  const kind = { pods: CONTAINER_KIND, events: EVENT_KIND, namespaces: undefined }[resource];
  if (!['pods', 'events', 'namespaces'].includes(resource)) return `there are no ${resource} here`;
  const isSession = subresource === 'exec' || subresource === 'portforward';
  if (WRITE.includes(verb) && !isSession) return `${resource} are shown, not written`;
  if (resource === 'namespaces') return undefined;
  return missing(
    identity,
    accessOf(asked),
    kinds.find((entry) => entry.kind === kind),
  );
}

function missing(
  identity: Identity,
  access: Access | undefined,
  definition: KindDefinition | undefined,
): string | undefined {
  if (access === undefined) return 'there is no such verb here';
  try {
    requireAccess(identity, access, definition);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function rulesReview({ kinds }: Context, request: FastifyRequest): object {
  const identity = identityOf(request);
  const rules = kinds
    .filter((definition) => missing(identity, 'read', definition) === undefined)
    .map((definition) => {
      const mayWrite =
        definition.writtenBy === 'people' && missing(identity, 'write', definition) === undefined;
      return {
        verbs: mayWrite ? [...READ, ...WRITE] : READ,
        apiGroups: [API_GROUP],
        resources: [definition.plural],
      };
    });
  const sees = (kind: string) =>
    missing(
      identity,
      'read',
      kinds.find((entry) => entry.kind === kind),
    ) === undefined;
  const views = [
    ...(sees(CONTAINER_KIND) ? ['pods', 'pods/log'] : []),
    ...(sees(EVENT_KIND) ? ['events'] : []),
  ];
  return {
    kind: 'SelfSubjectRulesReview',
    apiVersion: `${AUTHORIZATION}/v1`,
    metadata: { creationTimestamp: null },
    spec: specOf(request),
    status: {
      resourceRules: [
        ...rules,
        ...(views.length > 0 ? [{ verbs: READ, apiGroups: [''], resources: views }] : []),
      ],
      nonResourceRules: [
        {
          verbs: ['get'],
          nonResourceURLs: ['/api', '/apis', '/version', '/healthz', '/livez', '/readyz', '/openapi/*'],
        },
      ],
      incomplete: false,
    },
  };
}
