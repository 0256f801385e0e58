/**
 * The reconciler of Binding: one App's account in one Addon. It asks for the Addon where there is none, makes the password, and has
 * the server give the account; when it goes, the account is locked and its data kept, unless a deletion says otherwise.
 */
import type { Reconciler, View } from '../../controller/engine/contract.ts';
import { addonsOf, BINDING_FINALIZER } from '../../resources/binding.ts';
import type { Document } from '../../resources/document.ts';
import type { Reading, Writing } from '../world.ts';
import { convergeBinding } from './converge.ts';
import { type BindingStep, diffBinding } from './diff.ts';
import { type BindingHave, observeBinding } from './observe.ts';
import { bindingStatus } from './status.ts';
import { type BindingWant, bindingWant } from './want.ts';

export const bindingReconciler: Reconciler<BindingWant, BindingHave, BindingStep, Reading, Writing> = {
  kind: 'Binding',
  parallelism: 32,
  finalizer: BINDING_FINALIZER,
  watches: ['Addon', 'Secret'],
  key: ({ metadata }) => metadata.name,
  wakes,
  want: bindingWant,
  documents: ({ document }) => [document],
  observe: observeBinding,
  diff: diffBinding,
  converge: convergeBinding,
  status: bindingStatus,
  isWaiting: ({ blocked, waiting }) => Boolean(blocked ?? waiting),
};

function wakes({ kind, metadata }: Document, view: View): readonly string[] {
  if (kind === 'Secret') {
    const owner = metadata.ownerReferences?.[0];
    return owner?.kind === 'Binding' ? [owner.name] : [];
  }
  return view
    .list('Binding')
    .filter((binding) => addonsOf(binding).includes(metadata.name))
    .map((binding) => binding.metadata.name);
}
