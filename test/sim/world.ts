/**
 * The world of a simulation: the fakes of all drivers on one virtual clock, and what lives in it that is not ours. It survives every
 * crash of the controller.
 */
import { delay } from '../../controller/clock.ts';
import type { Drivers } from '../../controller/core.ts';
import { FakeAcme } from '../../reconcilers/drivers/acme/fake.ts';
import { createFakeAddress, type FakeAddress } from '../../reconcilers/drivers/address/fake.ts';
import { createFakeAuthority, type FakeAuthority } from '../../reconcilers/drivers/authority/fake.ts';
import { FakeCaa } from '../../reconcilers/drivers/caa/fake.ts';
import type { FakeDatabases } from '../../reconcilers/drivers/database/fake.ts';
import { createFakeDns, type FakeDns } from '../../reconcilers/drivers/dns/fake.ts';
import { createFakeDocker, type FakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import type { FakeContainer } from '../../reconcilers/drivers/docker/fake-container.ts';
import { isOurs } from '../../reconcilers/drivers/docker/ownership.ts';
import { createFakeFirewall, type FakeFirewall } from '../../reconcilers/drivers/firewall/fake.ts';
import { createFakeHost, type FakeHost } from '../../reconcilers/drivers/host/fake.ts';
import type { Listener } from '../../reconcilers/drivers/host/index.ts';
import { FakeManifestFolder } from '../../reconcilers/drivers/manifests/fake.ts';
import { FakeNginx } from '../../reconcilers/drivers/nginx/fake.ts';
import type { ProbeAnswer, ProbeTarget } from '../../reconcilers/drivers/probe/index.ts';
import type { VirtualClock } from '../support/clock.ts';
import { databasesIn } from '../support/databases.ts';
import { certificateFor, keyOf } from '../support/signer.ts';
import { DATABASE_IMAGES, IMAGES, LISTENS_ON } from './images.ts';

export const STATE_FOLDER = '/state';
export const PUBLIC_ADDRESS = '203.0.113.7';

export interface World extends Drivers {
  readonly clock: VirtualClock;
  readonly docker: FakeDocker;
  readonly nginx: FakeNginx;
  readonly host: FakeHost;
  readonly authority: FakeAuthority;
  readonly acme: FakeAcme;
  readonly firewall: FakeFirewall;
  readonly dns: FakeDns;
  readonly address: FakeAddress;
  readonly databases: FakeDatabases;
  readonly manifests?: FakeManifestFolder;
  /** Ids of containers whose process answers every question badly, and since when, by the monotonic clock. */
  readonly ailing: Map<string, number>;
}

/** All of them: the compiler asks for the one that is missing. */
const DRIVERS: { readonly [name in keyof Required<Drivers>]: true } = {
  docker: true,
  nginx: true,
  host: true,
  authority: true,
  acme: true,
  caa: true,
  probe: true,
  dns: true,
  lookup: true,
  address: true,
  firewall: true,
  databases: true,
  manifests: true,
};
export const DRIVER_NAMES = Object.keys(DRIVERS) as (keyof Drivers)[];

/** Of the platform's network. */
export const BRIDGE = 'holdfast0';

export interface WorldOptions {
  /** There is a folder of manifests. */
  files: boolean;
}

export function makeWorld(clock: VirtualClock, { files }: WorldOptions): World {
  const docker = createFakeDocker({ clock, pathExists: () => true });
  for (const [reference, { remote, local }] of Object.entries({ ...IMAGES, ...DATABASE_IMAGES })) {
    if (remote) docker.registry.set(reference, remote);
    if (local) docker.addImage(reference, local);
  }
  const nginx = new FakeNginx();
  const host = createFakeHost({ stateFolder: STATE_FOLDER });
  host.state.routes.push({ destination: '192.168.1.0/24', interface: 'eth0' });
  // Who asks the host sees what the engine publishes, as on a real one.
  const listeners = host.listeners.bind(host);
  host.listeners = async () => [...(await listeners()), ...published(docker)];
  const firewall = createFakeFirewall();
  firewall.dockerStarts(BRIDGE);
  // One DNS: what a provider has is what the world is told.
  const dns = createFakeDns();
  const address = createFakeAddress({ ipv4: PUBLIC_ADDRESS });
  const authority = createFakeAuthority({ clock, nginx });
  const databases = databasesIn({ docker, host, clock });
  const acme = new FakeAcme({
    clock,
    look: (host, type, value) =>
      type === 'dns-01' ? isInZone(dns, `_acme-challenge.${host}`, value) : isAnswered(nginx, host, value),
    sign: { key: keyOf, certificate: certificateFor },
  });
  const caa = new FakeCaa();
  const world = {
    clock,
    docker,
    nginx,
    host,
    firewall,
    dns,
    lookup: dns,
    address,
    authority,
    acme,
    caa,
    databases,
    ailing: new Map<string, number>(),
    ...(files ? { manifests: new FakeManifestFolder({ now: () => clock.now() }) } : {}),
  };
  return { ...world, probe: { ask: (target, signal) => answerOf(world, target, signal) } };
}

function isInZone({ zones }: FakeDns, name: string, value: string): boolean | string {
  const found = [...zones.values()].some(({ sets }) => sets.get(`${name} TXT`)?.values.includes(value));
  return found || `${name} has no such TXT record`;
}

/** nginx answers HTTP challenges with the thumbprint of the account, which is behind the dot. */
function isAnswered(nginx: FakeNginx, host: string, value: string): boolean | string {
  const print = value.split('.')[1] ?? value;
  const isServed =
    nginx.running && [...nginx.served.values()].some((text) => text.includes(host) && text.includes(print));
  return isServed || `nothing answers for ${host}`;
}

function published({ engine }: FakeDocker): Listener[] {
  return [...engine.containers.values()]
    .filter(({ state }) => state === 'running' || state === 'paused')
    .flatMap(({ spec }) => spec.ports)
    .map(({ hostPort: port, protocol }) => ({
      protocol,
      address: '0.0.0.0',
      port,
      program: 'docker-proxy',
      pid: 9,
    }));
}

type Net = Pick<World, 'docker' | 'clock' | 'nginx' | 'ailing'>;

/** Who asks nginx is answered by it; who asks a container, by the process in it. */
function answerOf(net: Net, target: ProbeTarget, signal?: AbortSignal): Promise<ProbeAnswer> {
  return target.tls === true ? answerOfEdge(net, target, signal) : answerOfContainer(net, target, signal);
}

async function answerOfEdge(net: Net, target: ProbeTarget, signal?: AbortSignal): Promise<ProbeAnswer> {
  const { nginx } = net;
  const site = nginx.running && siteOf(nginx.served, target);
  if (!site) return { ok: false, message: 'connection refused' };
  const [, address, port] = /proxy_pass http:\/\/([^:;]+):(\d+)/.exec(site) ?? [];
  if (address === undefined) return { ok: false, status: 503, message: 'status 503' };
  const answer = await answerOfContainer(net, { ...target, address, port: Number(port) }, signal);
  return answer.status === undefined ? { ok: false, status: 502, message: 'status 502' } : answer;
}

function siteOf(served: ReadonlyMap<string, string>, { host, port }: ProbeTarget): string | undefined {
  return [...served].find(([path, text]) => {
    const names = /server_name ([^;]+);/.exec(text)?.[1]?.split(' ') ?? [];
    return path.startsWith('sites/') && names.includes(host) && text.includes(`:${port} ssl`);
  })?.[1];
}

async function answerOfContainer(
  { docker, clock, ailing }: Net,
  target: ProbeTarget,
  signal?: AbortSignal,
): Promise<ProbeAnswer> {
  const container = atAddress(docker, target.address);
  if (!container || target.port !== LISTENS_ON) return { ok: false, message: 'connection refused' };
  if (container.state === 'paused') {
    await delay(clock, target.timeoutMilliseconds, signal).catch(() => undefined);
    return { ok: false, message: `no answer in ${target.timeoutMilliseconds / 1000} s` };
  }
  const status = ailing.has(container.id) ? 500 : statusOf(docker, container);
  return { ok: status < 400, status, message: `status ${status}` };
}

function statusOf(docker: FakeDocker, container: FakeContainer): number {
  for (const [reference, { status = 200 }] of Object.entries(IMAGES)) {
    if (docker.engine.images.get(reference)?.id === container.imageId) return status;
  }
  return 200;
}

/** The container that answers at this address: running, or frozen. */
export function atAddress(docker: FakeDocker, address: string): FakeContainer | undefined {
  for (const container of docker.engine.containers.values()) {
    if (container.state !== 'running' && container.state !== 'paused') continue;
    if (Object.values(container.addresses).includes(address)) return container;
  }
  return undefined;
}

export function ourContainers(docker: FakeDocker): FakeContainer[] {
  return [...docker.engine.containers.values()].filter(({ spec }) => isOurs(spec.labels));
}
