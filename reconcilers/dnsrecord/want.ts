/**
 * What should stand in DNS for one Domain, from documents alone: all its DNSRecords as sets, what is wrong with some of them, and
 * how the zone is reached. Pure. Of two owners that want one name the older has it; sets of TXT, MX, SRV and CAA are joined.
 */
import type { View } from '../../controller/engine/contract.ts';
import { type DnsRecord, type RecordType, recordsOfDomain } from '../../resources/dnsrecord.ts';
import { type Domain, domainFacts, isWithin } from '../../resources/domain.ts';
import { isAtProvider, ownerOf, resolversOf, zoneAccess } from '../domain/access.ts';
import type { ZoneAccess } from '../drivers/dns/index.ts';
import { canonicalValues, valueProblem } from '../drivers/dns/values.ts';

export interface Problem {
  reason: string;
  message: string;
}

/** All records of one type at one name. */
export interface WantedSet {
  name: string;
  type: RecordType;
  /** In canonical form, sorted. */
  values: readonly string[];
  ttl: number;
  adopt: boolean;
  documents: readonly DnsRecord[];
}

export interface RecordsWant {
  domain: string;
  /** undefined: there is no such Domain any more. */
  document?: Domain;
  /** Who makes the records: an API, a person, one record for all, or nobody. */
  by: 'provider' | 'manual' | 'wildcard' | 'nobody';
  zone: string;
  access?: ZoneAccess;
  owner: string;
  resolvers?: readonly string[];
  /** Asked whether a record is there. Empty: it is not known yet whom to ask. */
  nameServers: readonly string[];
  sets: readonly WantedSet[];
  /** Being deleted. */
  gone: readonly DnsRecord[];
  documents: readonly DnsRecord[];
  /** Of single documents, by their name: they are left out. */
  problems: ReadonlyMap<string, Problem>;
  /** Of all of them: nothing can be done. */
  waiting?: Problem;
  suspended: boolean;
  causeOf(document: DnsRecord): string;
}

const JOINED: readonly RecordType[] = ['TXT', 'MX', 'SRV', 'CAA'];
/** `_holdfast-aaaa.` stands in front of it. */
const LONGEST_NAME = 235;

export const setKey = ({ name, type }: { name: string; type: string }): string => `${name} ${type}`;

export function recordsWant(domain: string, view: View): RecordsWant | undefined {
  const documents = recordsOfDomain(view, domain);
  const facts = domainFacts(view, domain);
  if (documents.length === 0) return undefined;
  const document = facts?.document;
  const living = documents.filter(({ metadata }) => metadata.deletionTimestamp === undefined).sort(byAge);
  const zone = facts?.zone ?? domain;
  const problems = new Map<string, Problem>();
  const sets = setsOf(
    living,
    { domain, zone, ttl: facts?.ttl ?? 300, adopt: document?.spec.adopt === true },
    problems,
  );
  const by = whoMakes(document);
  const access = document && by === 'provider' ? zoneAccess(document, view) : undefined;
  const waiting = waitsFor(domain, document, by, access);
  const resolvers = resolversOf(view);
  return {
    domain,
    by,
    zone,
    owner: document ? ownerOf(document, view) : '',
    nameServers: document?.spec.nameServers ?? document?.status?.nameServers ?? [],
    sets,
    gone: documents.filter(({ metadata }) => metadata.deletionTimestamp !== undefined),
    documents,
    problems,
    suspended: document?.spec.suspend === true,
    causeOf: (record) => view.causeOf(record),
    ...(document ? { document } : {}),
    ...(access ? { access } : {}),
    ...(resolvers ? { resolvers } : {}),
    ...(waiting ? { waiting } : {}),
  };
}

function whoMakes(document: Domain | undefined): RecordsWant['by'] {
  if (!document) return 'nobody';
  if (isAtProvider(document)) return 'provider';
  const { provider } = document.spec;
  return provider === 'manual' || provider === 'wildcard' ? provider : 'nobody';
}

function waitsFor(
  domain: string,
  document: Domain | undefined,
  by: RecordsWant['by'],
  access: ZoneAccess | undefined,
): Problem | undefined {
  if (!document)
    return { reason: 'ReferenceNotFound', message: `waits for domain/${domain}, which does not exist` };
  if (by !== 'provider') return undefined;
  if (!access) {
    const secret = document.spec.credentials?.secret ?? '';
    const message = `waits for secret/${secret} with the credentials of domain/${domain}; apply that Secret`;
    return { reason: 'ReferenceNotFound', message };
  }
  if (document.status?.zone !== undefined) return undefined;
  return { reason: 'DomainNotReady', message: `waits until domain/${domain} is verified` };
}

interface Setting {
  domain: string;
  zone: string;
  ttl: number;
  adopt: boolean;
}

function setsOf(living: readonly DnsRecord[], setting: Setting, problems: Map<string, Problem>): WantedSet[] {
  const sets = new Map<string, WantedSet>();
  for (const document of living) {
    const { spec, metadata } = document;
    const problem = recordProblem(document, setting) ?? clash(document, sets);
    if (problem) {
      problems.set(metadata.name, problem);
      continue;
    }
    const { name, type } = spec;
    const before = sets.get(setKey(spec));
    const values = canonicalValues(type, [...(before?.values ?? []), ...spec.values]);
    sets.set(setKey(spec), {
      name,
      type,
      values,
      ttl: Math.min(before?.ttl ?? Number.POSITIVE_INFINITY, spec.ttl ?? setting.ttl),
      adopt: setting.adopt || spec.adopt === true || before?.adopt === true,
      documents: [...(before?.documents ?? []), document],
    });
  }
  return [...sets.values()];
}

function recordProblem({ spec }: DnsRecord, { domain, zone }: Setting): Problem | undefined {
  const { name, type, values } = spec;
  const invalid = (message: string): Problem => ({ reason: 'InvalidRecord', message });
  if (!isWithin(name, domain)) return invalid(`${name} is not in ${domain}`);
  if (name.length > LONGEST_NAME) return invalid(`${name} is longer than ${LONGEST_NAME} letters`);
  if (type === 'CNAME' && name === zone)
    return invalid(`${name} is the zone itself, which cannot be a CNAME: point it by A and AAAA`);
  if (type === 'CNAME' && values.length > 1) return invalid(`${name} can be a CNAME of one name only`);
  const problem = values.map((value) => valueProblem(type, value)).find((words) => words !== undefined);
  return problem === undefined ? undefined : invalid(`${type} ${name}: ${problem}`);
}

/** Who is older has the name: what is wanted of it is in `sets` already. */
function clash({ spec }: DnsRecord, sets: ReadonlyMap<string, WantedSet>): Problem | undefined {
  const { name, type, values } = spec;
  const same = sets.get(setKey(spec));
  if (same && !JOINED.includes(type) && canonicalValues(type, values).join() !== same.values.join())
    return taken(`${type} ${name}`, same);
  const beside = [...ADDRESSES, 'CNAME' as const].map((other) => sets.get(setKey({ name, type: other })));
  const cname = sets.get(setKey({ name, type: 'CNAME' }));
  const other = type === 'CNAME' ? beside.find((set) => set && set.type !== 'CNAME') : cname;
  return other && other.type !== type ? taken(name, other) : undefined;
}

const ADDRESSES = ['A', 'AAAA', 'TXT', 'MX', 'SRV', 'CAA'] as const;

function taken(what: string, { type, values, documents }: WantedSet): Problem {
  const [owner] = documents[0]?.metadata.ownerReferences ?? [];
  const whose = owner ? ` for ${owner.kind.toLowerCase()}/${owner.name}` : '';
  const message = `${what} is wanted as ${type} ${values.join(' ')}${whose} already, which came first`;
  return { reason: 'RecordConflict', message };
}

function byAge(one: DnsRecord, other: DnsRecord): number {
  const [a, b] = [one.metadata, other.metadata];
  if (a.creationTimestamp !== b.creationTimestamp) return a.creationTimestamp < b.creationTimestamp ? -1 : 1;
  return a.uid < b.uid ? -1 : 1;
}
