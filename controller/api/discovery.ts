/**
 * What there is: the group, its version and its resources, in the objects that Kubernetes clients ask for first. Made from
 * the registry of kinds and never written by hand for one.
 */
import type { FastifyInstance } from 'fastify';
import { API_GROUP, API_VERSION } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { REVIEW_GROUPS } from './access-reviews.ts';
import { CONTAINER_KIND } from './containers.ts';
import { type Context, path } from './context.ts';
import { EVENT_KIND } from './core-events.ts';
import { CORE_RESOURCES } from './core-v1.ts';
import { TOKEN_KIND } from './identity.ts';

const VERSION = { groupVersion: API_VERSION, version: API_VERSION.slice(API_GROUP.length + 1) };
const GROUP = { name: API_GROUP, versions: [VERSION], preferredVersion: VERSION };

export function addDiscoveryRoutes(server: FastifyInstance, context: Context): void {
  const resources = resourceList(context.kinds);
  const answers: Record<string, object> = {
    // Of the core group only what shows what runs.
    '/api': { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] },
    '/api/v1': CORE_RESOURCES,
    '/apis': { kind: 'APIGroupList', apiVersion: 'v1', groups: [GROUP, ...REVIEW_GROUPS] },
    [`/apis/${API_GROUP}`]: { kind: 'APIGroup', apiVersion: 'v1', ...GROUP },
    [`/apis/${API_VERSION}`]: resources,
    '/version': versionInfo(context.version),
  };
  for (const [url, answer] of Object.entries(answers))
    path(server, url, { GET: () => answer }, { access: 'any' });
}

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch'];

/** `kubectl get all` leaves out values, rights, and what only tells. */
function isInAll({ kind, secret }: KindDefinition): boolean {
  return !secret && kind !== TOKEN_KIND && kind !== EVENT_KIND;
}

function resourceList(kinds: readonly KindDefinition[]): object {
  const resources = kinds.map((definition) => ({
    name: definition.plural,
    singularName: definition.singular,
    namespaced: false,
    kind: definition.kind,
    verbs: definition.writtenBy === 'people' ? WRITE : READ,
    ...(definition.shortNames.length > 0 && { shortNames: definition.shortNames }),
    ...(isInAll(definition) && { categories: ['all'] }),
  }));
  const statuses = kinds.map((definition) => ({
    name: `${definition.plural}/status`,
    singularName: '',
    namespaced: false,
    kind: definition.kind,
    verbs: ['get'],
  }));
  const containers = kinds.find((definition) => definition.kind === CONTAINER_KIND);
  const subresources = ['log', 'exec'].map((name) => ({
    name: `${containers?.plural}/${name}`,
    singularName: '',
    namespaced: false,
    kind: CONTAINER_KIND,
    verbs: ['get'],
  }));
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: API_VERSION,
    resources: containers ? [...resources, ...statuses, ...subresources] : [...resources, ...statuses],
  };
}

function versionInfo(version: string): object {
  const [major = '0', minor = '0'] = version.split('.');
  return { major, minor, gitVersion: `v${version}`, platform: `${process.platform}/${process.arch}` };
}
