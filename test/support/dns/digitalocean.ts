/**
 * DigitalOcean's domain records as its public API reference (v2) describes them: paging by links, names relative to the zone, data
 * that must end with a dot, 401, 404, 422 and 429 with their bodies. Written for tests.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { type Answer, type Call, type Emulator, startEmulator } from './http.ts';

interface DoRecord {
  id: number;
  type: string;
  name: string;
  data: string;
  priority: number | null;
  port: number | null;
  weight: number | null;
  ttl: number;
  flags: number | null;
  tag: string | null;
}

export interface DigitalOceanEmulator extends Emulator {
  addZone(name: string): void;
  put(zone: string, record: Partial<DoRecord>): void;
  records(zone: string): readonly DoRecord[];
}

export const DIGITALOCEAN_TOKEN = 'dop_v1_of_the_test';

function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  const limits = {
    'ratelimit-limit': '5000',
    'ratelimit-remaining': '4987',
    'ratelimit-reset': '1767225600',
  };
  return {
    status,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json; charset=utf-8', ...limits, ...headers },
  };
}

const notFound = () =>
  json(404, { id: 'not_found', message: 'The resource you were accessing could not be found.' });
const unprocessable = (message: string) => json(422, { id: 'unprocessable_entity', message });

export async function startDigitalOcean(options: { pageSize?: number } = {}): Promise<DigitalOceanEmulator> {
  const zones = new Map<string, DoRecord[]>();
  let lastId = 3_000_000;
  const make = (record: Partial<DoRecord>): DoRecord => ({
    type: 'A',
    name: '@',
    data: '',
    priority: null,
    port: null,
    weight: null,
    ttl: 1800,
    flags: null,
    tag: null,
    ...record,
    id: ++lastId,
  });

  function answer(call: Call): Answer {
    if (call.headers.authorization !== `Bearer ${DIGITALOCEAN_TOKEN}`)
      return json(401, { id: 'Unauthorized', message: 'Unable to authenticate you' });
    const match = /^\/v2\/domains\/([^/]+)(?:\/records(?:\/(\d+))?)?$/.exec(call.path);
    const zone = match?.[1] ?? '';
    const records = zones.get(zone);
    if (!match || !records) return notFound();
    if (!call.path.includes('/records'))
      return json(200, { domain: { name: zone, ttl: 1800, zone_file: '' } });
    if (match[2] === undefined)
      return call.method === 'POST' ? create(zone, records, call.body) : page(zone, records, call.query);
    return single(zone, records, Number(match[2]), call);
  }

  function page(zone: string, records: readonly DoRecord[], query: URLSearchParams): Answer {
    const per = Math.min(Number(query.get('per_page') ?? 20), options.pageSize ?? 200);
    const number = Number(query.get('page') ?? 1);
    const last = Math.max(1, Math.ceil(records.length / per));
    const link = (to: number) =>
      `https://api.digitalocean.com/v2/domains/${zone}/records?page=${to}&per_page=${per}`;
    const pages = number < last ? { next: link(number + 1), last: link(last) } : {};
    return json(200, {
      domain_records: records.slice((number - 1) * per, number * per),
      links: { pages },
      meta: { total: records.length },
    });
  }

  function create(zone: string, records: DoRecord[], body: string): Answer {
    const wanted = make(JSON.parse(body));
    const problem = problemOf(wanted, records);
    if (problem !== undefined) return unprocessable(problem);
    records.push(stored(wanted, zone));
    return json(201, { domain_record: records.at(-1) });
  }

  function single(zone: string, records: DoRecord[], id: number, { method, body }: Call): Answer {
    const index = records.findIndex((record) => record.id === id);
    const present = records[index];
    if (!present) return notFound();
    if (method === 'DELETE') {
      records.splice(index, 1);
      return json(204, undefined);
    }
    if (method === 'PUT' || method === 'PATCH') {
      const wanted = { ...present, ...JSON.parse(body), id };
      const problem = problemOf(
        wanted,
        records.filter((record) => record.id !== id),
      );
      if (problem !== undefined) return unprocessable(problem);
      records[index] = stored(wanted, zone);
    }
    return json(200, { domain_record: records[index] });
  }

  const emulator = await startEmulator(answer, () =>
    json(429, { id: 'too_many_requests', message: 'API Rate limit exceeded.' }, { 'retry-after': '1' }),
  );
  return {
    ...emulator,
    addZone(name) {
      const servers = [1, 2, 3].map((number) => make({ type: 'NS', data: `ns${number}.digitalocean.com` }));
      zones.set(name, [make({ type: 'SOA', data: '1800' }), ...servers]);
    },
    put(zone, record) {
      zones.get(zone)?.push(make(record));
    },
    records: (zone) => zones.get(zone) ?? [],
  };
}

const POINTS = ['CNAME', 'MX', 'SRV', 'NS'];

function problemOf(record: DoRecord, others: readonly DoRecord[]): string | undefined {
  const { type, name, data, ttl, tag } = record;
  if (data === '') return "Data can't be blank";
  if (ttl < 30) return 'TTL must be greater than or equal to 30';
  if (type === 'A' && !isIPv4(data)) return 'IP address did not match IPv4 format (e.g. 127.0.0.1).';
  if (type === 'AAAA' && !isIPv6(data))
    return 'IP address did not match IPv6 format (e.g. 2001:db8::ff00:42:8329).';
  if (POINTS.includes(type) && data !== '@' && !data.endsWith('.')) return 'Data needs to end with a dot (.)';
  if (type === 'CAA' && tag !== 'iodef' && !data.includes(';') && !data.endsWith('.'))
    return 'Data needs to end with a dot (.)';
  const beside = others.filter((other) => other.name === name);
  if (type === 'CNAME' && beside.length > 0) return 'CNAME records cannot share a name with other records';
  if (beside.some((other) => other.type === 'CNAME'))
    return 'CNAME records cannot share a name with other records';
  if (beside.some((other) => other.type === type && other.data === data.replace(/\.$/, '')))
    return 'Record already exists';
  return undefined;
}

/** Names in data come back without the dot, and the zone itself as @. */
function stored(record: DoRecord, zone: string): DoRecord {
  const plain = record.type === 'TXT' ? record.data : record.data.replace(/\.$/, '');
  return { ...record, data: POINTS.includes(record.type) && plain === zone ? '@' : plain };
}
