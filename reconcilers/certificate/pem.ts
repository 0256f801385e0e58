/**
 * Certificates and keys as text: what is in them, and what is wrong with a pair that a person gave. Each problem is a sentence that says
 * what to do. Pure.
 */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { coversAll } from '../../resources/certificate.ts';
import { memo } from '../../resources/memo.ts';

export interface LeafFacts {
  names: readonly string[];
  /** RFC 3339. */
  notBefore: string;
  notAfter: string;
  /** SHA-256 in hex. */
  fingerprint: string;
  /** Who signed it, on one line. */
  issuer: string;
}

export interface Pair {
  /** PEM: its own certificate first, then those that lead to the root. */
  certificate: string;
  key: string;
}

export interface PairProblem {
  reason: string;
  message: string;
}

/** OpenSSL, and so nginx, refuses shorter ones. */
const LEAST_RSA_BITS = 2048;

export function certificatesIn(text: string): string[] {
  return text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
}

/** The same few are looked at again and again, and to take one apart costs more than all else that is done with it. */
const KEPT = 256;

export const readLeaf = memo(KEPT, (text): LeafFacts | undefined => {
  const leaf = parsed(certificatesIn(text)[0]);
  return leaf && factsOf(leaf);
});

function factsOf(leaf: X509Certificate): LeafFacts {
  return {
    names: (leaf.subjectAltName ?? '')
      .split(', ')
      .flatMap((entry) => (entry.startsWith('DNS:') ? [entry.slice(4).toLowerCase()] : [])),
    notBefore: new Date(leaf.validFrom).toISOString(),
    notAfter: new Date(leaf.validTo).toISOString(),
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    issuer: leaf.issuer.split('\n').join(', '),
  };
}

function parsed(pem: string | undefined): X509Certificate | undefined {
  return pem === undefined ? undefined : readCertificate(pem);
}

const readCertificate = memo(KEPT, (pem): X509Certificate | undefined => {
  try {
    return new X509Certificate(pem);
  } catch {
    return undefined;
  }
});

export function isValidAt({ notBefore, notAfter }: LeafFacts, now: number): boolean {
  return now >= Date.parse(notBefore) && now < Date.parse(notAfter);
}

/** Whether the key is that of the first certificate. */
export function fits({ certificate, key }: Pair): boolean {
  const leaf = parsed(certificatesIn(certificate)[0]);
  const secret = readKey(key);
  return leaf !== undefined && secret !== undefined && leaf.checkPrivateKey(secret);
}

const readKey = memo(KEPT, (text): KeyObject | undefined => {
  try {
    return createPrivateKey(text);
  } catch {
    return undefined;
  }
});

/**
 * The first thing that is wrong with a pair of a Secret, in the order in which a person would mend it; undefined when nothing is.
 * `hosts`: names that it must be good for.
 */
export function pairProblem(
  pair: Pair,
  secret: string,
  hosts: readonly string[],
  now: number,
): PairProblem | undefined {
  return (
    keyProblem(pair, secret) ??
    chainProblem(pair, secret) ??
    namesProblem(pair, secret, hosts) ??
    datesProblem(pair, secret, now)
  );
}

function keyProblem({ certificate, key }: Pair, secret: string): PairProblem | undefined {
  const [chain, own] = [certificatesIn(certificate), `secret/${secret}`];
  if (chain.length === 0)
    return problem(
      'NoCertificate',
      `tls.crt of ${own} holds no certificate in PEM ("-----BEGIN CERTIFICATE-----").`,
    );
  const unreadable = chain.findIndex((pem) => parsed(pem) === undefined);
  if (unreadable >= 0)
    return problem(
      'NoCertificate',
      `Certificate ${unreadable + 1} in tls.crt of ${own} cannot be read; copy it again.`,
    );
  if (/ENCRYPTED/.test(key))
    return problem(
      'KeyEncrypted',
      `tls.key of ${own} has a passphrase. Take it off: openssl pkey -in tls.key -out plain.key.`,
    );
  const secretKey = readKey(key);
  if (!secretKey) return problem('NoKey', `tls.key of ${own} holds no private key in PEM.`);
  const bits = secretKey.asymmetricKeyDetails?.modulusLength;
  if (bits !== undefined && bits < LEAST_RSA_BITS)
    return problem(
      'WeakKey',
      `The key of ${own} has ${bits} bits; nginx wants ${LEAST_RSA_BITS}. Make a new one and have it signed.`,
    );
  const owner = chain.findIndex((pem) => parsed(pem)?.checkPrivateKey(secretKey));
  if (owner < 0)
    return problem(
      'KeyMismatch',
      `tls.key of ${own} is not the key of the certificate in tls.crt. Give the two that belong together.`,
    );
  if (owner > 0)
    return problem(
      'ChainOrder',
      `The certificate of the key is number ${owner + 1} in tls.crt of ${own}. Put it first, then the one that signed it, and so on.`,
    );
  return undefined;
}

function chainProblem({ certificate }: Pair, secret: string): PairProblem | undefined {
  const chain = certificatesIn(certificate).map((pem) => new X509Certificate(pem));
  const broken = chain.findIndex((each, index) => {
    const next = chain[index + 1];
    return next !== undefined && !(each.checkIssued(next) && each.verify(next.publicKey));
  });
  if (broken < 0) return undefined;
  const words = `Certificate ${broken + 2} in tls.crt of secret/${secret} did not sign the one before it. The order is: the server's own, then the one that signed it, and so on.`;
  return problem('ChainOrder', words);
}

function namesProblem(
  { certificate }: Pair,
  secret: string,
  hosts: readonly string[],
): PairProblem | undefined {
  const names = readLeaf(certificate)?.names ?? [];
  const missing = hosts.filter((host) => !coversAll(names, [host]));
  if (missing.length === 0) return undefined;
  const has = names.length === 0 ? 'no names at all' : names.join(', ');
  return problem(
    'NamesMissing',
    `The certificate of secret/${secret} is not good for ${listed(missing)}: it has ${has}.`,
  );
}

function datesProblem({ certificate }: Pair, secret: string, now: number): PairProblem | undefined {
  const leaf = readLeaf(certificate);
  if (!leaf || isValidAt(leaf, now)) return undefined;
  if (now < Date.parse(leaf.notBefore))
    return problem(
      'NotYetValid',
      `The certificate of secret/${secret} begins on ${leaf.notBefore}. Is the clock of this machine right?`,
    );
  return problem(
    'Expired',
    `The certificate of secret/${secret} ended on ${leaf.notAfter}. Put a new one into the Secret.`,
  );
}

export function listed(names: readonly string[]): string {
  const more = names.length - 5;
  return `${names.slice(0, 5).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function problem(reason: string, message: string): PairProblem {
  return { reason, message };
}
