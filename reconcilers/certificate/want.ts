/**
 * What one Certificate should be, from documents alone: its Domain's settings, what is kept of it, what stands in the way, and
 * the documents that its challenges need. Pure.
 */
import type { View } from '../../controller/engine/contract.ts';
import type { Certificate } from '../../resources/certificate.ts';
import { ANNOTATION, condition, type Document } from '../../resources/document.ts';
import { type DomainFacts, domainFacts, isWithin } from '../../resources/domain.ts';
import type { ChallengeType } from '../drivers/acme/index.ts';
import { secretValue } from '../secret-value.ts';
import { type AcmeIssuer, acmeIssuer, thumbprintFor } from './issuer.ts';
import { type Kept, readKept } from './kept.ts';
import type { Pair } from './pem.ts';

export interface Obstacle {
  reason: string;
  message: string;
}

export interface CertificateWant {
  document: Certificate;
  name: string;
  /** Name under which nginx has its files. */
  file: string;
  hosts: readonly string[];
  domain: string;
  facts?: DomainFacts;
  kept: Kept;
  /** With issuer acme. */
  acme?: AcmeIssuer;
  /** With issuer custom: what the Secret has. */
  custom?: { secret: string; pair?: Pair };
  isFallback: boolean;
  /** DNSRecord documents of its challenges. */
  records: readonly Document[];
  /** By host: why its HTTP challenge would not be answered yet. */
  unanswered: ReadonlyMap<string, Obstacle>;
  /** When something was last changed or asked for that may have mended what failed. RFC 3339. */
  mendedAt: string;
  domainGeneration: number;
  waiting?: Obstacle;
  deleting: boolean;
  cause: string;
}

/** In nginx's folder, beside the names that the platform's own authority gives, which end in _ and a hash. */
export function certificateFile(name: string): string {
  return `${FILE_PREFIX}${name}`.slice(0, 200);
}

const FILE_PREFIX = 'domain_';

/** The Certificate whose file this is, or was; undefined for those of the platform's own authority. */
export function ownerOfFile(file: string): string | undefined {
  return file.startsWith(FILE_PREFIX) ? file.slice(FILE_PREFIX.length) : undefined;
}

export function certificateWant(name: string, view: View): CertificateWant | undefined {
  const document = view.get('Certificate', name) as Certificate | undefined;
  if (!document) return undefined;
  const { spec, metadata } = document;
  const facts = domainFacts(view, spec.domain);
  const acme = facts && spec.issuer === 'acme' ? acmeIssuer(facts, view) : undefined;
  const waiting = obstacle(document, facts, acme);
  const domain = facts?.document;
  return {
    document,
    name,
    file: certificateFile(name),
    hosts: spec.hosts,
    domain: spec.domain,
    ...(facts ? { facts } : {}),
    kept: readKept(view.get('Key', name)),
    ...(acme ? { acme } : {}),
    ...(spec.issuer === 'custom' ? { custom: customPair(spec.secret ?? '', view) } : {}),
    isFallback: spec.fallback === true,
    records: view.childrenOf('DNSRecord', metadata.uid),
    unanswered: acme && facts ? unanswered(spec.hosts, facts, view) : new Map(),
    mendedAt: mendedAt(document, domain as Document | undefined, view),
    domainGeneration: domain?.metadata.generation ?? 0,
    ...(waiting ? { waiting } : {}),
    deleting: metadata.deletionTimestamp !== undefined,
    cause: view.causeOf((domain as Document | undefined) ?? (document as Document)),
  };
}

function obstacle(
  { spec }: Certificate,
  facts: DomainFacts | undefined,
  acme: AcmeIssuer | undefined,
): Obstacle | undefined {
  if (!facts)
    return { reason: 'ReferenceNotFound', message: `waits for domain/${spec.domain}, which does not exist` };
  return facts.waitsFor ?? acme?.missing;
}

function customPair(secret: string, view: View): { secret: string; pair?: Pair } {
  const document = view.get('Secret', secret);
  const [certificate, key] = [secretValue(document, 'tls.crt'), secretValue(document, 'tls.key')];
  return certificate === undefined || key === undefined ? { secret } : { secret, pair: { certificate, key } };
}

/** How the authority is to look at a name: by DNS where it must or where the Domain says so and its zone has the name. */
export function challengeFor(host: string, facts: DomainFacts, issuer: AcmeIssuer): ChallengeType {
  if (host.startsWith('*.')) return 'dns-01';
  return issuer.challenge === 'dns-01' && isWithin(host, facts.zone) ? 'dns-01' : 'http-01';
}

/** The name of the TXT record for a host. */
export function challengeRecord(host: string): string {
  return `_acme-challenge.${host.replace(/^\*\./, '')}`;
}

interface ByHost {
  sites: ReadonlyMap<string, Document>;
  records: ReadonlyMap<string, readonly Document[]>;
}

const ADDRESS_TYPES = new Set(['A', 'AAAA', 'CNAME']);

function byHost(view: View): ByHost {
  const sites = new Map<string, Document>();
  for (const site of view.list('Site')) {
    for (const host of (site.spec['hosts'] ?? []) as string[]) if (!sites.has(host)) sites.set(host, site);
  }
  const records = new Map<string, Document[]>();
  for (const record of view.list('DNSRecord')) {
    const { name, type } = record.spec as { name: string; type: string };
    if (ADDRESS_TYPES.has(type)) records.set(name, [...(records.get(name) ?? []), record]);
  }
  return { sites, records };
}

function indexOf(view: View): ByHost {
  return view.derived('certificate challenges', ['Site#status', 'DNSRecord#status'], byHost);
}

function unanswered(hosts: readonly string[], facts: DomainFacts, view: View): Map<string, Obstacle> {
  const issuer = acmeIssuer(facts, view);
  const print = thumbprintFor(facts, view);
  const found = new Map<string, Obstacle>();
  for (const host of hosts) {
    if (challengeFor(host, facts, issuer) !== 'http-01') continue;
    const why = whyUnanswered(host, print, indexOf(view));
    if (why) found.set(host, why);
  }
  return found;
}

function whyUnanswered(
  host: string,
  print: string | undefined,
  { sites, records }: ByHost,
): Obstacle | undefined {
  const site = sites.get(host);
  const answers = (site?.status as { thumbprints?: string[] } | undefined)?.thumbprints ?? [];
  if (print === undefined || !answers.includes(print)) {
    const why = site ? condition(site, 'Ready') : undefined;
    const more = why && why.status !== 'True' ? `: ${why.message}` : '';
    return { reason: 'SiteNotReady', message: `waits until nginx answers for ${host}${more}` };
  }
  const unready = (records.get(host) ?? []).find((record) => condition(record, 'Ready')?.status !== 'True');
  if (!unready) return undefined;
  const why = condition(unready, 'Ready')?.message ?? 'it was not published yet';
  return { reason: 'RecordNotReady', message: `waits for the record of ${host}: ${why}` };
}

/** The latest of: asked to try again, a record of one of its names came to be answered. */
function mendedAt({ metadata, spec }: Certificate, domain: Document | undefined, view: View): string {
  const asked = [metadata.annotations, domain?.metadata.annotations].map(
    (all) => all?.[ANNOTATION.retriedAt] ?? '',
  );
  const { records } = indexOf(view);
  const came = spec.hosts.flatMap((host) =>
    (records.get(host) ?? []).map((record) => {
      const ready = condition(record, 'Ready');
      return ready?.status === 'True' ? ready.lastTransitionTime : '';
    }),
  );
  return [...asked, ...came].reduce((latest, time) => (time > latest ? time : latest), '');
}
