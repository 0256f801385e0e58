/**
 * The reconciler of DNSRecord. All records of one Domain are one key, so that what many Apps need goes out in one batch. Registered
 * in controller/core.ts.
 */
import type { Reconciler, Run, View } from '../../controller/engine/contract.ts';
import { ReconcileError } from '../../controller/engine/contract.ts';
import { DNSRECORD_FINALIZER } from '../../resources/dnsrecord.ts';
import type { Document } from '../../resources/document.ts';
import { DriverError } from '../drivers/error.ts';
import type { Reading, Writing } from '../world.ts';
import { diffRecords, type RecordStep } from './diff.ts';
import { observeRecords, type RecordsHave } from './observe.ts';
import { recordsStatus } from './status.ts';
import { type RecordsWant, recordsWant } from './want.ts';

const SETTLE_MILLISECONDS = 1_000;
/** Until all name servers have a new record. */
const PROPAGATION_SECONDS = 10;
/** A person makes a record, or a server that is silent comes back. */
const PATIENCE_SECONDS = 30;

export const dnsRecordReconciler: Reconciler<RecordsWant, RecordsHave, RecordStep, Reading, Writing> = {
  kind: 'DNSRecord',
  // One that waits for a provider that hangs keeps no other waiting.
  parallelism: 64,
  finalizer: DNSRECORD_FINALIZER,
  watches: ['Domain', 'Secret', 'Platform'],
  settleMilliseconds: SETTLE_MILLISECONDS,
  key: ({ spec }) => String(spec['domain']),
  wakes,
  want: recordsWant,
  documents: ({ documents }) => documents,
  observe: observeRecords,
  diff: diffRecords,
  converge,
  status: recordsStatus,
  requeueAfterSeconds: lookAgain,
};

function wakes(changed: Document, view: View): readonly string[] {
  const { kind, metadata } = changed;
  if (kind === 'Domain') return [metadata.name];
  const domains = view.list('Domain');
  const isOf = (domain: Document) =>
    kind === 'Platform' ||
    (domain.spec['credentials'] as { secret?: string } | undefined)?.secret === metadata.name;
  return domains.filter(isOf).map((domain) => domain.metadata.name);
}

async function converge(step: RecordStep, { dns }: Writing, run: Run): Promise<void> {
  const { access, changes } = step;
  try {
    const refused = await dns.change(access, changes, run.signal);
    for (const { change, message } of refused)
      run.event('Warning', 'RecordRefused', `${change.type} ${change.name}: ${message}`);
    const stays = refused.find(({ change }) => change.after === undefined);
    if (stays) {
      const { type, name } = stays.change;
      throw new ReconcileError(
        'retryable',
        'RecordRefused',
        `${type} ${name} is not removed: ${stays.message}`,
      );
    }
  } catch (error) {
    // Somebody changed the zone at the same time: looking again finds out what to do, and is nothing to warn of.
    if (!(error instanceof DriverError) || error.code !== 'conflict') throw error;
    throw new ReconcileError('waiting', 'ZoneChanged', error.message, { cause: error, recheckSeconds: 1 });
  }
}

function lookAgain(want: RecordsWant, have: RecordsHave): number | undefined {
  if (want.waiting || want.by === 'nobody') return undefined;
  const states = want.sets.map(({ name, type, values }) => {
    const answers = have.answers.get(`${name} ${type}`);
    if (!answers || answers.length === 0) return 'unknown';
    const said = answers.filter((answer) => answer.values !== undefined);
    if (said.length < answers.length) return 'unknown';
    return said.every((answer) => values.every((value) => answer.values?.includes(value)))
      ? 'there'
      : 'missing';
  });
  if (want.by === 'provider' && states.includes('missing')) return PROPAGATION_SECONDS;
  return states.every((state) => state === 'there') ? undefined : PATIENCE_SECONDS;
}
