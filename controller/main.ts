/**
 * The composition root: the only file that builds everything and wires it. `holdfast serve` calls `startController` with the
 * system's clock and folders; tests call it with their own. Nothing here decides anything.
 */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { HealthMonitor, healthSettings } from '../reconcilers/app/health.ts';
import { appReconciler } from '../reconcilers/app/index.ts';
import { createAuthority } from '../reconcilers/drivers/authority/folder.ts';
import { type CachedDocker, cacheDocker } from '../reconcilers/drivers/docker/cached.ts';
import { createDocker } from '../reconcilers/drivers/docker/dockerode.ts';
import { LABEL } from '../reconcilers/drivers/docker/index.ts';
import { createHost } from '../reconcilers/drivers/host/linux.ts';
import { createNginx } from '../reconcilers/drivers/nginx/process.ts';
import { createProbe } from '../reconcilers/drivers/probe/http.ts';
import { classifyFailure } from '../reconcilers/failure.ts';
import { platformReconciler } from '../reconcilers/platform/index.ts';
import { siteReconciler } from '../reconcilers/site/index.ts';
import type { Reading, Writing } from '../reconcilers/world.ts';
import { API_VERSION, type Document } from '../resources/document.ts';
import type { PlatformSpec } from '../resources/generated.ts';
import { readManifests } from '../resources/manifest.ts';
import { formatProblem } from '../resources/manifest-problem.ts';
import { kinds } from '../resources/registry.ts';
import { validate } from '../resources/validation.ts';
import type { ApiDependencies } from './api/dependencies.ts';
import { HttpsApi, type HttpsSettings } from './api/https.ts';
import { startApi } from './api/start.ts';
import { apiCertificate } from './api-certificate.ts';
import type { Clock } from './clock.ts';
import { timestamp } from './clock.ts';
import { containerAccess, podAccess } from './container-access.ts';
import { doctorChecks, readinessChecks } from './doctor.ts';
import { anyReconciler } from './engine/contract.ts';
import { Engine } from './engine/engine.ts';
import { makePlan } from './engine/plan.ts';
import { CONTROLLER } from './engine/run.ts';
import type { Log } from './log.ts';
import { controllerMetrics } from './metrics.ts';
import { watchDirectory } from './sources/directory.ts';
import { openStore } from './store/open-store.ts';
import type { SqliteStore } from './store/sqlite-store.ts';

export interface ControllerOptions {
  /** Default of the program: /var/lib/holdfast. */
  stateFolder: string;
  /** Manifests in its folder `manifests` are applied by being there. */
  configFolder: string;
  socketPath: string;
  version: string;
  clock: Clock;
  log: Log;
  /** Who starts nginx. */
  nginxSupervisor: 'daemon' | 'systemd';
  dockerSocket?: string;
  resyncSeconds?: number;
}

export interface Controller {
  readonly engine: Engine<Reading, Writing>;
  readonly store: SqliteStore;
  readonly docker: CachedDocker;
  stop(): Promise<void>;
}

export async function startController(options: ControllerOptions): Promise<Controller> {
  const { stateFolder, clock, log, version } = options;
  const store = openStore({ folder: join(stateFolder, 'store'), clock, kinds, validate, log });
  const shutdown = new AbortController();
  const closers: (() => Promise<void> | void)[] = [() => store.close()];
  try {
    const world = buildWorld(options, store);
    const reconcilers = [
      anyReconciler(platformReconciler),
      anyReconciler(appReconciler),
      anyReconciler(siteReconciler),
    ];
    const engine = new Engine<Reading, Writing>({
      store,
      clock,
      log,
      kinds: kinds.map(({ kind }) => kind),
      reconcilers,
      reading: world.reading,
      writing: world.writing,
      classify: classifyFailure,
      beforeResync: () => world.docker.refresh(),
      ...(options.resyncSeconds === undefined ? {} : { resyncSeconds: options.resyncSeconds }),
    });
    world.health.onChange = (app) => engine.wake('App', app);
    await ensurePlatform(store);
    keepPlatform(store, log);
    await world.authority.ensure();
    closers.push(
      () => engine.stop(),
      () => world.health.monitor.close(),
      () => shutdown.abort(),
    );
    followWorld(world, engine, store, shutdown.signal, log);
    engine.start();
    const source = await startSource(options, store);
    closers.push(() => source.close());
    const certificate = apiCertificate({ stateFolder, clock, hostname: hostname() });
    const dependencies: ApiDependencies = {
      store,
      kinds,
      validate,
      version,
      log,
      clock,
      containers: containerAccess(world.docker),
      pods: podAccess(world.docker, hostname()),
      ready: () => readinessChecks(store, world.docker),
      metrics: () =>
        controllerMetrics(
          engine,
          store,
          kinds.map(({ kind }) => kind),
        ),
      https: async () => ({ ...https.state(), ca: (await certificate(['127.0.0.1'])).ca }),
      doctor: () =>
        doctorChecks({
          store,
          reading: world.reading,
          stateFolder,
          authority: world.authority,
          https: () => https.state(),
        }),
      plan: (documents, deletions, author) =>
        makePlan({
          store,
          view: engine.view,
          reading: world.reading,
          reconcilers,
          classify: classifyFailure,
          author,
          now: timestamp(clock),
          documents,
          deletions,
          manager: 'holdfast',
        }),
    };
    const https = new HttpsApi({ ...dependencies, certificate });
    closers.push(() => https.close());
    const api = await startApi({ ...dependencies, socketPath: options.socketPath });
    closers.push(() => api.close());
    await followHttpsSettings(store, https);
    log.info('the controller runs', {
      version,
      state: stateFolder,
      documents: engine.view.list('App').length,
    });
    return { engine, store, docker: world.docker, stop: () => closeAll(closers, log) };
  } catch (error) {
    shutdown.abort();
    await closeAll(closers, log);
    throw error;
  }
}

/** Last opened, first closed. One that cannot be closed does not keep the others open. */
async function closeAll(closers: (() => Promise<void> | void)[], log: Log): Promise<void> {
  for (const close of closers.splice(0).reverse()) {
    try {
      await close();
    } catch (error) {
      log.warn('not closed cleanly', { error: String(error) });
    }
  }
}

function buildWorld(options: ControllerOptions, store: SqliteStore) {
  const { stateFolder, clock, log, version } = options;
  const dockerOptions = options.dockerSocket === undefined ? {} : { socketPath: options.dockerSocket };
  const docker = cacheDocker(createDocker({ clock, log, ...dockerOptions }), { clock });
  const host = createHost({ stateFolder });
  const nginx = createNginx({
    folder: join(stateFolder, 'nginx'),
    clock,
    log: (message) => log.info(message, { driver: 'nginx' }),
    supervisor: options.nginxSupervisor,
  });
  const authority = createAuthority({
    folder: join(stateFolder, 'authority'),
    clock,
    nginx,
    hostname: hostname(),
  });
  const probe = createProbe({ clock });
  const health = {
    onChange: (_app: string): void => undefined,
    monitor: new HealthMonitor({
      probe,
      clock,
      settings: () => healthSettings(store.get('Platform', 'platform')?.spec as PlatformSpec | undefined),
      onChange: (app) => health.onChange(app),
    }),
  };
  const settings = { stateFolder, version };
  const { leases } = store;
  const reading: Reading = { settings, docker, nginx, host, health: health.monitor, leases, authority };
  const writing: Writing = { settings, docker, nginx, host, leases, authority, probe, clock };
  return { docker, nginx, authority, health, reading, writing };
}

type World = ReturnType<typeof buildWorld>;

/** The one Platform there must be. A person's own takes its place by being applied. */
async function ensurePlatform(store: SqliteStore): Promise<void> {
  if (store.get('Platform', 'platform')) return;
  const document = { apiVersion: API_VERSION, kind: 'Platform', metadata: { name: 'platform' }, spec: {} };
  await store.write([{ verb: 'create', document }], CONTROLLER);
}

/** Deleting it gives back the defaults: without one, no App has a network. */
function keepPlatform(store: SqliteStore, log: Log): void {
  store.watch({
    kind: 'Platform',
    fromVersion: store.version,
    onChange({ type }) {
      if (type !== 'DELETED') return;
      ensurePlatform(store).catch((error: unknown) => log.error('no platform', { error: String(error) }));
    },
  });
}

/** Listens for HTTPS as the Platform says, now and whenever it changes. */
async function followHttpsSettings(store: SqliteStore, https: HttpsApi): Promise<void> {
  let last = '';
  const set = async (platform: Document | undefined) => {
    const settings = httpsSettings(platform);
    const text = JSON.stringify(settings ?? null);
    if (text === last) return;
    last = text;
    await https.set(settings);
  };
  const onChange = ({ document }: { document: Document }) => void set(document);
  store.watch({ kind: 'Platform', fromVersion: store.version, onChange });
  await set(store.get('Platform', 'platform'));
}

function httpsSettings(platform: Document | undefined): HttpsSettings | undefined {
  const api = (platform?.spec as PlatformSpec | undefined)?.api;
  return api && { port: api.port ?? 6443, addresses: api.addresses ?? ['127.0.0.1'] };
}

/** Tells the engine of what happens in Docker, in nginx's files, and to Apps whose health is watched. */
function followWorld(
  { docker, nginx, health }: World,
  engine: Engine<Reading, Writing>,
  store: SqliteStore,
  signal: AbortSignal,
  log: Log,
): void {
  docker.onChange(({ type, action, labels }) => {
    const name = labels[LABEL.name];
    // What comes and goes on a network is no change of the network.
    if (type === 'network' && action !== 'connect' && action !== 'disconnect')
      engine.wake('Platform', 'platform');
    if (labels[LABEL.kind] === 'App' && name !== undefined) engine.wake('App', name);
  });
  const follower = {
    onEvent: () => undefined,
    onUp: () => engine.wakeAll(),
    onDown: (error: Error) => {
      log.warn('Docker is gone', { error: error.message });
      engine.wakeAll();
    },
  };
  const ended = (what: string) => (error: unknown) => {
    if (!signal.aborted) log.error(`${what} is not followed any more`, { error: String(error) });
  };
  docker.follow(follower, signal).catch(ended('Docker'));
  nginx.follow(() => engine.wake('Site', 'nginx'), signal).catch(ended('nginx'));
  const follow = (app: Document, gone = false) => health.monitor.follow(app, gone);
  store.watch({
    kind: 'App',
    fromVersion: store.version,
    onChange: ({ type, document }) => follow(document, type === 'DELETED'),
  });
  for (const app of store.list('App').items) follow(app);
}

async function startSource({ configFolder, clock, log }: ControllerOptions, store: SqliteStore) {
  const path = join(configFolder, 'manifests');
  await mkdir(path, { recursive: true, mode: 0o755 });
  return watchDirectory({
    name: 'manifests',
    path,
    store,
    clock,
    log,
    read: (text, file) => {
      const { manifests, problems } = readManifests(text, { file });
      return {
        manifests: manifests.map(({ manifest }) => manifest),
        problems: problems.map((problem) => formatProblem(problem)),
      };
    },
  });
}
