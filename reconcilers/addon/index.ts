/** The reconciler of Addon: a server that answers at a fixed address, on data that outlives it. */
import type { Reconciler, View } from '../../controller/engine/contract.ts';
import { ADDON_FINALIZER } from '../../resources/addon.ts';
import { addonsOf } from '../../resources/binding.ts';
import type { Document } from '../../resources/document.ts';
import type { Reading, Writing } from '../world.ts';
import { convergeAddon } from './converge.ts';
import { type AddonStep, diffAddon, obstacle, waitsFor } from './diff.ts';
import { type AddonHave, observeAddon } from './observe.ts';
import { addonStatus } from './status.ts';
import { type AddonWant, addonWant } from './want.ts';

/** A server that does not answer is asked again this soon; one that does, now and then: nobody tells when it hangs. */
const AWAY_SECONDS = 2;
const SERVING_SECONDS = 60;

export const addonReconciler: Reconciler<AddonWant, AddonHave, AddonStep, Reading, Writing> = {
  kind: 'Addon',
  // What starts a server waits for its turn; nothing else of an Addon waits for another one.
  parallelism: 8,
  finalizer: ADDON_FINALIZER,
  watches: ['Binding', 'Secret', 'Platform'],
  key: ({ metadata }) => metadata.name,
  wakes,
  want: addonWant,
  documents: ({ document }) => [document],
  observe: observeAddon,
  diff: diffAddon,
  converge: convergeAddon,
  status: addonStatus,
  isWaiting: (want, have) => Boolean(obstacle(want, have) ?? waitsFor(want, have)),
  requeueAfterSeconds: ({ deleting }, { answer, containers }) => {
    if (deleting || containers.length === 0) return undefined;
    return answer && 'version' in answer ? SERVING_SECONDS : AWAY_SECONDS;
  },
};

function wakes(changed: Document, view: View, { substantial }: { substantial: boolean }): readonly string[] {
  const { kind, metadata } = changed;
  // Its status follows that of the Addon. The one that it leaves says so, too.
  if (kind === 'Binding') return substantial ? addonsOf(changed) : [];
  if (kind === 'Platform') return view.list('Addon').map((addon) => addon.metadata.name);
  const owner = metadata.ownerReferences?.[0];
  if (owner?.kind === 'Addon') return [owner.name];
  const binding = owner?.kind === 'Binding' ? view.get('Binding', owner.name) : undefined;
  if (binding) return [String(binding.spec['addon'])];
  return view
    .list('Addon')
    .filter((addon) => addon.spec['imagePullSecret'] === metadata.name)
    .map((addon) => addon.metadata.name);
}
