/**
 * What has converged has nothing left to do: for documents of every kind, made by chance from the schemas, a plan is empty, a full look
 * calls no writing verb of any driver, and nothing is written. Also where the engine answers in other words than it was told: other order,
 * defaults filled in, names in full. SEED=n tries other documents; RUNS=n more of them.
 */
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Drivers } from '../../controller/core.ts';
import { createFakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import { type InspectedContainer, readContainer } from '../../reconcilers/drivers/docker/read.ts';
import { createFakeFirewall } from '../../reconcilers/drivers/firewall/fake.ts';
import { READING_VERBS } from '../../reconcilers/halves.ts';
import { BRIDGE } from '../../reconcilers/platform/bridge.ts';
import { API_VERSION, type Manifest } from '../../resources/document.ts';
import { validate } from '../../resources/validation.ts';
import { VirtualClock } from '../support/clock.ts';
import { IMAGE, type RunningController, startController } from '../support/controller.ts';
import { type Choices, specsOf } from '../support/documents.ts';

const SEED = Number(process.env['SEED'] ?? 1);
const RUNS = Number(process.env['RUNS'] ?? 6);
const VOLUMES = 'docker.io/library/volumes:1';
/** Of the older platform; they come later. */
const UNAVAILABLE = [
  'mongodb',
  'ldap',
  'sendmail',
  'oauth',
  'oidc',
  'email',
  'recvmail',
  'tls',
  'simpleauth',
];
const APPS = ['app-a', 'app-b', 'app-c', 'app-d', 'app-e'];
const ADDONS = ['postgresql', 'mysql', 'redis'];
const SERVERS = ['postgres:17', 'mariadb:10.11', 'redis:7'];

const image = fc.constantFrom(IMAGE, VOLUMES);
const secret = fc.constant('key');
/** Not within the hour. */
const schedule = fc.constantFrom('0 4 1 6 *', '30 5 31 12 *');
const bytes = fc.constantFrom(-1, 0, '64Mi', '0.5Gi', 134_217_729, '100000k');
const command = fc.array(fc.constantFrom('serve', '--port', 'a b', 'ü', '$X', ''), {
  minLength: 1,
  maxLength: 3,
});

/** Where a schema says less than there is. What is undefined would be work that never ends, or is for people alone. */
const CHOICES: Record<string, Choices> = {
  App: {
    image,
    'manifest.dockerImage': image,
    'manifest.addons.scheduler{}.schedule': schedule,
    ...Object.fromEntries(UNAVAILABLE.map((name) => [`manifest.addons.${name}`, undefined])),
    sso: undefined,
    'tasks{}.schedule': schedule,
    'tasks{}.suspend': undefined,
    command,
    'debug.command': command,
    location: undefined,
    domain: fc.constantFrom('localhost', 'example.com', 'wild.example.net'),
    aliases: undefined,
    'addons.mongodb': undefined,
    'addons.postgresql.addon': fc.constant('postgresql'),
    'addons.mysql.addon': fc.constant('mysql'),
    'env[].valueFrom.secretKeyRef.name': secret,
    'env[].valueFrom.secretKeyRef.key': fc.constantFrom('token', 'other'),
    memory: bytes,
    imagePullSecret: secret,
    adopt: undefined,
    suspend: undefined,
  },
  Addon: {
    version: undefined,
    image: undefined,
    memory: bytes,
    imagePullSecret: undefined,
    suspend: undefined,
    type: undefined,
  },
  Domain: {
    zone: undefined,
    provider: fc.constantFrom('cloudflare', 'digitalocean', 'manual', 'wildcard', 'noop'),
    'credentials.secret': secret,
    nameServers: undefined,
    'tls.acme.eab': undefined,
    'tls.acme.caSecret': undefined,
    'tls.acme.caBundle': undefined,
    'tls.acme.directory': undefined,
    'tls.certificate': undefined,
    'tls.fallback': undefined,
    'tls.issuer': fc.constantFrom('acme', 'internal'),
    'address.from': undefined,
    'address.interface': undefined,
    suspend: undefined,
  },
  Platform: {
    'http.port': fc.constantFrom(80, 8080),
    'http.httpsPort': fc.constantFrom(443, 8443),
    'network.pool': fc.constantFrom(['10.213.0.0/16'], ['10.99.0.0/20', '10.98.0.0/16']),
    'dns.resolvers': fc.constant(['192.0.2.53']),
    'health.intervalSeconds': fc.constantFrom(5, 10),
    maintenance: fc.constantFrom(undefined, { windows: [{ schedule: '0 3 * * *', duration: '2h' }] }),
    timezone: fc.constantFrom('UTC', 'Europe/Berlin'),
    suspendKinds: undefined,
    suspend: undefined,
    api: undefined,
  },
  Secret: { 'data{}': fc.constantFrom('', 'YQ==', 'w7w='), suspend: undefined },
};

/** Takes away what validation refuses, field by field, until nothing is refused. */
function valid(manifest: Manifest): Manifest | undefined {
  const wanted = structuredClone(manifest);
  for (let round = 0; round < 50; round += 1) {
    const [problem] = validate(wanted as Parameters<typeof validate>[0]) as { pointer: string }[];
    if (!problem) return wanted;
    if (!remove(wanted, problem.pointer.split('/').slice(1))) return undefined;
  }
  return undefined;
}

function remove(value: unknown, [name = '', ...rest]: string[]): boolean {
  if (typeof value !== 'object' || value === null || !(name in value)) return false;
  const inside = value as Record<string, unknown>;
  if (rest.length > 0 && remove(inside[name], rest)) return true;
  return Array.isArray(value) ? value.splice(Number(name), 1).length > 0 : delete inside[name];
}

const CLOUDFLARE = 'example.com';
const key: Manifest = {
  apiVersion: API_VERSION,
  kind: 'Secret',
  metadata: { name: 'key' },
  spec: { stringData: { token: 'secret', username: 'u', password: 'p' } },
};

function documents(seed: number): Manifest[] {
  const some = (kind: string, names: readonly string[], needed: Record<string, unknown> = {}) =>
    fc
      .sample(specsOf(kind, CHOICES[kind]), {
        seed: seed + (names[0]?.charCodeAt((names[0]?.length ?? 1) - 1) ?? 0),
        numRuns: names.length,
      })
      .map((spec, index) => {
        const metadata = { name: names[index] ?? '' };
        return valid({ apiVersion: API_VERSION, kind, metadata, spec: { ...spec, ...needed } });
      })
      .filter((made): made is Manifest => made !== undefined);
  return [
    key,
    ...some('Platform', ['platform']),
    ...some('Domain', [CLOUDFLARE, 'wild.example.net']),
    ...ADDONS.flatMap((type) => some('Addon', [type], { type })),
    ...some('Secret', ['one', 'two']),
    ...APPS.flatMap((name, index) =>
      some('App', [name], {
        location: index === 0 ? '' : name,
        aliases: [`${name}.example.com`, `${name}.elsewhere.org`].slice(index % 3),
      }),
    ),
  ];
}

/** As engines from 20.10 to 29 say the same thing. */
function inOtherWords(told: InspectedContainer): InspectedContainer {
  const { HostConfig: host = {}, Config: config = {} } = told;
  const reversed = <T>(list: readonly T[] | null | undefined) => (list ? [...list].reverse() : list);
  const orNull = <T>(list: T[] | null | undefined) => (list?.length ? list : null);
  const hostConfig = {
    ...host,
    Binds: null,
    Devices: null,
    CapAdd: null,
    CapDrop: reversed(host.CapDrop?.map((name) => `CAP_${name}`)) ?? null,
    Mounts: reversed(host.Mounts) ?? null,
    ExtraHosts: orNull(reversed(host.ExtraHosts?.map((line) => line.replace(':', '=')))),
    Dns: orNull(host.Dns ? [...host.Dns] : []),
    SecurityOpt:
      reversed(
        host.SecurityOpt?.map((option) => option.replace('no-new-privileges:true', 'no-new-privileges')),
      ) ?? null,
    RestartPolicy: { Name: host.RestartPolicy?.Name ?? '', MaximumRetryCount: 0 },
    // An engine without swap accounting.
    MemorySwap: host.Memory ? -1 : 0,
    MemoryReservation: 0,
    NanoCpus: 0,
    Privileged: false,
    PidMode: '',
  };
  const env = ['PATH=/bin', 'LANG=C', ...(reversed(config.Env) ?? [])];
  const networks = told.NetworkSettings?.Networks ?? {};
  return {
    ...told,
    HostConfig: hostConfig,
    Config: { ...config, Env: env },
    NetworkSettings: {
      Networks: Object.fromEntries(
        Object.entries(networks).map(([name, end]) => [
          name,
          { ...end, Aliases: ['x'], GlobalIPv6Address: '' },
        ]),
      ),
    },
  };
}

interface Watched {
  controller: RunningController;
  /** Writing verbs called so far. */
  writes: string[];
}

/** What only tells of the world, though it is not for planning. */
const HARMLESS = new Set(['follow', 'ask', 'close', 'ensure', 'orderStatus']);

async function watched(otherWords: boolean): Promise<Watched> {
  const clock = new VirtualClock();
  const docker = createFakeDocker({ clock, pathExists: () => true });
  docker.addImage(VOLUMES, { volumes: ['/var/lib/it', '/data'], env: { PATH: '/bin' } });
  for (const server of SERVERS) docker.addImage(server);
  const { engine } = docker;
  const writes: string[] = [];
  const spy = (name: string, driver: object) =>
    new Proxy(driver, {
      get(target, verb, receiver) {
        const value: unknown = Reflect.get(target, verb, receiver);
        if (typeof value !== 'function' || typeof verb === 'symbol') return value;
        const readings = READING_VERBS[name as keyof typeof READING_VERBS] ?? {};
        if (verb in readings || HARMLESS.has(verb)) return value.bind(target);
        return (...args: unknown[]) => {
          writes.push(`${name}.${verb}`);
          return (value as (...given: unknown[]) => unknown).apply(target, args);
        };
      },
    });
  const container: typeof docker.container = async (id) => {
    const found = engine.find(id);
    return found && otherWords ? readContainer(inOtherWords(engine.inspect(found))) : docker.container(id);
  };
  const wrap = (drivers: Drivers) => {
    const records: Drivers['dns']['records'] = async (...about) =>
      [...(await drivers.dns.records(...about))]
        .reverse()
        .map((set) => ({ ...set, values: [...set.values].reverse() }));
    const dns = Object.assign(Object.create(drivers.dns), otherWords ? { records } : {});
    const told = { ...drivers, dns, docker: { ...docker, container } };
    return Object.fromEntries(
      Object.entries(told).map(([name, driver]) => [name, spy(name, driver)]),
    ) as Partial<Drivers>;
  };
  const firewall = createFakeFirewall();
  firewall.dockerStarts(BRIDGE);
  const controller = await startController({ world: { clock, docker }, drivers: { firewall }, wrap });
  for (const zone of [CLOUDFLARE, 'wild.example.net']) controller.world.dns.addZone(zone);
  return { controller, writes };
}

/** Whatever port and path an App has, it answers. */
function answer({ store, world: { probe } }: RunningController): void {
  for (const { status } of store.list('App').items) {
    const { address, manifest } = (status ?? {}) as { address?: string; manifest?: { httpPort?: number } };
    if (address !== undefined) probe.answers.set(`${address}:${manifest?.httpPort}`, 200);
  }
}

async function pass(controller: RunningController, seconds: number): Promise<void> {
  for (let left = seconds; left > 0; left -= 10) {
    await controller.pass(10_000);
    answer(controller);
  }
}

const states = (controller: RunningController) =>
  ['Platform', 'Domain', 'Addon', 'App', 'Site', 'Binding', 'Task', 'DNSRecord', 'Certificate'].flatMap(
    (kind) =>
      controller.store.list(kind).items.map(({ metadata }) => {
        const { status, reason, message } = controller.ready(kind, metadata.name);
        return `${kind}/${metadata.name} ${status} ${reason} ${message}`;
      }),
  );

for (let run = 0; run < RUNS; run += 1) {
  const seed = (SEED * 1000 + run) * 7919;
  const otherWords = run % 2 === 1;
  test(`what has converged has nothing left to do (SEED ${SEED}, run ${run}${otherWords ? ', in other words' : ''})`, async () => {
    const watch = await watched(otherWords);
    const { controller, writes } = watch;
    try {
      await controller.apply(...documents(seed));
      await pass(controller, 400);
      if (process.env['SHOW']) console.log(states(controller).join('\n'));
      const { out } = await controller.holdfast(['plan']);
      assert.match(
        out,
        /^Plan: 0 to create, 0 to change, 0 to delete/m,
        `${out}\n${states(controller).join('\n')}`,
      );
      const { version } = controller.store;
      writes.length = 0;
      await controller.core.engine.resync();
      await pass(controller, 700);
      assert.equal([...new Set(writes)], [], states(controller).join('\n'));
      assert.is(controller.store.version, version, states(controller).join('\n'));
      await controller.restart();
      await pass(controller, 60);
      const disturbing = writes.filter((call) => call.startsWith('docker.'));
      assert.equal(disturbing, [], 'a controller that is started anew changes no container');
    } finally {
      await controller.close();
    }
  });
}

test.run();
