/**
 * Makes the certificates of the own authority: what stands in them, and nothing of where they are kept. Called by folder.ts.
 * Keys are ECDSA P-256, which everything that speaks TLS 1.2 takes.
 */
import 'reflect-metadata';

import { randomBytes, webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';

const DAY = 24 * 60 * 60 * 1000;
const KEY = { name: 'ECDSA', namedCurve: 'P-256' };
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' };

const CA_YEARS = 10;
/** Apple's limit for certificates that people import is 825 days, for all others 398. */
export const LEAF_DAYS = 397;

export interface Pair {
  /** PEM. */
  certificate: string;
  /** PEM, PKCS #8. */
  key: string;
}

x509.cryptoProvider.set(webcrypto as unknown as Parameters<typeof x509.cryptoProvider.set>[0]);

/** With `key`, the authority stays who it is: what it signed before verifies with the new certificate. */
export async function makeAuthority(options: { name: string; now: number; key?: string }): Promise<Pair> {
  const keys = options.key === undefined ? await makeKeys() : await readKeys(options.key);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serial(),
    name: [{ CN: [options.name.slice(0, 64)] }],
    notBefore: new Date(options.now - DAY),
    notAfter: new Date(options.now + CA_YEARS * 365 * DAY),
    signingAlgorithm: SIGNATURE,
    keys,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/**
 * A server's certificate for these hosts, names or IP addresses, valid from a day ago (clocks differ) for 397 days in all, or so
 * many; for this key, or a new one.
 */
export async function makeLeaf(
  authority: Pair,
  hosts: readonly string[],
  now: number,
  { days = LEAF_DAYS, key }: { days?: number; key?: string } = {},
): Promise<Pair> {
  const issuer = new x509.X509Certificate(authority.certificate);
  const { privateKey } = await readKeys(authority.key);
  const keys = key === undefined ? await makeKeys() : await readKeys(key);
  const common = hosts[0] ?? '';
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial(),
    subject: [{ CN: [common.length > 64 ? 'Holdfast site' : common] }],
    issuer: issuer.subjectName,
    notBefore: new Date(now - DAY),
    notAfter: new Date(now - DAY + days * DAY),
    signingAlgorithm: SIGNATURE,
    publicKey: keys.publicKey,
    signingKey: privateKey,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        hosts.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem')}\n`, key: await exportKey(keys.privateKey) };
}

/** 127 random bits, positive, without a leading zero byte. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
}

async function exportKey(key: webcrypto.CryptoKey): Promise<string> {
  return `${x509.PemConverter.encode(await webcrypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY')}\n`;
}

async function readKeys(pem: string): Promise<webcrypto.CryptoKeyPair> {
  const [raw] = x509.PemConverter.decode(pem);
  if (!raw) throw new Error('There is no key in the PEM text.');
  const privateKey = await webcrypto.subtle.importKey('pkcs8', raw, KEY, true, ['sign']);
  const { kty, crv, x, y } = await webcrypto.subtle.exportKey('jwk', privateKey);
  const publicPart = { kty, crv, x, y } as webcrypto.JsonWebKey;
  const publicKey = await webcrypto.subtle.importKey('jwk', publicPart, KEY, true, ['verify']);
  return { privateKey, publicKey };
}
