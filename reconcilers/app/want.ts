/**
 * What an App should be, from documents alone: its effective manifest, its names, its place on the network, its environment with
 * the values of Secrets, and what stands in the way. Pure; observe and diff build on it.
 */
import type { View } from '../../controller/engine/contract.ts';
import { ANNOTATION, condition, type Document, refText, type StatusBase } from '../../resources/document.ts';
import { type DomainFacts, domainFacts, fqdn } from '../../resources/domain.ts';
import { type EffectiveApp, effectiveApp } from '../../resources/effective.ts';
import type { AppSpec, AppStatus, PlatformSpec, PlatformStatus } from '../../resources/generated.ts';
import { canonicalFrozen, canonicalJson } from '../container/canonical.ts';
import { digest } from '../container/description.ts';
import type { RegistryAuth } from '../drivers/docker/index.ts';
import { isDiskCritical } from '../platform/pressure.ts';
import { secretValue } from '../secret-value.ts';
import { type AddonsWant, addonsWant } from './addons.ts';
import { type NamesWant, namesWant } from './records.ts';
import { type TasksWant, tasksWant } from './tasks.ts';
import { CERTIFICATE_PATH, type TlsWant, tlsWant } from './tls.ts';

export type AppDocument = Document<AppSpec & Record<string, unknown>, AppStatus & StatusBase>;

export interface Obstacle {
  reason: string;
  message: string;
}

export interface AppWant {
  document: AppDocument;
  app: EffectiveApp;
  /** Main host name; undefined when the domain is not known. */
  host?: string;
  hosts: string[];
  url?: string;
  network?: { name: string; subnet: string; gateway: string };
  dns: readonly string[];
  env: Record<string, string>;
  addons: AddonsWant;
  tasks: TasksWant;
  /** Where it has the addon tls. */
  tls?: TlsWant;
  /** Its names in DNS. */
  names: NamesWant;
  /**
   * Digest of all that documents say of the container, as they say it. While it stays the same and the container's settings
   * do not, it is Holdfast or the machine that has changed, and nobody asked for another container.
   */
  asked: string;
  auth?: RegistryAuth;
  /** Cannot go on until a person changes something: conflicts. Nothing is changed. */
  blocked?: Obstacle;
  /** Cannot go on until something else is there. Nothing is changed. */
  waiting?: Obstacle;
  /** Public ports that other Apps wait for now, by their names, while somebody else has them. */
  waitingForPorts?: ReadonlyMap<string, readonly number[]>;
  /** The disk is too full to pull an image: what Platform says of it. */
  diskFull?: string;
  site?: Document;
  /** "generation 3 by root through cli". */
  cause: () => string;
  /** Whose change it is where a setting comes from another document: "generation 2 of secret/key by root through cli". */
  causeOfReference?: (field: string) => string | undefined;
  deleting: boolean;
  deleteData: boolean;
}

const CLAIMS = 'app claims';
const WAITING = 'apps that wait for a port';

interface Claims {
  /** Host name → App that has it. */
  hosts: Map<string, string>;
  /** Public port → App that has it. */
  ports: Map<number, string>;
}

export function appWant(name: string, view: View): AppWant | undefined {
  const document = view.get('App', name) as AppDocument | undefined;
  if (!document) return undefined;
  const app = memoized(document);
  const platform = view.get('Platform', 'platform');
  const platformSpec = (platform?.spec ?? {}) as PlatformSpec;
  const network = (platform?.status as PlatformStatus | undefined)?.network;
  const domain = domainFacts(view, app.domain);
  const host = domain ? fqdn(app.location, domain.name) : undefined;
  const environment = resolveEnv(app, view);
  const port = platformSpec.http?.httpsPort ?? 443;
  const diskFull = isDiskCritical(platform);
  const url = host === undefined ? undefined : originOf(host, port);
  const credentials = registryAuth(app, view);
  const site = view.get('Site', name);
  const addons = addonsWant(document, app, view);
  const hosts = host === undefined ? [] : [host, ...app.aliases];
  const tls = tlsWant(app, { host, hosts }, view);
  const blocked = conflict(document, app, host, view, platformSpec) ?? addons.unavailable;
  const waiting = waitsFor(app, domain, platform, environment.missing, credentials.missing);
  return {
    document,
    app,
    hosts,
    ...(host === undefined ? {} : { host }),
    ...(url === undefined ? {} : { url }),
    ...(isNetwork(network) ? { network } : {}),
    dns: app.dns.length > 0 ? app.dns : (platformSpec.network?.dns ?? []),
    env: { ...platformEnv(host, domain?.name, port), ...addons.env, ...portEnv(app), ...environment.values },
    addons,
    tasks: tasksWant(document, app, view),
    ...(tls ? { tls } : {}),
    names: namesWant(document, app, host, view),
    // Whatever else of other documents comes into the container belongs in here, too.
    asked: digest(
      `[${[
        canonicalFrozen(document.spec),
        canonicalJson(environment.values),
        canonicalJson(platformSpec.network?.dns ?? []),
        canonicalJson([network?.name ?? '', network?.subnet ?? '']),
        canonicalJson(url ?? ''),
        ...(app.servers.length > 0 ? [canonicalJson(addons.env), canonicalJson(addons.hosts)] : []),
      ].join()}]`,
      24,
    ),
    ...(credentials.auth ? { auth: credentials.auth } : {}),
    ...(blocked ? { blocked } : {}),
    ...(waiting ? { waiting } : {}),
    ...(diskFull === undefined ? {} : { diskFull }),
    ...(site ? { site } : {}),
    ...(app.tcpPorts.length > 0
      ? { waitingForPorts: view.derived(WAITING, ['App#status'], portsWaitedFor) }
      : {}),
    cause: () => view.causeOf(document),
    causeOfReference: (field) =>
      field === `reads.${CERTIFICATE_PATH}` ? tls?.from : causeOfReference(field, app, view),
    deleting: document.metadata.deletionTimestamp !== undefined,
    deleteData: document.metadata.annotations?.[ANNOTATION.deleteData] === 'true',
  };
}

function isNetwork(
  value: PlatformStatus['network'],
): value is { name: string; subnet: string; gateway: string } {
  return value?.name !== undefined && value.subnet !== undefined && value.gateway !== undefined;
}

function causeOfReference(field: string, app: EffectiveApp, view: View): string | undefined {
  const [, variable] = /^env\.(.+)$/.exec(field) ?? [];
  const entry = app.env.find(({ name }) => name === variable);
  if (entry && 'secret' in entry) return causeOf(view.get('Secret', entry.secret), view);
  return /^(network|address|dns)$/.test(field) ? causeOf(view.get('Platform', 'platform'), view) : undefined;
}

function causeOf(document: Document | undefined, view: View): string | undefined {
  return document && view.causeOf(document).replace(/^generation \d+/, `$& of ${refText(document)}`);
}

/** The names that packages of the older platform read, and their prefixed twins. */
function platformEnv(
  host: string | undefined,
  domain: string | undefined,
  httpsPort: number,
): Record<string, string> {
  const origin = (name: string | undefined) => (name === undefined ? '' : originOf(name, httpsPort));
  const console = origin(domain === undefined ? undefined : fqdn('my', domain));
  const values = {
    WEBADMIN_ORIGIN: console,
    API_ORIGIN: console,
    APP_ORIGIN: origin(host),
    APP_DOMAIN: host ?? '',
  };
  const twins = Object.entries(values).map(([name, value]) => [`CLOUDRON_${name}`, value]);
  return { CLOUDRON: '1', ...values, ...Object.fromEntries(twins) };
}

function originOf(host: string, httpsPort: number): string {
  return `https://${host}${httpsPort === 443 ? '' : `:${httpsPort}`}`;
}

function portEnv(app: EffectiveApp): Record<string, string> {
  return Object.fromEntries(app.tcpPorts.map(({ name, hostPort }) => [name, String(hostPort)]));
}

function resolveEnv(app: EffectiveApp, view: View): { values: Record<string, string>; missing?: string } {
  const values: Record<string, string> = {};
  for (const entry of app.env) {
    if ('value' in entry) {
      values[entry.name] = entry.value;
      continue;
    }
    const value = secretValue(view.get('Secret', entry.secret), entry.key);
    if (value !== undefined) values[entry.name] = value;
    else if (!entry.optional) return { values, missing: `key ${entry.key} of secret/${entry.secret}` };
  }
  return { values };
}

function registryAuth(app: EffectiveApp, view: View): { auth?: RegistryAuth; missing?: string } {
  if (app.imagePullSecret === undefined) return {};
  const secret = view.get('Secret', app.imagePullSecret);
  const username = secretValue(secret, 'username');
  const password = secretValue(secret, 'password');
  const server = secretValue(secret, 'server');
  if (username === undefined || password === undefined) {
    return { missing: `username and password of secret/${app.imagePullSecret}` };
  }
  return { auth: { username, password, ...(server === undefined ? {} : { server }) } };
}

function waitsFor(
  app: EffectiveApp,
  domain: DomainFacts | undefined,
  platform: Document | undefined,
  missingEnv: string | undefined,
  missingCredentials: string | undefined,
): Obstacle | undefined {
  if (!domain) {
    const message = `waits for domain/${app.domain}, which does not exist; the built-in domain is localhost`;
    return { reason: 'ReferenceNotFound', message };
  }
  if (domain.waitsFor) return domain.waitsFor;
  const missing = missingEnv ?? missingCredentials;
  if (missing !== undefined)
    return { reason: 'ReferenceNotFound', message: `waits for ${missing}; apply that Secret` };
  const network = platform?.status as PlatformStatus | undefined;
  if (!isNetwork(network?.network)) {
    const why = platform && condition(platform, 'Ready');
    const message = `waits for the network of platform/platform${why ? `: ${why.message}` : ''}`;
    return { reason: 'PlatformNotReady', message };
  }
  return undefined;
}

/** Who claims which host name and which public port: who has it already, then the older App. */
function claims(view: View): Claims {
  const apps = ([...view.list('App')] as AppDocument[]).sort(byAge).map((document) => {
    const app = memoized(document);
    const domain = domainFacts(view, app.domain);
    const hosts = domain ? [fqdn(app.location, domain.name), ...app.aliases] : [];
    return { document, hosts, ports: app.tcpPorts.map(({ hostPort }) => hostPort) };
  });
  const hosts = new Map<string, string>();
  const ports = new Map<number, string>();
  for (const incumbents of [true, false]) {
    for (const app of apps) {
      const { name } = app.document.metadata;
      const has = app.document.status;
      for (const host of app.hosts) {
        if (!hosts.has(host) && (!incumbents || has?.hosts?.includes(host))) hosts.set(host, name);
      }
      for (const port of app.ports) {
        if (!ports.has(port) && (!incumbents || has?.ports?.includes(port))) ports.set(port, name);
      }
    }
  }
  return { hosts, ports };
}

function portsWaitedFor(view: View): ReadonlyMap<string, readonly number[]> {
  const waiting = (view.list('App') as readonly AppDocument[]).filter(
    (app) => condition(app, 'Ready')?.reason === 'PortInUse',
  );
  return new Map(
    waiting.map((app) => [app.metadata.name, memoized(app).tcpPorts.map(({ hostPort }) => hostPort)]),
  );
}

const effectiveApps = new WeakMap<object, EffectiveApp>();

/** Specs are frozen and shared between versions of a document, so one answer serves all of them. */
function memoized(document: AppDocument): EffectiveApp {
  const kept = effectiveApps.get(document.spec);
  if (kept) return kept;
  const app = effectiveApp(document.spec, document.metadata.name);
  effectiveApps.set(document.spec, app);
  return app;
}

function byAge(a: Document, b: Document): number {
  const [left, right] = [a.metadata, b.metadata].map(
    ({ creationTimestamp, uid }) => `${creationTimestamp} ${uid}`,
  );
  return (left ?? '') < (right ?? '') ? -1 : 1;
}

function conflict(
  document: AppDocument,
  app: EffectiveApp,
  host: string | undefined,
  view: View,
  { http }: PlatformSpec,
): Obstacle | undefined {
  if (document.metadata.deletionTimestamp) return undefined;
  const { name } = document.metadata;
  const { hosts, ports } = view.derived(CLAIMS, ['App#status', 'Domain'], claims);
  for (const wanted of host === undefined ? [] : [host, ...app.aliases]) {
    const holder = hosts.get(wanted);
    if (holder === undefined || holder === name) continue;
    const message = `${wanted} belongs to app/${holder}, which had it first; choose another location or alias`;
    return { reason: 'LocationConflict', message };
  }
  for (const { name: variable, hostPort } of app.tcpPorts) {
    if (hostPort === (http?.port ?? 80) || hostPort === (http?.httpsPort ?? 443)) {
      const message = `port ${hostPort} (${variable}) is the platform's own; choose another in spec.ports`;
      return { reason: 'PortConflict', message };
    }
    const holder = ports.get(hostPort);
    if (holder === undefined || holder === name) continue;
    const message = `port ${hostPort} (${variable}) belongs to app/${holder}, which had it first; choose another in spec.ports`;
    return { reason: 'PortConflict', message };
  }
  return undefined;
}
