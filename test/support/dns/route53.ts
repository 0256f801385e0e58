/**
 * Route 53 as its public API reference describes it: hosted zones by name, record sets with paging, atomic change batches with
 * exact deletes and the service's own words, changes that are PENDING first, throttling, and signed requests (Signature
 * Version 4), which are checked. Written for tests; it knows plain record sets and aliases.
 */
import { createHash, createHmac } from 'node:crypto';
import { isIPv4, isIPv6 } from 'node:net';
import { type Answer, type Call, type Emulator, startEmulator } from './http.ts';

interface RecordSet {
  /** With a dot at the end, special signs as octal numbers. */
  name: string;
  type: string;
  ttl: number;
  values: string[];
  alias?: string;
}

interface Zone {
  id: string;
  name: string;
  private: boolean;
  nameServers: string[];
  sets: RecordSet[];
}

export interface Route53Emulator extends Emulator {
  addZone(name: string, options?: { private?: boolean }): string;
  put(zoneId: string, set: RecordSet): void;
  sets(zoneId: string): readonly RecordSet[];
  /** Batches that were taken, with how many changes each had. */
  readonly batches: number[];
}

export const ROUTE53_CREDENTIALS = { accessKeyId: 'AKIAEXAMPLE', secretAccessKey: 'secret/of+the/test' };

const NAMESPACE = 'https://route53.amazonaws.com/doc/2013-04-01/';
const MOST_ITEMS = 300;
const MOST_RECORDS = 1_000;
const MOST_LETTERS = 32_000;

const escapeXml = (text: string) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
const unescapeXml = (text: string) =>
  text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&apos;', "'")
    .replace(/&#x([0-9A-Fa-f]+);/g, (_whole, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
    .replaceAll('&amp;', '&');

function xml(status: number, root: string, inner: string): Answer {
  const body = `<?xml version="1.0"?>\n<${root} xmlns="${NAMESPACE}">${inner}</${root}>`;
  return { status, body, headers: { 'content-type': 'text/xml', 'x-amzn-requestid': 'emulated' } };
}

function fault(status: number, code: string, message: string): Answer {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>${escapeXml(message)}</Message></Error>`;
  return xml(status, 'ErrorResponse', `${error}<RequestId>emulated</RequestId>`);
}

const tag = (text: string, name: string) => {
  const match = new RegExp(`<${name}>([\\s\\S]*?)</${name}>`).exec(text);
  return match ? unescapeXml(match[1] ?? '') : undefined;
};
const tags = (text: string, name: string) =>
  [...text.matchAll(new RegExp(`<${name}>([\\s\\S]*?)</${name}>`, 'g'))].map((match) => match[1] ?? '');

/** Names are kept in lower case, with a dot at the end, and signs such as * as octal numbers. */
function stored(name: string): string {
  const dotted = name.endsWith('.') ? name : `${name}.`;
  return dotted
    .toLowerCase()
    .replace(/[^a-z0-9._\\-]/g, (sign) => `\\${sign.charCodeAt(0).toString(8).padStart(3, '0')}`);
}

/** By the labels from the right, as the service orders them. */
const order = ({ name, type }: Pick<RecordSet, 'name' | 'type'>) =>
  `${name.split('.').reverse().join('.')} ${type}`;

export async function startRoute53(options: { pageSize?: number } = {}): Promise<Route53Emulator> {
  const zones = new Map<string, Zone>();
  const changes = new Map<string, number>();
  const batches: number[] = [];
  const pageSize = Math.min(options.pageSize ?? MOST_ITEMS, MOST_ITEMS);

  function answer(call: Call): Answer {
    const refused = checkSignature(call);
    if (refused) return refused;
    const path = call.path.replace(/\/$/, '').replace('/2013-04-01', '');
    if (path === '/hostedzonesbyname') return zonesByName(call);
    const zone = /^\/hostedzone\/([^/]+)(\/rrset)?$/.exec(path);
    if (zone) return ofZone(call, zone[1] ?? '', zone[2] !== undefined);
    const change = /^\/change\/(.+)$/.exec(path);
    if (change) return changeState(change[1] ?? '');
    return fault(404, 'NotFound', `no operation at ${call.method} ${call.path}`);
  }

  function zonesByName({ query }: Call): Answer {
    const from = stored(query.get('dnsname') ?? '.');
    const items = [...zones.values()]
      .sort((a, b) => (order({ ...a, type: a.id }) < order({ ...b, type: b.id }) ? -1 : 1))
      .filter((zone) => order({ name: zone.name, type: '' }) >= order({ name: from, type: '' }));
    const limit = Math.min(Number(query.get('maxitems') ?? 100), 100);
    const page = items.slice(0, limit);
    const listed = page.map(
      (zone) =>
        `<HostedZone><Id>/hostedzone/${zone.id}</Id><Name>${zone.name}</Name><CallerReference>x</CallerReference><Config><PrivateZone>${zone.private}</PrivateZone></Config></HostedZone>`,
    );
    const next = items[limit];
    const more = next
      ? `<NextDNSName>${next.name}</NextDNSName><NextHostedZoneId>${next.id}</NextHostedZoneId>`
      : '';
    return xml(
      200,
      'ListHostedZonesByNameResponse',
      `<HostedZones>${listed.join('')}</HostedZones><IsTruncated>${next !== undefined}</IsTruncated>${more}<MaxItems>${limit}</MaxItems>`,
    );
  }

  function ofZone(call: Call, id: string, isSets: boolean): Answer {
    const zone = zones.get(id);
    if (!zone) return fault(404, 'NoSuchHostedZone', `No hosted zone found with ID: ${id}`);
    if (!isSets) {
      const servers = zone.nameServers.map((name) => `<NameServer>${name}</NameServer>`).join('');
      return xml(
        200,
        'GetHostedZoneResponse',
        `<HostedZone><Id>/hostedzone/${id}</Id><Name>${zone.name}</Name><CallerReference>x</CallerReference></HostedZone><DelegationSet><NameServers>${servers}</NameServers></DelegationSet>`,
      );
    }
    return call.method === 'POST' ? changeSets(zone, call.body) : listSets(zone, call.query);
  }

  function listSets(zone: Zone, query: URLSearchParams): Answer {
    const name = query.get('name');
    const from = name === null ? '' : order({ name: stored(name), type: query.get('type') ?? '' });
    const sorted = [...zone.sets].sort((a, b) => (order(a) < order(b) ? -1 : 1));
    const rest = sorted.filter((set) => order(set) >= from);
    const limit = Math.min(Number(query.get('maxitems') ?? pageSize), pageSize);
    const next = rest[limit];
    const more = next
      ? `<NextRecordName>${escapeXml(next.name)}</NextRecordName><NextRecordType>${next.type}</NextRecordType>`
      : '';
    return xml(
      200,
      'ListResourceRecordSetsResponse',
      `<ResourceRecordSets>${rest.slice(0, limit).map(setXml).join('')}</ResourceRecordSets><IsTruncated>${next !== undefined}</IsTruncated>${more}<MaxItems>${limit}</MaxItems>`,
    );
  }

  function changeSets(zone: Zone, body: string): Answer {
    const wanted = tags(body, 'Change').map((change) => ({
      action: tag(change, 'Action') ?? '',
      set: {
        name: stored(tag(change, 'Name') ?? ''),
        type: tag(change, 'Type') ?? '',
        ttl: Number(tag(change, 'TTL')),
        values: tags(change, 'Value').map(unescapeXml),
      },
    }));
    const values = wanted.flatMap(({ action, set }) =>
      action === 'UPSERT' ? [...set.values, ...set.values] : set.values,
    );
    if (values.length > MOST_RECORDS)
      return fault(400, 'InvalidChangeBatch', `[Number of records limit of ${MOST_RECORDS} exceeded.]`);
    if (values.join('').length > MOST_LETTERS)
      return fault(400, 'InvalidChangeBatch', `[Number of characters limit of ${MOST_LETTERS} exceeded.]`);
    const copy = zone.sets.map((set) => ({ ...set }));
    const problems = wanted.flatMap(({ action, set }) => applyChange(zone, copy, action, set) ?? []);
    if (problems.length > 0) return fault(400, 'InvalidChangeBatch', `[${problems.join(', ')}]`);
    zone.sets = copy;
    batches.push(wanted.length);
    const id = `C${changes.size + 1}`;
    changes.set(id, 1);
    return xml(200, 'ChangeResourceRecordSetsResponse', changeInfo(id, 'PENDING'));
  }

  /** Pending for the first question, in sync from then on. */
  function changeState(id: string): Answer {
    const left = changes.get(id);
    if (left === undefined) return fault(404, 'NoSuchChange', `No change found with ID: ${id}`);
    changes.set(id, Math.max(0, left - 1));
    return xml(200, 'GetChangeResponse', changeInfo(id, left > 1 ? 'PENDING' : 'INSYNC'));
  }

  const emulator = await startEmulator(answer, () => fault(400, 'Throttling', 'Rate exceeded'));
  return {
    ...emulator,
    batches,
    addZone(name, { private: isPrivate = false } = {}) {
      const id = `Z${1000 + zones.size}EXAMPLE`;
      const nameServers = ['ns-1.awsdns-01.org', 'ns-2.awsdns-02.co.uk', 'ns-3.awsdns-03.com'];
      const apex = stored(name);
      const sets: RecordSet[] = [
        { name: apex, type: 'NS', ttl: 172_800, values: nameServers.map((server) => `${server}.`) },
        {
          name: apex,
          type: 'SOA',
          ttl: 900,
          values: ['ns-1.awsdns-01.org. awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400'],
        },
      ];
      zones.set(id, { id, name: apex, private: isPrivate, nameServers, sets });
      return id;
    },
    put(zoneId, set) {
      zones.get(zoneId)?.sets.push({ ...set, name: stored(set.name) });
    },
    sets: (zoneId) => zones.get(zoneId)?.sets ?? [],
  };
}

function changeInfo(id: string, status: string): string {
  return `<ChangeInfo><Id>/change/${id}</Id><Status>${status}</Status><SubmittedAt>2026-01-01T00:00:00.000Z</SubmittedAt></ChangeInfo>`;
}

function setXml({ name, type, ttl, values, alias }: RecordSet): string {
  const records = values.map(
    (value) => `<ResourceRecord><Value>${escapeXml(value)}</Value></ResourceRecord>`,
  );
  const body =
    alias === undefined
      ? `<TTL>${ttl}</TTL><ResourceRecords>${records.join('')}</ResourceRecords>`
      : `<AliasTarget><HostedZoneId>Z2FDTNDATAQYW2</HostedZoneId><DNSName>${alias}</DNSName><EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>`;
  return `<ResourceRecordSet><Name>${escapeXml(name)}</Name><Type>${type}</Type>${body}</ResourceRecordSet>`;
}

const same = (a: RecordSet, b: RecordSet) =>
  a.ttl === b.ttl && JSON.stringify([...a.values].sort()) === JSON.stringify([...b.values].sort());

/** Changes the copy, or answers what the service says of it. */
function applyChange(zone: Zone, sets: RecordSet[], action: string, set: RecordSet): string | undefined {
  const named = `[name='${set.name}', type='${set.type}']`;
  if (set.name !== zone.name && !set.name.endsWith(`.${zone.name}`))
    return `RRSet with DNS name ${set.name} is not permitted in zone ${zone.name}`;
  const index = sets.findIndex(({ name, type }) => name === set.name && type === set.type);
  const found = sets[index];
  if (action === 'DELETE') {
    if (!found) return `Tried to delete resource record set ${named} but it was not found`;
    if (found.alias !== undefined || !same(found, set))
      return `Tried to delete resource record set ${named} but the values provided do not match the current values`;
    sets.splice(index, 1);
    return undefined;
  }
  if (action === 'CREATE' && found)
    return `Tried to create resource record set ${named} but it already exists`;
  const invalid = set.values.map((value) => valueProblem(set.type, value)).find((problem) => problem);
  if (invalid !== undefined) return `Invalid Resource Record: '${invalid}'`;
  const others = sets.filter(({ name, type }) => name === set.name && type !== set.type);
  if (set.type === 'CNAME' && (others.length > 0 || set.name === zone.name))
    return `RRSet of type CNAME with DNS name ${set.name} is not permitted as it conflicts with other records with the same DNS name in zone ${zone.name}`;
  if (others.some(({ type }) => type === 'CNAME'))
    return `RRSet of type ${set.type} with DNS name ${set.name} is not permitted because a conflicting RRSet of type CNAME with the same DNS name already exists in zone ${zone.name}`;
  if (found) sets.splice(index, 1, set);
  else sets.push(set);
  return undefined;
}

function valueProblem(type: string, value: string): string | undefined {
  if (type === 'A' && !isIPv4(value))
    return `FATAL problem: ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address) encountered with '${value}'`;
  if (type === 'AAAA' && !isIPv6(value))
    return `FATAL problem: AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address) encountered with '${value}'`;
  if (type !== 'TXT') return undefined;
  const pieces = /^"(?:[^"\\]|\\.)*"(?: "(?:[^"\\]|\\.)*")*$/.test(value) ? value.split('" "') : undefined;
  if (!pieces)
    return `InvalidCharacterString (Value should be enclosed in quotation marks) encountered with '${value}'`;
  const tooLong = pieces.some((piece) => piece.replace(/^"|"$/g, '').replace(/\\(.)/g, '$1').length > 255);
  return tooLong ? `CharacterStringTooLong (Value is too long) encountered with '${value}'` : undefined;
}

const hash = (text: string) => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string) => createHmac('sha256', key).update(text).digest();

/** Signature Version 4, as the service checks it. undefined: it is right. */
function checkSignature({ method, path, query, headers, body }: Call): Answer | undefined {
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]+)$/.exec(
      headers.authorization ?? '',
    );
  if (!match) return fault(403, 'MissingAuthenticationToken', 'Missing Authentication Token');
  const [, keyId = '', day = '', region = '', service = '', names = '', signature = ''] = match;
  if (keyId !== ROUTE53_CREDENTIALS.accessKeyId)
    return fault(403, 'InvalidClientTokenId', 'The security token included in the request is invalid.');
  const signed = names.split(';').map((name) => `${name}:${String(headers[name] ?? '').trim()}\n`);
  const encode = (text: string) =>
    encodeURIComponent(text).replace(
      /[!'()*]/g,
      (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
    );
  const search = [...query]
    .map(([key, value]) => `${encode(key)}=${encode(value)}`)
    .sort()
    .join('&');
  const canonical = [method, path, search, signed.join(''), names, hash(body)].join('\n');
  const scope = `${day}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hash(canonical)].join('\n');
  const key = [region, service, 'aws4_request'].reduce(
    hmac,
    hmac(`AWS4${ROUTE53_CREDENTIALS.secretAccessKey}`, day),
  );
  if (hmac(key, text).toString('hex') === signature) return undefined;
  return fault(
    403,
    'SignatureDoesNotMatch',
    'The request signature we calculated does not match the signature you provided.',
  );
}
