/**
 * How Apps should be when all is quiet, from their documents and from the world itself: written apart from the reconciler, so that a
 * mistake of one is not made by the other.
 */
import type { FakeContainer } from '../../../reconcilers/drivers/docker/fake-container.ts';
import { LABEL } from '../../../reconcilers/drivers/docker/index.ts';
import { readContainer } from '../../../reconcilers/drivers/docker/read.ts';
import { ANNOTATION, condition, type Document } from '../../../resources/document.ts';
import { fqdn } from '../../../resources/domain.ts';
import { type EffectiveApp, effectiveApp } from '../../../resources/effective.ts';
import type { AppSpec, SecretSpec } from '../../../resources/generated.ts';
import { IMAGES, LISTENS_ON } from '../images.ts';
import { PRIVATE_AUTH } from '../secrets.ts';
import type { Simulation } from '../simulation.ts';
import { atAddress, ourContainers, STATE_FOLDER } from '../world.ts';
import { addonObstacle, loginProblems } from './databases.ts';
import { domainObstacle } from './named.ts';

/** A person has to say that it should be tried again. */
export const RETRY_REASONS: ReadonlySet<string> = new Set(['RolloutFailed', 'Looping', 'Cancelled']);

interface Deserved {
  /** Undefined: either. */
  ready?: boolean;
  /** Any of these; empty: any. */
  reasons: readonly string[];
}

export function appProblems(sim: Simulation): string[] {
  const { store } = sim;
  if (!store) return ['the controller is down'];
  const apps = store.list('App').items;
  return [
    ...apps.flatMap((app) =>
      problemsOf(sim, app, apps).map((problem) => `app/${app.metadata.name}: ${problem}`),
    ),
    ...strays(sim, apps),
  ];
}

function problemsOf(sim: Simulation, app: Document, apps: readonly Document[]): string[] {
  if (app.metadata.deletionTimestamp) return ['it is still being deleted'];
  if (app.spec['suspend'] === true) return [];
  const ready = condition(app, 'Ready');
  if (!ready) return ['it has no status'];
  const { observedGeneration } = app.status ?? {};
  if (observedGeneration !== app.metadata.generation)
    return [`its status speaks of generation ${observedGeneration}, not ${app.metadata.generation}`];
  if (isBlockedByOthers(sim, app)) return [];
  const effective = effectiveApp(app.spec as AppSpec, app.metadata.name);
  const { ready: isReady, reasons } = deserves(sim, effective, app, apps);
  const ill = effective?.state === 'stopped' ? undefined : illnessOf(sim, app);
  if (ill !== undefined) {
    const isTold = ready.status !== 'True' || ill < UNHEALTHY_MILLISECONDS;
    return isTold ? [] : [`it has answered badly for ${ill / 1000} s, and is Ready=True ${ready.reason}`];
  }
  const wrong =
    (isReady !== undefined && (ready.status === 'True') !== isReady) ||
    (reasons.length > 0 && !reasons.includes(ready.reason));
  if (wrong) {
    const wanted = `${isReady === undefined ? '' : `Ready=${isReady} `}${reasons.join(' or ')}`;
    return [
      `it is Ready=${ready.status} ${ready.reason} (${ready.message.slice(0, 200)}); it deserves ${wanted}`,
    ];
  }
  if (ready.reason === 'Serving') return servingProblems(sim, app, effective);
  if (ready.reason === 'Stopped') {
    const running = containersOf(sim, app).filter(({ state }) => state !== 'exited' && state !== 'created');
    return running.map(({ name, state }) => `it is stopped, and ${name} is ${state}`);
  }
  return [];
}

/** When it must be told at the latest: what is waited for, a question more, and a look. */
const UNHEALTHY_MILLISECONDS = 90_000;

/** How long its process has answered badly by now, in milliseconds; undefined where it does not. */
function illnessOf({ world: { ailing }, clock }: Simulation, app: Document): number | undefined {
  const { id = '' } = (app.status as { container?: { id?: string } } | undefined)?.container ?? {};
  const since = ailing.get(id);
  return since === undefined ? undefined : clock.monotonic() - since;
}

/** Somebody stands in the way who goes away only when all is lifted. */
function isBlockedByOthers({ world, memory }: Simulation, app: Document): boolean {
  const { ports } = app.spec as { ports?: Record<string, number> };
  const taken = Object.values(ports ?? {}).some((port) => world.docker.engine.takenPorts.has(`tcp/${port}`));
  return taken || memory.nginxRefuses || memory.squatters.size > 0;
}

function deserves(
  sim: Simulation,
  app: EffectiveApp,
  document: Document,
  apps: readonly Document[],
): Deserved {
  const missing = app.env.some(
    (entry) => 'secret' in entry && !entry.optional && keyOf(sim, entry) === undefined,
  );
  const auth = app.imagePullSecret === undefined ? undefined : authOf(sim, app.imagePullSecret);
  const others = apps.filter((other) => other !== document && shares(document, other));
  if (others.length > 0 && isConflict(document)) {
    return { ready: false, reasons: ['LocationConflict', 'PortConflict'] };
  }
  const unnamed = domainObstacle(sim, app);
  if (unnamed === 'any') return { reasons: [] };
  if (unnamed !== undefined) return { ready: false, reasons: [unnamed, 'PortInUse'] };
  if (missing || auth === 'missing') return { ready: false, reasons: ['ReferenceNotFound', 'PortInUse'] };
  if (app.state === 'stopped') {
    // Nginx cannot say that it is stopped where the name is another's.
    if (isHostHeld(sim, app, document)) return { reasons: ['Stopped', 'SiteNotReady'] };
    return { ready: true, reasons: ['Stopped'] };
  }
  const obstacle = addonObstacle(sim, app);
  if (obstacle !== undefined)
    return { ready: false, reasons: [obstacle, 'PortInUse', 'ImageNotFound', 'RegistryDenied'] };
  const port = portHeld(sim, app, document, apps);
  if (port === 'held') return { ready: false, reasons: ['PortInUse'] };
  const image = IMAGES[app.image];
  const { ref, id = '' } = (document.status as { image?: { ref?: string; id?: string } }).image ?? {};
  const { engine } = sim.world.docker;
  const isPinned = ref === app.image && engine.findImage(id) !== undefined;
  const isLocal = engine.findImage(app.image) !== undefined || isPinned;
  if (!isLocal && !image) return { ready: false, reasons: ['ImageNotFound'] };
  if (
    !isLocal &&
    image?.remote?.auth &&
    (auth as typeof PRIVATE_AUTH | undefined)?.password !== PRIVATE_AUTH.password
  )
    return { ready: false, reasons: ['RegistryDenied'] };
  if (image?.crashes) {
    // Between two of its ends it does serve. The one before it may wait for a port that another has by now.
    return {
      reasons: [
        'CrashLooping',
        'RolloutFailed',
        'Starting',
        'Unhealthy',
        'Progressing',
        'Serving',
        'PortInUse',
      ],
    };
  }
  if (app.httpPort !== LISTENS_ON || (image?.status ?? 200) >= 400)
    return { ready: false, reasons: ['Unhealthy', 'Starting', 'RolloutFailed'] };
  if (port === 'now and then') return { reasons: ['PortInUse', 'Serving', 'SiteNotReady'] };
  // A site that is suspended with its App, or waits with it, keeps its name.
  if (isHostHeld(sim, app, document)) return { reasons: ['SiteNotReady', 'Serving'] };
  return { ready: true, reasons: ['Serving'] };
}

/**
 * Whether the container of another App, which cannot be changed yet because something of its own is missing, has a port of this one. Docker
 * gives the ports of a container back while it waits for its next try, so one that ends again and again has them only now and then.
 */
function portHeld(
  sim: Simulation,
  { tcpPorts }: EffectiveApp,
  { metadata }: Document,
  apps: readonly Document[],
  asked: ReadonlySet<string> = new Set(),
): 'held' | 'now and then' | 'free' {
  const { world } = sim;
  const wanted = new Set(tcpPorts.map(({ hostPort }) => hostPort));
  const holders = ourContainers(world.docker).filter(({ spec, state }) => {
    const uid = spec.labels[LABEL.uid];
    if (
      !HOLDING.has(state) ||
      uid === metadata.uid ||
      !spec.ports.some(({ hostPort }) => wanted.has(hostPort))
    )
      return false;
    const other = apps.find((app) => app.metadata.uid === uid);
    const ready = condition(other ?? {}, 'Ready');
    if (ready?.status === 'True') return false;
    if (ready?.reason !== 'PortInUse' || !other) return true;
    // It keeps what it has while a third one keeps what it waits for; of those that wait for each other one lets go.
    const app = effectiveApp(other.spec as AppSpec, other.metadata.name);
    if (!app || asked.has(other.metadata.uid)) return false;
    return portHeld(sim, app, other, apps, new Set([...asked, metadata.uid])) === 'held';
  });
  if (holders.length === 0) return 'free';
  const ends = Object.keys(IMAGES)
    .filter((reference) => IMAGES[reference]?.crashes)
    .map((reference) => world.docker.engine.images.get(reference)?.id);
  const stays = ({ state, imageId }: FakeContainer) =>
    state === 'paused' || (state === 'running' && !ends.includes(imageId));
  return holders.some(stays) ? 'held' : 'now and then';
}

const HOLDING: ReadonlySet<string> = new Set(['running', 'paused', 'restarting']);

function isHostHeld(
  { store }: Simulation,
  { location, domain, aliases }: EffectiveApp,
  { metadata }: Document,
): boolean {
  const hosts = [fqdn(location, domain), ...aliases];
  const sites = store?.list('Site').items ?? [];
  return sites.some(
    (site) =>
      site.metadata.name !== metadata.name &&
      (site.spec['hosts'] as string[]).some((host) => hosts.includes(host)),
  );
}

function isConflict(app: Document): boolean {
  return /^(Location|Port)Conflict$/.test(condition(app, 'Ready')?.reason ?? '');
}

function shares(one: Document, other: Document): boolean {
  const [a, b] = [one, other].map(({ spec, metadata }) => effectiveApp(spec as AppSpec, metadata.name));
  if (!a || !b) return false;
  const hosts = (app: EffectiveApp) => [fqdn(app.location, app.domain), ...app.aliases];
  const ports = (app: EffectiveApp) => app.tcpPorts.map(({ hostPort }) => hostPort);
  return hosts(a).some((host) => hosts(b).includes(host)) || ports(a).some((port) => ports(b).includes(port));
}

function keyOf({ store }: Simulation, { secret, key }: { secret: string; key: string }): string | undefined {
  const spec = store?.get('Secret', secret)?.spec as SecretSpec | undefined;
  return spec?.stringData?.[key];
}

function authOf(sim: Simulation, secret: string): typeof PRIVATE_AUTH | 'missing' {
  const [username, password] = ['username', 'password'].map((key) => keyOf(sim, { secret, key }));
  return username === undefined || password === undefined ? 'missing' : { username, password };
}

function containersOf({ world }: Simulation, app: Document): FakeContainer[] {
  return ourContainers(world.docker).filter(({ spec }) => spec.labels[LABEL.uid] === app.metadata.uid);
}

/** It is said to serve: then this is how it is. */
function servingProblems(sim: Simulation, app: Document, effective: EffectiveApp): string[] {
  const { world, store } = sim;
  const containers = containersOf(sim, app);
  const [container] = containers;
  if (!container || containers.length > 1) return [`it has ${containers.length} containers`];
  const problems: string[] = [];
  const expect = (what: string, found: unknown, wanted: unknown) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted))
      problems.push(`${what} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
  };
  const { name, uid } = app.metadata;
  const status = app.status as {
    container?: { id?: string };
    image?: { id?: string };
    address?: string;
    restartedAt?: string;
  };
  const details = readContainer(world.docker.engine.inspect(container));
  const { settings } = details;
  const address = store?.leases.of('address', uid);
  expect('the state', container.state, 'running');
  expect('the name', container.name, `holdfast-app-${name}`);
  expect('the address', container.addresses['holdfast'], address);
  expect('the address of the status', status.address, address);
  expect('the container of the status', status.container?.id, container.id);
  expect('the image', container.spec.image, status.image?.id);
  expect('the memory', settings.memoryWithSwap, effective.memoryWithSwap);
  const asked = app.metadata.annotations?.[ANNOTATION.restartedAt];
  if (asked !== undefined) expect('the restart that was done', status.restartedAt, asked);
  expect('the restart policy', settings.restartPolicy, 'always');
  expect('the limit of processes', settings.pidsLimit, effective.pidsLimit);
  expect('the root', settings.readOnlyRoot, effective.readOnlyRoot);
  expect('the name servers', settings.dns, effective.dns.length > 0 ? effective.dns : platformDns(sim));
  expect(
    'the ports',
    settings.ports.map(({ hostPort, containerPort }) => [hostPort, containerPort]),
    effective.tcpPorts.map(({ hostPort, containerPort }) => [hostPort, containerPort]),
  );
  for (const entry of effective.env) {
    const wanted = 'secret' in entry ? keyOf(sim, entry) : entry.value;
    if (container.spec.env[entry.name] !== wanted) problems.push(`the variable ${entry.name} is another`);
  }
  for (const { path, folder } of effective.mounts) {
    const device = container.spec.mounts.find(({ target }) => target === path)?.device;
    expect(`what is mounted at ${path}`, device, `${STATE_FOLDER}/apps/${name}/${folder}`);
    if (device !== undefined && !world.host.state.folders.has(device)) problems.push(`${device} is missing`);
  }
  problems.push(...certificateProblems(sim, name, effective, container));
  if (address !== undefined && atAddress(world.docker, address) !== container)
    problems.push('another answers there');
  problems.push(...loginProblems(sim, name, effective, container.spec));
  return [...problems, ...edgeProblems(sim, app, effective, address)];
}

/** What nginx serves for it is in the folder that its container reads, and nothing else is beside that. */
function certificateProblems(
  { world: { docker, nginx, host } }: Simulation,
  name: string,
  { addons, location, domain }: EffectiveApp,
  container: FakeContainer,
): string[] {
  const root = `${STATE_FOLDER}/tls/${name}/`;
  const uid = container.spec.labels[LABEL.uid];
  // A task that runs may read what the container before did.
  const isBusy = ourContainers(docker).some(
    ({ spec, state }) => spec.labels[LABEL.app] === uid && state === 'running',
  );
  const kept = isBusy ? [] : [...host.state.folders.keys()].filter((folder) => folder.startsWith(root));
  const mount = container.spec.mounts.find(({ target }) => target === '/etc/certs');
  if (!addons.includes('tls')) {
    const left = kept.map((folder) => `${folder} is read by nobody`);
    return mount ? [...left, 'it reads a certificate that it did not ask for'] : left;
  }
  if (mount?.readOnly !== true) return ['it cannot read its certificate, or can write it'];
  const text = (file: string) => host.state.files.get(`${mount.source}/${file}`);
  const own = `${fqdn(location, domain)}_`;
  const served = [...nginx.pems].filter(([file]) => file.startsWith(own) || file.startsWith('domain_'));
  const isServed = served.some(
    ([, { certificate, key }]) => certificate === text('tls_cert.pem') && key === text('tls_key.pem'),
  );
  return [
    ...(isServed ? [] : ['it has another certificate than nginx']),
    ...kept.filter((folder) => folder !== mount.source).map((folder) => `${folder} is read by nobody`),
  ];
}

function platformDns({ store }: Simulation): string[] {
  const spec = store?.get('Platform', 'platform')?.spec as { network?: { dns?: string[] } } | undefined;
  return spec?.network?.dns ?? [];
}

function edgeProblems(
  { world: { nginx } }: Simulation,
  app: Document,
  { location, domain, httpPort }: EffectiveApp,
  address: string | undefined,
): string[] {
  const text = nginx.files.get(`sites/${app.metadata.name}.conf`) ?? '';
  const host = fqdn(location, domain);
  if (!text.includes(host)) return [`nginx does not know ${host}`];
  return text.includes(`proxy_pass http://${address}:${httpPort};`)
    ? []
    : [`nginx does not pass ${host} on to ${address}`];
}

/** What is there of Apps and belongs to none that lives. */
function strays({ world, store }: Simulation, apps: readonly Document[]): string[] {
  const uids = new Set(apps.map(({ metadata }) => metadata.uid));
  const containers = ourContainers(world.docker)
    .filter(({ spec }) => spec.labels[LABEL.kind] === 'App' && !uids.has(spec.labels[LABEL.uid] ?? ''))
    .map(({ name }) => `container ${name} is of no app`);
  // Those of an App that stands still, waits or is suspended are kept for its next container.
  const idle = new Set(
    apps.filter((app) => condition(app, 'Ready')?.reason !== 'Serving').map(({ metadata }) => metadata.uid),
  );
  const volumes = [...world.docker.engine.volumes.values()]
    .filter(({ labels }) => labels[LABEL.kind] === 'App' && !idle.has(labels[LABEL.uid] ?? ''))
    .filter(({ name }) => !world.docker.engine.volumeInUse(name))
    .map(({ name }) => `volume ${name} is used by no container`);
  const others = ['Task', 'Addon'].flatMap((kind) => store?.list(kind).items ?? []);
  const otherUids = new Set(others.map(({ metadata }) => metadata.uid));
  const leases = [...(store?.leases.all('address') ?? [])]
    .filter(([uid]) => !uids.has(uid) && !otherUids.has(uid))
    .map(([uid, address]) => `address ${address} is kept for ${uid}, which is gone`);
  const names = new Set(apps.map(({ metadata }) => metadata.name));
  const certificates = [...world.host.state.folders.keys()]
    .filter((folder) => folder.startsWith(`${STATE_FOLDER}/tls/`))
    .filter((folder) => !names.has(folder.slice(`${STATE_FOLDER}/tls/`.length).split('/')[0] ?? ''))
    .map((folder) => `${folder} is of no app`);
  return [...containers, ...volumes, ...leases, ...certificates];
}

export function appLeftovers(sim: Simulation): string[] {
  const apps = sim.store?.list('App').items ?? [];
  const folders = sim.world.host.state.folders;
  const lost = [...sim.memory.folders].filter((folder) => !folders.has(folder));
  return [
    ...apps.map(({ metadata }) => `app/${metadata.name} is left`),
    ...strays(sim, []),
    ...lost.map((folder) => `${folder} is gone`),
  ];
}
