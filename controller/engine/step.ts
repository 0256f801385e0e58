/** What of a step may be shown. Steps carry what they need to be done, secret values among it: that never leaves the process. */
import type { Step } from './contract.ts';

/** The part that a plan prints. */
export function publicStep(step: Step): Step {
  return {
    type: step.type,
    target: step.target,
    action: step.action,
    impact: step.impact,
    because: step.because,
    message: step.message,
    ...(step.knownLater ? { knownLater: step.knownLater } : {}),
    ...(step.regarding ? { regarding: step.regarding } : {}),
  };
}

/** The part that an event keeps. */
export function eventStep(step: Step): Record<string, unknown> {
  const { type, target, impact, because } = step;
  return { type, target, impact, because: because.map((entry) => ({ ...entry })) };
}
