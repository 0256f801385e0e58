/**
 * Domain, and the one place that says what the name of a domain means (`domainFacts`). Used by the reconcilers of App, Site,
 * DNSRecord and Certificate. Pure. One domain is built in, `localhost`: every browser and resolver finds it on the machine
 * itself, so that an App can be served with no DNS and no account.
 */
import { parse } from 'tldts';
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import { condition, type Document, type Reference, type StatusBase } from './document.ts';
import type { DomainSpec, DomainStatus } from './generated.ts';
import type { FieldProblem, KindDefinition } from './kind.ts';
import { at } from './unknown.ts';

export type Domain = Document<DomainSpec & Record<string, unknown>, DomainStatus & StatusBase>;
export type DomainProvider = DomainSpec['provider'];
export type DomainTls = NonNullable<DomainSpec['tls']>;

export const DOMAIN_FINALIZER = 'holdfast.dev/domain';

/** Providers that records are changed at; the others are told what to do, or nothing is done. */
const WITH_CREDENTIALS: readonly DomainProvider[] = ['route53', 'digitalocean', 'cloudflare', 'rfc2136'];

export const domainKind: KindDefinition = {
  kind: 'Domain',
  plural: 'domains',
  singular: 'domain',
  shortNames: ['dom'],
  schema: 'domain.v1.json',
  writtenBy: 'people',
  names: 'host',
  finalizers: [DOMAIN_FINALIZER],
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'PROVIDER', value: 'spec.provider' },
    {
      name: 'ADDRESS',
      value: (document) => addressesOf(document as unknown as Domain).join(','),
      description: 'Where the records of Apps lead to.',
    },
    { name: 'ZONE', value: 'status.zone', wide: true },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.provider', 'spec.zone'],
  references: secretsOf,
  check: checkDomain,
};

/** What is known of a domain. */
export interface DomainFacts {
  name: string;
  /** The DNS zone that holds its records. */
  zone: string;
  provider: DomainProvider | 'builtin';
  /** Where its names lead to; empty while it is not known. */
  addresses: readonly string[];
  /** Seconds that resolvers may keep its records. */
  ttl: number;
  /** Who signs certificates of its names. */
  certificate: 'internal' | 'acme' | 'custom';
  tls: DomainTls;
  /** It was not verified yet: nothing is made for it. */
  waitsFor?: { reason: string; message: string };
  document?: Domain;
}

/** As much of a View as is needed. */
export interface DomainView {
  get(kind: string, name: string): Document | undefined;
  list(kind: string): readonly Document[];
}

const DEFAULT_TTL = 300;

const LOCALHOST: DomainFacts = {
  name: 'localhost',
  zone: 'localhost',
  provider: 'builtin',
  addresses: ['127.0.0.1', '::1'],
  ttl: DEFAULT_TTL,
  certificate: 'internal',
  tls: {},
};

/** What is known of a domain that needs no document. undefined: somebody has to declare it. */
export function builtinDomain(name: string): DomainFacts | undefined {
  return name === LOCALHOST.name ? LOCALHOST : undefined;
}

/** undefined: there is no Domain of this name. */
export function domainFacts(view: DomainView, name: string): DomainFacts | undefined {
  const builtin = builtinDomain(name);
  if (builtin) return builtin;
  const document = view.get('Domain', name) as Domain | undefined;
  return document && factsOf(document);
}

/** The most specific Domain that a host name is in. */
export function domainOfHost(view: DomainView, host: string): DomainFacts | undefined {
  if (isWithin(host, LOCALHOST.name)) return LOCALHOST;
  const [best] = (view.list('Domain') as readonly Domain[])
    .filter(({ metadata }) => isWithin(host, metadata.name))
    .sort((a, b) => b.metadata.name.length - a.metadata.name.length);
  return best && factsOf(best);
}

/** Whether a name is the domain or below it. */
export function isWithin(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

function factsOf(document: Domain): DomainFacts {
  const { spec, status, metadata } = document;
  const tls = spec.tls ?? {};
  const waits = waitsFor(document);
  return {
    name: metadata.name,
    zone: status?.zone ?? zoneOf(document),
    provider: spec.provider,
    addresses: addressesOf(document),
    ttl: spec.ttl ?? DEFAULT_TTL,
    certificate: tls.issuer ?? (spec.provider === 'noop' ? 'internal' : 'acme'),
    tls,
    document,
    ...(waits ? { waitsFor: waits } : {}),
  };
}

/** The zone that is asked for, before anything was verified. */
export function zoneOf(document: Domain): string {
  return document.spec.zone ?? document.metadata.name;
}

/** Once verified it stays usable: a provider that does not answer today takes nothing down. */
function waitsFor(document: Domain): DomainFacts['waitsFor'] {
  const name = `domain/${document.metadata.name}`;
  if (document.status?.zone !== undefined) return undefined;
  const ready = condition(document, 'Ready');
  const why = ready && ready.status !== 'True' ? `: ${ready.message}` : '';
  return { reason: 'DomainNotReady', message: `waits until ${name} is verified${why}` };
}

function addressesOf({ status }: Domain): string[] {
  const { ipv4, ipv6 } = status?.addresses ?? {};
  return [ipv4, ipv6].filter((address) => address !== undefined);
}

/** The host name of a location in a domain. '' is the naked domain. */
export function fqdn(location: string, domain: string): string {
  return (location === '' ? domain : `${location}.${domain}`).toLowerCase();
}

const LABEL = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/;

/** What is wrong with a host name, as sentences; empty when nothing is. Names in other scripts come as punycode. */
export function hostProblems(host: string): string[] {
  if (host === '') return ['A host name is needed.'];
  const problems: string[] = [];
  if (host.length > 253)
    problems.push(`A host name has at most 253 characters, this one has ${host.length}.`);
  if (host !== host.toLowerCase()) problems.push('Host names are written in lower case.');
  for (const label of host.toLowerCase().split('.')) {
    if (LABEL.test(label)) continue;
    problems.push(
      label === ''
        ? 'A host name has no empty part: no dot in front, at the end, or twice.'
        : `"${label}" is no part of a host name: letters, digits and dashes, at most 63, no dash at an end.`,
    );
  }
  if (/^[0-9.]+$/.test(host)) problems.push('An IP address is no host name.');
  return problems;
}

function secretsOf(document: Document): Reference[] {
  const { spec } = document;
  const names = [
    at(spec, 'credentials', 'secret'),
    at(spec, 'tls', 'acme', 'eab', 'secret'),
    at(spec, 'tls', 'acme', 'caSecret'),
    at(spec, 'tls', 'certificate', 'secret'),
    at(spec, 'tls', 'fallback', 'secret'),
  ].filter((name) => typeof name === 'string');
  return [...new Set(names)].map((name) => ({ kind: 'Secret', name }));
}

function checkDomain(manifest: { metadata: { name: string }; spec?: unknown }): FieldProblem[] {
  const { metadata, spec } = manifest;
  const { name } = metadata;
  if (typeof name !== 'string') return [];
  const problems = checkName(name, '/metadata/name');
  const zone = at(spec, 'zone');
  if (typeof zone === 'string' && problems.length === 0) {
    if (!isWithin(name, zone)) {
      const message = `must be ${name} or a domain above it: records of ${name} cannot be in ${zone}`;
      problems.push({ pointer: '/spec/zone', message });
    } else problems.push(...checkName(zone, '/spec/zone'));
  }
  return [...problems, ...checkCredentials(spec), ...checkTls(spec)];
}

function checkName(name: string, pointer: string): FieldProblem[] {
  if (name === LOCALHOST.name)
    return [{ pointer, message: 'is built in: Apps use localhost without a Domain' }];
  const [problem] = hostProblems(name);
  if (problem !== undefined) return [{ pointer, message: `is no domain: ${problem}` }];
  const { domain, publicSuffix } = parse(name, { allowPrivateDomains: true });
  if (domain !== null) return [];
  const example = `such as example.${publicSuffix ?? 'com'}`;
  return [
    { pointer, message: `must be a domain that can be registered, ${example}: "${name}" is nobody's own` },
  ];
}

function checkCredentials(spec: unknown): FieldProblem[] {
  const provider = at(spec, 'provider') as DomainProvider;
  const has = at(spec, 'credentials') !== undefined;
  if (WITH_CREDENTIALS.includes(provider) && !has) {
    const message = `is required for ${provider}: the Secret with its credentials, as in {secret: ${provider}}`;
    return [{ pointer: '/spec/credentials', message }];
  }
  if (!has || typeof provider !== 'string' || WITH_CREDENTIALS.includes(provider)) return [];
  return [{ pointer: '/spec/credentials', message: `does not belong to ${provider}, which has none` }];
}

function checkTls(spec: unknown): FieldProblem[] {
  const tls = at(spec, 'tls');
  const issuer = at(tls, 'issuer');
  const problems: FieldProblem[] = [];
  if (issuer === 'custom' && at(tls, 'certificate') === undefined) {
    const message = 'is required with issuer custom: the Secret with tls.crt and tls.key';
    problems.push({ pointer: '/spec/tls/certificate', message });
  }
  if (at(tls, 'wildcard') === true && at(tls, 'acme', 'challenge') === 'http-01') {
    const message = 'must be dns-01 with wildcard: authorities give *.domain for a DNS record only';
    problems.push({ pointer: '/spec/tls/acme/challenge', message });
  }
  return problems;
}
