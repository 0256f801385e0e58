/** What runs, waits or is tried again, as `holdfast get operations` shows it. Pure; the engine gives what it knows. */
import type { RunningOperation } from './contract.ts';
import type { Held } from './holds.ts';
import type { RunningStep } from './run.ts';

export function runningOperation(kind: string, key: string, running: RunningStep): RunningOperation {
  const { step, progress, startedAt, since, deadline } = running;
  const message = progress?.message ?? step?.message;
  return {
    kind,
    key,
    state: step ? 'Running' : 'Looking',
    startedAt,
    since,
    ...(step ? { step: step.type, target: step.target } : {}),
    ...(message === undefined ? {} : { message }),
    ...(progress?.percent === undefined ? {} : { percent: progress.percent }),
    ...(step?.because[0] ? { cause: step.because[0].cause } : {}),
    ...(deadline === undefined ? {} : { until: deadline }),
  };
}

export function heldOperation(kind: string, key: string, { message, opensAt }: Held): RunningOperation {
  const until = opensAt === undefined ? {} : { until: new Date(opensAt).toISOString() };
  return { kind, key, state: 'Waiting', message, ...until };
}
