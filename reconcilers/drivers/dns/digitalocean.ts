/**
 * DigitalOcean DNS (API v2). It has no batches: records are changed one after another, the mark first, so that a crash in between
 * leaves a mark and never a record that nobody knows. Right before, the zone is read again and compared with what was seen.
 */
import type { Clock } from '../../../controller/clock.ts';
import type { RecordType } from '../../../resources/dnsrecord.ts';
import { at, isRecord, listOf } from '../../../resources/unknown.ts';
import { DriverError } from '../error.ts';
import { type JsonAnswer, type JsonApi, jsonApi } from './http.ts';
import type { Refusal } from './index.ts';
import type { RawChange, RawGroup, RawSet } from './marks.ts';
import {
  type Provider,
  type RawListing,
  type RawProvider,
  requireAsSeen,
  requireKeys,
  withTxtMarks,
  type ZoneContext,
} from './provider.ts';
import { canonicalValue, canonicalValues, parseCaa, plainName, unquoteText } from './values.ts';

const NAME = 'DigitalOcean';
const ENDPOINT = 'https://api.digitalocean.com';
const PAGE = 200;
const KNOWN: readonly string[] = ['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'SRV', 'CAA'];

/** One record as the API has it. */
interface DoRecord {
  id: number;
  type: string;
  /** Relative to the zone; @ is the zone itself. */
  name: string;
  data: string;
  priority?: number | null;
  port?: number | null;
  weight?: number | null;
  ttl: number;
  flags?: number | null;
  tag?: string | null;
}

export function digitalocean({ clock }: { clock: Clock }): Provider {
  const provider: RawProvider = {
    async zone(context) {
      const api = apiOf(context, clock);
      await expect(api.call('GET', `/v2/domains/${context.zone}`, context.signal), 200, context.zone);
      const records = await all(api, context);
      const nameServers = records
        .filter(({ type, name }) => type === 'NS' && name === '@')
        .map(({ data }) => plainName(data));
      return { name: context.zone, nameServers: [...new Set(nameServers)].sort() };
    },
    list: (context) => list(apiOf(context, clock), context),
    change: (context, _listing, groups) => change(apiOf(context, clock), context, groups),
  };
  return withTxtMarks(provider);
}

function apiOf({ credentials }: ZoneContext, clock: Clock): JsonApi {
  const { token } = requireKeys('digitalocean', credentials, ['token']);
  return jsonApi({ clock, name: NAME, endpoint: credentials['endpoint'] ?? ENDPOINT, token });
}

/** The body of an answer of this status; else the error that it means. */
async function expect(calling: Promise<JsonAnswer>, status: number, zone: string): Promise<unknown> {
  const answer = await calling;
  if (answer.status === status) return answer.body;
  const words = String(at(answer.body, 'message') ?? `status ${answer.status}`);
  if (answer.status === 401 || answer.status === 403)
    throw new DriverError('denied', `${NAME} refuses the token: ${words}`);
  if (answer.status === 404) throw new DriverError('notFound', `${NAME} has no zone ${zone}: ${words}`);
  throw new DriverError(answer.status === 422 ? 'invalid' : 'failed', `${NAME}: ${words}`);
}

async function all(api: JsonApi, { zone, signal }: ZoneContext): Promise<DoRecord[]> {
  const records: DoRecord[] = [];
  for (let page = 1; ; page += 1) {
    const path = `/v2/domains/${zone}/records?per_page=${PAGE}&page=${page}`;
    const body = await expect(api.call('GET', path, signal), 200, zone);
    const entries = listOf(at(body, 'domain_records')).filter(isRecord) as unknown as DoRecord[];
    records.push(...entries);
    if (at(body, 'links', 'pages', 'next') === undefined || entries.length === 0) return records;
  }
}

async function list(api: JsonApi, context: ZoneContext): Promise<RawListing> {
  const records = await all(api, context);
  return { raw: setsOf(records, context.zone), state: records };
}

function fullName(name: string, zone: string): string {
  return plainName(name === '@' ? zone : `${name}.${zone}`);
}

function relativeName(name: string, zone: string): string {
  return name === zone ? '@' : name.slice(0, -zone.length - 1);
}

function setsOf(records: readonly DoRecord[], zone: string): RawSet[] {
  const sets = new Map<string, { name: string; type: RecordType; ttl: number; values: string[] }>();
  for (const record of records) {
    if (!KNOWN.includes(record.type)) continue;
    const type = record.type as RecordType;
    const name = fullName(record.name, zone);
    const set = sets.get(`${name} ${type}`) ?? { name, type, ttl: record.ttl, values: [] };
    set.values.push(recordValue(record, type, zone));
    sets.set(`${name} ${type}`, set);
  }
  return [...sets.values()].map((set) => ({ ...set, values: canonicalValues(set.type, set.values) }));
}

function recordValue(record: DoRecord, type: RecordType, zone: string): string {
  const { data, priority, weight, port, flags, tag } = record;
  const target = data === '@' ? zone : data;
  switch (type) {
    case 'CNAME':
      return canonicalValue(type, target);
    case 'MX':
      return canonicalValue(type, `${priority ?? 0} ${target}`);
    case 'SRV':
      return canonicalValue(type, `${priority ?? 0} ${weight ?? 0} ${port ?? 0} ${target}`);
    case 'CAA':
      return canonicalValue(type, `${flags ?? 0} ${tag ?? ''} ${data.replace(/\.$/, '')}`);
    case 'TXT':
      return unquoteText(data);
    default:
      return canonicalValue(type, data);
  }
}

/** What a record is made from. Names in data end with a dot, or the API refuses them. */
function draftOf(type: RecordType, value: string): Partial<DoRecord> {
  const words = value.split(' ');
  switch (type) {
    case 'CNAME':
      return { data: `${value}.` };
    case 'MX':
      return { priority: Number(words[0]), data: `${words[1] ?? ''}.`.replace(/^\.\.$/, '.') };
    case 'SRV': {
      const [priority, weight, port] = words.map(Number);
      return { priority: priority ?? 0, weight: weight ?? 0, port: port ?? 0, data: `${words[3] ?? ''}.` };
    }
    case 'CAA': {
      const caa = parseCaa(value);
      const data = caa?.value ?? '';
      const isHost = caa?.tag.startsWith('issue') && !data.includes(';');
      return { flags: caa?.flags ?? 0, tag: caa?.tag ?? '', data: isHost ? `${data}.` : data };
    }
    default:
      return { data: value };
  }
}

async function change(
  api: JsonApi,
  context: ZoneContext,
  groups: readonly RawGroup[],
): Promise<readonly Refusal[]> {
  const { raw, state } = await list(api, context);
  requireAsSeen(
    raw,
    groups.flatMap((group) => group.changes),
  );
  const records = state as readonly DoRecord[];
  const refused: Refusal[] = [];
  for (const group of groups) {
    context.signal.throwIfAborted();
    try {
      for (const each of group.changes) await changeSet(api, context, each, records);
    } catch (error) {
      if (!(error instanceof DriverError) || error.code !== 'invalid') throw error;
      refused.push({ change: group.of, message: error.message });
      await undoMark(api, context, group);
    }
  }
  return refused;
}

/** New values first, then those that are wanted no more: there is no moment without any. A CNAME has no second value. */
async function changeSet(
  api: JsonApi,
  { zone, signal }: ZoneContext,
  { name, type, after }: RawChange,
  records: readonly DoRecord[],
): Promise<void> {
  const path = `/v2/domains/${zone}/records`;
  const present = records.filter((record) => record.type === type && fullName(record.name, zone) === name);
  const wanted = new Set(after?.values);
  const ttl = after?.ttl ?? 0;
  const keeps = present.filter((record) => wanted.has(recordValue(record, type, zone)));
  const spare = present.filter((record) => !keeps.includes(record));
  for (const record of keeps) {
    wanted.delete(recordValue(record, type, zone));
    if (record.ttl !== ttl)
      await expect(
        api.call('PUT', `${path}/${record.id}`, signal, bodyOf(recordValue(record, type, zone))),
        200,
        zone,
      );
  }
  for (const value of wanted) {
    const reused = spare.shift();
    if (reused) await expect(api.call('PUT', `${path}/${reused.id}`, signal, bodyOf(value)), 200, zone);
    else await expect(api.call('POST', path, signal, bodyOf(value)), 201, zone);
  }
  for (const record of spare) {
    const { status } = await api.call('DELETE', `${path}/${record.id}`, signal);
    if (status !== 204 && status !== 404)
      throw new DriverError('failed', `${NAME} answers ${status} to the removal of ${type} ${name}`);
  }

  function bodyOf(value: string): object {
    return { type, name: relativeName(name, zone), ttl, ...draftOf(type, value) };
  }
}

/** The record was refused after its mark was made: the mark goes again, where it was not there before. */
async function undoMark(api: JsonApi, context: ZoneContext, { changes }: RawGroup): Promise<void> {
  const [mark] = changes;
  if (mark?.type !== 'TXT' || mark.before || changes.length < 2) return;
  const { state } = await list(api, context);
  await changeSet(api, context, { name: mark.name, type: 'TXT' }, state as readonly DoRecord[]);
}
