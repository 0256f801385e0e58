/**
 * The composition root: the only file that builds everything and wires it. `holdfast serve` calls `startController` with the
 * system's clock and folders; tests call it with their own. Nothing here decides anything.
 */
import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { createAcme } from '../reconcilers/drivers/acme/client.ts';
import { createAddress } from '../reconcilers/drivers/address/system.ts';
import { createAuthority } from '../reconcilers/drivers/authority/folder.ts';
import { createCaa } from '../reconcilers/drivers/caa/resolver.ts';
import { createDatabases } from '../reconcilers/drivers/database/databases.ts';
import { createLookup } from '../reconcilers/drivers/dns/lookup.ts';
import { createDns } from '../reconcilers/drivers/dns/zones.ts';
import type { CachedDocker } from '../reconcilers/drivers/docker/cached.ts';
import { createDocker } from '../reconcilers/drivers/docker/dockerode.ts';
import { createFirewall } from '../reconcilers/drivers/firewall/iptables.ts';
import { createHost } from '../reconcilers/drivers/host/linux.ts';
import { createManifestFolder } from '../reconcilers/drivers/manifests/folder.ts';
import { DriverFigures, measureDrivers } from '../reconcilers/drivers/measure.ts';
import { createNginx } from '../reconcilers/drivers/nginx/process.ts';
import { createProbe } from '../reconcilers/drivers/probe/http.ts';
import type { Reading, Writing } from '../reconcilers/world.ts';
import type { Document } from '../resources/document.ts';
import type { PlatformSpec } from '../resources/generated.ts';
import { kinds } from '../resources/registry.ts';
import { validate } from '../resources/validation.ts';
import type { ApiDependencies } from './api/dependencies.ts';
import { HttpsApi, type HttpsSettings } from './api/https.ts';
import { startApi } from './api/start.ts';
import { apiCertificate } from './api-certificate.ts';
import type { Clock } from './clock.ts';
import { containerAccess, podAccess } from './container-access.ts';
import { type Drivers, startCore } from './core.ts';
import { doctorChecks, readinessChecks } from './doctor.ts';
import type { Engine } from './engine/engine.ts';
import { engineAccess } from './engine-access.ts';
import type { Log } from './log.ts';
import { controllerMetrics } from './metrics.ts';
import { openStore } from './store/open-store.ts';
import type { SqliteStore } from './store/sqlite-store.ts';

export interface ControllerOptions {
  /** Default of the program: /var/lib/holdfast. */
  stateFolder: string;
  /** Manifests in its folder `manifests` are applied by being there. */
  configFolder: string;
  socketPath: string;
  /** Open file of the socket, where who supervises this process holds it. */
  heldSocket?: number;
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
  const closers: (() => Promise<void> | void)[] = [() => store.close()];
  try {
    const figures = new DriverFigures();
    const drivers = measureDrivers(realDrivers(options), figures, clock);
    await mkdir(join(options.configFolder, 'manifests'), { recursive: true, mode: 0o755 });
    const core = await startCore({ ...options, store, drivers });
    const { engine, reading, docker } = core;
    closers.push(() => core.stop());
    const certificate = apiCertificate({ stateFolder, clock, hostname: hostname() });
    const dependencies: ApiDependencies = {
      store,
      kinds,
      validate,
      version,
      log,
      clock,
      containers: containerAccess(docker),
      pods: podAccess(docker, hostname()),
      ready: () => readinessChecks(store, docker),
      metrics: () =>
        controllerMetrics(
          engine,
          store,
          kinds.map(({ kind }) => kind),
          figures,
        ),
      https: async () => ({ ...https.state(), ca: (await certificate(['127.0.0.1'])).ca }),
      doctor: () =>
        doctorChecks({
          store,
          reading,
          stateFolder,
          authority: drivers.authority,
          https: () => https.state(),
        }),
      ...engineAccess({ core, store, clock }),
    };
    const https = new HttpsApi({ ...dependencies, certificate });
    closers.push(() => https.close());
    const api = await startApi({
      ...dependencies,
      socketPath: options.socketPath,
      ...(options.heldSocket === undefined ? {} : { heldSocket: options.heldSocket }),
    });
    closers.push(() => api.close());
    await followHttpsSettings(store, https);
    log.info('the controller runs', {
      version,
      state: stateFolder,
      documents: engine.view.list('App').length,
    });
    return { engine, store, docker, stop: () => closeAll(closers, log) };
  } catch (error) {
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

function realDrivers(options: ControllerOptions): Drivers {
  const { stateFolder, configFolder, clock, log, dockerSocket, nginxSupervisor } = options;
  const dockerOptions = dockerSocket === undefined ? {} : { socketPath: dockerSocket };
  const nginx = createNginx({
    folder: join(stateFolder, 'nginx'),
    clock,
    log: (message) => log.info(message, { driver: 'nginx' }),
    supervisor: nginxSupervisor,
  });
  const docker = createDocker({ clock, log, ...dockerOptions });
  return {
    docker,
    nginx,
    host: createHost({ stateFolder }),
    authority: createAuthority({
      folder: join(stateFolder, 'authority'),
      clock,
      nginx,
      hostname: hostname(),
    }),
    acme: createAcme({ clock }),
    caa: createCaa(),
    probe: createProbe({ clock }),
    dns: createDns({ clock }),
    lookup: createLookup({ clock }),
    address: createAddress({ clock }),
    firewall: createFirewall(),
    databases: createDatabases({ clock, exec: docker.exec }),
    manifests: createManifestFolder(join(configFolder, 'manifests')),
  };
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
