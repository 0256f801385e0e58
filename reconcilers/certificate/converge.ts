/**
 * Does one step towards a certificate. What cannot be seen afterwards is kept before it is done; what an authority refuses is kept with
 * the time until which it is left alone, so that neither a restart nor a bad day of ours uses up its limits.
 */
import { delay, timestamp } from '../../controller/clock.ts';
import { ReconcileError, type Run } from '../../controller/engine/contract.ts';
import { coversAll } from '../../resources/certificate.ts';
import type { Document } from '../../resources/document.ts';
import { type AcmeAccount, AcmeError, type AcmeOrder } from '../drivers/acme/index.ts';
import type { Writing } from '../world.ts';
import { pauseAfter, renewalTime } from './due.ts';
import { accountManifest, type Issuance, type Kept, keptManifest } from './kept.ts';
import { fits, readLeaf } from './pem.ts';
import type { CertificateStep, CertificateWork } from './steps.ts';

export type CertificateWriting = Pick<Writing, 'nginx' | 'acme' | 'clock'>;

type Work<T extends CertificateWork['type']> = Extract<CertificateWork, { type: T }>;

/** Between looks at an order that the authority works on, at first and at most. */
const FIRST_PAUSE_MILLISECONDS = 500;
const LONGEST_PAUSE_MILLISECONDS = 8_000;
const AWAIT_MILLISECONDS = 90_000;

export async function convergeCertificate(
  step: CertificateStep,
  world: CertificateWriting,
  run: Run,
): Promise<void> {
  try {
    await doWork(step, world, run);
  } catch (error) {
    if (!(error instanceof AcmeError) || !isRefusal(error)) throw error;
    throw await refused(step, error, world, run);
  }
}

async function doWork(step: CertificateStep, world: CertificateWriting, run: Run): Promise<void> {
  const { work } = step;
  switch (work.type) {
    case 'CreateAccountKey':
      // Two Certificates may come here at once: the first one's key is the account's.
      return run.documents.create(accountManifest(work.name, await world.acme.newKey()));
    case 'RegisterAccount':
      return world.acme.register(work.account, work.options);
    case 'PrepareOrder':
      return prepare(step, work, world, run);
    case 'PlaceOrder':
      return place(step, work, world, run);
    case 'PublishChallenge':
      return run.documents.apply(step.context.document as Document, work.record);
    case 'AnswerChallenges':
      await world.acme.answer(work.account, work.challenges);
      return awaitOrder(work, world, run, 'pending');
    case 'FinalizeOrder':
      await world.acme.finalize(work.account, work.order, work.issuance);
      return awaitOrder(work, world, run, 'ready', 'processing');
    case 'AwaitOrder':
      return awaitOrder(work, world, run, 'pending', 'processing');
    case 'TakeCertificate':
      return take(step, work, world, run);
    case 'NoteFailure':
      return note(step, work.failure, { isLimited: work.limited }, world, run);
    case 'ForgetOrder': {
      const { issuance: _done, ...kept } = step.context.kept;
      return keep(step, { ...kept, failures: 0 }, run);
    }
    case 'AskAuthority':
      await world.acme.register(work.account, {});
      return;
    case 'RemoveChallenge':
      return run.documents.delete(work.record);
    case 'InstallCertificate':
      await world.nginx.writeCertificate(work.file, work.pair);
      return;
  }
}

function keep({ context }: CertificateStep, kept: Kept, run: Run): Promise<void> {
  const { document } = context;
  return run.documents.apply(document as Document, keptManifest(document.metadata.name, kept));
}

async function prepare(
  step: CertificateStep,
  { hosts, directory }: Work<'PrepareOrder'>,
  { acme, clock }: CertificateWriting,
  run: Run,
): Promise<void> {
  const { kept } = step.context;
  const key = await acme.newKey();
  await keep(step, { ...kept, issuance: { hosts, directory, since: timestamp(clock), key } }, run);
}

async function place(
  step: CertificateStep,
  { account, issuance }: Work<'PlaceOrder'>,
  { acme }: CertificateWriting,
  run: Run,
): Promise<void> {
  const { kept } = step.context;
  const find = issuance.asked === true;
  if (!find) await keep(step, { ...kept, issuance: { ...issuance, asked: true } }, run);
  const { url } = await acme.placeOrder(account, issuance.hosts, { find });
  await keep(step, { ...kept, issuance: { ...issuance, asked: true, order: url } }, run);
}

/** Looks again until the order is in none of these states, with growing pauses. Time being over is no failure: the next look goes on. */
async function awaitOrder(
  { account, order }: { account: AcmeAccount; order: string },
  { acme, clock }: CertificateWriting,
  run: Run,
  ...states: AcmeOrder['status'][]
): Promise<void> {
  const began = clock.monotonic();
  let pause = FIRST_PAUSE_MILLISECONDS;
  while (clock.monotonic() - began < AWAIT_MILLISECONDS) {
    const found = await acme.order(account, order);
    if (!found || !states.includes(found.status)) return;
    run.progress(undefined, `the order is ${found.status}`);
    await delay(clock, pause, run.signal);
    pause = Math.min(pause * 1.5, LONGEST_PAUSE_MILLISECONDS);
  }
  throw new ReconcileError(
    'waiting',
    'AuthorityBusy',
    'the authority still works on the order; it is looked at again',
  );
}

async function take(
  step: CertificateStep,
  { account, order, issuance }: Work<'TakeCertificate'>,
  { acme, clock }: CertificateWriting,
  run: Run,
): Promise<void> {
  const pair = { certificate: await acme.download(account, order), key: issuance.key };
  const leaf = readLeaf(pair.certificate);
  if (!leaf || !fits(pair) || !coversAll(leaf.names, issuance.hosts)) {
    const message = 'what the authority gave does not fit the order: it is another key, or has other names';
    return note(
      step,
      { reason: 'OrderRefused', message, problems: [] },
      { isLimited: false },
      { clock },
      run,
    );
  }
  const renewAt = new Date(renewalTime(leaf.notBefore, leaf.notAfter, clock.random())).toISOString();
  await keep(step, { pair, directory: issuance.directory, renewAt, failures: 0 }, run);
}

/** It answered, and would answer the same again: asking at once is of no use and may count against us. */
function isRefusal({ code, type, retryAt }: AcmeError): boolean {
  if (type === 'accountDoesNotExist' || type === 'badNonce' || type === 'orderNotReady') return false;
  return type === 'rateLimited' || retryAt !== undefined || code === 'invalid' || code === 'denied';
}

async function refused(
  step: CertificateStep,
  error: AcmeError,
  world: CertificateWriting,
  run: Run,
): Promise<ReconcileError> {
  const isLimited = error.type === 'rateLimited';
  const failure = { reason: reasonOf(error), message: error.message, problems: [] };
  await note(step, failure, { isLimited, retryAt: error.retryAt }, world, run);
  return new ReconcileError('waiting', failure.reason, error.message, { cause: error });
}

function reasonOf({ type }: AcmeError): string {
  if (type === '') return 'AuthorityRefused';
  return `${type[0]?.toUpperCase()}${type.slice(1)}`;
}

/** Keeps why there is no certificate, and when it is tried again. */
async function note(
  step: CertificateStep,
  failure: Work<'NoteFailure'>['failure'],
  { isLimited, retryAt }: { isLimited: boolean; retryAt?: number | undefined },
  { clock }: Pick<CertificateWriting, 'clock'>,
  run: Run,
): Promise<void> {
  const { document, kept, domainGeneration } = step.context;
  const now = clock.now();
  const failures = isLimited ? kept.failures : kept.failures + 1;
  const again = pauseAfter(failures, { isLimited, retryAt, now, chance: clock.random() });
  const times = { at: timestamp(clock), retryAt: new Date(again).toISOString() };
  const issuance: Issuance = {
    ...(kept.issuance ?? { directory: directoryOf(step), since: times.at, key: '' }),
    hosts: document.spec.hosts,
    failure: { ...failure, ...times, domainGeneration },
  };
  await keep(step, { ...kept, failures, issuance }, run);
  run.event('Warning', failure.reason, `${failure.message}. It is tried again after ${times.retryAt}.`);
}

function directoryOf({ work }: CertificateStep): string {
  return 'account' in work ? work.account.server.directory : '';
}
