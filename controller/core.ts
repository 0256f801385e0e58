/**
 * The controller without its doors: reconcilers, engine, the folder of manifests, and what tells the engine of changes in the world. main.ts
 * gives it the real drivers and puts the API and the command line around it; the simulation gives it fakes, so that what is wired here is
 * what the simulation tries. A new kind adds its reconciler to `reconcilers`, a new driver a field to `Drivers`.
 */
import { addonReconciler } from '../reconcilers/addon/index.ts';
import { edgeOf, HealthMonitor, healthSettings } from '../reconcilers/app/health.ts';
import { appReconciler } from '../reconcilers/app/index.ts';
import { bindingReconciler } from '../reconcilers/binding/index.ts';
import { certificateReconciler } from '../reconcilers/certificate/index.ts';
import { dnsRecordReconciler } from '../reconcilers/dnsrecord/index.ts';
import { domainReconciler } from '../reconcilers/domain/index.ts';
import type { Acme } from '../reconcilers/drivers/acme/index.ts';
import type { AddressReading } from '../reconcilers/drivers/address/index.ts';
import type { Authority } from '../reconcilers/drivers/authority/index.ts';
import type { CaaReading } from '../reconcilers/drivers/caa/index.ts';
import type { Databases } from '../reconcilers/drivers/database/index.ts';
import type { DnsReading, DnsWriting, LookupReading } from '../reconcilers/drivers/dns/index.ts';
import { type CachedDocker, cacheDocker } from '../reconcilers/drivers/docker/cached.ts';
import { type Docker, LABEL } from '../reconcilers/drivers/docker/index.ts';
import { notePulls } from '../reconcilers/drivers/docker/note-pulls.ts';
import type { Firewall } from '../reconcilers/drivers/firewall/index.ts';
import type { Host } from '../reconcilers/drivers/host/index.ts';
import type { ManifestFolder } from '../reconcilers/drivers/manifests/index.ts';
import type { Nginx } from '../reconcilers/drivers/nginx/index.ts';
import type { Probe } from '../reconcilers/drivers/probe/index.ts';
import { createSemaphore } from '../reconcilers/drivers/semaphore.ts';
import { classifyFailure } from '../reconcilers/failure.ts';
import { planningHalf, readingHalf } from '../reconcilers/halves.ts';
import { DiskMonitor } from '../reconcilers/platform/disk-monitor.ts';
import { platformReconciler } from '../reconcilers/platform/index.ts';
import { thresholdsOf } from '../reconcilers/platform/pressure.ts';
import { siteReconciler } from '../reconcilers/site/index.ts';
import { taskReconciler } from '../reconcilers/task/index.ts';
import type { HistoryReading, Reading, Writing } from '../reconcilers/world.ts';
import { API_VERSION, condition, type Document } from '../resources/document.ts';
import type { PlatformSpec } from '../resources/generated.ts';
import { readManifests } from '../resources/manifest.ts';
import { formatProblem } from '../resources/manifest-problem.ts';
import { PLATFORM_NAME } from '../resources/platform.ts';
import { kinds } from '../resources/registry.ts';
import type { Clock } from './clock.ts';
import { type AnyReconciler, anyReconciler, type Step } from './engine/contract.ts';
import { Engine } from './engine/engine.ts';
import { CONTROLLER } from './engine/run.ts';
import type { Log } from './log.ts';
import { windowAt } from './maintenance.ts';
import { type WatchedDirectory, watchDirectory } from './sources/directory.ts';
import type { Store } from './store/types.ts';

/** The outside world, one driver each, as main.ts or the simulation makes them. */
export interface Drivers {
  docker: Docker;
  nginx: Nginx;
  host: Host;
  authority: Authority;
  acme: Acme;
  caa: CaaReading;
  probe: Probe;
  dns: DnsReading & DnsWriting;
  lookup: LookupReading;
  address: AddressReading;
  firewall: Firewall;
  databases: Databases;
  /** Left out: no folder is watched. */
  manifests?: ManifestFolder;
}

export interface CoreOptions {
  store: Store;
  drivers: Drivers;
  stateFolder: string;
  version: string;
  clock: Clock;
  log: Log;
  resyncSeconds?: number;
}

export interface Core {
  readonly engine: Engine<Reading, Writing>;
  readonly reconcilers: readonly AnyReconciler<Reading, Writing>[];
  /** Looks and leaves no trace, not even in what is known of Docker: for plans and for the doctor. */
  readonly reading: Reading;
  readonly docker: CachedDocker;
  /** Ends the engine and lets go of the world. The store stays open. */
  stop(): Promise<void>;
}

const reconcilers: readonly AnyReconciler<Reading, Writing>[] = [
  anyReconciler(platformReconciler),
  anyReconciler(appReconciler),
  anyReconciler(siteReconciler),
  anyReconciler(addonReconciler),
  anyReconciler(bindingReconciler),
  anyReconciler(certificateReconciler),
  anyReconciler(taskReconciler),
  anyReconciler(domainReconciler),
  anyReconciler(dnsRecordReconciler),
];

const PLATFORM_RETRY_MILLISECONDS = 5_000;

/** Builds everything, and runs when it answers. */
export async function startCore(options: CoreOptions): Promise<Core> {
  const { store, clock, log } = options;
  const world = buildWorld(options);
  const { health } = world;
  const shutdown = new AbortController();
  const engine = new Engine<Reading, Writing>({
    store,
    clock,
    log,
    kinds: kinds.map(({ kind }) => kind),
    reconcilers,
    reading: world.reading,
    writing: world.writing,
    classify: classifyFailure,
    ...platformSettings(store),
    beforeResync: () => world.docker.refresh(),
    ...(options.resyncSeconds === undefined ? {} : { resyncSeconds: options.resyncSeconds }),
  });
  health.onChange = (app) => engine.wake('App', app);
  world.disk.onChange = () => engine.wake('Platform', PLATFORM_NAME);
  wakeOnSettings(store, engine);
  let directory: WatchedDirectory | undefined;
  const stop = async () => {
    shutdown.abort();
    await directory?.close();
    health.monitor.close();
    world.disk.monitor.close();
    await engine.stop();
    await options.drivers.databases.close();
  };
  try {
    await ensurePlatform(store);
    keepPlatform(options, shutdown.signal);
    await options.drivers.authority.ensure();
    followWorld(world, engine, options, shutdown.signal);
    engine.start();
    world.disk.monitor.start();
    directory = startDirectory(options);
  } catch (error) {
    await stop();
    throw error;
  }
  return { engine, reconcilers, reading: world.planning, docker: world.docker, stop };
}

/** Manifests are applied by being in the folder. */
function startDirectory({ drivers, store, clock, log }: CoreOptions): WatchedDirectory | undefined {
  const { manifests: folder } = drivers;
  if (!folder) return undefined;
  return watchDirectory({
    name: 'manifests',
    folder,
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

/** What the Platform says of how the engine works. */
function platformSettings(store: Store) {
  const spec = () => store.get('Platform', PLATFORM_NAME)?.spec as PlatformSpec | undefined;
  return {
    window: (now: number) => windowAt(spec(), now),
    deadlineOf: ({ type }: Step) => spec()?.deadlines?.[type],
    isPaused: (kind: string) => spec()?.suspendKinds?.some((name) => name === '*' || name === kind) ?? false,
  };
}

/** What was paused or waited may go now. */
function wakeOnSettings(store: Store, engine: Engine<Reading, Writing>): void {
  const settings = () => {
    const { suspendKinds, maintenance } = (store.get('Platform', PLATFORM_NAME)?.spec ?? {}) as PlatformSpec;
    return JSON.stringify([suspendKinds, maintenance]);
  };
  let last = settings();
  store.watch({
    kind: 'Platform',
    fromVersion: store.version,
    onChange() {
      const now = settings();
      if (now === last) return;
      last = now;
      engine.wakeAll();
    },
  });
}

function buildWorld(options: CoreOptions) {
  const { store, drivers, stateFolder, clock, version } = options;
  const { nginx, host, authority, probe, firewall, dns, lookup, address, databases, acme, caa } = drivers;
  const docker = cacheDocker(notePulls(drivers.docker, host, clock), { clock });
  const health = {
    onChange: (_app: string): void => undefined,
    monitor: new HealthMonitor({
      probe,
      clock,
      settings: () => {
        const spec = store.get('Platform', PLATFORM_NAME)?.spec as PlatformSpec | undefined;
        return { ...healthSettings(spec), edge: edgeOf(spec) };
      },
      onChange: (app) => health.onChange(app),
    }),
  };
  const settings = { stateFolder, version };
  const { leases } = store;
  const disk = {
    onChange: (): void => undefined,
    monitor: new DiskMonitor({
      host,
      docker,
      clock,
      stateFolder,
      thresholds: () => thresholdsOf(store.get('Platform', PLATFORM_NAME)?.spec as PlatformSpec | undefined),
      onChange: () => disk.onChange(),
    }),
  };
  const looking = { nginx, host, authority, firewall, dns, lookup, address, databases, acme, caa, clock };
  const whole = {
    ...looking,
    settings,
    docker,
    health: health.monitor,
    leases,
    disk: disk.monitor,
    history: historyOf(store),
  };
  const writing: Writing = {
    ...looking,
    settings,
    docker,
    leases,
    probe,
    startTurns: createSemaphore(1),
  };
  return { docker, nginx, health, disk, writing, reading: readingHalf(whole), planning: planningHalf(whole) };
}

/** A history changes with the generation only, and is read from the disk. */
function historyOf(store: Store): HistoryReading {
  const known = new Map<string, { at: string; specs: readonly Record<string, unknown>[] }>();
  return {
    specs(kind, name) {
      const { uid, generation } = store.get(kind, name)?.metadata ?? {};
      const at = `${uid} ${generation}`;
      const kept = known.get(`${kind}/${name}`);
      if (kept?.at === at) return kept.specs;
      const specs = store.specs(kind, name);
      if (uid === undefined) known.delete(`${kind}/${name}`);
      else known.set(`${kind}/${name}`, { at, specs });
      return specs;
    },
  };
}

type World = ReturnType<typeof buildWorld>;

/** The one Platform there must be. A person's own takes its place by being applied. */
async function ensurePlatform(store: Store): Promise<void> {
  if (store.get('Platform', PLATFORM_NAME)) return;
  const document = { apiVersion: API_VERSION, kind: 'Platform', metadata: { name: PLATFORM_NAME }, spec: {} };
  await store.write([{ verb: 'create', document }], CONTROLLER);
}

/** Deleting it gives back the defaults: without one, no App has a network. Tried until it is there: a disk may be full just then. */
function keepPlatform({ store, clock, log }: CoreOptions, signal: AbortSignal): void {
  const keep = () => {
    if (signal.aborted) return;
    ensurePlatform(store).catch((error: unknown) => {
      log.warn('no platform yet', { error: String(error) });
      clock.after(PLATFORM_RETRY_MILLISECONDS, keep);
    });
  };
  store.watch({
    kind: 'Platform',
    fromVersion: store.version,
    onChange({ type }) {
      if (type === 'DELETED') keep();
    },
  });
}

const IMAGE_COMES: ReadonlySet<string> = new Set(['pull', 'load', 'tag', 'import']);
const LACKS_IMAGE =
  /^(ImageNotFound|ImageRefused|RegistryDenied|RegistryUnreachable|PullStalled|PullFailed)$/;

function lacksImage(document: Document): boolean {
  return LACKS_IMAGE.test(condition(document, 'Ready')?.reason ?? '');
}

/** Tells the engine of what happens in Docker, in nginx's files, and to Apps whose health is watched. */
function followWorld(
  { docker, nginx, health }: World,
  engine: Engine<Reading, Writing>,
  { store, log }: CoreOptions,
  signal: AbortSignal,
): void {
  docker.onChange(({ type, action, labels }) => {
    const name = labels[LABEL.name];
    // What comes and goes on a network is no change of the network.
    if (type === 'network' && action !== 'connect' && action !== 'disconnect')
      engine.wake('Platform', PLATFORM_NAME);
    // Another App has pulled it, or a person has loaded it.
    if (type === 'image' && IMAGE_COMES.has(action))
      for (const waiting of ['App', 'Addon'])
        for (const document of engine.view.list(waiting).filter(lacksImage))
          engine.wake(waiting, document.metadata.name);
    const kind = labels[LABEL.kind];
    if ((kind === 'App' || kind === 'Addon' || kind === 'Task') && name !== undefined) {
      engine.wake(kind, name);
      // What Docker made for a document that is gone meanwhile.
      if (action === 'create' && !engine.view.get(kind, name)) engine.wake('Platform', PLATFORM_NAME);
    }
    // Volumes and certificates of the App's may have been kept for it.
    if (kind === 'Task' && (action === 'die' || action === 'destroy')) {
      const app = engine.view.list('App').find(({ metadata }) => metadata.uid === labels[LABEL.app]);
      if (app) engine.wake('App', app.metadata.name);
    }
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
  // A site that nginx has taken up, or let go of, is asked for at once.
  store.watch({
    kind: 'Site',
    fromVersion: store.version,
    onChange: ({ document }) => {
      for (const { kind, uid } of document.metadata.ownerReferences ?? [])
        if (kind === 'App') health.monitor.askSoon(uid);
    },
  });
  store.watch({
    kind: 'App',
    fromVersion: store.version,
    onChange: ({ type, document }) => follow(document, type === 'DELETED'),
  });
  for (const app of store.list('App').items) follow(app);
}
