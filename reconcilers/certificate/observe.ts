/**
 * Looks at a certificate: its files, and while one is asked for, the authority's own account of the order. A certificate with nothing
 * to do costs the reading of two files. What an authority does not answer is told in `trouble`, so that the rest goes on.
 */
import { type AcmeAccount, AcmeError, type AcmeOrder } from '../drivers/acme/index.ts';
import { type CaaVerdict, forbidden } from '../drivers/caa/index.ts';
import { DriverError } from '../drivers/error.ts';
import type { Reading } from '../world.ts';
import { isHeld, isSameIssuance, needsIssuance } from './due.ts';
import type { Pair } from './pem.ts';
import type { CertificateWant } from './want.ts';

export type CertificateReading = Pick<Reading, 'nginx' | 'acme' | 'caa' | 'clock'>;

export interface CertificateHave {
  /** Milliseconds since 1970. */
  now: number;
  /** The files as nginx finds them. */
  installed?: Pair;
  /** The authority knows the account. Only looked at while a certificate is asked for. */
  registered?: boolean;
  /** The order that is under way; 'gone' where the authority knows none of that URL. */
  order?: AcmeOrder | 'gone';
  /** A host whose CAA records are against it. Looked at before an order. */
  forbidden?: CaaVerdict & { host: string; identities: readonly string[] };
  /** The authority did not answer. */
  trouble?: AcmeError;
}

export async function observeCertificate(
  want: CertificateWant,
  world: CertificateReading,
): Promise<CertificateHave> {
  const now = world.clock.now();
  const installed = want.deleting ? undefined : await world.nginx.certificate(want.file);
  const have: CertificateHave = { now, ...(installed ? { installed } : {}) };
  const account = accountOf(want);
  if (!account || want.waiting || want.deleting || !needsIssuance(want, now) || isHeld(want, now))
    return have;
  try {
    return { ...have, ...(await askAuthority(want, account, world)) };
  } catch (error) {
    if (error instanceof AcmeError) return { ...have, trouble: error };
    throw error;
  }
}

export function accountOf({ acme }: CertificateWant): AcmeAccount | undefined {
  return acme?.account === undefined ? undefined : { server: acme.server, key: acme.account };
}

async function askAuthority(
  want: CertificateWant,
  account: AcmeAccount,
  world: CertificateReading,
): Promise<Partial<CertificateHave>> {
  if (!(await world.acme.isRegistered(account))) return { registered: false };
  const { issuance } = want.kept;
  const url = isSameIssuance(want) && !issuance?.failure ? issuance?.order : undefined;
  if (url !== undefined) return { registered: true, order: (await world.acme.order(account, url)) ?? 'gone' };
  const against = await firstForbidden(want, account, world);
  return { registered: true, ...(against ? { forbidden: against } : {}) };
}

async function firstForbidden(
  { hosts, facts }: CertificateWant,
  { server }: AcmeAccount,
  world: CertificateReading,
): Promise<CertificateHave['forbidden']> {
  const { caaIdentities: identities } = await world.acme.terms(server);
  if (identities.length === 0) return undefined;
  const servers = facts?.document?.spec.nameServers;
  // Names of one zone share what is found above them.
  const looked = new Map<string, ReturnType<typeof world.caa.records>>();
  const lookup = (name: string) => {
    const found = looked.get(name) ?? world.caa.records(name, servers);
    looked.set(name, found);
    return found;
  };
  for (const host of hosts) {
    const verdict = await forbidden(host, identities, lookup).catch(unlessSilent);
    if (verdict) return { ...verdict, host, identities };
  }
  return undefined;
}

/** A network whose DNS does not answer is not against anything: the authority will say. */
function unlessSilent(error: unknown): undefined {
  if (error instanceof DriverError) return undefined;
  throw error;
}
