/** Builders for tests of the App reconciler: one healthy App, and what differs from it. */
import type { AppHave } from '../../reconcilers/app/observe.ts';
import type { AppDocument, AppWant } from '../../reconcilers/app/want.ts';
import {
  canonicalSettings,
  containerName,
  containerSpec,
  settingsHash,
} from '../../reconcilers/container/description.ts';
import type { SeenContainer } from '../../reconcilers/container/seen.ts';
import { API_VERSION, type Document } from '../../resources/document.ts';
import { effectiveApp } from '../../resources/effective.ts';
import type { AppSpec } from '../../resources/generated.ts';

export const UID = '00000000-0000-4000-8000-000000000001';
export const NETWORK = { name: 'holdfast', subnet: '10.213.0.0/16', gateway: '10.213.0.1' };
const TIME = '2026-01-01T00:00:00.000Z';

export function makeDocument(
  kind: string,
  name: string,
  spec: Record<string, unknown>,
  metadata: Partial<Document['metadata']> = {},
): Document {
  return {
    apiVersion: API_VERSION,
    kind,
    metadata: { name, uid: UID, generation: 1, resourceVersion: '1', creationTimestamp: TIME, ...metadata },
    spec,
  };
}

export interface WantChange {
  spec?: Partial<AppSpec>;
  generation?: number;
  status?: Record<string, unknown>;
  annotations?: Record<string, string>;
  want?: Partial<AppWant>;
}

/** An App of generation 1, converged, with a site: what the tests start from. */
export function makeWant(change: WantChange = {}): AppWant {
  const spec = { image: 'hello:1', port: 8080, ...change.spec } as AppSpec;
  const generation = change.generation ?? 1;
  const metadata = { generation, ...(change.annotations ? { annotations: change.annotations } : {}) };
  const document = {
    ...makeDocument('App', 'hello', spec as Record<string, unknown>, metadata),
    status: { observedGeneration: 1, ...change.status },
  } as AppDocument;
  const app = effectiveApp(spec, 'hello');
  const host = `${app.location}.localhost`;
  return {
    document,
    app,
    host,
    hosts: [host],
    url: `https://${host}`,
    network: NETWORK,
    dns: [],
    env: { CLOUDRON: '1' },
    addons: { bindings: [], unwanted: [], env: {}, hosts: {} },
    tasks: { tasks: [], unwanted: [], owned: [] },
    asked: 'asked',
    names: { records: [], children: [], left: [], elsewhere: [], addresses: [], notes: [] },
    site: makeDocument('Site', 'hello', siteSpec(host, app)),
    cause: () => `generation ${generation} by root through cli`,
    deleting: false,
    deleteData: false,
    ...change.want,
  };
}

function siteSpec(host: string, app: ReturnType<typeof effectiveApp>): Record<string, unknown> {
  return {
    hosts: [host],
    domain: app.domain,
    upstream: { address: '10.213.0.2', port: app.httpPort },
    state: app.state,
  };
}

/** What is there when exactly this is wanted and all is well. */
export function makeHave(want: AppWant, change: Partial<AppHave> = {}): AppHave {
  const { app, document } = want;
  const inputs: NonNullable<AppHave['inputs']> = {
    owner: { kind: 'App', name: 'hello', uid: UID, generation: document.metadata.generation },
    imageId: 'sha256:one',
    ...(app.command ? { command: app.command } : {}),
    env: want.env,
    network: NETWORK.name,
    address: '10.213.0.2',
    dns: [],
    data: [],
    ports: app.tcpPorts,
    readOnlyRoot: app.readOnlyRoot,
    ...(app.memoryWithSwap === undefined ? {} : { memoryWithSwap: app.memoryWithSwap }),
    pidsLimit: app.pidsLimit,
  };
  const have: AppHave = {
    address: '10.213.0.2',
    nextAddress: '10.213.0.2',
    image: { id: 'sha256:one', tags: ['hello:1'], digests: [], volumes: [], hasCommand: true },
    containers: [],
    missingFolders: [],
    takenPorts: [],
    leftVolumes: [],
    dataExists: true,
    folder: '/state/apps/hello',
    tls: { isWritten: false, left: [] },
    aliases: [],
    inputs,
  };
  return { ...have, containers: [makeContainer(have)], ...change };
}

/** A running container that fits what `have` says is wanted. */
export function makeContainer(have: AppHave, change: Partial<SeenContainer> = {}): SeenContainer {
  if (!have.inputs) throw new Error('inputs are needed');
  const settings = canonicalSettings(have.inputs);
  return {
    id: 'c0ffee000000c0ffee',
    name: containerName('hello'),
    image: 'sha256:one',
    imageId: 'sha256:one',
    state: 'running',
    labels: containerSpec(have.inputs).labels,
    addresses: { [NETWORK.name]: '10.213.0.2' },
    createdAt: 1,
    hash: settingsHash(settings),
    generation: '1',
    settings: JSON.stringify(settings),
    drift: [],
    ...change,
  };
}
