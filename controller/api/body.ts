/**
 * Request bodies: text to plain data, and plain data to a manifest, before anything else sees it. What could harm a
 * reader further in (prototype names, bottomless nesting) ends here. Whether a field means something is the store's business.
 */
import type { FastifyInstance } from 'fastify';
import { parseAllDocuments } from 'yaml';
import { API_VERSION, type Manifest } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import type { FieldCause } from '../store/types.ts';
import { decodeReview } from './review-protobuf.ts';
import { refuse } from './status.ts';

const JSON_TYPES = ['application/json'];
const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'];
export const PATCH_TYPE = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;
const PROTOBUF = 'application/vnd.kubernetes.protobuf';
/** Only there is it taken. */
const REVIEWS = /^\/apis\/auth[a-z]+[.]k8s[.]io\//;
const PATCH_TYPES = Object.values(PATCH_TYPE);

/** Nested deeper than this is refused: nothing that we know needs a third of it. */
const DEEPEST = 64;

export function addBodyParsers(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  const add = (types: string[], parse: (text: string) => unknown) =>
    server.addContentTypeParser(types, { parseAs: 'buffer' }, (_request, body, done) => {
      try {
        done(null, parseBody(body as Buffer, parse));
      } catch (error) {
        done(error as Error);
      }
    });
  add([...JSON_TYPES, PATCH_TYPE.json, PATCH_TYPE.merge], parseJson);
  // Apply patches may be JSON too, which is YAML.
  add([...YAML_TYPES, PATCH_TYPE.apply], parseYaml);
  server.addContentTypeParser(PROTOBUF, { parseAs: 'buffer' }, (request, body, done) => {
    try {
      if (!REVIEWS.test(request.url)) throw refuse.mediaType([...JSON_TYPES, ...YAML_TYPES]);
      done(null, parseReview(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
  server.addContentTypeParser('*', (request, _payload, done) => {
    done(refuse.mediaType(request.method === 'PATCH' ? PATCH_TYPES : [...JSON_TYPES, ...YAML_TYPES]));
  });
}

function parseReview(body: Buffer): unknown {
  try {
    return decodeReview(body);
  } catch (error) {
    throw refuse.badRequest(`the body is not a review in protobuf: ${(error as Error).message}`);
  }
}

/** The media type alone, in lower case. */
export function mediaType(header: string | undefined): string {
  return (header ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

function parseBody(body: Buffer, parse: (text: string) => unknown): unknown {
  if (body.length === 0) return undefined;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw refuse.badRequest('the body is not UTF-8 text');
  }
  const value = parse(text);
  refuseUnsafe(value);
  return value;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw refuse.badRequest(`the body is not JSON: ${(error as Error).message}`);
  }
}

function parseYaml(text: string): unknown {
  try {
    const documents = parseAllDocuments(text);
    const [document, second] = 'empty' in documents ? [] : documents;
    if (second)
      throw new Error('it holds more than one document; send them one by one or to /holdfast/v1/apply');
    if (!document) return undefined;
    if (document.errors[0]) throw document.errors[0];
    // Few aliases: a body of a few lines must not unfold into gigabytes.
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw refuse.badRequest(`the body is not YAML: ${(error as Error).message}`);
  }
}

/** Walks without recursion: the input decides how deep it is. */
function refuseUnsafe(root: unknown): void {
  const open: { value: unknown; depth: number }[] = [{ value: root, depth: 0 }];
  for (let entry = open.pop(); entry; entry = open.pop()) {
    const { value, depth } = entry;
    if (typeof value !== 'object' || value === null) continue;
    if (depth >= DEEPEST) throw refuse.badRequest(`the body is nested deeper than ${DEEPEST} levels`);
    for (const [name, content] of Object.entries(value)) {
      const object = typeof content === 'object' && content !== null;
      if (name === '__proto__' || (object && (name === 'constructor' || name === 'prototype'))) {
        throw refuse.badRequest(`the body has a field named "${name}", which no document can have`);
      }
      if (object) open.push({ value: content, depth: depth + 1 });
    }
  }
}

const INHERITED = new Set(Object.getOwnPropertyNames(Object.prototype));

/** Answers the operations of a JSON Patch. A pointer must not walk through what every object inherits. */
export function asJsonPatch(body: unknown): Record<string, unknown>[] {
  if (!Array.isArray(body)) throw refuse.badRequest('a JSON patch is a list of operations');
  for (const [index, operation] of body.entries()) {
    if (!isObject(operation)) throw refuse.badRequest(`operation ${index} of the patch is no object`);
    for (const field of ['path', 'from']) {
      const pointer = operation[field];
      if (pointer === undefined && field === 'from') continue;
      if (typeof pointer !== 'string') {
        throw refuse.badRequest(`operation ${index} of the patch has no text in "${field}"`);
      }
      const steps = pointer.split('/').slice(1);
      const bad = steps.find(
        (step, at) => step === '__proto__' || (INHERITED.has(step) && at < steps.length - 1),
      );
      if (bad) throw refuse.badRequest(`operation ${index} of the patch goes through "${bad}"`);
    }
  }
  return body;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** One document on a kind's own path. The name of the path holds where the body has none. */
export function asManifest(body: unknown, definition: KindDefinition, name?: string): Manifest {
  if (!isObject(body)) throw refuse.badRequest(`the body must be one ${definition.kind} document`);
  if (body['apiVersion'] !== API_VERSION || body['kind'] !== definition.kind) {
    throw refuse.badRequest(
      `the body is ${words(body['apiVersion'])} ${words(body['kind'])}, but this path takes ${API_VERSION} ${definition.kind}`,
    );
  }
  const metadata = body['metadata'] ?? {};
  if (!isObject(metadata)) throw refuse.badRequest('metadata must be an object');
  const named = metadata['name'] ?? name;
  if (typeof named !== 'string' || named === '') {
    throw refuse.invalid(
      'metadata.name is missing',
      [{ field: 'metadata.name', message: 'a name is required' }],
      {
        kind: definition.kind,
        name: '',
      },
    );
  }
  if (name !== undefined && named !== name) {
    throw refuse.badRequest(`the name of the object (${named}) does not match the name on the URL (${name})`);
  }
  return withoutNoise({ ...body, metadata: { ...metadata, name: named } } as Manifest);
}

/** Documents for /holdfast/v1: all problems at once, each with its place. */
export function asManifests(value: unknown, field: string): Manifest[] {
  if (!Array.isArray(value)) {
    throw refuse.invalid(`${field} must be a list`, [{ field, message: 'a list of documents is expected' }]);
  }
  const causes: FieldCause[] = [];
  const seen = new Map<string, number>();
  for (const [index, item] of value.entries()) {
    const at = `${field}[${index}]`;
    const metadata = isObject(item) ? item['metadata'] : undefined;
    const name = isObject(metadata) ? metadata['name'] : undefined;
    if (!isObject(item)) causes.push({ field: at, message: 'a document is expected' });
    else if (item['apiVersion'] !== API_VERSION) {
      causes.push({ field: `${at}.apiVersion`, message: `${API_VERSION} is expected` });
    } else if (typeof item['kind'] !== 'string' || item['kind'] === '') {
      causes.push({ field: `${at}.kind`, message: 'a kind is required' });
    } else if (typeof name !== 'string' || name === '') {
      causes.push({ field: `${at}.metadata.name`, message: 'a name is required' });
    } else {
      const key = `${item['kind']}/${name}`;
      const first = seen.get(key);
      if (first !== undefined) causes.push({ field: at, message: `${key} is already ${field}[${first}]` });
      seen.set(key, index);
    }
  }
  if (causes.length > 0) {
    const text = causes.map((cause) => `${cause.field}: ${cause.message}`).join('; ');
    throw refuse.invalid(text, causes);
  }
  return value.map((item) => withoutNoise(item as Manifest));
}

/** Takes off what Kubernetes clients put on every object and what has no meaning here. */
function withoutNoise(manifest: Manifest): Manifest {
  const metadata: Record<string, unknown> = { ...manifest.metadata };
  if (metadata['creationTimestamp'] === null) delete metadata['creationTimestamp'];
  if (metadata['namespace'] === '') delete metadata['namespace'];
  delete metadata['managedFields'];
  delete metadata['selfLink'];
  return { ...manifest, metadata: metadata as Manifest['metadata'] };
}

function words(value: unknown): string {
  return typeof value === 'string' && value !== '' ? `"${value}"` : 'without';
}
