/**
 * Transaction signatures (RFC 8945): signs what goes to a name server and checks what comes back, so that nobody on the way can
 * change a zone or its picture. HMAC-SHA256 and HMAC-SHA512. Used by rfc2136.ts. Pure but for the time, which is given.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { afterName, CLASS, encodeName, lastRecordOffset, TYPE_NUMBER } from './wire.ts';

export type TsigAlgorithm = 'hmac-sha256' | 'hmac-sha512';

export interface TsigKey {
  name: string;
  algorithm: TsigAlgorithm;
  secret: Buffer;
}

const HASH: Record<TsigAlgorithm, string> = { 'hmac-sha256': 'sha256', 'hmac-sha512': 'sha512' };
const FUDGE_SECONDS = 300;

export const TSIG_ERRORS: Readonly<Record<number, string>> = {
  16: 'BADSIG: the key is another one there',
  17: 'BADKEY: a key of this name and algorithm is not known there',
  18: 'BADTIME: the clocks of the two machines differ by more than five minutes',
  22: 'BADTRUNC',
};

function uint48(value: number): Buffer {
  const buffer = Buffer.alloc(6);
  buffer.writeUIntBE(value, 0, 6);
  return buffer;
}

function uint16(value: number): Buffer {
  const buffer = Buffer.alloc(2);
  buffer.writeUInt16BE(value, 0);
  return buffer;
}

/** Name, class, time to live, algorithm, time, fudge, error and other data: what is signed beside the message. */
function variables(key: TsigKey, time: number, fudge: number, error: number, other: Buffer): Buffer {
  const klass = Buffer.from([0, CLASS.ANY, 0, 0, 0, 0]);
  return Buffer.concat([
    encodeName(key.name),
    klass,
    encodeName(key.algorithm),
    uint48(time),
    uint16(fudge),
    uint16(error),
    uint16(other.length),
    other,
  ]);
}

/** The message with its signature, and the signature, to check the answer with. */
export function sign(message: Buffer, key: TsigKey, seconds: number): { message: Buffer; mac: Buffer } {
  const time = Math.floor(seconds);
  const hmac = createHmac(HASH[key.algorithm], key.secret);
  const mac = hmac
    .update(message)
    .update(variables(key, time, FUDGE_SECONDS, 0, Buffer.alloc(0)))
    .digest();
  const data = Buffer.concat([
    encodeName(key.algorithm),
    uint48(time),
    uint16(FUDGE_SECONDS),
    uint16(mac.length),
    mac,
    message.subarray(0, 2),
    uint16(0),
    uint16(0),
  ]);
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(TYPE_NUMBER.TSIG, 0);
  fixed.writeUInt16BE(CLASS.ANY, 2);
  fixed.writeUInt16BE(data.length, 8);
  const signed = Buffer.concat([message, encodeName(key.name), fixed, data]);
  signed.writeUInt16BE(message.readUInt16BE(10) + 1, 10);
  return { message: signed, mac };
}

interface Signature {
  time: number;
  fudge: number;
  mac: Buffer;
  originalId: number;
  error: number;
  other: Buffer;
  /** Where the record begins. */
  offset: number;
}

export function readSignature(message: Buffer): Signature | undefined {
  const offset = lastRecordOffset(message);
  if (offset === undefined || message.readUInt16BE(10) === 0) return undefined;
  const fixed = afterName(message, offset);
  if (message.readUInt16BE(fixed) !== TYPE_NUMBER.TSIG) return undefined;
  let at = afterName(message, fixed + 10);
  const time = message.readUIntBE(at, 6);
  const fudge = message.readUInt16BE(at + 6);
  const size = message.readUInt16BE(at + 8);
  at += 10;
  const mac = message.subarray(at, at + size);
  at += size;
  const otherSize = message.readUInt16BE(at + 4);
  return {
    time,
    fudge,
    mac,
    originalId: message.readUInt16BE(at),
    error: message.readUInt16BE(at + 2),
    other: message.subarray(at + 6, at + 6 + otherSize),
    offset,
  };
}

/** Checks the messages of one answer, of which those in the middle of a long one may have no signature of their own. */
export class AnswerCheck {
  readonly #key: TsigKey;
  #mac: Buffer;
  #first = true;
  #unsigned: Buffer[] = [];

  constructor(key: TsigKey, requestMac: Buffer) {
    this.#key = key;
    this.#mac = requestMac;
  }

  /** "ok"; an error of TSIG's that the server names; or what is wrong with the message. */
  check(message: Buffer, seconds: number): { ok: true } | { ok: false; error?: number; message: string } {
    const signature = readSignature(message);
    if (!signature) {
      if (this.#first) return { ok: false, message: 'the answer is not signed' };
      this.#unsigned.push(message);
      return { ok: true };
    }
    if (signature.error !== 0 && signature.mac.length === 0) {
      const words = TSIG_ERRORS[signature.error] ?? `error ${signature.error}`;
      return { ok: false, error: signature.error, message: words };
    }
    const wanted = this.#digest(message, signature);
    if (wanted.length !== signature.mac.length || !timingSafeEqual(wanted, signature.mac))
      return { ok: false, message: 'the signature of the answer is wrong' };
    if (Math.abs(seconds - signature.time) > Math.max(signature.fudge, FUDGE_SECONDS))
      return { ok: false, error: 18, message: TSIG_ERRORS[18] ?? 'BADTIME' };
    this.#mac = signature.mac;
    this.#first = false;
    this.#unsigned = [];
    if (signature.error === 0) return { ok: true };
    const words = TSIG_ERRORS[signature.error] ?? `error ${signature.error}`;
    return { ok: false, error: signature.error, message: words };
  }

  /** The last message of an answer must be signed. */
  get isComplete(): boolean {
    return this.#unsigned.length === 0;
  }

  #digest(message: Buffer, { offset, originalId, time, fudge, error, other }: Signature): Buffer {
    const plain = Buffer.from(message.subarray(0, offset));
    plain.writeUInt16BE(originalId, 0);
    plain.writeUInt16BE(plain.readUInt16BE(10) - 1, 10);
    const hmac = createHmac(HASH[this.#key.algorithm], this.#key.secret);
    hmac.update(uint16(this.#mac.length)).update(this.#mac);
    for (const before of this.#unsigned) hmac.update(before);
    hmac.update(plain);
    // Only the first message of an answer has all variables signed; the others have the time alone (section 5.3.1).
    if (this.#first) hmac.update(variables(this.#key, time, fudge, error, other));
    else hmac.update(uint48(time)).update(uint16(fudge));
    return hmac.digest();
  }
}
