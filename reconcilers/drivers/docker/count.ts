/**
 * Counts the calls that a driver is asked for, by method. Around the raw driver in main.ts for metrics, and in tests that
 * promise how many calls something takes. Changes nothing else.
 */
import type { Docker } from './index.ts';

export type CallCounts = Map<string, number>;

export function countCalls(
  docker: Docker,
  counts: CallCounts = new Map(),
): Docker & { readonly counts: CallCounts } {
  const counted: Record<string, unknown> = { counts };
  for (const [name, value] of Object.entries(docker)) {
    if (typeof value !== 'function') continue;
    counted[name] = (...args: unknown[]): unknown => {
      counts.set(name, (counts.get(name) ?? 0) + 1);
      return value.apply(docker, args);
    };
  }
  return counted as unknown as Docker & { counts: CallCounts };
}

export function totalCalls(counts: CallCounts): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}
