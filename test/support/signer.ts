/**
 * Keys and certificates that follow from a number alone, made at once: the simulation's authority signs with it, so that one seed gives
 * one history. No secret of anybody; the encoding is DER (X.690) of RFC 5280, as little of it as readers of certificates ask for.
 */
import { createECDH, createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto';

const DAY = 86_400_000;

const digest = (text: string) => createHash('sha256').update(text).digest();

/** ECDSA P-256, PKCS #8 in PEM. The same number gives the same key. */
export function keyOf(number: number): string {
  const ecdh = createECDH('prime256v1');
  ecdh.setPrivateKey(digest(`key ${number}`));
  const point = ecdh.getPublicKey();
  const part = (bytes: Buffer) => bytes.toString('base64url');
  const jwk = { kty: 'EC', crv: 'P-256', d: part(ecdh.getPrivateKey()) };
  const key = { ...jwk, x: part(point.subarray(1, 33)), y: part(point.subarray(33)) };
  return createPrivateKey({ format: 'jwk', key }).export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** PKCS #8 of an Ed25519 key, whose signatures have no chance in them. */
const SIGNER: KeyObject = createPrivateKey({
  format: 'der',
  type: 'pkcs8',
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), digest('signer')]),
});

function der(tag: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const { length } = body;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), body]);
}

const SEQUENCE = 0x30;
const ED25519 = der(SEQUENCE, Buffer.from('06032b6570', 'hex'));
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const ALTERNATIVE_NAMES = Buffer.from('0603551d11', 'hex');

const nameOf = (text: string) =>
  der(SEQUENCE, der(0x31, der(SEQUENCE, COMMON_NAME, der(0x0c, Buffer.from(text)))));
const timeOf = (time: number) =>
  der(0x18, Buffer.from(`${new Date(time).toISOString().slice(0, 19).replace(/[-:T]/g, '')}Z`));

/** PEM. Valid from a day before `now` for so many days. */
export function certificateFor(hosts: readonly string[], key: string, now: number, days: number): string {
  const names = hosts.map((host) => der(0x82, Buffer.from(host)));
  const extension = der(SEQUENCE, ALTERNATIVE_NAMES, der(0x04, der(SEQUENCE, ...names)));
  const to = der(
    SEQUENCE,
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, Buffer.concat([Buffer.from([1]), digest(`${hosts.join()} ${now}`).subarray(0, 8)])),
    ED25519,
    nameOf('Simulated CA'),
    der(SEQUENCE, timeOf(now - DAY), timeOf(now + (days - 1) * DAY)),
    nameOf(hosts[0] ?? ''),
    createPublicKey(createPrivateKey(key)).export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, extension)),
  );
  const signature = der(0x03, Buffer.from([0]), sign(null, to, SIGNER));
  const lines =
    der(SEQUENCE, to, ED25519, signature)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
