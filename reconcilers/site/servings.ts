/**
 * Which certificate each host of a Site is served with, and what answers for it when an authority asks by HTTP. Pure. A host whose
 * own certificate is not there is served with one of the platform's authority, so that HTTPS always answers.
 */
import type { View } from '../../controller/engine/contract.ts';
import type { Certificate } from '../../resources/certificate.ts';
import { covers } from '../../resources/certificate.ts';
import type { Document } from '../../resources/document.ts';
import { domainFacts } from '../../resources/domain.ts';
import { domainOf, thumbprintFor } from '../certificate/issuer.ts';
import { certificateFile } from '../certificate/want.ts';
import { certificateName } from '../drivers/authority/index.ts';

/** A certificate of a Domain that can be served. */
export interface DomainCertificate {
  /** Name under which nginx has its files. */
  file: string;
  /** Of the Certificate document. */
  name: string;
  issuer: string;
  notAfter: string;
  fingerprint: string;
}

export interface Serving {
  hosts: readonly string[];
  /** Name of its files. */
  certificate: string;
}

export interface CertificateIndex {
  /** The one that is good for a host, if there is one. */
  find(host: string): DomainCertificate | undefined;
  /** Files of all Certificates that there are, served or not. */
  files: ReadonlySet<string>;
}

export function certificateIndex(view: View): CertificateIndex {
  const living = (view.list('Certificate') as readonly unknown[] as readonly Certificate[]).filter(
    ({ metadata }) => metadata.deletionTimestamp === undefined,
  );
  const allocated = new Map<string, DomainCertificate>();
  const named = new Map<string, DomainCertificate>();
  const fallbacks = new Map<string, DomainCertificate>();
  const files = new Set<string>();
  for (const { metadata, spec, status } of living) {
    // Also that of one that cannot be served just now: its next pair will lie there.
    files.add(certificateFile(metadata.name));
    const usable = usableOf(metadata.name, status);
    if (!usable) continue;
    const names = status?.names ?? [];
    const into = spec.fallback ? fallbacks : named;
    if (!spec.fallback && domainFacts(view, spec.domain)?.certificate !== spec.issuer) continue;
    for (const name of names) if (!into.has(name)) into.set(name, usable);
    if (spec.fallback) continue;
    for (const host of spec.hosts) if (names.some((name) => covers(name, host))) allocated.set(host, usable);
  }
  const among = (map: ReadonlyMap<string, DomainCertificate>, host: string) =>
    map.get(host) ?? map.get(`*${host.slice(host.indexOf('.'))}`);
  return { files, find: (host) => allocated.get(host) ?? among(named, host) ?? among(fallbacks, host) };
}

function usableOf(name: string, status: Certificate['status']): DomainCertificate | undefined {
  const { file, issuer = '', notAfter = '', fingerprint = '' } = status ?? {};
  return file === undefined ? undefined : { file, name, issuer, notAfter, fingerprint };
}

/** By host: what HTTP challenges are answered with, for those that an ACME authority may ask for. */
export function thumbprintsOf(site: Document, hosts: readonly string[], view: View): Map<string, string> {
  const found = new Map<string, string>();
  for (const host of hosts) {
    const print = thumbprintFor(domainOf(host, site, view), view);
    if (print !== undefined) found.set(host, print);
  }
  return found;
}

interface Served {
  hosts: readonly string[];
  certificates: ReadonlyMap<string, DomainCertificate>;
}

/** Hosts with one certificate together, in the order of the hosts. `present`: names of the files that are there. */
export function servingsOf({ hosts, certificates }: Served, present: readonly string[]): Serving[] {
  const groups = new Map<string, string[]>();
  for (const host of hosts) {
    const file = certificates.get(host)?.file;
    const name = file !== undefined && present.includes(file) ? file : certificateName(hosts);
    groups.set(name, [...(groups.get(name) ?? []), host]);
  }
  return [...groups].map(([certificate, group]) => ({ certificate, hosts: group }));
}

/** Whether one of the platform's own authority is needed for some of the hosts. */
export function needsOwn(site: Served, present: readonly string[]): boolean {
  const own = certificateName(site.hosts);
  return servingsOf(site, present).some(({ certificate }) => certificate === own);
}
