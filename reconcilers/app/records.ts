/**
 * The names of an App in DNS: a DNSRecord for each host name that is in a Domain of ours, and where the others lead to. Pure. Used
 * by want, diff and status of the App.
 */
import type { ConditionDraft, View } from '../../controller/engine/contract.ts';
import { type DnsRecord, dnsRecord } from '../../resources/dnsrecord.ts';
import { condition, type Document, type Manifest } from '../../resources/document.ts';
import { type DomainFacts, domainFacts, domainOfHost } from '../../resources/domain.ts';
import type { EffectiveApp } from '../../resources/effective.ts';
import { resolversOf } from '../domain/access.ts';
import type { LeadsTo } from '../drivers/dns/index.ts';

export interface NamesWant {
  /** Wanted records. */
  records: readonly Manifest[];
  /** Those that are there. */
  children: readonly DnsRecord[];
  /** Those of them that nothing wants any more. */
  left: readonly DnsRecord[];
  /** Aliases in nobody's Domain here. */
  elsewhere: readonly string[];
  /** Addresses that names should lead to. */
  addresses: readonly string[];
  resolvers?: readonly string[];
  /** Domains whose records wait for the public address, or that nobody outside reaches. */
  notes: readonly string[];
}

export function namesWant(
  document: Document,
  app: EffectiveApp,
  host: string | undefined,
  view: View,
): NamesWant {
  const children = view.childrenOf('DNSRecord', document.metadata.uid) as readonly DnsRecord[];
  const main = domainFacts(view, app.domain);
  const hosts = host === undefined || !main ? [] : [{ name: host, facts: main }];
  const elsewhere: string[] = [];
  for (const alias of app.aliases) {
    const facts = domainOfHost(view, alias);
    if (facts) hosts.push({ name: alias, facts });
    else elsewhere.push(alias);
  }
  const records = hosts.flatMap(({ name, facts }) => recordsOf(document, name, facts, app.adopt));
  const wanted = new Set(records.map(({ metadata }) => metadata.name));
  // While its address is not known, what a Domain's records say is left as it is.
  const unsure = new Set(hosts.filter(({ facts }) => isUnsure(facts)).map(({ name }) => name));
  const left = children.filter(({ metadata, spec }) => !wanted.has(metadata.name) && !unsure.has(spec.name));
  const resolvers = resolversOf(view);
  return {
    records,
    children,
    left: left.filter(({ metadata }) => metadata.deletionTimestamp === undefined),
    elsewhere,
    addresses: main?.addresses ?? [],
    notes: notesOf(hosts.map(({ facts }) => facts)),
    ...(resolvers && elsewhere.length > 0 ? { resolvers } : {}),
  };
}

function isUnsure({ provider, addresses, waitsFor }: DomainFacts): boolean {
  return provider !== 'builtin' && (addresses.length === 0 || waitsFor !== undefined);
}

function recordsOf(owner: Document, name: string, facts: DomainFacts, adopt: boolean): Manifest[] {
  if (facts.provider === 'builtin' || isUnsure(facts)) return [];
  return facts.addresses.map((address) => {
    const type = address.includes(':') ? 'AAAA' : 'A';
    return dnsRecord(owner, { domain: facts.name, name, type, values: [address], adopt });
  });
}

function notesOf(facts: readonly DomainFacts[]): string[] {
  const notes = facts.flatMap(({ document }) => {
    if (!document) return [];
    return ['AddressKnown', 'Listening'].flatMap((type) => {
      const found = condition(document, type);
      return found?.status === 'False' ? [`domain/${document.metadata.name}: ${found.message}`] : [];
    });
  });
  return [...new Set(notes)];
}

export interface AliasLead {
  name: string;
  /** undefined: not known, for this reason. */
  leads?: LeadsTo;
  problem?: string;
}

/** It leads here: by a CNAME to the main host, or to our address. */
export function leadsHere(
  { leads }: AliasLead,
  host: string | undefined,
  addresses: readonly string[],
): boolean {
  if (!leads) return false;
  return (
    (host !== undefined && leads.cnames.includes(host)) ||
    leads.addresses.some((each) => addresses.includes(each))
  );
}

/** Whether the App's records keep it from being found, for Ready. What cannot be looked at says nothing against it. */
export function recordsNotReady({ records, children }: NamesWant): string | undefined {
  for (const { metadata, spec } of records) {
    const child = children.find((each) => each.metadata.name === metadata.name);
    const ready = child && condition(child, 'Ready');
    const name = `${String(spec?.['type'])} ${String(spec?.['name'])}`;
    if (!child || !ready || ready.observedGeneration !== child.metadata.generation)
      return `waits for the record ${name} to be published`;
    if (ready.status === 'False') return ready.message;
    // Never seen anywhere, and nobody can be asked: it was not even published yet.
    if (ready.status === 'Unknown' && !isPublished(child)) return ready.message;
  }
  return undefined;
}

function isPublished({ spec, status }: DnsRecord): boolean {
  const known = status?.published ?? status?.resolved?.find(({ values }) => values)?.values ?? [];
  return spec.values.every((value) => known.includes(value));
}

/** Conditions about names, where an App has any that are not of this machine alone. */
export function nameConditions(
  want: NamesWant,
  host: string | undefined,
  aliases: readonly AliasLead[],
): ConditionDraft[] {
  const conditions: ConditionDraft[] = [];
  const missing = recordsNotReady(want);
  const notes = want.notes.join('; ');
  if (want.records.length > 0 || notes !== '') {
    conditions.push(
      missing !== undefined || want.records.length === 0
        ? {
            type: 'Named',
            status: 'False',
            reason: 'DNSNotReady',
            message: [missing, notes].filter(Boolean).join('; '),
          }
        : {
            type: 'Named',
            status: notes === '' ? 'True' : 'False',
            reason: notes === '' ? 'Published' : 'NotReachable',
            message: notes || namedMessage(want),
          },
    );
  }
  if (aliases.length > 0) conditions.push(aliasCondition(want, host, aliases));
  return conditions;
}

function namedMessage({ records }: NamesWant): string {
  return `in DNS: ${records.map(({ spec }) => `${String(spec?.['type'])} ${String(spec?.['name'])}`).join(', ')}`;
}

function aliasCondition(
  want: NamesWant,
  host: string | undefined,
  aliases: readonly AliasLead[],
): ConditionDraft {
  const type = 'AliasesLeadHere';
  const wrong = aliases.filter((alias) => alias.leads && !leadsHere(alias, host, want.addresses));
  if (wrong.length > 0) {
    const here = want.addresses.join(' and ');
    const advice = `Where it is registered, make it a CNAME of ${host ?? 'the App'}${here === '' ? '' : `, or point it to ${here} where it is a whole domain`}`;
    const words = wrong.map(({ name, leads }) => {
      const to = [...(leads?.cnames ?? []), ...(leads?.addresses ?? [])].join(', ');
      return to === '' ? `${name} is in nobody's DNS` : `${name} leads to ${to}, and not here`;
    });
    return { type, status: 'False', reason: 'LeadsElsewhere', message: `${words.join('; ')}. ${advice}` };
  }
  const silent = aliases.filter(({ leads }) => !leads);
  if (silent.length > 0) {
    const message = silent.map(({ name, problem }) => `${name}: ${problem ?? 'not asked yet'}`).join('; ');
    return { type, status: 'Unknown', reason: 'NotKnown', message };
  }
  return {
    type,
    status: 'True',
    reason: 'LeadHere',
    message: `${aliases.map(({ name }) => name).join(', ')}`,
  };
}
