/**
 * Name servers that take signed dynamic updates (RFC 2136): BIND, Knot, PowerDNS and others. The zone is read by transfer (AXFR),
 * and only when its serial number moved; where transfers are not allowed, name by name. Each update names what it expects to find,
 * so that the server itself refuses to overwrite what somebody else changed.
 */
import { randomInt } from 'node:crypto';
import * as packet from 'dns-packet';
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { Question } from './index.ts';
import { markName, type RawChange, type RawGroup, type RawSet } from './marks.ts';
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
import { TcpConnection } from './tcp.ts';
import { AnswerCheck, sign, type TsigAlgorithm, type TsigKey } from './tsig.ts';
import { canonicalValues, plainName } from './values.ts';
import {
  CLASS,
  encodeHeader,
  encodeQuestion,
  encodeRecord,
  OPCODE_UPDATE,
  RCODES,
  rcodeOf,
  recordValue,
  type TypeName,
} from './wire.ts';

/** A message over TCP has at most 65,535 bytes; the signature and the header need some. */
const MOST_BYTES = 60_000;
const ALGORITHMS: readonly TsigAlgorithm[] = ['hmac-sha256', 'hmac-sha512'];

/** The serial number of the zone when it was read. */
type State = number;

export function rfc2136({ clock }: { clock: Clock }): Provider {
  const provider: RawProvider = {
    zone: (context) => withServer(context, clock, (server) => zoneInfo(server)),
    list: (context, wanted, last) => withServer(context, clock, (server) => list(server, wanted, last)),
    change: (context, _listing, groups) =>
      withServer(context, clock, async (server) => {
        const batches = inBatches(groups, MOST_BYTES, (group) => updateOf(group).size);
        const refused = [];
        for (const batch of batches) refused.push(...(await isolating(batch, (part) => server.update(part))));
        return refused;
      }),
  };
  return withTxtMarks(provider);
}

async function zoneInfo(server: SignedServer) {
  await server.serial();
  await server.update([]);
  const answers = await server.ask(server.zone, 'NS');
  const nameServers = answers.flatMap((answer) =>
    answer.type === 'NS' && 'data' in answer ? [plainName(String(answer.data))] : [],
  );
  return { name: server.zone, nameServers: [...new Set(nameServers)].sort() };
}

async function list(
  server: SignedServer,
  wanted: readonly Question[],
  last: RawListing | undefined,
): Promise<RawListing> {
  const serial = await server.serial();
  const before = last?.state as State | undefined;
  if (last && !last.partial && before === serial) return last;
  try {
    const answers = await server.transfer();
    return { raw: setsOf(answers), state: serial };
  } catch (error) {
    if (!(error instanceof TransferRefusedError)) throw error;
    return { raw: setsOf(await server.askAll(wanted)), state: serial, partial: true };
  }
}

function setsOf(answers: readonly packet.Answer[]): RawSet[] {
  const sets = new Map<string, { name: string; type: RawSet['type']; ttl: number; values: string[] }>();
  for (const answer of answers) {
    const found = recordValue(answer);
    if (!found) continue;
    const name = plainName(answer.name);
    const key = `${name} ${found.type}`;
    const ttl = ('ttl' in answer ? answer.ttl : undefined) ?? 0;
    const set = sets.get(key) ?? { name, type: found.type, ttl, values: [] };
    set.values.push(found.value);
    sets.set(key, set);
  }
  return [...sets.values()].map((set) => ({ ...set, values: canonicalValues(set.type, set.values) }));
}

interface Update {
  prerequisites: Buffer[];
  updates: Buffer[];
  size: number;
}

const updates = new WeakMap<RawGroup, Update>();

/** Prerequisites and updates of a group, kept while it is sent. */
function updateOf(group: RawGroup): Update {
  const known = updates.get(group);
  if (known) return known;
  const prerequisites = group.changes.flatMap(prerequisitesOf);
  const changes = group.changes.flatMap(updatesOf);
  const size = [...prerequisites, ...changes].reduce((sum, { length }) => sum + length, 0);
  const update = { prerequisites, updates: changes, size };
  updates.set(group, update);
  return update;
}

/** Nothing of this type is there, or exactly what was seen (RFC 2136, 2.4.2 and 2.4.3). */
function prerequisitesOf({ name, type, before }: RawChange): Buffer[] {
  if (!before) return [encodeRecord(name, type, CLASS.NONE, 0)];
  return before.values.map((value) => encodeRecord(name, type, CLASS.IN, 0, value));
}

function updatesOf({ name, type, before, after }: RawChange): Buffer[] {
  const removed = before ? [encodeRecord(name, type, CLASS.ANY, 0)] : [];
  const added = (after?.values ?? []).map((value) =>
    encodeRecord(name, type, CLASS.IN, after?.ttl ?? 0, value),
  );
  return [...removed, ...added];
}

class TransferRefusedError extends Error {}

/** One conversation with the server, all of it signed. */
class SignedServer {
  readonly zone: string;
  readonly #connection: TcpConnection;
  readonly #key: TsigKey;
  readonly #clock: Clock;

  constructor(zone: string, connection: TcpConnection, key: TsigKey, clock: Clock) {
    this.zone = zone;
    this.#connection = connection;
    this.#key = key;
    this.#clock = clock;
  }

  async serial(): Promise<number> {
    const answers = await this.ask(this.zone, 'SOA');
    const soa = answers.find(({ type, name }) => type === 'SOA' && plainName(name) === this.zone);
    const serial = soa && 'data' in soa ? (soa.data as { serial?: number }).serial : undefined;
    if (serial !== undefined) return serial;
    throw new DriverError('notFound', `the name server has no zone ${this.zone}`);
  }

  async ask(name: string, type: TypeName | 'NS'): Promise<readonly packet.Answer[]> {
    const { answer, rcode } = await this.#exchange(query(name, type));
    if (rcode === 0) return packet.decode(answer).answers ?? [];
    if (rcode === 3) return [];
    throw this.#refused(rcode, `a question for ${name}`);
  }

  /** Each name with its mark, and whether it is a CNAME. */
  async askAll(wanted: readonly Question[]): Promise<packet.Answer[]> {
    const questions = new Map<string, Question>();
    for (const { name, type } of wanted) {
      for (const question of [
        { name, type },
        { name, type: 'CNAME' as const },
        { name: markName({ name, type }), type: 'TXT' as const },
      ])
        questions.set(`${question.name} ${question.type}`, question);
    }
    const found: packet.Answer[] = [];
    for (const { name, type } of questions.values()) {
      const answers = await this.ask(name, type);
      found.push(...answers.filter((answer) => plainName(answer.name) === name && answer.type === type));
    }
    return found;
  }

  /** All records of the zone. It ends with the SOA record that it began with. */
  async transfer(): Promise<packet.Answer[]> {
    const request = sign(query(this.zone, 'AXFR'), this.#key, this.#seconds);
    const check = new AnswerCheck(this.#key, request.mac);
    this.#connection.send(request.message);
    const records: packet.Answer[] = [];
    for (let soas = 0; soas < 2; ) {
      const message = await this.#connection.receive();
      const rcode = rcodeOf(message);
      if (records.length === 0 && (rcode === 5 || rcode === 9)) throw new TransferRefusedError();
      this.#requireGood(check, message);
      if (rcode !== 0) throw this.#refused(rcode, 'a transfer of the zone');
      for (const answer of packet.decode(message).answers ?? []) {
        if (answer.type === 'SOA') soas += 1;
        records.push(answer);
      }
    }
    if (!check.isComplete)
      throw new DriverError('failed', `the transfer of ${this.zone} ended without a signature`);
    return records;
  }

  /** An update without groups changes nothing and tells whether updates are allowed. */
  async update(groups: readonly RawGroup[]): Promise<void> {
    const parts = groups.map(updateOf);
    const prerequisites = parts.flatMap((part) => part.prerequisites);
    const changes = parts.flatMap((part) => part.updates);
    const id = randomInt(65_536);
    const header = encodeHeader(id, OPCODE_UPDATE, [1, prerequisites.length, changes.length, 0]);
    const zone = encodeQuestion(this.zone, 'SOA');
    const { rcode } = await this.#exchange(Buffer.concat([header, zone, ...prerequisites, ...changes]));
    if (rcode === 0) return;
    if (rcode === 6 || rcode === 7 || rcode === 8) {
      const message = `the zone ${this.zone} is not as it was when it was looked at; it is looked at again`;
      throw new DriverError('conflict', message);
    }
    if (groups.length > 0 && (rcode === 1 || rcode === 5 || rcode === 10)) {
      throw new BatchRefusedError(`the name server answers ${RCODES[rcode]} to the update`);
    }
    throw this.#refused(rcode, 'an update');
  }

  async #exchange(message: Buffer): Promise<{ answer: Buffer; rcode: number }> {
    const request = sign(message, this.#key, this.#seconds);
    this.#connection.send(request.message);
    const answer = await this.#connection.receive();
    this.#requireGood(new AnswerCheck(this.#key, request.mac), answer);
    return { answer, rcode: rcodeOf(answer) };
  }

  #requireGood(check: AnswerCheck, message: Buffer): void {
    const verdict = check.check(message, this.#seconds);
    if (verdict.ok) return;
    const rcode = rcodeOf(message);
    if (verdict.error !== undefined) {
      const text = `the name server does not take the key ${this.#key.name}: ${verdict.message}`;
      throw new DriverError('denied', text);
    }
    // Some answer a question that they do not take without a signature.
    if (rcode !== 0) throw this.#refused(rcode, 'the request');
    throw new DriverError('failed', `the name server cannot be trusted: ${verdict.message}`);
  }

  #refused(rcode: number, what: string): DriverError {
    const words = RCODES[rcode] ?? `code ${rcode}`;
    if (rcode === 9) {
      const message = `the name server has no zone ${this.zone} of its own (${words} to ${what})`;
      return new DriverError('notFound', message);
    }
    if (rcode === 5) {
      const message = `the name server refuses ${what} with the key ${this.#key.name}, or has no zone ${this.zone} (${words}); give the key leave to update and transfer this zone`;
      return new DriverError(what === 'an update' ? 'denied' : 'notFound', message);
    }
    return new DriverError('unavailable', `the name server answers ${words} to ${what} for ${this.zone}`);
  }

  get #seconds(): number {
    return this.#clock.now() / 1000;
  }
}

function query(name: string, type: TypeName | 'NS'): Buffer {
  return packet.encode({
    type: 'query',
    id: randomInt(65_536),
    questions: [{ name, type }],
  });
}

async function withServer<T>(
  { zone, credentials, signal }: ZoneContext,
  clock: Clock,
  work: (server: SignedServer) => Promise<T>,
): Promise<T> {
  const { server, keyName, key } = requireKeys('rfc2136', credentials, ['server', 'keyName', 'key']);
  const algorithm = (credentials['algorithm'] ?? 'hmac-sha256').toLowerCase().replace(/\.$/, '');
  if (!ALGORITHMS.includes(algorithm as TsigAlgorithm)) {
    const message = `algorithm in the credentials for rfc2136 must be ${ALGORITHMS.join(' or ')}, not ${algorithm}`;
    throw new DriverError('denied', message);
  }
  const port = Number(credentials['port'] ?? 53);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new DriverError('denied', 'port in the credentials for rfc2136 must be a number from 1 to 65535');
  const secret = Buffer.from(key, 'base64');
  const connection = await TcpConnection.open({ host: server, port }, clock, signal);
  try {
    const tsig = { name: plainName(keyName), algorithm: algorithm as TsigAlgorithm, secret };
    return await work(new SignedServer(zone, connection, tsig, clock));
  } finally {
    connection.close();
  }
}
