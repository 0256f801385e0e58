/**
 * The authority in a folder: `ca.key` (0600) and `ca.pem` (0644); what it issues goes where nginx finds it. `find` only looks,
 * and trusts nothing that it did not check: signature, key, names, times. It holds a verdict as long as the files are the same.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmod, stat } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../../../controller/clock.ts';
import type { IssuedCertificate } from '../../world.ts';
import { ensureFolder, readIfThere, replaceFile } from '../nginx/durable.ts';
import type { Nginx } from '../nginx/index.ts';
import { type Authority, certificateName } from './index.ts';
import { LEAF_DAYS, makeAuthority, makeLeaf, type Pair } from './x509.ts';

export interface AuthorityOptions {
  /** Absolute; made where it is missing. */
  folder: string;
  clock: Clock;
  /** Where certificates are kept: the nginx driver. */
  nginx: Pick<Nginx, 'certificates' | 'writeCertificate'>;
  /** In the name of the authority, so that people with two servers can tell them apart. */
  hostname: string;
}

export function createAuthority(options: AuthorityOptions): Authority {
  return new FolderAuthority(options);
}

/** What the files say, checked; times are judged anew each time. */
interface Verdict {
  stamp: string;
  from: number;
  until: number;
  issued: IssuedCertificate;
}

class FolderAuthority implements Authority {
  readonly caCertificatePath: string;
  private readonly caKeyPath: string;
  private readonly options: AuthorityOptions;
  private readonly verdicts = new Map<string, Verdict>();
  private making: Promise<Pair> | undefined;

  constructor(options: AuthorityOptions) {
    this.options = options;
    this.caCertificatePath = join(options.folder, 'ca.pem');
    this.caKeyPath = join(options.folder, 'ca.key');
  }

  async ensure(): Promise<void> {
    await this.present();
  }

  async find(hosts: readonly string[]): Promise<IssuedCertificate | undefined> {
    const name = certificateName(hosts);
    const paths = pathsIn(this.options.nginx.certificates, name);
    const stamp = await stampOf([paths.certificate, paths.key, this.caCertificatePath]);
    if (stamp === undefined) return undefined;
    let verdict = this.verdicts.get(name);
    if (verdict?.stamp !== stamp) {
      verdict = await this.check(hosts, name, stamp);
      if (verdict) this.verdicts.set(name, verdict);
      else this.verdicts.delete(name);
    }
    return verdict && this.isFresh(verdict) ? verdict.issued : undefined;
  }

  async issue(hosts: readonly string[]): Promise<IssuedCertificate> {
    const authority = await this.present();
    const name = certificateName(hosts);
    const pair = await makeLeaf(authority, hosts, this.options.clock.now());
    const paths = await this.options.nginx.writeCertificate(name, pair);
    return describe(new X509Certificate(pair.certificate), name, paths);
  }

  /** Not before its time, and with a third of its life left. */
  private isFresh({ from, until }: Verdict): boolean {
    const now = this.options.clock.now();
    return now >= from && now < from + ((until - from) * 2) / 3;
  }

  private async check(hosts: readonly string[], name: string, stamp: string): Promise<Verdict | undefined> {
    const paths = pathsIn(this.options.nginx.certificates, name);
    const [certificate, key, ca] = await Promise.all([
      readIfThere(paths.certificate),
      readIfThere(paths.key),
      readIfThere(this.caCertificatePath),
    ]);
    if (certificate === undefined || key === undefined || ca === undefined) return undefined;
    try {
      const leaf = new X509Certificate(certificate);
      const authority = new X509Certificate(ca);
      if (!leaf.checkIssued(authority) || !leaf.verify(authority.publicKey)) return undefined;
      if (!leaf.checkPrivateKey(createPrivateKey(key)) || !namesExactly(leaf, hosts)) return undefined;
      return {
        stamp,
        from: Date.parse(leaf.validFrom),
        until: Date.parse(leaf.validTo),
        issued: describe(leaf, name, paths),
      };
    } catch {
      // Not a certificate or not a key: as good as none.
      return undefined;
    }
  }

  /** One at a time: two first calls must not make two authorities. */
  private present(): Promise<Pair> {
    this.making ??= this.readOrMake().finally(() => {
      this.making = undefined;
    });
    return this.making;
  }

  private async readOrMake(): Promise<Pair> {
    const { folder, clock, hostname } = this.options;
    const [certificate, key] = await Promise.all([
      readIfThere(this.caCertificatePath),
      readIfThere(this.caKeyPath),
    ]);
    const usable = certificate !== undefined && key !== undefined && matches(certificate, key);
    if (usable && hasTime(certificate, clock.now())) return { certificate, key };
    await ensureFolder(folder, 0o755);
    // A key without its certificate is what a crash between the two writes leaves, or a certificate near its end.
    const keep = key !== undefined && isKey(key) ? key : undefined;
    const name = `Holdfast ${hostname} CA`;
    const made = await makeAuthority({
      name,
      now: clock.now(),
      ...(keep === undefined ? {} : { key: keep }),
    });
    if (keep === undefined) await replaceFile(this.caKeyPath, made.key, 0o600);
    else await chmod(this.caKeyPath, 0o600);
    await replaceFile(this.caCertificatePath, made.certificate, 0o644);
    return made;
  }
}

function pathsIn(folder: string, name: string): { certificate: string; key: string } {
  return { certificate: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

function describe(leaf: X509Certificate, name: string, paths: IssuedCertificate['paths']): IssuedCertificate {
  return {
    issuer: leaf.issuer,
    notAfter: new Date(leaf.validTo).toISOString(),
    fingerprint: leaf.fingerprint256.replaceAll(':', '').toLowerCase(),
    name,
    paths,
  };
}

function namesExactly(leaf: X509Certificate, hosts: readonly string[]): boolean {
  const names = (leaf.subjectAltName ?? '')
    .split(', ')
    .map((entry) => canonical(entry.replace(/^(DNS|IP Address):/, '')));
  return [...new Set(names)].sort().join() === [...new Set(hosts.map(canonical))].sort().join();
}

/** An IPv6 address has many spellings; OpenSSL prints another one than people write. */
function canonical(host: string): string {
  return isIP(host) ? ipaddr.parse(host).toNormalizedString() : host;
}

function matches(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

function isKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyDetails?.namedCurve === 'prime256v1';
  } catch {
    return false;
  }
}

/** Valid now, and longer than anything that it signs today. A clock before its time: it was set back, and a new one is right. */
function hasTime(certificate: string, now: number): boolean {
  const { validFrom, validTo } = new X509Certificate(certificate);
  return now >= Date.parse(validFrom) && now + (LEAF_DAYS + 30) * 24 * 60 * 60 * 1000 < Date.parse(validTo);
}

async function stampOf(paths: string[]): Promise<string | undefined> {
  const found = await Promise.all(paths.map((path) => stat(path, { bigint: true }).catch(() => undefined)));
  if (found.some((entry) => entry === undefined)) return undefined;
  return found.map((entry) => `${entry?.ino}:${entry?.mtimeNs}:${entry?.size}`).join(' ');
}
