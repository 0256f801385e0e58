/**
 * DNS as Holdfast sees it, in two halves: zones at a provider (read and changed with credentials), and what name servers answer
 * to anybody. A provider's records are seen with the mark of who made them; without ours they are never changed here.
 *
 * Names are in lower case without a dot at the end. Values are as in a zone file in one canonical form (values.ts), so that what
 * was published and what is found compare equal; text of TXT is whole and without quotes.
 */
import type { RecordType } from '../../../resources/dnsrecord.ts';

export type ProviderName = 'route53' | 'digitalocean' | 'cloudflare' | 'rfc2136';

/** Which zone, at which provider, with which credentials. Holds secret values: never printed. */
export interface ZoneAccess {
  provider: ProviderName;
  zone: string;
  credentials: Readonly<Record<string, string>>;
}

export interface ZoneInfo {
  name: string;
  /** As the provider names it: the rest of the world must be sent to these. May be empty where it does not tell. */
  nameServers: readonly string[];
}

/** Says whose a record set is. Kept with the records themselves, so that it outlives this machine. */
export interface Mark {
  /** Of the server that made it. */
  owner: string;
  /** What it was made for, such as app/wiki; for people. */
  resource: string;
  /** Digests (`valueDigest`) of those values that are the owner's; sets of TXT are shared with others. */
  values: readonly string[];
  /** Mechanisms that were put into somebody else's SPF record, with spaces between. */
  spf?: string;
}

/** All records of one type at one name. Without values: a mark whose records are gone. */
export interface RecordSet {
  name: string;
  type: RecordType;
  ttl: number;
  values: readonly string[];
  mark?: Mark;
  /** More than plain records, such as an alias of the provider: what it is. Never changed here. */
  special?: string;
  /** The provider answers for it with addresses of its own (Cloudflare's proxy). Stays as it is found. */
  proxied?: boolean;
}

/** From exactly what was seen to what should be. A provider that finds something else refuses, wherever it can. */
export interface SetChange {
  name: string;
  type: RecordType;
  before?: RecordSet;
  /** undefined: all of it goes, with its mark. */
  after?: Pick<RecordSet, 'ttl' | 'values' | 'mark'>;
}

export interface Refusal {
  change: SetChange;
  /** The provider's own words. */
  message: string;
}

/** Zones as they can be looked at. Errors are DriverError: denied, notFound, unavailable, timeout, failed. */
export interface DnsReading {
  /** notFound: the credentials work, and there is no such zone. denied: they do not work. */
  zone(access: ZoneAccess): Promise<ZoneInfo>;
  /**
   * Everything in the zone of the types that are known here, with marks; at least what `wanted` names, where a provider can only
   * be asked name by name. May be up to `maxAgeSeconds` old (default 0: it is asked), never older than the last change made here.
   */
  records(
    access: ZoneAccess,
    wanted: readonly Question[],
    maxAgeSeconds?: number,
  ): Promise<readonly RecordSet[]>;
  /** What the provider refused lately and would refuse again, so that it is not asked in a loop. */
  refusal(access: ZoneAccess, change: SetChange): string | undefined;
}

export interface DnsWriting {
  /**
   * As few calls as the provider allows, and all or nothing within each where it can. What it refuses is left out and answered;
   * the rest is done. conflict: the zone is not as it was seen; look again. May be called twice.
   */
  change(
    access: ZoneAccess,
    changes: readonly SetChange[],
    signal?: AbortSignal,
  ): Promise<readonly Refusal[]>;
}

/** What one server at one address said. */
export interface ServerAnswer {
  /** "ns1.example.net (192.0.2.53)". */
  server: string;
  /** Empty: it says that there is none. undefined: it said nothing of use. */
  values?: readonly string[];
  /** Why there is no answer: "no answer in 3 s". */
  problem?: string;
}

export interface Question {
  name: string;
  type: RecordType;
}

export interface LeadsTo {
  cnames: readonly string[];
  addresses: readonly string[];
}

export interface AskOptions {
  via?: readonly string[];
  /** In canonical form. */
  wanted?: readonly string[];
  keepSeconds?: number;
}

/** What DNS tells anybody. `via`: the resolvers to ask instead of the machine's own, as address or address:port. */
export interface LookupReading {
  /** The servers that the world is sent to for a zone. Empty: it is in nobody's DNS. unavailable: no resolver answers. */
  delegation(zone: string, via?: readonly string[]): Promise<readonly string[]>;
  /**
   * Asks each server, by name or address and at each of its addresses, at the same time. Never throws for one of them. An answer
   * that is as `wanted` may be up to `keepSeconds` old.
   */
  ask(servers: readonly string[], question: Question, options?: AskOptions): Promise<readonly ServerAnswer[]>;
  /**
   * Where a name leads to in the end, over its CNAMEs. Empty: nowhere. Kept for some minutes. unavailable: no resolver answers, or
   * none did so far: it is answered within a second, and what comes later is there when it is asked again.
   */
  leadsTo(name: string, via?: readonly string[]): Promise<LeadsTo>;
  /** Records of a type as resolvers give them, such as CAA. Empty: none. unavailable: no resolver answers. */
  lookup(question: Question, via?: readonly string[]): Promise<readonly string[]>;
}
