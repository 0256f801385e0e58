/**
 * DNS messages that dns-packet has no verbs for: dynamic updates (RFC 2136), whose records have classes ANY and NONE and may be
 * empty. Names and data are encoded by dns-packet. Used by rfc2136.ts and tsig.ts. Pure.
 */
import * as packet from 'dns-packet';
import type { RecordType } from '../../../resources/dnsrecord.ts';
import { canonicalValue, parseCaa, plainName, textPieces } from './values.ts';

/** What dns-packet has beside its types. */
const encoders = packet as unknown as {
  name: { encode(name: string): Buffer };
  record(type: string): { encode(data: unknown): Buffer };
};

export const CLASS = { IN: 1, NONE: 254, ANY: 255 } as const;
const TYPE: Record<RecordType, number> = { A: 1, CNAME: 5, MX: 15, TXT: 16, AAAA: 28, SRV: 33, CAA: 257 };
export const TYPE_NUMBER = { ...TYPE, SOA: 6, TSIG: 250, AXFR: 252 } as const;
export type TypeName = keyof typeof TYPE_NUMBER;

export const OPCODE_UPDATE = 5 << 11;

export function encodeName(name: string): Buffer {
  return encoders.name.encode(plainName(name));
}

function uint16(...values: number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 2);
  for (const [index, value] of values.entries()) buffer.writeUInt16BE(value, index * 2);
  return buffer;
}

export function encodeHeader(id: number, flags: number, counts: [number, number, number, number]): Buffer {
  return uint16(id, flags, ...counts);
}

export function encodeQuestion(name: string, type: TypeName): Buffer {
  return Buffer.concat([encodeName(name), uint16(TYPE_NUMBER[type], CLASS.IN)]);
}

/** `value` undefined: no data, as a prerequisite or a deletion has it. */
export function encodeRecord(
  name: string,
  type: RecordType,
  klass: number,
  ttl: number,
  value?: string,
): Buffer {
  const fixed = Buffer.alloc(8);
  fixed.writeUInt16BE(TYPE[type], 0);
  fixed.writeUInt16BE(klass, 2);
  fixed.writeUInt32BE(ttl, 4);
  // dns-packet puts the length in front of the data.
  const data = value === undefined ? uint16(0) : encoders.record(type).encode(dataOf(type, value));
  return Buffer.concat([encodeName(name), fixed, data]);
}

function dataOf(type: RecordType, value: string): unknown {
  const words = value.split(/\s+/);
  switch (type) {
    case 'MX':
      return { preference: Number(words[0]), exchange: words[1] };
    case 'SRV': {
      const [priority, weight, port] = words.map(Number);
      return { priority, weight, port, target: words[3] };
    }
    case 'TXT':
      return textPieces(value).map((piece) => Buffer.from(piece, 'latin1'));
    case 'CAA':
      return parseCaa(value);
    default:
      return value;
  }
}

/** The canonical value of a decoded record; undefined for types that are not known here. */
export function recordValue(answer: packet.Answer): { type: RecordType; value: string } | undefined {
  if (!('data' in answer)) return undefined;
  const data = answer.data as unknown;
  switch (answer.type) {
    case 'A':
    case 'AAAA':
    case 'CNAME':
      return { type: answer.type, value: canonicalValue(answer.type, String(data)) };
    case 'TXT':
      return { type: 'TXT', value: textOf(data) };
    case 'MX': {
      const { preference, exchange } = data as { preference?: number; exchange: string };
      return { type: 'MX', value: canonicalValue('MX', `${preference ?? 0} ${exchange || '.'}`) };
    }
    case 'SRV': {
      const { priority, weight, port, target } = data as Record<string, number | string>;
      return { type: 'SRV', value: canonicalValue('SRV', `${priority} ${weight} ${port} ${target || '.'}`) };
    }
    case 'CAA': {
      const { flags, tag, value } = data as { flags: number; tag: string; value: string };
      return { type: 'CAA', value: canonicalValue('CAA', `${flags} ${tag} ${value}`) };
    }
    default:
      return undefined;
  }
}

function textOf(data: unknown): string {
  const pieces = Array.isArray(data) ? data : [data];
  return pieces.map((piece) => (Buffer.isBuffer(piece) ? piece.toString('latin1') : String(piece))).join('');
}

export const RCODES: Readonly<Record<number, string>> = {
  1: 'FORMERR',
  2: 'SERVFAIL',
  3: 'NXDOMAIN',
  4: 'NOTIMP',
  5: 'REFUSED',
  6: 'YXDOMAIN',
  7: 'YXRRSET',
  8: 'NXRRSET',
  9: 'NOTAUTH',
  10: 'NOTZONE',
};

export function rcodeOf(message: Buffer): number {
  return message.readUInt16BE(2) & 0xf;
}

/** Where the last record of a message begins: TSIG is always the last. undefined: the message is no message. */
export function lastRecordOffset(message: Buffer): number | undefined {
  try {
    let offset = 12;
    let last: number | undefined;
    for (let left = message.readUInt16BE(4); left > 0; left -= 1) offset = afterName(message, offset) + 4;
    const records = message.readUInt16BE(6) + message.readUInt16BE(8) + message.readUInt16BE(10);
    for (let left = records; left > 0; left -= 1) {
      last = offset;
      const fixed = afterName(message, offset);
      offset = fixed + 10 + message.readUInt16BE(fixed + 8);
    }
    return offset <= message.length ? last : undefined;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}

export function afterName(message: Buffer, start: number): number {
  let offset = start;
  for (;;) {
    const length = message.readUInt8(offset);
    if (length === 0) return offset + 1;
    if (length >= 0xc0) return offset + 2;
    offset += length + 1;
  }
}
