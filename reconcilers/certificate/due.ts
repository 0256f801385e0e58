/** When a certificate is asked for, and when not: renewal, pauses after failures. Pure. */
import { coversAll } from '../../resources/certificate.ts';
import { fits, readLeaf } from './pem.ts';
import type { CertificateWant } from './want.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** Why another certificate is needed, in the form of a reason of a step; undefined when the present one does. */
export interface Need {
  field: string;
  found: string | null;
  wanted: string;
  /** undefined: the documents. */
  cause?: string;
}

export function need(want: CertificateWant, now: number): Need | undefined {
  const { acme, hosts, kept } = want;
  if (!acme || hosts.length === 0) return undefined;
  const wanted = hosts.join(', ');
  if (!kept.pair) return { field: 'certificate', found: null, wanted };
  const leaf = readLeaf(kept.pair.certificate);
  if (!leaf || !fits(kept.pair))
    return { field: 'certificate', found: 'one that cannot be read', wanted, cause: 'drift' };
  if (!coversAll(leaf.names, hosts)) return { field: 'names', found: leaf.names.join(', '), wanted };
  if (kept.directory !== acme.server.directory)
    return { field: 'directory', found: kept.directory ?? null, wanted: acme.server.directory };
  if (now < Date.parse(kept.renewAt ?? leaf.notAfter)) return undefined;
  return {
    field: 'notAfter',
    found: leaf.notAfter,
    wanted: 'a new one from two thirds of its life on',
    cause: 'renewal',
  };
}

export function needsIssuance(want: CertificateWant, now: number): boolean {
  return need(want, now) !== undefined;
}

/** The present order, or the last one, is for these names at this authority. */
export function isSameIssuance({ kept: { issuance }, hosts, acme }: CertificateWant): boolean {
  if (!issuance || issuance.directory !== acme?.server.directory) return false;
  return [...issuance.hosts].sort().join() === [...hosts].sort().join();
}

/** The last order failed, nothing has changed since, and its pause is not over. */
export function isHeld(want: CertificateWant, now: number): boolean {
  const failure = want.kept.issuance?.failure;
  if (!failure || !isSameIssuance(want)) return false;
  if (now >= Date.parse(failure.retryAt)) return false;
  // A limit is a limit, whatever was mended meanwhile; a person may know better, and asks for the order itself.
  if (failure.reason === 'RateLimited') return true;
  return want.mendedAt <= failure.at && want.domainGeneration === failure.domainGeneration;
}

/** Pauses after the first failure in a row, the second, and so on. Authorities count failures by the hour and the week. */
const PAUSES = [15 * MINUTE, HOUR, 3 * HOUR, 8 * HOUR, 24 * HOUR];
/** Where an authority limits and does not say for how long. */
const LIMITED = 3 * HOUR;
const SHORTEST = 5 * MINUTE;

/** `chance` is 0 up to 1: many that failed together do not come together again. */
export function pauseAfter(
  failures: number,
  {
    isLimited,
    retryAt,
    now,
    chance,
  }: { isLimited: boolean; retryAt?: number | undefined; now: number; chance: number },
): number {
  if (retryAt !== undefined) return Math.max(retryAt, now + SHORTEST);
  const pause = isLimited ? LIMITED : (PAUSES[Math.min(Math.max(failures, 1), PAUSES.length) - 1] ?? HOUR);
  return now + Math.round(pause * (0.9 + 0.2 * chance));
}

/** At two thirds of its life, give or take a thirtieth: not all of a server at once, and not at the hour at which they were made. */
export function renewalTime(notBefore: string, notAfter: string, chance: number): number {
  const [from, until] = [Date.parse(notBefore), Date.parse(notAfter)];
  return from + Math.round((until - from) * (2 / 3 + (chance - 0.5) / 15));
}
