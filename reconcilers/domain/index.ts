/**
 * The reconciler of Domain: verifies that the zone can be changed and that the world finds it, and follows the public address. It
 * changes nothing in the world itself: records are DNSRecords. Registered in controller/core.ts.
 */
import type { Reconciler, Step, View } from '../../controller/engine/contract.ts';
import type { Document } from '../../resources/document.ts';
import { DOMAIN_FINALIZER } from '../../resources/domain.ts';
import type { Reading, Writing } from '../world.ts';
import { type DomainHave, observeDomain } from './observe.ts';
import { domainStatus } from './status.ts';
import { type DomainWant, domainWant } from './want.ts';

/** The address may change without a word: dynamic DNS. */
const LOOK_AGAIN_SECONDS = 300;
const LOOK_SOON_SECONDS = 30;

export const domainReconciler: Reconciler<DomainWant, DomainHave, Step, Reading, Writing> = {
  kind: 'Domain',
  // One that waits for a provider that hangs keeps no other waiting.
  parallelism: 64,
  finalizer: DOMAIN_FINALIZER,
  watches: ['Secret', 'Platform', 'DNSRecord', 'App'],
  key: ({ metadata }) => metadata.name,
  wakes,
  want: domainWant,
  documents: ({ document }) => [document],
  observe: observeDomain,
  diff: () => [],
  converge: async () => undefined,
  status: domainStatus,
  requeueAfterSeconds: (want, { zone, addresses }) => {
    const isVerified = want.document.status?.zone !== undefined && !(zone && 'problem' in zone);
    const isKnown = Object.keys(addresses.problems).length === 0;
    return isVerified && isKnown ? LOOK_AGAIN_SECONDS : LOOK_SOON_SECONDS;
  },
};

function wakes(changed: Document, view: View): readonly string[] {
  const { kind, metadata } = changed;
  const domains = view.list('Domain');
  if (kind === 'Platform') return domains.map((domain) => domain.metadata.name);
  if (kind === 'Secret') {
    return domains
      .filter(
        (domain) => (domain.spec['credentials'] as { secret?: string } | undefined)?.secret === metadata.name,
      )
      .map((domain) => domain.metadata.name);
  }
  // What uses a Domain matters to one that waits to be deleted; what has left it for another does not name it any more.
  return domains
    .filter(({ metadata: { deletionTimestamp } }) => deletionTimestamp !== undefined)
    .map((domain) => domain.metadata.name);
}
