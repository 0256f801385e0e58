/** What of a step may be shown. Steps carry what they need to be done, secret values among it: that never leaves the process. */
import type { Document, Reference } from '../../resources/document.ts';
import type { Step } from './contract.ts';

/** What of a document an event names. The shared target of many documents has no uid of its own. */
export type Subject = Reference & { uid?: string; generation?: number };

/**
 * What a step is about, for plans and events alike: the one document of the key; where it has many, those that the step names;
 * else the key itself.
 */
export function subjectsOf(
  step: Pick<Step, 'regarding'>,
  key: { kind: string; name: string },
  documents: readonly Document[],
): readonly Subject[] {
  const [only] = documents;
  if (only && documents.length === 1) return [subjectOf(only)];
  const named = documents.filter(({ metadata }) => step.regarding?.includes(metadata.name));
  return named.length > 0 ? named.map(subjectOf) : [{ kind: only?.kind ?? key.kind, name: key.name }];
}

export function subjectOf({ kind, metadata }: Document): Subject {
  return { kind, name: metadata.name, uid: metadata.uid, generation: metadata.generation };
}

/** The part that a plan prints. */
export function publicStep(step: Step): Step {
  return {
    type: step.type,
    target: step.target,
    action: step.action,
    impact: step.impact,
    because: step.because,
    message: step.message,
    ...(step.held ? { held: step.held } : {}),
    ...(step.knownLater ? { knownLater: step.knownLater } : {}),
    ...(step.regarding ? { regarding: step.regarding } : {}),
  };
}

/** More reasons than a person reads; one change of the Platform may have some of each of a thousand Sites. */
const MOST_REASONS = 20;

/**
 * The part that an event about this document keeps: the reasons that are its own or everybody's. Where all are of things that have no
 * document any more, or never had one, whoever is told is told them.
 */
export function eventStep(step: Step, subject: string): Record<string, unknown> {
  const { type, target, impact, because } = step;
  const own = because.filter(({ regarding }) => regarding === undefined || regarding === subject);
  const reasons = (own.length > 0 ? own : because)
    .slice(0, MOST_REASONS)
    .map(({ regarding: _named, ...reason }) => reason);
  return { type, target, impact, because: reasons };
}
