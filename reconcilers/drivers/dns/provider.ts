/**
 * What each provider brings (one file each), and what all share: marks as TXT for those without comments, and batches from which
 * what is refused is left out. Used by zones.ts, which is the driver.
 */
import { DriverError } from '../error.ts';
import type { Question, RecordSet, Refusal, SetChange, ZoneInfo } from './index.ts';
import { type RawGroup, type RawSet, rawGroup, rawIndex, withMarks } from './marks.ts';

export type Credentials = Readonly<Record<string, string>>;

export interface ZoneContext {
  zone: string;
  credentials: Credentials;
  signal: AbortSignal;
}

/** What was read, and what the provider needs to change it. */
export interface Listing {
  sets: readonly RecordSet[];
  /** Of the provider alone: ids, a serial number. */
  state?: unknown;
  /** Only what was asked for, since the provider tells no more. */
  partial?: boolean;
}

export interface Provider {
  zone(context: ZoneContext): Promise<ZoneInfo>;
  /** `last`: what was read before, for providers that can tell that nothing changed since. */
  list(context: ZoneContext, wanted: readonly Question[], last: Listing | undefined): Promise<Listing>;
  change(context: ZoneContext, listing: Listing, changes: readonly SetChange[]): Promise<readonly Refusal[]>;
}

export interface RawListing {
  raw: readonly RawSet[];
  state?: unknown;
  partial?: boolean;
}

/** A provider of plain records. */
export interface RawProvider {
  zone(context: ZoneContext): Promise<ZoneInfo>;
  list(context: ZoneContext, wanted: readonly Question[], last: RawListing | undefined): Promise<RawListing>;
  /** Each group together and in its order. Throws DriverError conflict when something is not as the groups have it before. */
  change(context: ZoneContext, listing: RawListing, groups: readonly RawGroup[]): Promise<readonly Refusal[]>;
}

/** Gives a provider of plain records marks, as TXT beside them. */
export function withTxtMarks(provider: RawProvider): Provider {
  return {
    zone: (context) => provider.zone(context),
    async list(context, wanted, last) {
      const before = last?.state as RawListing | undefined;
      const listing = await provider.list(context, wanted, before);
      if (last && listing === before) return last;
      const { partial = false } = listing;
      return { sets: withMarks(listing.raw), state: listing, partial };
    },
    async change(context, { state }, changes) {
      const listing = state as RawListing;
      const index = rawIndex(listing.raw);
      const groups = changes
        .map((change) => rawGroup(change, index))
        .filter((group) => group.changes.length > 0);
      return groups.length === 0 ? [] : provider.change(context, listing, groups);
    },
  };
}

/** The words with which a provider refused a batch. */
export class BatchRefusedError extends Error {
  /** What each refused part was refused for, by an index into the batch. Empty: the provider does not say which. */
  readonly parts: ReadonlyMap<number, string>;
  constructor(message: string, parts: ReadonlyMap<number, string> = new Map()) {
    super(message);
    this.name = 'BatchRefusedError';
    this.parts = parts;
  }
}

/**
 * Sends a batch until what is left of it is taken. Where the provider names what it dislikes, that is left out; where it does
 * not, halves are tried. `send` throws BatchRefusedError when nothing of the batch was done.
 */
export async function isolating<G extends { of: SetChange }>(
  batch: readonly G[],
  send: (batch: readonly G[]) => Promise<void>,
): Promise<Refusal[]> {
  if (batch.length === 0) return [];
  try {
    await send(batch);
    return [];
  } catch (error) {
    if (!(error instanceof BatchRefusedError)) throw error;
    const [only] = batch;
    if (only && batch.length === 1)
      return [{ change: only.of, message: error.parts.get(0) ?? error.message }];
    if (error.parts.size > 0) return leaveOut(batch, error.parts, send);
    const middle = Math.ceil(batch.length / 2);
    const first = await isolating(batch.slice(0, middle), send);
    return [...first, ...(await isolating(batch.slice(middle), send))];
  }
}

async function leaveOut<G extends { of: SetChange }>(
  batch: readonly G[],
  parts: ReadonlyMap<number, string>,
  send: (batch: readonly G[]) => Promise<void>,
): Promise<Refusal[]> {
  const refused = batch.flatMap(({ of }, index) => {
    const message = parts.get(index);
    return message === undefined ? [] : [{ change: of, message }];
  });
  const rest = batch.filter((_group, index) => !parts.has(index));
  return [...refused, ...(await isolating(rest, send))];
}

/** In runs of which each stays within the limit; a group that is too large alone is a run of its own. */
export function inBatches<G>(groups: readonly G[], limit: number, sizeOf: (group: G) => number): G[][] {
  const batches: G[][] = [];
  let room = 0;
  for (const group of groups) {
    const size = sizeOf(group);
    const last = batches.at(-1);
    if (last && size <= room) {
      last.push(group);
      room -= size;
    } else {
      batches.push([group]);
      room = limit - size;
    }
  }
  return batches;
}

/** The keys of a Secret that a provider needs; missing ones are told by name, never by value. */
export function requireKeys<K extends string>(
  provider: string,
  credentials: Credentials,
  keys: readonly K[],
): Record<K, string> {
  const missing = keys.filter((key) => (credentials[key] ?? '').trim() === '');
  if (missing.length > 0) {
    const message = `the Secret with the credentials for ${provider} lacks ${missing.join(' and ')}`;
    throw new DriverError('denied', message);
  }
  return Object.fromEntries(keys.map((key) => [key, (credentials[key] ?? '').trim()])) as Record<K, string>;
}

/** Throws conflict where what is there now is not what a change was made from. */
export function requireAsSeen(
  sets: readonly Pick<RecordSet, 'name' | 'type' | 'values'>[],
  changes: readonly { name: string; type: string; before?: Pick<RecordSet, 'values'> }[],
): void {
  const index = new Map(sets.map((set) => [`${set.name} ${set.type}`, set]));
  for (const { name, type, before } of changes) {
    const found = [...(index.get(`${name} ${type}`)?.values ?? [])].sort();
    if (JSON.stringify(found) === JSON.stringify([...(before?.values ?? [])].sort())) continue;
    throw new DriverError(
      'conflict',
      `${type} ${name} changed since it was looked at; it is looked at again`,
    );
  }
}
