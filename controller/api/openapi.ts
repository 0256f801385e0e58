/**
 * What there is and what each field means, in OpenAPI v2 and v3, made from the registry and schemas/ and never written by hand
 * for one kind: `kubectl explain`, its checks before a write, and editors read it. Made once, when first asked for.
 */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { API_GROUP, API_VERSION } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { loadSchema } from '../../resources/schemas.ts';
import { type Context, path } from './context.ts';
import { type Definition, kindDefinition, metaDefinitions } from './openapi-definitions.ts';
import { encodeOpenApi } from './openapi-protobuf.ts';

const VERSION = API_VERSION.slice(API_GROUP.length + 1);

/** What clients of before 1.26 and after it ask for; both mean the same bytes. */
const PROTOBUF = [
  'application/com.github.proto-openapi.spec.v2@v1.0+protobuf',
  'application/com.github.proto-openapi.spec.v2.v1.0+protobuf',
];

export function addOpenApiRoutes(server: FastifyInstance, context: Context): void {
  const { kinds, version } = context;
  const v2 = once(() => openApiV2(kinds, version));
  const json = once(() => JSON.stringify(v2()));
  const protobuf = once(() => encodeOpenApi(v2()));
  const v3 = once(() => JSON.stringify(openApiV3(kinds, version)));
  const group = `/openapi/v3/apis/${API_VERSION}`;
  const index = once(() => ({
    paths: { [`apis/${API_VERSION}`]: { serverRelativeURL: `${group}?hash=${hash(v3())}` } },
  }));
  const serveV2 = (request: FastifyRequest, reply: FastifyReply) => {
    const type = PROTOBUF.find((known) => (request.headers.accept ?? '').includes(known));
    return type === undefined
      ? reply.type('application/json').send(json())
      : reply.header('content-type', type).send(protobuf());
  };
  path(server, '/openapi/v2', { GET: serveV2 }, { access: 'any' });
  path(server, '/openapi/v3', { GET: () => index() }, { access: 'any' });
  path(
    server,
    group,
    { GET: (_request, reply) => reply.type('application/json').send(v3()) },
    { access: 'any' },
  );
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32).toUpperCase();
}

interface Parameter {
  name: string;
  in: 'query' | 'path' | 'body';
  description: string;
  type?: 'string' | 'integer' | 'boolean';
  required?: boolean;
  schema?: Definition;
}

export interface Operation {
  operationId: string;
  description: string;
  consumes: string[];
  parameters: Parameter[];
  /** The definition that it answers with. */
  answer: string;
  action: string;
  gvk: { group: string; version: string; kind: string };
}

type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
type Operations = Record<string, Partial<Record<Method, Operation>>>;

const query = (name: string, description: string, type: Parameter['type'] = 'string'): Parameter => ({
  name,
  in: 'query',
  description,
  type: type ?? 'string',
});
const SELECT = [
  query('labelSelector', 'Only what has these labels.'),
  query('fieldSelector', 'Only what has these values in the fields that the kind names.'),
];
const LIST = [
  ...SELECT,
  query('limit', 'So many at a time.', 'integer'),
  query('continue', 'What the page before gave: the next page, as of the same version.'),
  query('watch', 'Changes as they happen, instead of a list.', 'boolean'),
  query('resourceVersion', 'Changes after this version.'),
  query('timeoutSeconds', 'A watch ends after this long.', 'integer'),
  query('allowWatchBookmarks', 'Now and then an event that says which version was reached.', 'boolean'),
];
const DRY_RUN = query('dryRun', 'All: everything is checked and answered, and nothing is stored.');
const WRITE = [
  DRY_RUN,
  query('fieldManager', 'Who writes, for metadata.managedFields.'),
  query(
    'fieldValidation',
    'Accepted for Kubernetes clients. Unknown fields are always refused, as with Strict.',
  ),
];
const FORCE = query('force', 'For apply patches: take over fields that others set.', 'boolean');
const NAME: Parameter = {
  name: 'name',
  in: 'path',
  description: 'Name of the document.',
  type: 'string',
  required: true,
};

const JSON_TYPE = ['application/json', 'application/yaml'];
const PATCH_TYPES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/apply-patch+yaml',
];
const STATUS = 'io.k8s.apimachinery.pkg.apis.meta.v1.Status';

function operationsOf(definition: KindDefinition): Operations {
  const { kind, plural } = definition;
  const model = nameOf(kind);
  const body: Parameter = {
    name: 'body',
    in: 'body',
    description: `A ${kind}.`,
    required: true,
    schema: { $ref: model },
  };
  const patchBody: Parameter = { ...body, description: 'A patch.', schema: { type: 'object' } };
  const operation = (
    action: string,
    id: string,
    parameters: Parameter[],
    more: Partial<Operation> = {},
  ): Operation => ({
    operationId: `${id}HoldfastDev${upper(VERSION)}${kind}`,
    description: `${upper(action)}: ${loadDescription(definition)}`,
    consumes: JSON_TYPE,
    parameters,
    answer: model,
    action,
    gvk: { group: API_GROUP, version: VERSION, kind },
    ...more,
  });
  const isWritten = definition.writtenBy === 'people';
  const collection = `/apis/${API_VERSION}/${plural}`;
  return {
    [collection]: {
      get: operation('list', 'list', LIST, { answer: `${model}List` }),
      ...(isWritten && {
        post: operation('post', 'create', [...WRITE, body]),
        delete: operation('deletecollection', 'deleteCollection', [...SELECT, DRY_RUN], { answer: STATUS }),
      }),
    },
    [`${collection}/{name}`]: {
      get: operation('get', 'read', [NAME]),
      ...(isWritten && {
        put: operation('put', 'replace', [NAME, ...WRITE, body]),
        patch: operation('patch', 'patch', [NAME, ...WRITE, FORCE, patchBody], { consumes: PATCH_TYPES }),
        delete: operation('delete', 'delete', [NAME, DRY_RUN], { answer: STATUS }),
      }),
    },
  };
}

function loadDescription(definition: KindDefinition): string {
  return loadSchema(definition.schema).description ?? definition.kind;
}

function nameOf(kind: string): string {
  return `dev.holdfast.${VERSION}.${kind}`;
}

function upper(word: string): string {
  return word.slice(0, 1).toUpperCase() + word.slice(1);
}

/** Names of definitions are bare so far; each version of OpenAPI puts its own path before them. */
function definitionsOf(kinds: readonly KindDefinition[]): Record<string, Definition> {
  const definitions: Record<string, Definition> = metaDefinitions();
  for (const definition of kinds) {
    const { kind } = definition;
    const gvk = { group: API_GROUP, version: VERSION };
    definitions[nameOf(kind)] = {
      ...kindDefinition(definition),
      'x-kubernetes-group-version-kind': [{ ...gvk, kind }],
    };
    definitions[`${nameOf(kind)}List`] = {
      description: `A list of ${kind} documents.`,
      type: 'object',
      required: ['items'],
      properties: {
        apiVersion: { type: 'string', description: API_VERSION },
        kind: { type: 'string', description: `${kind}List` },
        metadata: { $ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta' },
        items: { type: 'array', description: 'The documents.', items: { $ref: nameOf(kind) } },
      },
      'x-kubernetes-group-version-kind': [{ ...gvk, kind: `${kind}List` }],
    };
  }
  return definitions;
}

function allOperations(kinds: readonly KindDefinition[]): Operations {
  return Object.assign({}, ...kinds.map(operationsOf)) as Operations;
}

/** An OpenAPI v2 document, as far as there are types for it here. */
export interface OpenApiV2 {
  swagger: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Record<string, unknown>>>;
  definitions: Record<string, Definition>;
}

function openApiV2(kinds: readonly KindDefinition[], version: string): OpenApiV2 {
  const render = ({ operationId, description, consumes, parameters, answer, action, gvk }: Operation) => ({
    operationId,
    description,
    consumes,
    produces: ['application/json'],
    parameters,
    responses: { 200: { description: 'OK', schema: { $ref: answer } } },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': gvk,
  });
  return rooted(
    {
      swagger: '2.0',
      info: { title: 'Holdfast', version: `v${version}` },
      paths: mapOperations(allOperations(kinds), render),
      definitions: definitionsOf(kinds),
    },
    '#/definitions/',
  );
}

function openApiV3(kinds: readonly KindDefinition[], version: string): object {
  const content = (types: string[], schema: unknown) =>
    Object.fromEntries(types.map((type) => [type, { schema }]));
  const render = ({ operationId, description, consumes, parameters, answer, action, gvk }: Operation) => {
    const body = parameters.find((parameter) => parameter.in === 'body');
    return {
      operationId,
      description,
      parameters: parameters
        .filter((parameter) => parameter.in !== 'body')
        .map(({ type, ...parameter }) => ({ ...parameter, schema: { type } })),
      ...(body && { requestBody: { required: true, content: content(consumes, body.schema) } }),
      responses: { 200: { description: 'OK', content: content(['application/json'], { $ref: answer }) } },
      'x-kubernetes-action': action,
      'x-kubernetes-group-version-kind': gvk,
    };
  };
  return rooted(
    {
      openapi: '3.0.0',
      info: { title: 'Holdfast', version: `v${version}` },
      paths: mapOperations(allOperations(kinds), render),
      components: { schemas: definitionsOf(kinds) },
    },
    '#/components/schemas/',
  );
}

function mapOperations(
  operations: Operations,
  render: (operation: Operation) => Record<string, unknown>,
): OpenApiV2['paths'] {
  return Object.fromEntries(
    Object.entries(operations).map(([url, methods]) => [
      url,
      Object.fromEntries(Object.entries(methods).map(([method, operation]) => [method, render(operation)])),
    ]),
  );
}

function rooted<T>(value: T, root: string): T {
  if (Array.isArray(value)) return value.map((entry) => rooted(entry, root)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, content]) => [
      key,
      key === '$ref' && typeof content === 'string' ? root + content : rooted(content, root),
    ]),
  ) as T;
}
