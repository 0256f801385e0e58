/**
 * Makes the status of a document from what a reconciler says of it and from what the engine knows: which generation, since
 * when, what runs. Pure. A status that says nothing new is recognised here, so that it is not written again.
 */
import type { Condition, Document, Operation, StatusBase, StoppedStep } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import type { ConditionDraft, StatusDraft } from './contract.ts';

export interface StatusContext {
  now: string;
  operation?: Operation;
  /** Work goes on or is waited for. */
  reconciling?: { reason: string; message: string };
  /** It does not get on by itself. */
  stalled?: { reason: string; message: string };
  /** Kept for a controller that is started anew. */
  stopped?: StoppedStep;
  /** The world cannot be looked at. RFC 3339 time when it last could, where it ever could. */
  unseen?: { since?: string };
}

/** What is unknown says since when. The time stands still while it is unknown, so the message does. */
function sinceWhen(draft: ConditionDraft, { unseen }: StatusContext): ConditionDraft {
  if (draft.status !== 'Unknown' || unseen?.since === undefined) return draft;
  return { ...draft, message: `${draft.message} (last seen ${unseen.since})` };
}

function withTransition(
  draft: ConditionDraft,
  before: Condition | undefined,
  generation: number,
  now: string,
): Condition {
  return {
    type: draft.type,
    status: draft.status,
    reason: draft.reason,
    message: draft.message,
    lastTransitionTime: before && before.status === draft.status ? before.lastTransitionTime : now,
    observedGeneration: generation,
  };
}

/** The whole new status. Fields that the draft does not name stay as they are in `present`. */
export function composeStatus(present: Document, draft: StatusDraft, context: StatusContext): StatusBase {
  const generation = draft.document.metadata.generation;
  const drafts: ConditionDraft[] = [...draft.conditions];
  if (context.reconciling) drafts.push({ type: 'Reconciling', status: 'True', ...context.reconciling });
  const stalled = context.stalled ?? draft.blocked;
  if (stalled) drafts.push({ type: 'Stalled', status: 'True', ...stalled });
  const before = new Map(present.status?.conditions?.map((entry) => [entry.type, entry]));
  const {
    conditions: _conditions,
    operation: _operation,
    observedAt: _before,
    stopped: wasStopped,
    ...kept
  } = present.status ?? {};
  const observedAt = context.unseen ? context.unseen.since : context.now;
  const status: StatusBase & Record<string, unknown> = {
    ...kept,
    observedGeneration: generation,
    ...(observedAt === undefined ? {} : { observedAt }),
    conditions: drafts.map((entry) =>
      withTransition(sinceWhen(entry, context), before.get(entry.type), generation, context.now),
    ),
  };
  if (context.operation) status.operation = context.operation;
  const stopped = context.unseen ? wasStopped : context.stopped;
  if (stopped) status.stopped = stopped;
  for (const [field, value] of Object.entries(draft.fields ?? {})) {
    if (value === undefined) delete status[field];
    else status[field] = value;
  }
  return status;
}

/** Whether two statuses say the same, apart from when the world was looked at. */
export function saysTheSame(a: StatusBase | undefined, b: StatusBase): boolean {
  const { observedAt: _a, ...left } = a ?? {};
  const { observedAt: _b, ...right } = b;
  return equal(left, right);
}
