/**
 * A small history, and a crash at every single point of it: before and after each driver call, before and after each commit. One run
 * without a crash counts the points; then there is one run for each.
 */
import { seeded } from '../support/random.ts';
import { NO_FAULTS } from './faults.ts';
import { type History, WHOLE_ENDING } from './history.ts';
import { type RunOptions, runHistory, type Verdict } from './run.ts';

/** From nothing to an App, through everything that people do with it, to nothing. */
export const SMALL_HISTORIES: Readonly<Record<string, readonly string[]>> = {
  'an app comes': ['an app is applied'],
  'an app changes': ['an app is applied', 'an app gets another image', 'an app gets other memory'],
  'an app is restarted, stopped and started': [
    'an app is applied',
    'a restart of an app is asked for',
    'an app is stopped or started',
    'an app is stopped or started',
  ],
  'a secret changes under an app': [
    'a secret is applied',
    'an app is applied',
    'an app gets other variables',
    'a secret is applied',
  ],
  'an app drifts': [
    'an app is applied',
    'somebody removes a container',
    'somebody changes the memory of a container',
  ],
  'an app has a database': [
    'an app is applied',
    'an app gets a database',
    'apps write into their databases',
    'another password of an account is asked for',
  ],
  'a database gets another version': [
    'an app is applied',
    'an app gets a database',
    'apps write into their databases',
    'an addon gets another version',
  ],
  'an app is in a file': [
    'a file of manifests is written',
    'a file of manifests is written',
    'a file of manifests is removed',
  ],
  'an app goes with its data': ['an app is applied', 'an app is deleted', 'an app is deleted'],
};

const PAUSE_MILLISECONDS = 15_000;

export function smallHistory(names: readonly string[], seed: number): History {
  const random = seeded(seed);
  const entries = names.map((name) => ({ name, seed: random.below(2 ** 32), pause: PAUSE_MILLISECONDS }));
  const files = names.some((name) => name.includes('file of manifests'));
  return { seed, calm: false, apps: 1, files, rates: NO_FAULTS, entries, ending: WHOLE_ENDING };
}

export interface Exhausted {
  points: number;
  /** Those at which something breaks; empty when all is well. */
  broken: { point: number; verdict: Verdict }[];
}

/** `every`: only each n-th point is tried. Default all. */
export async function exhaust(history: History, options: RunOptions, every = 1): Promise<Exhausted> {
  const whole = await runHistory(history, options);
  if (whole.broken) return { points: 0, broken: [{ point: 0, verdict: whole }] };
  const broken: Exhausted['broken'] = [];
  for (let point = 1; point <= whole.points; point += every) {
    const verdict = await runHistory(history, { ...options, crashAt: new Set([point]) });
    if (verdict.broken) broken.push({ point, verdict });
  }
  return { points: whole.points, broken };
}
