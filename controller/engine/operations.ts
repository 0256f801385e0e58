/** What runs, waits or is tried again, as `holdfast get operations` shows it. Pure; the engine gives what it knows. */
import type { Held } from './holds.ts';
import type { RunningStep } from './run.ts';

export type OperationState = 'Looking' | 'Running' | 'Retrying' | 'Waiting';

export interface RunningOperation {
  kind: string;
  /** Name of the document, or of what many of them share. */
  key: string;
  /** Looking at the world; Running a step; Retrying after a failure; Waiting for a window or an approval. */
  state: OperationState;
  /** Type of the step. */
  step?: string;
  target?: string;
  message?: string;
  percent?: number;
  /** Whose change it is done for: "generation 3 by root through cli", "drift". */
  cause?: string;
  /** RFC 3339: when the run began, and when this look or step did. */
  startedAt?: string;
  since?: string;
  /** When it is given up, or when it goes on. */
  until?: string;
}

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
