/**
 * Amazon Route 53. A batch is all or nothing there, and a set is deleted only exactly as it is: so a change is a DELETE of what
 * was seen and a CREATE of what is wanted, and nobody else's change is ever overwritten. Waits until all of Amazon's servers have it.
 */
import type {
  ListResourceRecordSetsCommandOutput,
  Change as R53Change,
  ResourceRecordSet,
  Route53Client,
} from '@aws-sdk/client-route-53';
import { type Clock, delay } from '../../../controller/clock.ts';
import type { RecordType } from '../../../resources/dnsrecord.ts';
import { DriverError } from '../error.ts';
import type { RawGroup, RawSet } from './marks.ts';
import {
  BatchRefusedError,
  inBatches,
  isolating,
  type Provider,
  type RawListing,
  type RawProvider,
  requireKeys,
  withTxtMarks,
  type ZoneContext,
} from './provider.ts';
import { canonicalValues, parseCaa, plainName, quoteText, unquoteText } from './values.ts';

const NAME = 'Route 53';
/** A batch has at most so many records, and so many letters in all their values. */
const MOST_RECORDS = 1_000;
const MOST_LETTERS = 32_000;
const MOST_TRIES = 8;
const POLL_MILLISECONDS = 4_000;
const KNOWN: readonly string[] = ['A', 'AAAA', 'CNAME', 'MX', 'TXT', 'SRV', 'CAA'];

export function route53({ clock }: { clock: Clock }): Provider {
  const provider: RawProvider = {
    zone: (context) =>
      talking(context, async (talk) => {
        const id = await findZone(talk, context);
        const { DelegationSet } = await talk.client.send(
          new talk.sdk.GetHostedZoneCommand({ Id: id }),
          signalOf(context),
        );
        const nameServers = (DelegationSet?.NameServers ?? []).map(plainName).sort();
        return { name: context.zone, nameServers };
      }),
    list: (context, _wanted, last) =>
      talking(context, async (talk) => {
        const id = (last?.state as string | undefined) ?? (await findZone(talk, context));
        return list(talk, id, context);
      }),
    change: (context, { state }, groups) =>
      talking(context, async (talk) => {
        const sent: string[] = [];
        const send = (batch: readonly RawGroup[]) => sendBatch(talk, String(state), batch, context, sent);
        const refused = [];
        for (const batch of inBatches(groups, 1, sizeOf)) refused.push(...(await isolating(batch, send)));
        for (const id of sent) await inSync(talk, id, clock, context);
        return refused;
      }),
  };
  return withTxtMarks(provider);
}

type Sdk = typeof import('@aws-sdk/client-route-53');

/** A client with the commands that it is sent. */
interface Talk {
  client: Route53Client;
  sdk: Sdk;
}

/** Loaded when first used: few servers need it, and it takes a while. */
async function loadSdk(): Promise<Sdk> {
  // It would write to the log of every server that versions yet to come need a newer Node.js.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  return import('@aws-sdk/client-route-53');
}

const signalOf = ({ signal }: ZoneContext) => ({ abortSignal: signal });

async function talking<T>(context: ZoneContext, work: (talk: Talk) => Promise<T>): Promise<T> {
  const { credentials } = context;
  const keys = requireKeys('route53', credentials, ['accessKeyId', 'secretAccessKey']);
  const { endpoint, sessionToken } = credentials;
  const sdk = await loadSdk();
  const client = new sdk.Route53Client({
    region: credentials['region'] ?? 'us-east-1',
    credentials: { ...keys, ...(sessionToken === undefined ? {} : { sessionToken }) },
    ...(endpoint === undefined ? {} : { endpoint }),
    // Backs off by itself where there were too many calls, which are five a second for a whole account.
    maxAttempts: MOST_TRIES,
    requestHandler: { requestTimeout: 20_000, connectionTimeout: 10_000 },
  });
  try {
    return await work({ client, sdk });
  } catch (error) {
    throw context.signal.aborted ? context.signal.reason : explained(error, context);
  } finally {
    client.destroy();
  }
}

const DENIED =
  /AccessDenied|InvalidClientTokenId|SignatureDoesNotMatch|UnrecognizedClient|InvalidSignature|MissingAuthentication|ExpiredToken|OptInRequired|NotAuthorized/i;
const TOO_MANY = /Throttl|PriorRequestNotComplete|TooManyRequests|Rate exceeded/i;

function explained(error: unknown, { zone }: ZoneContext): unknown {
  if (error instanceof DriverError || error instanceof BatchRefusedError) return error;
  const { name = '', message = String(error) } = error as { name?: string; message?: string };
  const options = { cause: error };
  if (DENIED.test(name))
    return new DriverError('denied', `${NAME} refuses the credentials: ${message}`, options);
  if (name === 'NoSuchHostedZone')
    return new DriverError('notFound', `${NAME} has no zone ${zone}: ${message}`, options);
  if (TOO_MANY.test(name) || TOO_MANY.test(message))
    return new DriverError('unavailable', `${NAME} says that there were too many calls: ${message}`, options);
  const status = (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  if (status !== undefined && status < 500)
    return new DriverError('failed', `${NAME}: ${name}: ${message}`, options);
  return new DriverError('unavailable', `${NAME} cannot be reached: ${message}`, options);
}

/** By its name: an account may have zones that are private, or several of one name, of which one must be named. */
async function findZone(talk: Talk, context: ZoneContext): Promise<string> {
  const { zone, credentials } = context;
  const chosen = credentials['hostedZoneId'];
  const found: string[] = [];
  let dnsName: string | undefined = zone;
  let hostedZoneId: string | undefined;
  while (dnsName !== undefined) {
    const page: Awaited<ReturnType<typeof listZones>> = await listZones(talk, context, dnsName, hostedZoneId);
    const zones = page.HostedZones ?? [];
    const same = zones.filter(({ Name }) => plainName(readName(Name ?? '')) === zone);
    found.push(...same.filter(({ Config }) => !Config?.PrivateZone).map(({ Id }) => shortId(Id ?? '')));
    const more = page.IsTruncated === true && same.length === zones.length;
    dnsName = more ? page.NextDNSName : undefined;
    hostedZoneId = page.NextHostedZoneId;
  }
  const [only, other] = chosen === undefined ? found : found.filter((id) => id === shortId(chosen));
  if (only === undefined)
    throw new DriverError('notFound', `${NAME} has no public zone ${zone} in this account`);
  if (other === undefined) return only;
  const message = `${NAME} has several zones ${zone} in this account: ${found.join(', ')}; name one of them as hostedZoneId in the Secret`;
  throw new DriverError('conflict', message);
}

function listZones(talk: Talk, context: ZoneContext, dnsName: string, hostedZoneId?: string) {
  const input = { DNSName: dnsName, ...(hostedZoneId === undefined ? {} : { HostedZoneId: hostedZoneId }) };
  return talk.client.send(new talk.sdk.ListHostedZonesByNameCommand(input), signalOf(context));
}

function shortId(id: string): string {
  return id.replace(/^\/(hostedzone|change)\//, '');
}

/** Signs other than letters, digits and dashes come as octal numbers: \052 is the star. */
function readName(name: string): string {
  return plainName(
    name.replace(/\\([0-7]{3})/g, (_whole, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
  );
}

async function list(talk: Talk, id: string, context: ZoneContext): Promise<RawListing> {
  const raw: RawSet[] = [];
  let next: Partial<
    Pick<ListResourceRecordSetsCommandOutput, 'NextRecordName' | 'NextRecordType' | 'NextRecordIdentifier'>
  > = {};
  for (;;) {
    const page: ListResourceRecordSetsCommandOutput = await talk.client.send(
      new talk.sdk.ListResourceRecordSetsCommand({
        HostedZoneId: id,
        StartRecordName: next.NextRecordName,
        StartRecordType: next.NextRecordType,
        StartRecordIdentifier: next.NextRecordIdentifier,
      }),
      signalOf(context),
    );
    raw.push(...(page.ResourceRecordSets ?? []).flatMap(setOf));
    if (!page.IsTruncated || page.NextRecordName === undefined) return { raw: merged(raw), state: id };
    next = page;
  }
}

function setOf(set: ResourceRecordSet): RawSet[] {
  if (!KNOWN.includes(set.Type ?? '')) return [];
  const type = set.Type as RecordType;
  const name = readName(set.Name ?? '');
  const special = set.AliasTarget
    ? `an alias of ${plainName(set.AliasTarget.DNSName ?? '')}`
    : set.SetIdentifier === undefined
      ? undefined
      : `a set with a routing policy (${set.SetIdentifier})`;
  const found = (set.ResourceRecords ?? []).map(({ Value = '' }) =>
    type === 'TXT' ? unquoteText(Value) : Value,
  );
  const values = special === undefined || found.length > 0 ? canonicalValues(type, found) : [special];
  return [{ name, type, ttl: set.TTL ?? 0, values, ...(special === undefined ? {} : { special }) }];
}

/** Sets with a routing policy share a name and a type. */
function merged(sets: readonly RawSet[]): RawSet[] {
  const byKey = new Map<string, RawSet>();
  for (const set of sets) {
    const key = `${set.name} ${set.type}`;
    const present = byKey.get(key);
    byKey.set(key, present ? { ...present, values: [...present.values, ...set.values].sort() } : set);
  }
  return [...byKey.values()];
}

function writtenValue(type: RecordType, value: string): string {
  if (type === 'TXT') return quoteText(value);
  const caa = type === 'CAA' ? parseCaa(value) : undefined;
  return caa ? `${caa.flags} ${caa.tag} "${caa.value}"` : value;
}

function changesOf({ changes }: RawGroup): R53Change[] {
  return changes.flatMap(({ before, after }) => [
    ...(before ? [{ Action: 'DELETE' as const, ResourceRecordSet: written(before) }] : []),
    ...(after ? [{ Action: 'CREATE' as const, ResourceRecordSet: written(after) }] : []),
  ]);
}

function written({ name, type, ttl, values }: RawSet): ResourceRecordSet {
  const ResourceRecords = values.map((value) => ({ Value: writtenValue(type, value) }));
  return { Name: `${name}.`, Type: type, TTL: ttl, ResourceRecords };
}

/** The part of a batch that it takes up. */
function sizeOf(group: RawGroup): number {
  const values = changesOf(group).flatMap(({ ResourceRecordSet: set }) => set?.ResourceRecords ?? []);
  const letters = values.reduce((sum, { Value = '' }) => sum + Value.length, 0);
  return Math.max(values.length / MOST_RECORDS, letters / MOST_LETTERS);
}

async function sendBatch(
  talk: Talk,
  id: string,
  batch: readonly RawGroup[],
  context: ZoneContext,
  sent: string[],
): Promise<void> {
  const Changes = batch.flatMap(changesOf);
  try {
    const command = new talk.sdk.ChangeResourceRecordSetsCommand({
      HostedZoneId: id,
      ChangeBatch: { Changes },
    });
    const { ChangeInfo } = await talk.client.send(command, signalOf(context));
    if (ChangeInfo?.Status !== 'INSYNC') sent.push(ChangeInfo?.Id ?? '');
  } catch (error) {
    const { name, message = '' } = error as { name?: string; message?: string };
    if (name !== 'InvalidChangeBatch' && name !== 'InvalidInput') throw error;
    throw batchError(batch, wordsOf(error, message));
  }
}

/** The service names each thing that it dislikes; the message holds them as a list in brackets. */
function wordsOf(error: unknown, message: string): string[] {
  const { messages } = error as { messages?: string[] };
  if (messages && messages.length > 0) return messages;
  return message
    .replace(/^\[|\]$/g, '')
    .split(/, (?=[A-Z][a-z]+ (?:to|change|resource|record)|RRSet|Tried|Invalid)/)
    .filter((words) => words !== '');
}

const MOVED = /but it already exists|but it was not found|do not match the current values/;

function batchError(batch: readonly RawGroup[], words: readonly string[]): Error {
  const moved = words.find((text) => MOVED.test(text));
  if (moved !== undefined) return new DriverError('conflict', `${NAME}: ${moved}; it is looked at again`);
  const parts = new Map<number, string>();
  for (const text of words) {
    const name =
      /name='([^']+)'/.exec(text)?.[1] ??
      /(?:RRSet of type \w+ with DNS name|with DNS name) (\S+?)[. ]/.exec(text)?.[1];
    if (name === undefined) continue;
    const index = batch.findIndex(({ changes }) => changes.some((each) => each.name === readName(name)));
    if (index >= 0) parts.set(index, `${NAME}: ${text}`);
  }
  return new BatchRefusedError(`${NAME}: ${words.join('; ')}`, parts);
}

async function inSync(talk: Talk, id: string, clock: Clock, context: ZoneContext): Promise<void> {
  for (;;) {
    const { ChangeInfo } = await talk.client.send(
      new talk.sdk.GetChangeCommand({ Id: id }),
      signalOf(context),
    );
    if (ChangeInfo?.Status === 'INSYNC') return;
    await delay(clock, POLL_MILLISECONDS, context.signal);
  }
}
