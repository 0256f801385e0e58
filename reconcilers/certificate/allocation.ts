/**
 * Which names share a certificate. Pure. What was allocated stays where it is: an App that comes or goes changes no certificate that
 * others are served with. See docs/decisions/names-to-certificates.md.
 *
 *   a name is                                   its certificate
 *   ------------------------------------------  ------------------------------------------------------------------
 *   below a Domain with tls.wildcard            the Domain's one for *.domain and domain
 *   in a certificate already                    that one
 *   in one that was issued for it before        that one again: nothing is asked for
 *   not confirmed by the authority              one of its own, so that it holds up no other
 *   new, and the Domain has few certificates    one for its Site
 *   new, and there are many                     one with the other new ones, up to a hundred names
 */
import type { View } from '../../controller/engine/contract.ts';
import type { Certificate } from '../../resources/certificate.ts';
import { covers } from '../../resources/certificate.ts';
import { API_VERSION, type Document, type Manifest } from '../../resources/document.ts';
import { type DomainFacts, hostProblems } from '../../resources/domain.ts';
import type { CertificateSpec } from '../../resources/generated.ts';
import { domainOf } from './issuer.ts';

/** Let's Encrypt's most. */
const NAMES_AT_MOST = 100;
/** Let's Encrypt issues 50 a week for one registered domain, renewals aside. More than this, and new names share. */
const OWN_CERTIFICATES = 20;

export interface Allocation {
  /** Those that there should be. */
  wanted: readonly Manifest[];
  /** Names of those that nobody needs any more. */
  superfluous: readonly string[];
}

export function isGoing({ document }: DomainFacts): boolean {
  return document?.metadata.deletionTimestamp !== undefined;
}

export function allocate(facts: DomainFacts, present: readonly Certificate[], view: View): Allocation {
  const living = present.filter(({ metadata }) => !metadata.deletionTimestamp);
  const taken = new Set(view.list('Certificate').map(({ metadata }) => metadata.name));
  const hosts = hostsOf(facts, view);
  const wanted = isGoing(facts)
    ? []
    : [...acme(facts, living, hosts, taken), ...fromSecrets(facts, living, [...hosts.keys()], taken)];
  const kept = new Set(wanted.map(({ metadata }) => metadata.name));
  const superfluous = living.map(({ metadata }) => metadata.name).filter((name) => !kept.has(name));
  return { wanted, superfluous };
}

/** Hosts of all Sites that follow this Domain, each with the Site that has it; sorted, so that the same documents give the same. */
export function hostsOf(facts: DomainFacts, view: View): Map<string, string> {
  const found = new Map<string, string>();
  const sites = view.list('Site').filter(({ metadata }) => metadata.deletionTimestamp === undefined);
  for (const site of sites) {
    for (const host of (site.spec['hosts'] ?? []) as string[]) {
      if (hostProblems(host).length > 0 || found.has(host)) continue;
      if (domainOf(host, site, view)?.name === facts.name) found.set(host, site.metadata.name);
    }
  }
  return found;
}

function acme(
  facts: DomainFacts,
  living: readonly Certificate[],
  all: ReadonlyMap<string, string>,
  taken: Set<string>,
): Manifest[] {
  const present = living.filter(({ spec }) => spec.issuer === 'acme').sort(byAge);
  const isAcme = facts.certificate === 'acme';
  const wild = isAcme && facts.tls.wildcard ? [facts.name, `*.${facts.name}`] : [];
  const hosts = new Map(
    [...all].filter(([host]) => isAcme && canBeIssued(host) && !wild.some((name) => covers(name, host))),
  );
  const groups = new Map<string, string[]>(present.map(({ metadata }) => [metadata.name, []]));
  const [wildcard, ...others] = splitWildcard(present, wild);
  keep(others, hosts, groups);
  takeBack(others, hosts, groups);
  addNew(others, hosts, { groups, taken });
  if (wild.length > 0) groups.set(wildcard?.metadata.name ?? freeName(facts.name, taken), wild);
  return [...groups].flatMap(([name, names]) => {
    const was = present.find(({ metadata }) => metadata.name === name);
    // Nobody needs it now; as long as it is good, a host that comes back needs no other.
    if (names.length === 0 && was?.status?.names === undefined) return [];
    return [manifest(name, { domain: facts.name, hosts: ordered(names, was), issuer: 'acme' })];
  });
}

/** Names with underscores are served, but no authority issues for them. */
function canBeIssued(host: string): boolean {
  return !host.includes('_');
}

function splitWildcard(
  present: readonly Certificate[],
  wild: readonly string[],
): [Certificate | undefined, ...Certificate[]] {
  const found =
    wild.length === 0
      ? undefined
      : present.find(({ spec }) => wild.every((name) => spec.hosts.includes(name)));
  return [found, ...present.filter((certificate) => certificate !== found)];
}

/** Takes out of `hosts` what stays where it is. */
function keep(
  present: readonly Certificate[],
  hosts: Map<string, string>,
  groups: Map<string, string[]>,
): void {
  for (const { metadata, spec, status } of present) {
    const failing = new Set(spec.hosts.length > 1 ? status?.problems?.map(({ host }) => host) : []);
    for (const host of spec.hosts) {
      if (failing.has(host) || !hosts.has(host)) continue;
      groups.get(metadata.name)?.push(host);
      hosts.delete(host);
    }
  }
}

/** What a present certificate has in it, from before. */
function takeBack(
  present: readonly Certificate[],
  hosts: Map<string, string>,
  groups: Map<string, string[]>,
): void {
  for (const { metadata, status } of present) {
    for (const host of status?.names ?? []) {
      const group = groups.get(metadata.name);
      if (!hosts.has(host) || !group || group.length >= NAMES_AT_MOST) continue;
      group.push(host);
      hosts.delete(host);
    }
  }
}

function addNew(
  present: readonly Certificate[],
  hosts: Map<string, string>,
  { groups, taken }: { groups: Map<string, string[]>; taken: Set<string> },
): void {
  const failing = new Set(present.flatMap(({ status }) => status?.problems?.map(({ host }) => host) ?? []));
  const bySite = new Map<string, string[]>();
  for (const [host, site] of hosts) {
    if (failing.has(host)) groups.set(freeName(host, taken), [host]);
    else bySite.set(site, [...(bySite.get(site) ?? []), host]);
  }
  const used = [...groups.values()].filter((names) => names.length > 0).length;
  const parts = [...bySite.values()].flatMap((names) => inParts(names));
  if (used + parts.length <= OWN_CERTIFICATES) {
    for (const names of parts) groups.set(freeName(names[0] ?? '', taken), names);
    return;
  }
  let open = openGroup(present, groups);
  for (const names of parts) {
    if (!open || open.length + names.length > NAMES_AT_MOST) {
      open = [];
      groups.set(freeName(names[0] ?? '', taken), open);
    }
    open.push(...names);
  }
}

/** One that was asked for and is not there yet: to add to it costs no certificate more. */
function openGroup(present: readonly Certificate[], groups: Map<string, string[]>): string[] | undefined {
  const waiting = present.filter(
    ({ spec, status }) =>
      spec.hosts.length > 1 && status?.names === undefined && status?.problems === undefined,
  );
  return waiting
    .map(({ metadata }) => groups.get(metadata.name))
    .find((names) => names !== undefined && names.length > 0 && names.length < NAMES_AT_MOST);
}

function inParts(names: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (let from = 0; from < names.length; from += NAMES_AT_MOST)
    parts.push(names.slice(from, from + NAMES_AT_MOST));
  return parts;
}

/** As they stood, with the new ones behind: an equal set is an equal document. */
function ordered(names: readonly string[], was: Certificate | undefined): string[] {
  const before = was?.spec.hosts ?? [];
  return [
    ...before.filter((host) => names.includes(host)),
    ...names.filter((host) => !before.includes(host)),
  ];
}

/** Those that people give: the certificate of issuer custom, and the fallback. */
function fromSecrets(
  facts: DomainFacts,
  living: readonly Certificate[],
  hosts: readonly string[],
  taken: Set<string>,
): Manifest[] {
  const { certificate, fallback } = facts.tls;
  const custom = living.filter(({ spec }) => spec.issuer === 'custom');
  const found = (isFallback: boolean) =>
    custom.find(({ spec }) => (spec.fallback === true) === isFallback)?.metadata.name;
  const wanted: Manifest[] = [];
  if (facts.certificate === 'custom' && certificate) {
    const name = found(false) ?? freeName(`${facts.name}-custom`, taken);
    const spec = { domain: facts.name, hosts: [...hosts].sort(), secret: certificate.secret };
    wanted.push(manifest(name, { ...spec, issuer: 'custom' }));
  }
  if (fallback) {
    const name = found(true) ?? freeName(`${facts.name}-fallback`, taken);
    const spec = { domain: facts.name, hosts: [`*.${facts.name}`], secret: fallback.secret };
    wanted.push(manifest(name, { ...spec, issuer: 'custom', fallback: true }));
  }
  return wanted;
}

function manifest(name: string, spec: CertificateSpec): Manifest {
  return { apiVersion: API_VERSION, kind: 'Certificate', metadata: { name }, spec: { ...spec } };
}

/** Certificates are called after their first host. */
function freeName(host: string, taken: Set<string>): string {
  let name = host;
  for (let number = 2; taken.has(name); number += 1) name = `${host}-${number}`;
  taken.add(name);
  return name;
}

/** Times are equal where one apply made many: the name decides then. */
function byAge(one: Certificate, other: Certificate): number {
  const text = ({ metadata }: Certificate) => `${metadata.creationTimestamp} ${metadata.name}`;
  return text(one) < text(other) ? -1 : 1;
}

export function certificatesOf(domain: Document, view: View): readonly Certificate[] {
  return view.childrenOf('Certificate', domain.metadata.uid) as readonly unknown[] as readonly Certificate[];
}
