/**
 * What nginx should serve, from documents alone: every Site, with the hosts that are its own, and where to listen. Pure. Of two
 * Sites that want one host the older has it; the younger keeps its other hosts and is told.
 */
import { isIP } from 'node:net';
import type { View } from '../../controller/engine/contract.ts';
import { type Document, refText, type StatusBase } from '../../resources/document.ts';
import { builtinDomain, domainFacts, hostProblems } from '../../resources/domain.ts';
import {
  type CertificateIndex,
  certificateIndex,
  type DomainCertificate,
  thumbprintsOf,
} from './servings.ts';

export type SiteSpec = {
  /** The main one first. */
  hosts: string[];
  domain: string;
  upstream: { address: string; port: number };
  /** Default: running. */
  state?: 'running' | 'stopped';
  /** Who may show it in a frame: DENY, SAMEORIGIN (default), or ALLOW-FROM and an origin. */
  frameOptions?: string;
  /** All hosts but the main one send to it. */
  redirectAliases?: boolean;
  /** Paths at which people sign in: what is posted there is limited. */
  loginPaths?: string[];
  suspend?: boolean;
};

export type SiteDocument = Document<SiteSpec, StatusBase>;

export interface WantedSite {
  document: SiteDocument;
  name: string;
  /** Those that are its own and that can be served. May be empty. */
  hosts: readonly string[];
  upstream: { address: string; port: number };
  stopped: boolean;
  suspended: boolean;
  frameOptions: string;
  /** Host that all others of it send to. undefined: each shows the App. */
  redirectTo?: string;
  loginPaths: readonly string[];
  /** TLS 1.2 is not enough. */
  modernOnly: boolean;
  /** Its hosts are to have certificates of a Domain, not of the platform's own authority. */
  certifiedByDomain: boolean;
  /** By host: certificates of Domains that can be served. */
  certificates: ReadonlyMap<string, DomainCertificate>;
  /** By host: what HTTP challenges are answered with. */
  thumbprints: ReadonlyMap<string, string>;
  /** Browsers are told to come by HTTPS alone. */
  strictTransport: boolean;
  /** Who made its present generation. */
  cause: string;
  /** Why not all of it can be served. */
  problem?: { reason: 'HostConflict' | 'InvalidHost' | 'InvalidUpstream'; message: string };
}

export interface Want {
  sites: readonly WantedSite[];
  /** Those being deleted too. */
  documents: readonly SiteDocument[];
  http: { port: number; httpsPort: number; addresses: readonly string[] };
  /** Files of all Certificates, served or not. */
  files: ReadonlySet<string>;
  /** Whose change the ports and addresses are. */
  platformCause: string;
}

const DEFAULTS = { port: 80, httpsPort: 443, addresses: ['127.0.0.1', '::1'] };

export function wantSites(view: View): Want {
  const documents = view.list('Site') as readonly SiteDocument[];
  const living = documents
    .filter((document) => document.metadata.deletionTimestamp === undefined)
    .sort(byAge);
  const owners = new Map<string, SiteDocument>();
  const certificates = certificateIndex(view);
  const sites = living.map((document) => wantedSite(document, { owners, certificates }, view));
  const platform = view.get('Platform', 'platform');
  const http = (platform?.spec['http'] ?? {}) as Partial<Want['http']>;
  return {
    sites: sites.sort((one, other) => (one.name < other.name ? -1 : 1)),
    documents,
    http: { ...DEFAULTS, ...http },
    files: certificates.files,
    platformCause: platform ? view.causeOf(platform) : 'first time',
  };
}

/** Times are equal where one apply made many: the uid decides then, the same way each time. */
function byAge(one: Document, other: Document): number {
  const [a, b] = [one.metadata, other.metadata];
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  return a.uid < b.uid ? -1 : 1;
}

/** Takes its hosts in `owners`: to be called for the older first. */
function wantedSite(
  document: SiteDocument,
  { owners, certificates }: { owners: Map<string, SiteDocument>; certificates: CertificateIndex },
  view: View,
): WantedSite {
  const { hosts, upstream, domain, state, suspend, frameOptions, loginPaths, redirectAliases } =
    document.spec;
  const invalid = hosts.filter((host) => hostProblems(host).length > 0);
  const valid = hosts.filter((host) => !invalid.includes(host));
  const taken = valid.filter((host) => owners.has(host));
  const own = valid.filter((host) => !owners.has(host));
  for (const host of own) owners.set(host, document);
  const problem = problemOf({ document, invalid, taken, owners, own });
  const served = problem?.reason === 'InvalidUpstream' ? [] : own;
  const [main = ''] = hosts;
  return {
    document,
    name: document.metadata.name,
    hosts: served,
    upstream,
    stopped: state === 'stopped',
    suspended: suspend === true,
    frameOptions: frameOptions ?? 'SAMEORIGIN',
    // Not to a name that another App has: there the aliases go on showing this one.
    ...(redirectAliases && served.includes(main) ? { redirectTo: main } : {}),
    loginPaths: loginPaths ?? [],
    modernOnly: domainFacts(view, domain)?.tls.minVersion === '1.3',
    certifiedByDomain: (domainFacts(view, domain)?.certificate ?? 'internal') !== 'internal',
    certificates: new Map(served.flatMap((host) => found(host, certificates.find(host)))),
    thumbprints: thumbprintsOf(document, served, view),
    // Every project that a developer runs is https://something.localhost, and few of them have HTTPS.
    strictTransport: builtinDomain(domain) === undefined,
    cause: view.causeOf(document),
    ...(problem ? { problem } : {}),
  };
}

function found<T>(key: string, value: T | undefined): [string, T][] {
  return value === undefined ? [] : [[key, value]];
}

function problemOf(found: {
  document: SiteDocument;
  invalid: readonly string[];
  taken: readonly string[];
  own: readonly string[];
  owners: ReadonlyMap<string, SiteDocument>;
}): WantedSite['problem'] {
  const { invalid, taken, own, owners, document } = found;
  const others = own.length > 0 ? ` Its other hosts are served: ${own.join(', ')}.` : '';
  const { address } = document.spec.upstream;
  // Not for correctness, which nginx checks, but so that nothing gets out of its place in the file.
  if (!/^[0-9A-Za-z_.:-]+$/.test(address)) {
    return { reason: 'InvalidUpstream', message: `"${address}" is no address to pass requests to.` };
  }
  const [bad] = invalid;
  if (bad !== undefined) {
    return {
      reason: 'InvalidHost',
      message: `"${bad}" cannot be served: ${hostProblems(bad).join(' ')}${others}`,
    };
  }
  const [host] = taken;
  const owner = host === undefined ? undefined : owners.get(host);
  if (host === undefined || !owner) return undefined;
  const since = owner.metadata.creationTimestamp;
  const message = `${host} belongs to ${nameOf(owner)}, which is older (${since}). Give one of them another location.${others}`;
  return { reason: 'HostConflict', message };
}

/** People know the App, not the Site that it made. */
function nameOf(document: SiteDocument): string {
  const owner = document.metadata.ownerReferences?.find((reference) => reference.controller);
  return owner ? `${owner.kind.toLowerCase()}/${owner.name}` : refText(document);
}

/** An address as directives and URLs have it. */
export function bracketed(address: string): string {
  return isIP(address) === 6 ? `[${address}]` : address;
}

/** The address that people open. */
export function urlOf(host: string, httpsPort: number): string {
  return `https://${host}${httpsPort === 443 ? '' : `:${httpsPort}`}`;
}
