/**
 * As much of Kubernetes' core group as helps to look at an App with kubectl: one namespace, Pods (the containers that run) with
 * log, exec and port-forward, and Events. All of it is a view; nothing here is stored, and nothing can be written.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Document } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { timestamp } from '../clock.ts';
import { CONTAINER_KIND, logRequest, serveLog } from './containers.ts';
import { type Context, path } from './context.ts';
import { CORE_EVENT, EVENT_KIND, eventSelector } from './core-events.ts';
import type { LogLine } from './dependencies.ts';
import { formOf, type Shown } from './forms.ts';
import { type Identity, identityOf, requireKind } from './identity.ts';
import { containerNameOf, hasEnded, NAMESPACE, POD_COLUMNS } from './pod.ts';
import { type Entry, Pods } from './pods.ts';
import { servePortForward } from './port-forward.ts';
import { Query, selectors } from './query.ts';
import { serveExec } from './remote-command.ts';
import { ApiError, refuse } from './status.ts';
import type { Upgrade, UpgradeRoute } from './upgrades.ts';
import { type Feed, feedOf, serveWatch } from './watch.ts';

const ROOT = '/api/v1';
const POD: Shown = { kind: 'Pod', apiVersion: 'v1', columns: POD_COLUMNS };
const NAMESPACE_SHOWN: Shown = {
  kind: 'Namespace',
  apiVersion: 'v1',
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    { name: 'STATUS', value: 'status.phase' },
    { name: 'AGE', value: 'metadata.creationTimestamp', type: 'age' },
  ],
};

/** Lines of an earlier run that are kept to show the last of them. */
const MOST_TAIL = 10_000;

const READ = ['get', 'list', 'watch'];
const resource = (name: string, kind: string, more: object = {}) => ({
  name,
  singularName: name.includes('/') ? '' : kind.toLowerCase(),
  namespaced: true,
  kind,
  verbs: READ,
  ...more,
});

export const CORE_RESOURCES = {
  kind: 'APIResourceList',
  groupVersion: 'v1',
  resources: [
    resource('events', 'Event', { shortNames: ['ev'] }),
    resource('namespaces', 'Namespace', { namespaced: false, shortNames: ['ns'], verbs: ['get', 'list'] }),
    resource('pods', 'Pod', { shortNames: ['po'], categories: ['all'] }),
    resource('pods/exec', 'PodExecOptions', { verbs: ['create', 'get'] }),
    resource('pods/log', 'Pod', { verbs: ['get'] }),
    resource('services', 'Service', { shortNames: ['svc'], verbs: ['list'] }),
    resource('pods/portforward', 'PodPortForwardOptions', { verbs: ['create', 'get'] }),
  ],
};

/** Answers the routes for upgraded connections. */
export function addCoreRoutes(
  server: FastifyInstance,
  context: Context,
  { apps, events }: { apps: KindDefinition; events: KindDefinition | undefined },
): UpgradeRoute[] {
  const pods = podsOf(context);
  addNamespaces(server, context);
  addServices(server, context);
  addPods(server, context, pods, apps);
  if (events) addEvents(server, context, events);
  const pod = `${ROOT}/namespaces/:namespace/pods/:name`;
  return [
    { path: `${pod}/exec`, kind: apps, open: (upgrade) => exec(context, pods, upgrade) },
    { path: `${pod}/portforward`, kind: apps, open: (upgrade) => portForward(context, pods, upgrade) },
  ];
}

/** One for all listeners, so that a version means the same at each. */
const known = new WeakMap<object, Pods>();

function podsOf(context: Context): Pods {
  const pods = known.get(context.pods) ?? new Pods(context);
  known.set(context.pods, pods);
  return pods;
}

/** The one namespace. As old as the first document that there is only one of, which Holdfast makes when it is installed. */
function namespaceOf({ kinds, store, clock }: Context): Document {
  const singleton = kinds.find((definition) => definition.singleton !== undefined);
  const first = singleton && store.get(singleton.kind, singleton.singleton ?? '');
  const since = first?.metadata.creationTimestamp ?? timestamp(clock);
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: {
      name: NAMESPACE,
      uid: '00000000-0000-0000-0000-000000000001',
      generation: 1,
      resourceVersion: '1',
      creationTimestamp: since,
      labels: { 'kubernetes.io/metadata.name': NAMESPACE },
    },
    spec: {},
    status: { phase: 'Active' },
  } as unknown as Document;
}

function addNamespaces(server: FastifyInstance, context: Context): void {
  const list = (request: FastifyRequest) =>
    formOf(context, NAMESPACE_SHOWN, request).list({ resourceVersion: '1' }, [namespaceOf(context)]);
  const get = (request: FastifyRequest) => {
    const { namespace } = request.params as { namespace: string };
    if (namespace !== NAMESPACE) throw notFound('namespaces', namespace);
    return formOf(context, NAMESPACE_SHOWN, request).render(namespaceOf(context));
  };
  path(server, `${ROOT}/namespaces`, { GET: list }, { access: 'any' });
  path(server, `${ROOT}/namespaces/:namespace`, { GET: get }, { access: 'any' });
}

/** There are none: names and ports are those of Sites. `kubectl cluster-info` asks for them all the same. */
function addServices(server: FastifyInstance, context: Context): void {
  const shown: Shown = {
    kind: 'Service',
    apiVersion: 'v1',
    columns: [{ name: 'NAME', value: 'metadata.name' }],
  };
  const list = (request: FastifyRequest) =>
    formOf(context, shown, request).list({ resourceVersion: '1' }, []);
  for (const url of [`${ROOT}/services`, `${ROOT}/namespaces/:namespace/services`])
    path(server, url, { GET: list }, { access: 'any' });
}

const INSTEAD =
  'Pods show what runs and are not written; change the App, or start its container anew with holdfast restart app/NAME';

function addPods(server: FastifyInstance, context: Context, pods: Pods, apps: KindDefinition): void {
  const options = { kind: apps, instead: INSTEAD };
  const list = (request: FastifyRequest, reply: FastifyReply) => listPods(context, pods, request, reply);
  path(server, `${ROOT}/pods`, { GET: list }, options);
  path(server, `${ROOT}/namespaces/:namespace/pods`, { GET: list }, options);
  const one = `${ROOT}/namespaces/:namespace/pods/:name`;
  const get = async (request: FastifyRequest) => {
    const { pod } = await find(pods, parametersOf(request), identityOf(request));
    return formOf(context, POD, request).render(pod as unknown as Document);
  };
  path(server, one, { GET: get }, options);
  path(server, `${one}/log`, { GET: (request, reply) => log(context, pods, request, reply) }, options);
  const needsUpgrade = () => {
    throw refuse.badRequest('this needs "Connection: Upgrade" and "Upgrade: websocket" or "SPDY/3.1"');
  };
  for (const name of ['exec', 'portforward']) {
    path(
      server,
      `${one}/${name}`,
      { GET: needsUpgrade, POST: needsUpgrade },
      { ...options, access: 'write' },
    );
  }
}

async function listPods(
  context: Context,
  pods: Pods,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  await pods.refresh();
  const feed = seenBy(identityOf(request), inNamespace(pods, parametersOf(request)));
  const query = new Query(request.url);
  if (query.flag('watch')) {
    serveWatch(context, { feed, shown: POD }, request, reply);
    return reply;
  }
  const { items, resourceVersion } = feed.list(selectors(query));
  return formOf(context, POD, request).list({ resourceVersion }, items);
}

/** A token for some kinds sees the containers of those only. */
function seenBy({ kinds }: Identity, feed: Feed): Feed {
  if (!kinds) return feed;
  const isSeen = ({ metadata }: Document) => kinds.has(metadata.ownerReferences?.[0]?.kind ?? '');
  return narrowed(feed, isSeen);
}

function inNamespace(feed: Feed, { namespace = NAMESPACE }: Parameters): Feed {
  return namespace === NAMESPACE ? feed : narrowed(feed, () => false);
}

function narrowed(feed: Feed, isSeen: (document: Document) => boolean): Feed {
  return {
    get version() {
      return feed.version;
    },
    list(options) {
      const list = feed.list(options);
      return { ...list, items: list.items.filter(isSeen) };
    },
    watch: ({ onChange, ...options }) =>
      feed.watch({ ...options, onChange: (change) => isSeen(change.document) && onChange(change) }),
  };
}

interface Parameters {
  namespace?: string;
  name?: string;
}

function parametersOf(request: FastifyRequest): Parameters {
  return request.params as Parameters;
}

/** 404 where there is none, also where it is of a kind that the token is not for. */
async function find(pods: Pods, { namespace, name = '' }: Parameters, identity: Identity): Promise<Entry> {
  await pods.refresh();
  const entry = namespace === NAMESPACE ? pods.find(name) : undefined;
  if (!entry) throw notFound('pods', name);
  requireKind(identity, entry.container.owner.kind);
  return entry;
}

function notFound(plural: string, name: string): ApiError {
  return new ApiError(404, 'NotFound', `${plural} "${name}" not found`);
}

async function log(
  context: Context,
  pods: Pods,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const entry = await find(pods, parametersOf(request), identityOf(request));
  const query = new Query(request.url);
  checkContainer(entry, query);
  const asked = logRequest(query, context);
  const limitBytes = query.count('limitBytes');
  const streams = query.text('stream') ?? 'All';
  if (!['All', 'Stdout', 'Stderr'].includes(streams))
    throw refuse.badRequest(`stream is "${streams}"; it can be All, Stdout or Stderr`);
  const { container } = entry;
  const previous = query.flag('previous') ? previousRun(entry) : undefined;
  const open = (signal: AbortSignal) => {
    if (previous === undefined)
      return ofStream(context.pods.logs(container.id, { ...asked, signal }), streams);
    const { tail, follow: _ended, ...options } = asked;
    const lines = context.pods.logs(container.id, { ...options, until: previous, signal });
    return lastOf(ofPrevious(ofStream(lines, streams), entry), tail);
  };
  const about = `pod/${entry.pod.metadata.name}`;
  return serveLog(context, reply, { about, open, ...(limitBytes !== undefined && { limitBytes }) });
}

/** Docker notes the start a little after the first line may have been written; milliseconds. */
const START_NOTED = 200;

/**
 * Until when the run before the present one wrote: Docker keeps one log over all runs of a container. Between its end and the next
 * start where the end is known, which it is not after `docker restart`.
 */
function previousRun({ container }: Entry): string {
  const started = Date.parse(container.startedAt ?? '');
  const finished = Date.parse(container.finishedAt ?? '');
  if (Number.isNaN(started)) return new Date(0).toISOString();
  const isKnown = hasEnded(container) && finished <= started;
  return new Date(isKnown ? (finished + started) / 2 : started - START_NOTED).toISOString();
}

/** Rejects before the first line where there is none: a run that wrote nothing looks like no run. */
async function* ofPrevious(
  lines: AsyncIterable<LogLine>,
  { container, pod }: Entry,
): AsyncGenerator<LogLine> {
  let isEmpty = true;
  for await (const line of lines) {
    isEmpty = false;
    yield line;
  }
  if (!isEmpty) return;
  throw refuse.badRequest(
    `previous terminated container "${containerNameOf(container)}" in pod "${pod.metadata.name}" not found`,
  );
}

async function* ofStream(lines: AsyncIterable<LogLine>, streams: string): AsyncGenerator<LogLine> {
  for await (const line of lines) {
    if (streams === 'All' || line.stream === streams.toLowerCase()) yield line;
  }
}

/** Docker counts the last lines of the whole log, before it looks at the time. */
async function* lastOf(lines: AsyncIterable<LogLine>, tail: number | undefined): AsyncGenerator<LogLine> {
  if (tail === undefined) return yield* lines;
  const most = Math.min(tail, MOST_TAIL);
  let last: LogLine[] = [];
  for await (const line of lines) {
    last.push(line);
    if (last.length > 2 * most) last = last.slice(-most);
  }
  if (most > 0) yield* last.slice(-most);
}

function checkContainer({ container, pod }: Entry, query: Query): void {
  const asked = query.text('container');
  const name = containerNameOf(container);
  if (asked === undefined || asked === name) return;
  throw refuse.badRequest(
    `container ${asked} is not valid for pod ${pod.metadata.name}; it has one, which is called ${name}`,
  );
}

async function exec(context: Context, pods: Pods, upgrade: Upgrade): Promise<void> {
  const entry = await running(pods, upgrade);
  checkContainer(entry, upgrade.query);
  return serveExec(context, upgrade, (options) => context.pods.exec(entry.container.id, options));
}

async function portForward(context: Context, pods: Pods, upgrade: Upgrade): Promise<void> {
  const { container } = await running(pods, upgrade);
  return servePortForward(context, upgrade, (port) => context.pods.connect(container, port));
}

async function running(pods: Pods, { parameters, identity }: Upgrade): Promise<Entry> {
  const entry = await find(pods, parameters, identity);
  const { container, pod } = entry;
  if (container.state === 'running') return entry;
  const { kind, name } = container.owner;
  throw new ApiError(
    409,
    'Conflict',
    `pod ${pod.metadata.name} does not run (it is ${container.state}); see holdfast describe ${kind.toLowerCase()}/${name}`,
  );
}

function addEvents(server: FastifyInstance, context: Context, definition: KindDefinition): void {
  const options = { kind: definition };
  const list = (request: FastifyRequest, reply: FastifyReply) => {
    const query = new Query(request.url);
    const asked = selectors(query);
    const own = eventSelector(asked.fieldSelector ?? '');
    const isElsewhere = (parametersOf(request).namespace ?? NAMESPACE) !== NAMESPACE;
    const all = feedOf(context, EVENT_KIND);
    const feed = own === undefined || isElsewhere ? narrowed(all, () => false) : all;
    const selection = { ...asked, fieldSelector: own ?? '' };
    if (query.flag('watch')) {
      serveWatch(context, { feed, shown: CORE_EVENT, selection }, request, reply);
      return reply;
    }
    const limit = query.count('limit');
    const from = query.text('continue');
    const { items, ...metadata } = feed.list({
      ...selection,
      ...(limit && { limit }),
      ...(from !== undefined && { continue: from }),
    });
    return formOf(context, CORE_EVENT, request).list(metadata, items);
  };
  const get = (request: FastifyRequest) => {
    const { name = '', namespace } = parametersOf(request);
    const event = namespace === NAMESPACE ? context.store.get(EVENT_KIND, name) : undefined;
    if (!event) throw notFound('events', name);
    return formOf(context, CORE_EVENT, request).render(event);
  };
  path(server, `${ROOT}/events`, { GET: list }, options);
  path(server, `${ROOT}/namespaces/:namespace/events`, { GET: list }, options);
  path(server, `${ROOT}/namespaces/:namespace/events/:name`, { GET: get }, options);
}

export function coreKinds(kinds: readonly KindDefinition[]): {
  apps: KindDefinition | undefined;
  events: KindDefinition | undefined;
} {
  return {
    apps: kinds.find(({ kind }) => kind === CONTAINER_KIND),
    events: kinds.find(({ kind }) => kind === EVENT_KIND),
  };
}
