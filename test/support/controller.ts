/**
 * The controller as main.ts runs it, on fakes and on a clock that a test moves, with its API on a socket and the command line in this
 * process. What the world does (an App that answers, a port that somebody takes) the test says.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { startApi } from '../../controller/api/start.ts';
import { main } from '../../controller/cli/main.ts';
import { type Core, type Drivers, startCore } from '../../controller/core.ts';
import { engineAccess } from '../../controller/engine-access.ts';
import { type Log, type LogFields, silentLog } from '../../controller/log.ts';
import { openStore } from '../../controller/store/open-store.ts';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Author } from '../../controller/store/types.ts';
import { FakeAcme } from '../../reconcilers/drivers/acme/fake.ts';
import { createFakeAddress, type FakeAddress } from '../../reconcilers/drivers/address/fake.ts';
import { createFakeAuthority } from '../../reconcilers/drivers/authority/fake.ts';
import { FakeCaa } from '../../reconcilers/drivers/caa/fake.ts';
import type { FakeDatabases } from '../../reconcilers/drivers/database/fake.ts';
import { createFakeDns, type FakeDns } from '../../reconcilers/drivers/dns/fake.ts';
import { createFakeDocker, type FakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import { createFakeFirewall } from '../../reconcilers/drivers/firewall/fake.ts';
import { createFakeHost, type FakeHost } from '../../reconcilers/drivers/host/fake.ts';
import { FakeNginx } from '../../reconcilers/drivers/nginx/fake.ts';
import { createFakeProbe, type FakeProbe } from '../../reconcilers/drivers/probe/fake.ts';
import { API_VERSION, type Condition, type Document, type Manifest } from '../../resources/document.ts';
import { kinds } from '../../resources/registry.ts';
import { validate } from '../../resources/validation.ts';
import { noPods } from './api-server.ts';
import { VirtualClock } from './clock.ts';
import { databasesIn } from './databases.ts';

const ROOT: Author = { user: 'root', via: 'cli' };
const STATE = '/fake/state';
export const IMAGE = 'docker.io/library/hello:1';

export interface FakeWorld {
  clock: VirtualClock;
  docker: FakeDocker;
  nginx: FakeNginx;
  host: FakeHost;
  probe: FakeProbe;
  /** Zones at providers, and what name servers answer. */
  dns: FakeDns;
  address: FakeAddress;
  databases: FakeDatabases;
}

export interface Happening {
  reason: string;
  type: string;
  name: string;
  message: string;
  step?: { impact: string; because: { field: string; cause: string; known?: string }[] };
}

export interface RunningController {
  readonly world: FakeWorld;
  readonly store: SqliteStore;
  readonly core: Core;
  readonly log: { message: string; fields: LogFields }[];
  apply(...manifests: Manifest[]): Promise<void>;
  get(kind: string, name: string): Document | undefined;
  ready(kind: string, name: string): Pick<Condition, 'status' | 'reason' | 'message'>;
  events(name?: string): Happening[];
  /** Lets everything that can go on without time passing go on. */
  settle(): Promise<void>;
  /** Lets time pass in pieces of a second at most. */
  pass(milliseconds: number): Promise<void>;
  holdfast(words: readonly string[], input?: string): Promise<{ code: number; out: string; err: string }>;
  /** The process ends and another begins, perhaps a newer one; store and world stay. */
  restart(version?: string): Promise<void>;
  close(): Promise<void>;
}

export function appManifest(
  name: string,
  spec: Record<string, unknown> = {},
  metadata: Partial<Manifest['metadata']> = {},
): Manifest {
  const whole = { image: IMAGE, port: 8080, location: name, domain: 'localhost', ...spec };
  return { apiVersion: API_VERSION, kind: 'App', metadata: { name, ...metadata }, spec: whole };
}

export async function startController(
  options: {
    world?: Partial<FakeWorld>;
    resyncSeconds?: number;
    /** Real ones in the place of fakes. */
    drivers?: Partial<Drivers>;
    /** Called at each start, for what is to stand between the controller and its drivers. */
    wrap?: (drivers: Drivers) => Partial<Drivers>;
  } = {},
): Promise<RunningController> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-controller-'));
  const clock = options.world?.clock ?? new VirtualClock();
  const host = options.world?.host ?? createFakeHost({ stateFolder: STATE });
  const docker =
    options.world?.docker ??
    createFakeDocker({
      clock,
      pathExists: (path) => host.state.folders.has(path) || !path.startsWith(STATE),
    });
  const nginx = options.world?.nginx ?? new FakeNginx();
  const probe = options.world?.probe ?? createFakeProbe({ clock });
  const dns = options.world?.dns ?? createFakeDns();
  const address = options.world?.address ?? createFakeAddress({ ipv4: '192.0.2.1' });
  const firewall = createFakeFirewall();
  const acme = new FakeAcme({ clock, look: () => true });
  const caa = new FakeCaa();
  const databases = databasesIn({ docker, host, clock });
  const world: FakeWorld = { clock, docker, nginx, host, probe, dns, address, databases };
  docker.addImage(IMAGE);
  const logged: RunningController['log'] = [];
  const write = (message: string, fields: LogFields = {}) => void logged.push({ message, fields });
  const log: Log = { ...silentLog, info: write, warn: write, error: write };
  const socketPath = join(folder, 'api.sock');
  const open = async (version: string) => {
    const store = openStore({ folder: join(folder, 'store'), clock, kinds, validate, log });
    const authority = createFakeAuthority({ clock, nginx });
    const whole = {
      docker,
      nginx,
      host,
      probe,
      authority,
      firewall,
      dns,
      lookup: dns,
      address,
      acme,
      caa,
      databases,
      ...options.drivers,
    };
    const drivers: Drivers = { ...whole, ...options.wrap?.(whole) };
    const { resyncSeconds } = options;
    const core = await startCore({
      store,
      drivers,
      stateFolder: STATE,
      version,
      clock,
      log,
      ...(resyncSeconds === undefined ? {} : { resyncSeconds }),
    });
    const api = await startApi({
      ...engineAccess({ core, store, clock }),
      store,
      kinds,
      validate,
      version,
      log,
      clock,
      socketPath,
      pods: noPods,
      containers: {
        async *logs() {},
        exec: () => Promise.reject(new Error('nothing runs here')),
      },
      doctor: async () => [],
      https: async () => ({ wanted: false, listening: [], ca: '' }),
      metrics: () => [],
      ready: () => [],
    });
    return { store, core, api };
  };
  let running = await open('1.0.0');
  const controller: RunningController = {
    world,
    log: logged,
    get store() {
      return running.store;
    },
    get core() {
      return running.core;
    },
    async apply(...manifests) {
      await running.store.write(
        manifests.map((document) => ({ verb: 'apply', document, manager: 'cli' })),
        ROOT,
      );
    },
    get: (kind, name) => running.store.get(kind, name),
    ready(kind, name) {
      const found = running.store.get(kind, name)?.status?.conditions?.find(({ type }) => type === 'Ready');
      return found ?? { status: 'Unknown', reason: 'none', message: '' };
    },
    events: (name) =>
      running.store
        .list('Event')
        .items.filter(({ spec }) => name === undefined || regardingName(spec) === name)
        .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
        .map(({ spec }) => ({ ...(spec as unknown as Happening), name: regardingName(spec) })),
    async settle() {
      // What waits for the clock waits on; everything else is over when nothing was written for a while.
      let { version } = running.store;
      for (let calm = 0; calm < 20; calm += 1) {
        await new Promise((resolve) => setImmediate(resolve));
        if (running.store.version !== version) calm = 0;
        version = running.store.version;
      }
    },
    async pass(milliseconds) {
      for (let left = milliseconds; left > 0; left -= 1000) {
        clock.advance(Math.min(1000, left));
        await controller.settle();
      }
    },
    async holdfast(words, input = '') {
      const out = { out: '', err: '' };
      const code = await main(['--socket', socketPath, ...words], {
        stdin: Readable.from(input === '' ? [] : [input]) as Readable & { isTTY?: boolean },
        stdout: { write: (text) => (out.out += String(text)) },
        stderr: { write: (text) => (out.err += String(text)) },
        env: {},
        now: () => clock.now(),
        signal: new AbortController().signal,
        version: '1.0.0',
      });
      await controller.settle();
      return { code, ...out };
    },
    async restart(version = '1.0.0') {
      await stop(running, clock);
      running = await open(version);
    },
    async close() {
      await stop(running, clock);
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return controller;
}

function regardingName(spec: Record<string, unknown>): string {
  return (spec['regarding'] as { name: string }).name;
}

/** Ending waits on the clock, which stands still unless somebody moves it. */
async function stop(
  { api, core, store }: { api: { close(): Promise<void> }; core: Core; store: SqliteStore },
  clock: VirtualClock,
): Promise<void> {
  let stopped = false;
  const stopping = (async () => {
    await api.close();
    await core.stop();
    await store.close();
    stopped = true;
  })();
  for (let turn = 0; turn < 2000 && !stopped; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (turn > 50) clock.advance(1000);
  }
  await stopping;
}

/** Answers with 200 at the address that each App has now. */
export function serveApps(controller: RunningController): void {
  for (const { status } of controller.store.list('App').items) {
    const { address } = (status ?? {}) as { address?: string };
    if (address !== undefined && !controller.world.probe.answers.has(`${address}:8080`))
      controller.world.probe.answers.set(`${address}:8080`, 200);
  }
}
