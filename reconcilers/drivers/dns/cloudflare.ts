/**
 * Cloudflare DNS (API v4). Marks are the records' own comments. Changes go in batches, each one transaction at Cloudflare; the
 * zone is read again right before and compared with what was seen, because the API knows no conditions. Records that somebody
 * put behind Cloudflare's proxy stay behind it.
 */
import type { Clock } from '../../../controller/clock.ts';
import type { RecordType } from '../../../resources/dnsrecord.ts';
import { at, isRecord, listOf } from '../../../resources/unknown.ts';
import { DriverError } from '../error.ts';
import { type JsonAnswer, type JsonApi, jsonApi } from './http.ts';
import type { Mark, RecordSet, SetChange } from './index.ts';
import {
  BatchRefusedError,
  inBatches,
  isolating,
  type Listing,
  type Provider,
  requireAsSeen,
  requireKeys,
  type ZoneContext,
} from './provider.ts';
import { canonicalValue, parseCaa, plainName, quoteText, unquoteText, valueDigest } from './values.ts';

const NAME = 'Cloudflare';
const ENDPOINT = 'https://api.cloudflare.com/client/v4';
const PAGE = 1000;
/** Of the free plan. */
const MOST_IN_BATCH = 200;
/** Of the free plan. */
const MOST_IN_COMMENT = 100;
const KNOWN: readonly string[] = ['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'SRV', 'CAA'];

interface CfRecord {
  id: string;
  type: string;
  name: string;
  content: string;
  ttl: number;
  proxied?: boolean;
  priority?: number;
  comment?: string | null;
  data?: Record<string, unknown>;
}

interface State {
  zoneId: string;
  records: readonly CfRecord[];
}

export function cloudflare({ clock }: { clock: Clock }): Provider {
  return {
    async zone(context) {
      const zone = await findZone(apiOf(context, clock), context);
      const nameServers = listOf(at(zone, 'name_servers')).map((name) => plainName(String(name)));
      return { name: context.zone, nameServers: nameServers.sort() };
    },
    async list(context, _wanted, last) {
      const api = apiOf(context, clock);
      const known = (last?.state as State | undefined)?.zoneId;
      const zoneId = known ?? String(at(await findZone(api, context), 'id'));
      return list(api, zoneId, context);
    },
    async change(context, { state }, changes) {
      const api = apiOf(context, clock);
      const { zoneId } = state as State;
      const now = await list(api, zoneId, context);
      requireAsSeen(now.sets, changes);
      const { records } = now.state as State;
      const groups = changes.map((of) => ({ of, ...operationsOf(of, records) }));
      const refused = [];
      for (const batch of inBatches(groups, MOST_IN_BATCH, ({ count }) => count))
        refused.push(...(await isolating(batch, (part) => send(api, zoneId, part, context))));
      return refused;
    },
  };
}

function apiOf({ credentials }: ZoneContext, clock: Clock): JsonApi {
  const { token } = requireKeys('cloudflare', credentials, ['token']);
  return jsonApi({ clock, name: NAME, endpoint: credentials['endpoint'] ?? ENDPOINT, token });
}

function wordsOf({ status, body }: JsonAnswer): string {
  const errors = listOf(at(body, 'errors')).map((error) => {
    const chain = listOf(at(error, 'error_chain')).map((inner) => String(at(inner, 'message')));
    return [String(at(error, 'message') ?? ''), ...chain].join(': ');
  });
  return errors.join('; ') || `status ${status}`;
}

/** Codes of a token that is not one, or that may not do this. */
const DENIED = [6003, 6111, 9106, 9109, 10_000];

/** Codes of a record that came or went since it was looked at. */
const MOVED = [81_044, 81_057, 81_058];

async function expect(calling: Promise<JsonAnswer>): Promise<unknown> {
  const answer = await calling;
  if (answer.status < 300 && at(answer.body, 'success') === true) return answer.body;
  const words = wordsOf(answer);
  const code = Number(at(listOf(at(answer.body, 'errors'))[0], 'code'));
  if (answer.status === 401 || answer.status === 403 || DENIED.includes(code)) {
    const advice = 'it needs Zone:Read and DNS:Edit for this zone';
    throw new DriverError('denied', `${NAME} refuses the token: ${words}; ${advice}`);
  }
  if (answer.status === 404) throw new DriverError('notFound', `${NAME}: ${words}`);
  if (MOVED.includes(code)) throw new DriverError('conflict', `${NAME}: ${words}; it is looked at again`);
  throw new DriverError(answer.status === 400 ? 'invalid' : 'failed', `${NAME}: ${words}`);
}

async function findZone(api: JsonApi, { zone, signal }: ZoneContext): Promise<unknown> {
  const body = await expect(api.call('GET', `/zones?name=${encodeURIComponent(zone)}`, signal));
  const found = listOf(at(body, 'result')).find((entry) => at(entry, 'name') === zone);
  if (found !== undefined) return found;
  const message = `${NAME} shows no zone ${zone} to this token; add the zone there, or give the token leave to see it`;
  throw new DriverError('notFound', message);
}

async function list(api: JsonApi, zoneId: string, context: ZoneContext): Promise<Listing> {
  const records: CfRecord[] = [];
  for (let page = 1; ; page += 1) {
    const path = `/zones/${zoneId}/dns_records?per_page=${PAGE}&page=${page}`;
    const body = await expect(api.call('GET', path, context.signal));
    const entries = listOf(at(body, 'result')).filter(isRecord) as unknown as CfRecord[];
    records.push(...entries);
    if (entries.length === 0 || page >= Number(at(body, 'result_info', 'total_pages') ?? 1)) break;
  }
  return { sets: setsOf(records), state: { zoneId, records } satisfies State };
}

function setsOf(records: readonly CfRecord[]): RecordSet[] {
  const groups = new Map<string, CfRecord[]>();
  for (const record of records) {
    if (!KNOWN.includes(record.type)) continue;
    const key = keyOf({ name: plainName(record.name), type: record.type });
    groups.set(key, [...(groups.get(key) ?? []), record]);
  }
  return [...groups.values()].map((group) => {
    const [first] = group as [CfRecord, ...CfRecord[]];
    const type = first.type as RecordType;
    const mark = markOf(group, type);
    return {
      name: plainName(first.name),
      type,
      ttl: first.ttl,
      values: group.map((record) => recordValue(record, type)).sort(),
      ...(mark ? { mark } : {}),
      ...(group.some(({ proxied }) => proxied) ? { proxied: true } : {}),
    };
  });
}

const keyOf = ({ name, type }: { name: string; type: string }): string => `${name} ${type}`;

/** The mark of those records of a set that carry one. */
function markOf(records: readonly CfRecord[], type: RecordType): Mark | undefined {
  const found = records.flatMap((record) => {
    const parsed = parseComment(record.comment ?? '');
    return parsed ? [{ ...parsed, digest: valueDigest(recordValue(record, type)) }] : [];
  });
  const [first] = found;
  if (!first) return undefined;
  const spf = found.find((entry) => entry.spf !== undefined)?.spf;
  // Of what was only added to, the value is still somebody else's.
  const values = found.filter((entry) => entry.spf === undefined).map(({ digest }) => digest);
  return { owner: first.owner, resource: first.resource, values, ...(spf === undefined ? {} : { spf }) };
}

const COMMENT = /(?:^| \| )heritage=holdfast,owner=([^,]+),for=([^,]*?)(?:,spf=(.*))?$/;

function parseComment(comment: string): { owner: string; resource: string; spf?: string } | undefined {
  const match = COMMENT.exec(comment);
  if (!match) return undefined;
  const [, owner = '', resource = '', spf] = match;
  return { owner, resource, ...(spf === undefined ? {} : { spf }) };
}

/** What is for people is cut where there is no room; whose it is never is. */
function commentOf({ owner, resource }: Mark): string {
  const head = `heritage=holdfast,owner=${owner},for=`;
  return head + resource.slice(0, MOST_IN_COMMENT - head.length);
}

function spfComment(theirs: string, { owner, spf }: Mark): string {
  const own = `heritage=holdfast,owner=${owner},for=,spf=${spf}`;
  const kept = theirs.replace(COMMENT, '');
  return kept === '' || kept.length + own.length + 3 > MOST_IN_COMMENT ? own : `${kept} | ${own}`;
}

function recordValue(record: CfRecord, type: RecordType): string {
  const { content, priority, data } = record;
  if (type === 'TXT') return unquoteText(content);
  if (type === 'MX') return canonicalValue(type, `${priority ?? 0} ${content}`);
  if (type === 'SRV' && data) {
    const text = ['priority', 'weight', 'port', 'target'].map((key) => String(data[key])).join(' ');
    return canonicalValue(type, text);
  }
  if (type === 'CAA' && data) {
    return canonicalValue(type, ['flags', 'tag', 'value'].map((key) => String(data[key])).join(' '));
  }
  return canonicalValue(type, content);
}

function draftOf(type: RecordType, value: string): Partial<CfRecord> {
  const words = value.split(' ');
  switch (type) {
    case 'MX':
      return { priority: Number(words[0]), content: words[1] ?? '' };
    case 'SRV': {
      const [priority, weight, port] = words.map(Number);
      return { data: { priority, weight, port, target: words[3] } };
    }
    case 'CAA':
      return { data: { ...parseCaa(value) } };
    case 'TXT':
      return { content: quoteText(value) };
    default:
      return { content: value };
  }
}

interface Operations {
  deletes: { id: string }[];
  puts: (Partial<CfRecord> & { id: string })[];
  posts: Partial<CfRecord>[];
  count: number;
}

/** Records that stay are put only where something of them differs. */
function operationsOf({ name, type, after }: SetChange, records: readonly CfRecord[]): Operations {
  const present = records.filter((record) => record.type === type && plainName(record.name) === name);
  const wanted = new Set(after?.values);
  const deletes: Operations['deletes'] = [];
  const puts: Operations['puts'] = [];
  const spare: CfRecord[] = [];
  const isSpf = (value: string) => after?.mark?.spf !== undefined && /^v=spf1\b/i.test(value);
  const body = (value: string, record?: CfRecord): Partial<CfRecord> => {
    const isOurs = after?.mark?.values.includes(valueDigest(value));
    const theirs = (record?.comment ?? '').replace(COMMENT, '');
    const comment = isOurs && after?.mark ? commentOf(after.mark) : theirs;
    const proxied = record?.proxied === true;
    return {
      type,
      name,
      ...draftOf(type, value),
      ttl: proxied ? 1 : (after?.ttl ?? 1),
      comment: isSpf(value) && after?.mark ? spfComment(record?.comment ?? '', after.mark) : comment,
      ...(type === 'A' || type === 'AAAA' || type === 'CNAME' ? { proxied } : {}),
    };
  };
  for (const record of present) {
    const value = recordValue(record, type);
    if (!wanted.delete(value)) {
      spare.push(record);
      continue;
    }
    const next = body(value, record);
    if (next.ttl !== record.ttl || (next.comment ?? '') !== (record.comment ?? ''))
      puts.push({ id: record.id, ...next });
  }
  const posts: Operations['posts'] = [];
  for (const value of wanted) {
    const reused = spare.shift();
    if (reused) puts.push({ id: reused.id, ...body(value, reused) });
    else posts.push(body(value));
  }
  deletes.push(...spare.map(({ id }) => ({ id })));
  return { deletes, puts, posts, count: deletes.length + puts.length + posts.length };
}

async function send(
  api: JsonApi,
  zoneId: string,
  batch: readonly Operations[],
  { signal }: ZoneContext,
): Promise<void> {
  const deletes = batch.flatMap((group) => group.deletes);
  const puts = batch.flatMap((group) => group.puts);
  const posts = batch.flatMap((group) => group.posts);
  if (deletes.length + puts.length + posts.length === 0) return;
  try {
    await expect(api.call('POST', `/zones/${zoneId}/dns_records/batch`, signal, { deletes, puts, posts }));
  } catch (error) {
    if (!(error instanceof DriverError) || error.code !== 'invalid') throw error;
    throw new BatchRefusedError(error.message);
  }
}
