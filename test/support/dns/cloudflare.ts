/**
 * Cloudflare's zones and DNS records as its public API reference (v4) describes them: paging by result_info, batches in one
 * transaction (deletes, patches, puts, posts), comments, proxied records, error codes and throttling. Written for tests.
 */
import { isIPv4, isIPv6 } from 'node:net';
import { type Answer, type Call, type Emulator, startEmulator } from './http.ts';

interface CfRecord {
  id: string;
  type: string;
  name: string;
  content: string;
  ttl: number;
  proxied: boolean;
  priority?: number;
  comment: string | null;
  data?: Record<string, string | number>;
}

export interface CloudflareEmulator extends Emulator {
  addZone(name: string): string;
  put(zone: string, record: Partial<CfRecord>): void;
  records(zone: string): readonly CfRecord[];
  /** Batches that were taken, with how many operations each had. */
  readonly batches: number[];
}

export const CLOUDFLARE_TOKEN = 'token-of-the-test';

const MOST_IN_BATCH = 200;
const MOST_IN_COMMENT = 100;

function envelope(status: number, result: unknown, more: Record<string, unknown> = {}): Answer {
  const body = JSON.stringify({ success: status < 300, errors: [], messages: [], result, ...more });
  return { status, body, headers: { 'content-type': 'application/json' } };
}

function fault(status: number, code: number, message: string): Answer {
  const body = JSON.stringify({ success: false, errors: [{ code, message }], messages: [], result: null });
  return { status, body, headers: { 'content-type': 'application/json' } };
}

class Refused extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

interface Zone {
  id: string;
  name: string;
  records: CfRecord[];
}

interface Batch {
  deletes?: { id: string }[];
  patches?: (Partial<CfRecord> & { id: string })[];
  puts?: (Partial<CfRecord> & { id: string })[];
  posts?: Partial<CfRecord>[];
}

export async function startCloudflare(options: { pageSize?: number } = {}): Promise<CloudflareEmulator> {
  const zones = new Map<string, Zone>();
  const batches: number[] = [];
  let lastId = 0;
  const newId = () => (++lastId).toString(16).padStart(32, '0');
  const base = '/client/v4';

  function answer(call: Call): Answer {
    const { authorization } = call.headers;
    if (authorization !== `Bearer ${CLOUDFLARE_TOKEN}`) return fault(403, 9109, 'Invalid access token');
    const path = call.path.replace(base, '');
    if (path === '/zones') {
      const found = [...zones.values()].filter(({ name }) => name === (call.query.get('name') ?? name));
      const result = found.map(({ id, name }) => ({
        id,
        name,
        status: 'active',
        name_servers: ['ada.ns.cloudflare.com', 'bob.ns.cloudflare.com'],
      }));
      return envelope(200, result, {
        result_info: {
          page: 1,
          per_page: 20,
          total_pages: 1,
          count: result.length,
          total_count: result.length,
        },
      });
    }
    const match = /^\/zones\/([0-9a-f]{32})\/dns_records(\/batch)?$/.exec(path);
    const zone = [...zones.values()].find(({ id }) => id === match?.[1]);
    if (!zone)
      return fault(404, 7003, `Could not route to ${path}, perhaps your object identifier is invalid?`);
    if (match?.[2] === undefined) return page(zone, call.query);
    return batch(zone, JSON.parse(call.body) as Batch);
  }

  function page(zone: Zone, query: URLSearchParams): Answer {
    const per = Math.min(Number(query.get('per_page') ?? 100), options.pageSize ?? 5000);
    const number = Number(query.get('page') ?? 1);
    const total = zone.records.length;
    const result = zone.records.slice((number - 1) * per, number * per);
    const total_pages = Math.max(1, Math.ceil(total / per));
    const result_info = {
      page: number,
      per_page: per,
      count: result.length,
      total_count: total,
      total_pages,
    };
    return envelope(200, result, { result_info });
  }

  function batch(zone: Zone, { deletes = [], patches = [], puts = [], posts = [] }: Batch): Answer {
    const count = deletes.length + patches.length + puts.length + posts.length;
    if (count > MOST_IN_BATCH)
      return fault(400, 81_000, `a batch has at most ${MOST_IN_BATCH} operations on this plan`);
    let records = zone.records.map((record) => ({ ...record }));
    const find = (id: string) => {
      const found = records.find((record) => record.id === id);
      if (!found) throw new Refused(81_044, 'Record does not exist.');
      return found;
    };
    try {
      for (const { id } of deletes) {
        find(id);
        records = records.filter((record) => record.id !== id);
      }
      for (const change of patches) Object.assign(find(change.id), stored({ ...find(change.id), ...change }));
      for (const change of puts) {
        const { id } = find(change.id);
        records = records.map((record) => (record.id === id ? stored({ ...change, id }) : record));
      }
      for (const change of posts) records.push(stored({ ...change, id: newId() }));
      for (const record of records) requireAllowed(record, records);
    } catch (error) {
      if (error instanceof Refused) return fault(400, error.code, error.message);
      throw error;
    }
    zone.records = records;
    batches.push(count);
    return envelope(200, { deletes, patches, puts, posts });
  }

  const emulator = await startEmulator(answer, () => ({
    ...fault(429, 971, 'Please wait and consider throttling your request speed'),
    headers: { 'content-type': 'application/json', 'retry-after': '1' },
  }));
  return {
    ...emulator,
    endpoint: `${emulator.endpoint}${base}`,
    batches,
    addZone(name) {
      const id = newId();
      zones.set(name, { id, name, records: [] });
      return id;
    },
    put(zone, record) {
      zones.get(zone)?.records.push(stored({ ...record, id: newId() }));
    },
    records: (zone) => zones.get(zone)?.records ?? [],
  };
}

/** As the service gives it back. */
function stored(record: Partial<CfRecord>): CfRecord {
  const { data, type = '' } = record;
  const content =
    type === 'SRV' && data
      ? `${data['weight']} ${data['port']} ${data['target']}`
      : type === 'CAA' && data
        ? `${data['flags']} ${data['tag']} "${data['value']}"`
        : (record.content ?? '');
  const comment = record.comment === undefined || record.comment === '' ? null : record.comment;
  if ((comment ?? '').length > MOST_IN_COMMENT)
    throw new Refused(9207, `DNS record comment is too long, at most ${MOST_IN_COMMENT}`);
  const proxied = record.proxied ?? false;
  return {
    id: '',
    name: '',
    proxied,
    ...record,
    type,
    content,
    comment,
    ttl: proxied ? 1 : (record.ttl ?? 1),
  };
}

function requireAllowed(
  { id, type, name, content, ttl, data }: CfRecord,
  records: readonly CfRecord[],
): void {
  if (type === 'A' && !isIPv4(content))
    throw new Refused(9005, 'Content for A record must be a valid IPv4 address.');
  if (type === 'AAAA' && !isIPv6(content))
    throw new Refused(9006, 'Content for AAAA record must be a valid IPv6 address.');
  if (ttl !== 1 && (ttl < 60 || ttl > 86_400))
    throw new Refused(9021, 'Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.');
  if ((type === 'SRV' || type === 'CAA') && !data) throw new Refused(9101, 'data is a required data field.');
  const beside = records.filter((record) => record.name === name && record.id !== id);
  const isAddress = (kind: string) => kind === 'A' || kind === 'AAAA' || kind === 'CNAME';
  if (type === 'CNAME' && beside.some((record) => isAddress(record.type)))
    throw new Refused(81_053, 'An A, AAAA, or CNAME record with that host already exists.');
  if (beside.some((record) => record.type === type && record.content === content))
    throw new Refused(81_058, 'An identical record already exists.');
}
