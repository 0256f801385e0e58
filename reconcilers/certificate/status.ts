/**
 * What a Certificate is told of itself. Pure. Ready speaks of what is served; CertificateExpiring comes as soon as a renewal does not go well,
 * a third of its life before the end.
 */
import type { ConditionDraft, Outcome, StatusDraft } from '../../controller/engine/contract.ts';
import { coversAll } from '../../resources/certificate.ts';
import type { Document } from '../../resources/document.ts';
import { blocks, chosenChallenges, hostOf, wantedPair } from './diff.ts';
import { isHeld, need } from './due.ts';
import type { CertificateHave } from './observe.ts';
import { isValidAt, type LeafFacts, listed, pairProblem, readLeaf } from './pem.ts';
import type { CertificateStep } from './steps.ts';
import type { CertificateWant, Obstacle } from './want.ts';

const DAY = 86_400_000;

export function certificateStatus(
  want: CertificateWant,
  have: CertificateHave | undefined,
  outcome: Outcome<CertificateStep>,
): StatusDraft[] {
  const document = want.document as Document;
  if (want.deleting) return [{ document, conditions: [ready('False', 'Deleting', 'It is being removed.')] }];
  const now = have?.now ?? Date.parse(outcome.now);
  const served = servedLeaf(want, have, now);
  const why = obstacleOf(want, have, outcome, now);
  const conditions = [readiness(want, have, { served, why, now })];
  const expiring = expiry(want, { served, why, now });
  if (expiring) conditions.push(expiring);
  return [{ document, conditions, fields: fieldsOf(want, have, served, now) }];
}

/** Of the files that nginx finds, as long as they are good. Without a look: as it was. */
function servedLeaf(
  want: CertificateWant,
  have: CertificateHave | undefined,
  now: number,
): LeafFacts | undefined {
  const pem = have ? have.installed?.certificate : wantedPair(want, now)?.certificate;
  const leaf = pem === undefined ? undefined : readLeaf(pem);
  return leaf && isValidAt(leaf, now) ? leaf : undefined;
}

/** Why it is not, or not renewed, as it should be; undefined when nothing is to do. */
function obstacleOf(
  want: CertificateWant,
  have: CertificateHave | undefined,
  { failure }: Outcome<CertificateStep>,
  now: number,
): Obstacle | undefined {
  if (want.custom) return customObstacle(want, now);
  if (!need(want, now)) return undefined;
  if (want.waiting) return want.waiting;
  const last = want.kept.issuance?.failure;
  if (last && isHeld(want, now))
    return { reason: last.reason, message: `${last.message}. It is tried again after ${last.retryAt}.` };
  if (failure) return { reason: failure.reason, message: failure.message };
  if (have?.trouble) return { reason: 'Unavailable', message: have.trouble.message };
  if (have?.forbidden) return forbiddenObstacle(want, have.forbidden);
  return underWay(want, have);
}

function customObstacle(
  { custom, hosts, domain, isFallback }: CertificateWant,
  now: number,
): Obstacle | undefined {
  if (!custom) return undefined;
  const field = isFallback ? 'spec.tls.fallback' : 'spec.tls.certificate';
  if (!custom.pair) {
    const message = `waits for tls.crt and tls.key of secret/${custom.secret}, which ${field} of domain/${domain} names; apply that Secret`;
    return { reason: 'ReferenceNotFound', message };
  }
  return pairProblem(custom.pair, custom.secret, hosts, now);
}

function forbiddenObstacle(
  want: CertificateWant,
  { host, at, records, identities }: NonNullable<CertificateHave['forbidden']>,
): Obstacle {
  const [name = ''] = identities;
  const found = records.map(({ tag, value }) => `${tag} "${value}"`).join(', ');
  const authority = hostOf(want.acme?.server.directory ?? '');
  const tag =
    host.startsWith('*.') && records.some((record) => record.tag === 'issuewild') ? 'issuewild' : 'issue';
  const message = `CAA records at ${at} (${found}) forbid ${authority} to issue for ${host}. Add the record: ${at} CAA 0 ${tag} "${name}". Nothing was ordered.`;
  return { reason: 'CaaForbids', message };
}

function underWay(want: CertificateWant, have: CertificateHave | undefined): Obstacle {
  const order = have?.order;
  if (order && order !== 'gone' && order.status === 'pending') {
    for (const { host, challenge } of chosenChallenges(want, order)) {
      const blocked = blocks(want, host, challenge);
      if (challenge?.status === 'pending' && blocked) return blocked;
    }
  }
  return { reason: 'Issuing', message: `A certificate for ${listed(want.hosts)} is being asked for.` };
}

interface Seen {
  served: LeafFacts | undefined;
  why: Obstacle | undefined;
  now: number;
}

function readiness(
  want: CertificateWant,
  have: CertificateHave | undefined,
  { served, why, now }: Seen,
): ConditionDraft {
  if (served && coversAll(served.names, want.hosts) && !(want.custom && why)) {
    const hosts = want.hosts.length > 0 ? listed(want.hosts) : listed(served.names);
    return ready('True', 'Issued', `${hosts}: good until ${served.notAfter}.`);
  }
  if (why) return ready('False', why.reason, fallbackWords(why.message, served));
  if (!have) return ready('Unknown', 'NotObserved', 'It was not looked at yet.');
  if (want.hosts.length === 0 && !want.custom) return ready('True', 'NoHosts', 'No host needs it.');
  const pair = wantedPair(want, now);
  return ready('False', 'Installing', pair ? 'It is being put in place.' : 'It is being asked for.');
}

function fallbackWords(message: string, served: LeafFacts | undefined): string {
  const others = served
    ? ` Meanwhile the one for ${listed(served.names)} is served.`
    : ' Meanwhile another certificate is served, which browsers warn of.';
  return `${message}${others}`;
}

/** Long before the end: from the moment on at which a renewal should have come and did not. */
function expiry(want: CertificateWant, { served, why, now }: Seen): ConditionDraft | undefined {
  if (!served) return undefined;
  const days = Math.floor((Date.parse(served.notAfter) - now) / DAY);
  const left = days < 1 ? 'less than a day' : days === 1 ? '1 day' : `${days} days`;
  const renewal = want.custom ? lastThird(served) : Date.parse(want.kept.renewAt ?? served.notAfter);
  if (now < renewal || (!want.custom && (!why || why.reason === 'Issuing'))) return undefined;
  const message = want.custom
    ? `The certificate ends in ${left}, on ${served.notAfter}. Put a new one into secret/${want.custom.secret}.`
    : `The certificate ends in ${left}, on ${served.notAfter}, and is not renewed: ${why?.message}`;
  return { type: 'CertificateExpiring', status: 'True', reason: why?.reason ?? 'RenewByHand', message };
}

/** Who renews by hand is told in time, and not for a third of two years. */
function lastThird({ notBefore, notAfter }: LeafFacts): number {
  const [from, until] = [Date.parse(notBefore), Date.parse(notAfter)];
  return Math.max(until - 30 * DAY, from + ((until - from) * 2) / 3);
}

function fieldsOf(
  want: CertificateWant,
  have: CertificateHave | undefined,
  served: LeafFacts | undefined,
  now: number,
): Record<string, unknown> {
  const { kept, acme, file } = want;
  const { issuance } = kept;
  const isAsking = acme !== undefined && need(want, now) !== undefined;
  const failure = isAsking ? issuance?.failure : undefined;
  const order = isAsking && issuance?.order !== undefined && !issuance.failure ? issuance : undefined;
  const state = have?.order && have.order !== 'gone' ? have.order.status : undefined;
  return {
    names: served && [...served.names],
    issuer: served?.issuer,
    notBefore: served?.notBefore,
    notAfter: served?.notAfter,
    fingerprint: served?.fingerprint,
    file: served && file,
    renewAt: served && acme ? kept.renewAt : undefined,
    order: order && { url: order.order, since: order.since, ...(state === undefined ? {} : { state }) },
    failures: isAsking && kept.failures > 0 ? kept.failures : undefined,
    retryAt: failure && isHeld(want, now) ? failure.retryAt : undefined,
    problems: failure && failure.problems.length > 0 ? failure.problems : undefined,
  };
}

function ready(status: ConditionDraft['status'], reason: string, message: string): ConditionDraft {
  return { type: 'Ready', status, reason, message };
}

/** When nothing wakes it: its renewal, its end, the end of a pause, and what nobody tells of. In seconds. */
export function lookAgainAfter(want: CertificateWant, have: CertificateHave): number {
  const { kept, custom, acme } = want;
  const { now } = have;
  const leaf = readLeaf(have.installed?.certificate ?? '');
  const times = [kept.renewAt, leaf?.notBefore, leaf?.notAfter, kept.issuance?.failure?.retryAt]
    .filter((time) => time !== undefined)
    .map((time) => Date.parse(time))
    .filter((time) => time > now);
  const busy = acme !== undefined && need(want, now) !== undefined && !isHeld(want, now);
  const longest = busy ? 60 : custom ? 3600 : 6 * 3600;
  const soonest = Math.min(now + longest * 1000, ...times);
  return Math.max(1, Math.ceil((soonest - now) / 1000));
}
