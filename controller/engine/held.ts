/**
 * Which steps wait for a person or for a maintenance window although everything is there for them. Pure; asked by KeyRun before each
 * round. A step that waits is still in the plan and in `pending`: what is waited for is seen, and nothing else of the key is held up.
 */
import { ANNOTATION, condition, type Document } from '../../resources/document.ts';
import type { Step } from './contract.ts';

/** Reason of the condition Reconciling while steps wait that a new Holdfast wants. */
export const UPGRADE_PENDING = 'UpgradePending';

/** What of the steps may be done now, in order. A step after one that waits may depend on it only where it is held itself. */
export function dueSteps(steps: readonly Step[], documents: readonly Document[]): readonly Step[] {
  return documents.some(isApproved) ? steps : steps.filter(({ held }) => held === undefined);
}

/** An approval is for what waited when it was given: what begins to wait later needs its own. */
function isApproved(document: Document): boolean {
  const approved = Date.parse(document.metadata.annotations?.[ANNOTATION.approvedAt] ?? '');
  const waiting = condition(document, 'Reconciling');
  return waiting !== undefined && approved >= Date.parse(waiting.lastTransitionTime);
}
