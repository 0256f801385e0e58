/**
 * Zones in memory, for tests and the simulation. The zones are the world: they outlive a crash of the controller, and everything
 * that a driver of them promises holds. What name servers answer is what the zones hold, at once or when the test says so.
 */
import { DriverError } from '../error.ts';
import type {
  DnsReading,
  DnsWriting,
  LookupReading,
  RecordSet,
  Refusal,
  ServerAnswer,
  SetChange,
  ZoneAccess,
} from './index.ts';

/** What outlives the controller. */
export interface FakeZone {
  /** By `name TYPE`. */
  sets: Map<string, RecordSet>;
  nameServers: string[];
  /** Tokens that are let in; empty: every one. */
  tokens: Set<string>;
}

export interface FakeDns extends DnsReading, DnsWriting, LookupReading {
  readonly zones: Map<string, FakeZone>;
  /** Changing calls, with how many sets each changed. */
  readonly batches: { zone: string; changes: number }[];
  /** Names whose changes the provider refuses, with its words. */
  readonly refuses: Map<string, string>;
  /** What resolvers say of names that are in no zone here. */
  readonly elsewhere: Map<string, { cnames: string[]; addresses: string[] }>;
  /** Who the world is sent to, where that is not the zone's own name servers. */
  readonly delegations: Map<string, string[]>;
  /** true: name servers answer nothing at all. */
  silent: boolean;
  /** Called before each call for a zone; may throw or never end. */
  before?: (verb: string, zone: string) => void | Promise<void>;
  addZone(name: string, nameServers?: string[]): FakeZone;
}

const keyOf = ({ name, type }: { name: string; type: string }): string => `${name} ${type}`;

export function createFakeDns(): FakeDns {
  const zones = new Map<string, FakeZone>();
  const batches: FakeDns['batches'] = [];
  const refuses = new Map<string, string>();
  const elsewhere: FakeDns['elsewhere'] = new Map();
  const delegations: FakeDns['delegations'] = new Map();
  const zoneOf = (name: string) =>
    [...zones]
      .filter(([zone]) => name === zone || name.endsWith(`.${zone}`))
      .sort(([a], [b]) => b.length - a.length)[0]?.[1];
  const valuesOf = (name: string, type: string) => {
    const values = zoneOf(name)?.sets.get(keyOf({ name, type }))?.values;
    return values ? [...values] : [];
  };
  return {
    zones,
    batches,
    refuses,
    elsewhere,
    delegations,
    silent: false,
    addZone(name, nameServers = [`ns1.${name}`, `ns2.${name}`]) {
      const zone: FakeZone = { sets: new Map(), nameServers, tokens: new Set() };
      zones.set(name, zone);
      return zone;
    },
    async zone(access) {
      await this.before?.('zone', access.zone);
      return { name: access.zone, nameServers: open(zones, access).nameServers };
    },
    async records(access) {
      await this.before?.('records', access.zone);
      return [...open(zones, access).sets.values()];
    },
    refusal: (_access, { name }) => refuses.get(name),
    async change(access, changes) {
      await this.before?.('change', access.zone);
      const zone = open(zones, access);
      for (const change of changes) requireAsSeen(zone, change);
      const refused: Refusal[] = [];
      batches.push({ zone: access.zone, changes: changes.length });
      for (const change of changes) {
        const message = refuses.get(change.name);
        if (message !== undefined) refused.push({ change, message });
        else put(zone, change);
      }
      return refused;
    },
    async delegation(zone) {
      if (this.silent) throw new DriverError('unavailable', `no resolver tells the name servers of ${zone}`);
      return delegations.get(zone) ?? zones.get(zone)?.nameServers ?? [];
    },
    async ask(servers, { name, type }) {
      return servers.map((server): ServerAnswer => {
        if (this.silent) return { server, problem: 'no answer in 3 s' };
        return { server, values: valuesOf(name, type) };
      });
    },
    async leadsTo(name) {
      if (this.silent) throw new DriverError('unavailable', `no resolver tells where ${name} leads to`);
      if (!zoneOf(name)) return elsewhere.get(name) ?? { cnames: [], addresses: [] };
      const addresses = [...valuesOf(name, 'A'), ...valuesOf(name, 'AAAA')];
      return { cnames: valuesOf(name, 'CNAME'), addresses };
    },
    async lookup({ name, type }) {
      if (this.silent) throw new DriverError('unavailable', `no resolver answers for ${name}`);
      return valuesOf(name, type);
    },
  };
}

function open(zones: ReadonlyMap<string, FakeZone>, { zone: name, credentials }: ZoneAccess): FakeZone {
  const zone = zones.get(name);
  if (!zone) throw new DriverError('notFound', `the provider has no zone ${name}`);
  const token = credentials['token'] ?? '';
  if (zone.tokens.size > 0 && !zone.tokens.has(token))
    throw new DriverError('denied', 'the provider refuses these credentials');
  return zone;
}

function requireAsSeen(zone: FakeZone, change: SetChange): void {
  const found = zone.sets.get(keyOf(change));
  // Values of a set have no order.
  const seen = (set: RecordSet | undefined) => JSON.stringify([set?.ttl, [...(set?.values ?? [])].sort()]);
  if (seen(found) !== seen(change.before))
    throw new DriverError('conflict', `${keyOf(change)} changed since it was looked at`);
}

function put(zone: FakeZone, { name, type, after }: SetChange): void {
  if (!after) zone.sets.delete(keyOf({ name, type }));
  else zone.sets.set(keyOf({ name, type }), { name, type, ...after });
}
