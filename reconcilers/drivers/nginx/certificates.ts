/**
 * Certificates and keys where nginx's directives name them. Called by the driver. Keys are readable by root alone: nginx's
 * master reads them, workers never do.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DriverError } from '../error.ts';
import { ensureFolder, readIfThere, replaceFile } from './durable.ts';
import type { PemPair } from './index.ts';

interface CertificatePaths {
  certificate: string;
  key: string;
}

/** Rejects, with `invalid`, a name that would lead out of the folder. */
export function requireCertificateName(name: string): void {
  if (!/^[a-z0-9_][a-z0-9._-]{0,200}$/.test(name))
    throw new DriverError('invalid', `"${name}" is no name of a certificate.`);
}

export function isSamePair(one: PemPair | undefined, other: PemPair | undefined): boolean {
  return one?.certificate === other?.certificate && one?.key === other?.key;
}

function certificatePaths(folder: string, name: string): CertificatePaths {
  requireCertificateName(name);
  return { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

export async function writeCertificate(
  folder: string,
  name: string,
  pem: PemPair,
): Promise<CertificatePaths> {
  const paths = certificatePaths(folder, name);
  await ensureFolder(folder, 0o700);
  // Key first: a crash between the two leaves a pair that does not match, which whoever reads it must check anyway.
  await replaceFile(paths.key, pem.key, 0o600);
  await replaceFile(paths.certificate, pem.certificate, 0o600);
  return paths;
}

export async function readCertificate(folder: string, name: string): Promise<PemPair | undefined> {
  const paths = certificatePaths(folder, name);
  const [certificate, key] = await Promise.all([readIfThere(paths.certificate), readIfThere(paths.key)]);
  if (certificate === undefined || key === undefined || isHalfReplaced(certificate, key)) return undefined;
  return { certificate, key };
}

/** A crash, or this very moment, came between the two. What cannot be read as either is told by whoever wants to use it. */
function isHalfReplaced(certificate: string, key: string): boolean {
  try {
    return !new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

export async function removeCertificate(
  folder: string,
  name: string,
  found: PemPair | undefined,
): Promise<void> {
  const paths = certificatePaths(folder, name);
  if (!isSamePair(await readCertificate(folder, name), found)) return;
  await rm(paths.certificate, { force: true });
  await rm(paths.key, { force: true });
}

/** Name of each certificate to a stamp that changes when the file is written. */
export async function certificateStamps(
  folder: string,
): Promise<Map<string, { stamp: string; writtenAt: number }>> {
  const names = (await readdir(folder).catch((): string[] => [])).filter((name) => name.endsWith('.pem'));
  const stamps = new Map<string, { stamp: string; writtenAt: number }>();
  await Promise.all(
    names.map(async (name) => {
      const found = await stat(join(folder, name), { bigint: true }).catch(() => undefined);
      if (!found) return;
      stamps.set(name.slice(0, -4), {
        stamp: `${found.ino}:${found.mtimeNs}`,
        writtenAt: Number(found.mtimeNs / 1000000n),
      });
    }),
  );
  return stamps;
}
