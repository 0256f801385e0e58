/**
 * From what a certificate should be and what was found to the steps between. Pure. One order after another, each step small: what the
 * authority knows is looked at anew after each, so that a crash between any two is repaired by looking.
 *
 *   account          order                      steps
 *   ---------------  -------------------------  ---------------------------------------------------------------
 *   no key           –                          make the key; register
 *   registered       none                       prepare (a key, kept), place
 *                    pending, nothing shown     publish the records of dns-01; wait until they are answered
 *                    pending, all can be seen   answer; await
 *                    ready                      finalize; await
 *                    valid                      take the certificate
 *                    invalid                    note why, and until when there is no other
 *                    not known any more         prepare another
 *   what is taken and differs from nginx's files is installed; records that no order needs are removed
 */
import type { Because } from '../../controller/engine/contract.ts';
import { dnsRecord } from '../../resources/dnsrecord.ts';
import type { Document, Json } from '../../resources/document.ts';
import type { AcmeAccount, AcmeAuthorization, AcmeChallenge, AcmeOrder } from '../drivers/acme/index.ts';
import { isHeld, isSameIssuance, type Need, need } from './due.ts';
import { accountOf, type CertificateHave } from './observe.ts';
import { listed, type Pair, pairProblem } from './pem.ts';
import { recordObstacle } from './records.ts';
import type { CertificateStep, CertificateWork } from './steps.ts';
import { type CertificateWant, challengeFor, challengeRecord } from './want.ts';

/** A poll ends in the step after this long; the next look goes on. */
const AWAIT_SECONDS = 90;

export function diffCertificate(want: CertificateWant, have: CertificateHave): CertificateStep[] {
  if (want.deleting) return [];
  const asking = want.waiting ? [] : issuance(want, have);
  return [...install(want, have), ...asking, ...leftovers(want, have)];
}

/** The pair that should be served: what was issued, or what the Secret has as long as it can be. That it has not all names is no reason. */
export function wantedPair(want: CertificateWant, now: number): Pair | undefined {
  if (!want.custom) return want.kept.pair;
  const { pair, secret } = want.custom;
  if (!pair) return undefined;
  return pairProblem(pair, secret, [], now) ? undefined : pair;
}

function install(want: CertificateWant, have: CertificateHave): CertificateStep[] {
  const pair = wantedPair(want, have.now);
  const { installed } = have;
  if (!pair || (installed?.certificate === pair.certificate && installed.key === pair.key)) return [];
  const found = installed ? 'another one' : null;
  const reason = because(want, { field: 'file', found, wanted: 'the certificate that is kept' });
  const work: CertificateWork = { type: 'InstallCertificate', file: want.file, pair };
  return [
    step(want, work, {
      target: `file/${want.file}`,
      action: installed ? 'change' : 'create',
      message: `${installed ? 'put the new certificate in place' : 'put the certificate in place'} for ${listed(want.hosts)}`,
      because: reason,
    }),
  ];
}

function issuance(want: CertificateWant, have: CertificateHave): CertificateStep[] {
  const { acme, kept, hosts } = want;
  const needed = need(want, have.now);
  if (!acme || !needed) return kept.issuance ? [forget(want)] : [];
  if (isHeld(want, have.now)) return [];
  const reasons = because(want, needed);
  const host = hostOf(acme.server.directory);
  const account = accountOf(want);
  if (!account) {
    const work: CertificateWork = { type: 'CreateAccountKey', name: acme.accountName };
    const message = `make a key for an account at ${host}`;
    const because_ = because(want, { field: 'account.key', found: null, wanted: host });
    return [
      step(want, work, {
        target: `key/${acme.accountName}`,
        action: 'create',
        message,
        because: because_,
        replan: true,
      }),
    ];
  }
  if (have.trouble) {
    const message = `ask ${host}, which did not answer`;
    return [
      step(
        want,
        { type: 'AskAuthority', account },
        { target: `authority/${host}`, message, because: reasons },
      ),
    ];
  }
  if (!have.registered) return [register(want, account, host)];
  if (have.forbidden) return [];
  if (!isSameIssuance(want) || kept.issuance?.failure || have.order === 'gone') {
    const work: CertificateWork = { type: 'PrepareOrder', hosts, directory: acme.server.directory };
    const message = `make a key for a certificate for ${listed(hosts)}`;
    return [step(want, work, { target: `key/${want.name}`, message, because: reasons, replan: true })];
  }
  return order(want, have, account, reasons);
}

function register(want: CertificateWant, account: AcmeAccount, host: string): CertificateStep {
  const { email, binding } = want.acme ?? {};
  const options = { ...(email === undefined ? {} : { email }), ...(binding ? { binding } : {}) };
  return step(
    want,
    { type: 'RegisterAccount', account, options },
    {
      target: `account/${host}`,
      action: 'create',
      message: `register an account at ${host}, which agrees to its terms of service`,
      because: because(want, { field: 'account', found: null, wanted: host }),
      replan: true,
    },
  );
}

function order(
  want: CertificateWant,
  { order: found }: CertificateHave,
  account: AcmeAccount,
  reasons: Because[],
): CertificateStep[] {
  const { issuance: asked } = want.kept;
  if (!asked) return [];
  const target = `order/${want.name}`;
  const host = hostOf(account.server.directory);
  if (!found || found === 'gone') {
    const message = `order a certificate for ${listed(want.hosts)} at ${host}`;
    const work: CertificateWork = { type: 'PlaceOrder', account, issuance: asked };
    return [step(want, work, { target, action: 'create', message, because: reasons, replan: true })];
  }
  const { url, status } = found;
  const one = (work: CertificateWork, message: string, deadlineSeconds = AWAIT_SECONDS + 30) => [
    step(want, work, { target, message, because: reasons, replan: true, deadlineSeconds }),
  ];
  switch (status) {
    case 'pending':
      return challenges(want, found, account, reasons);
    case 'ready':
      return one({ type: 'FinalizeOrder', account, order: url, issuance: asked }, `ask ${host} to sign it`);
    case 'processing':
      return one({ type: 'AwaitOrder', account, order: url }, `wait until ${host} has signed it`);
    case 'valid':
      return one(
        { type: 'TakeCertificate', account, order: url, issuance: asked },
        `take the certificate from ${host}`,
      );
    case 'invalid':
      return one(
        { type: 'NoteFailure', failure: whyInvalid(found, host), limited: false },
        `note why ${host} refused the order`,
      );
  }
}

function whyInvalid({ authorizations, problem }: AcmeOrder, host: string) {
  const problems = authorizations.flatMap(({ host: name, status, challenges: all }) => {
    if (status !== 'invalid') return [];
    const why = all.find((challenge) => challenge.problem)?.problem;
    return [{ host: name, reason: why?.type ?? '', message: why?.message ?? 'no reason was given' }];
  });
  const words = problems.map((each) => `${each.host}: ${each.message}`);
  const said = words.length > 0 ? listed(words) : (problem?.message ?? 'no reason was given');
  const reason = problems.length > 0 ? 'NotConfirmed' : 'OrderRefused';
  const message =
    problems.length > 0 ? `${host} could not confirm ${said}` : `${host} refused the order: ${said}`;
  return { reason, message, problems };
}

/** The challenge of each name that is still to be shown. */
export function chosenChallenges(
  want: CertificateWant,
  { authorizations }: AcmeOrder,
): { host: string; challenge: AcmeChallenge | undefined }[] {
  const { acme, facts } = want;
  if (!acme || !facts) return [];
  return authorizations
    .filter(({ status }: AcmeAuthorization) => status === 'pending')
    .map(({ host, challenges: all }) => {
      const type = challengeFor(host, facts, acme);
      return { host, challenge: all.find((challenge) => challenge.type === type) };
    });
}

function challenges(
  want: CertificateWant,
  found: AcmeOrder,
  account: AcmeAccount,
  reasons: Because[],
): CertificateStep[] {
  const chosen = chosenChallenges(want, found);
  const target = `order/${want.name}`;
  const without = chosen.find(({ challenge }) => !challenge);
  if (without) {
    const message = `${hostOf(account.server.directory)} offers no challenge for ${without.host} of the kind that spec.tls.acme.challenge of domain/${want.domain} names`;
    const failure = { reason: 'NoChallenge', message, problems: [] };
    const work: CertificateWork = { type: 'NoteFailure', failure, limited: false };
    return [step(want, work, { target, message: `note that ${message}`, because: reasons, replan: true })];
  }
  const records = publish(want, found);
  if (records.length > 0) return records;
  const open = chosen.filter(({ challenge }) => challenge?.status === 'pending');
  if (open.length === 0 && chosen.length > 0) {
    const work: CertificateWork = { type: 'AwaitOrder', account, order: found.url };
    const message = 'wait until the authority has looked';
    return [
      step(want, work, {
        target,
        message,
        because: reasons,
        replan: true,
        deadlineSeconds: AWAIT_SECONDS + 30,
      }),
    ];
  }
  if (open.some(({ host, challenge }) => blocks(want, host, challenge))) return [];
  const urls = open.flatMap(({ challenge }) => challenge?.url ?? []);
  const work: CertificateWork = { type: 'AnswerChallenges', account, order: found.url, challenges: urls };
  const message = `let the authority look at ${listed(open.map(({ host }) => host))}`;
  return [
    step(want, work, {
      target,
      message,
      because: reasons,
      replan: true,
      deadlineSeconds: AWAIT_SECONDS + 30,
    }),
  ];
}

/** What a challenge still waits for; the authority must not look before. */
export function blocks(
  want: CertificateWant,
  host: string,
  challenge: AcmeChallenge | undefined,
): { reason: string; message: string } | undefined {
  if (challenge?.type === 'http-01') return want.unanswered.get(host);
  return recordObstacle(want.records, challengeRecord(host));
}

/** By record name: the texts that must be found there. A wildcard and its parent share one name. */
export function wantedTexts(
  want: CertificateWant,
  { authorizations, ...found }: AcmeOrder,
): Map<string, string[]> {
  const texts = new Map<string, string[]>();
  for (const { host, challenge } of chosenChallenges(want, { ...found, authorizations })) {
    if (challenge?.type !== 'dns-01') continue;
    const name = challengeRecord(host);
    texts.set(name, [...(texts.get(name) ?? []), challenge.value].sort());
  }
  return texts;
}

function publish(want: CertificateWant, found: AcmeOrder): CertificateStep[] {
  return [...wantedTexts(want, found)].flatMap(([name, values]) => {
    const owner = want.document as Document;
    const record = dnsRecord(owner, { domain: want.domain, name, type: 'TXT', values, ttl: 60 });
    const present = want.records.find(({ metadata }) => metadata.name === record.metadata.name);
    const same = JSON.stringify(present?.spec['values']) === JSON.stringify(values);
    if (present && (same || present.metadata.deletionTimestamp)) return [];
    const reason = because(want, {
      field: name,
      found: present ? 'other texts' : null,
      wanted: 'what the authority looks for',
    });
    const message = `publish what the authority looks for at ${name}`;
    return [
      step(
        want,
        { type: 'PublishChallenge', record },
        {
          target: `dnsrecord/${record.metadata.name}`,
          action: present ? 'change' : 'create',
          message,
          because: reason,
          child: { apply: record },
        },
      ),
    ];
  });
}

/** Records that no challenge needs any more. */
function leftovers(want: CertificateWant, { order: found, trouble }: CertificateHave): CertificateStep[] {
  // What was not seen may still be needed.
  if (trouble && want.kept.issuance?.order !== undefined) return [];
  const needed =
    found && found !== 'gone' && found.status === 'pending' ? wantedTexts(want, found) : new Map();
  return want.records
    .filter(({ spec, metadata }) => !metadata.deletionTimestamp && !needed.has(String(spec['name'])))
    .map(({ metadata, spec }) => {
      const record = { kind: 'DNSRecord', name: metadata.name };
      const reason = because(want, {
        field: String(spec['name']),
        found: 'a record',
        wanted: 'none',
        cause: 'no challenge needs it',
      });
      const message = `remove what was published at ${spec['name']}`;
      return step(
        want,
        { type: 'RemoveChallenge', record },
        {
          target: `dnsrecord/${metadata.name}`,
          action: 'delete',
          message,
          because: reason,
          child: { delete: record },
        },
      );
    });
}

function forget(want: CertificateWant): CertificateStep {
  const reason = because(want, { field: 'order', found: 'one that is not needed', wanted: 'none' });
  return step(
    want,
    { type: 'ForgetOrder' },
    {
      target: `order/${want.name}`,
      message: 'forget the order, which is not needed',
      because: reason,
      replan: true,
    },
  );
}

function because(want: CertificateWant, { field, found, wanted, cause }: Need): Because[] {
  return [{ field, found: found as Json, wanted, cause: cause ?? want.cause }];
}

function step(
  want: CertificateWant,
  work: CertificateWork,
  fields: Omit<CertificateStep, 'type' | 'action' | 'impact' | 'work' | 'context'> &
    Partial<Pick<CertificateStep, 'action'>>,
): CertificateStep {
  const { document, kept, domainGeneration } = want;
  return {
    action: 'change',
    impact: 'none',
    ...fields,
    type: work.type,
    work,
    context: { document, kept, domainGeneration },
  };
}

export function hostOf(directory: string): string {
  return URL.canParse(directory) ? new URL(directory).host : directory;
}
