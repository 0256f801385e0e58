/**
 * A history: what happens, in which order, with which pauses, all of it drawn from one seed. Plain data, so that a shrinker can leave
 * entries out and a replay has the same. run.ts lets it happen.
 */
import { type Random, seeded } from '../support/random.ts';
import { disturbancesOf } from './disturbances.ts';
import { NO_FAULTS, type Rates } from './faults.ts';
import { openingOf, THEMES } from './parts/index.ts';
import { FILES } from './parts/source.ts';

export interface Entry {
  /** Of the disturbance. */
  name: string;
  /** Of its own chance. */
  seed: number;
  /** Virtual milliseconds until the next. */
  pause: number;
}

export interface History {
  seed: number;
  /** No fault and no crash; after each entry all must be well within CALM_SECONDS. */
  calm: boolean;
  /** How many Apps there may be. */
  apps: number;
  /** There is a folder of manifests. */
  files: boolean;
  rates: Rates;
  entries: readonly Entry[];
  ending: Ending;
}

/** What is judged at the end beside that all is well and stays so. Each costs as much as several disturbances, so not every history has it. */
export interface Ending {
  /** A newer program changes nothing. */
  newProgram: boolean;
  /** What is deleted leaves nothing but its data. */
  deletion: boolean;
  /** The files of the store are sound. */
  store: boolean;
}

export const WHOLE_ENDING: Ending = { newProgram: true, deletion: true, store: true };

/** Longer than it takes to pull, start, prove and publish; shorter than any resync or recheck. */
export const CALM_SECONDS = 40;
/** Disturbances at least. */
const LENGTH = 50;

/** `theme`: only histories of it are wanted. */
export function historyOf(seed: number, theme?: string): History {
  const random = seeded(seed);
  const calm = random.next() < 0.08;
  const apps = random.pick([1, 1, 1, 2, 2, 2, 3, 4]);
  const rates = calm ? NO_FAULTS : anyRates(random);
  // Per seed some things never happen and others all the time.
  const drawn = anyThemes(random);
  const themes = theme === undefined ? drawn : new Set([theme]);
  const possible = disturbancesOf(themes).filter(({ announced = true }) => !calm || announced);
  const chosen = possible
    .map((disturbance) => ({ disturbance, weight: disturbance.weight * random.pick(STRENGTHS) }))
    .filter(({ weight }) => weight > 0);
  // People always do something.
  for (const disturbance of possible)
    if (disturbance.essential) chosen.push({ disturbance, weight: disturbance.weight });
  const total = chosen.reduce((sum, { weight }) => sum + weight, 0);
  const rhythm = random.pick(RHYTHMS);
  const opening = random.next() < 0.7 ? openingOf(themes) : [];
  const entries = Array.from({ length: LENGTH + random.below(3) }, (_, index): Entry => {
    const found = opening[index] ?? weighted(chosen, random.next() * total);
    const pause = calm ? CALM_SECONDS * 1000 : random.below(random.pick(rhythm));
    return { name: found, seed: random.below(2 ** 32), pause };
  });
  const chance = (of: number) => random.next() < of;
  const ending = { newProgram: chance(0.4), deletion: chance(0.4), store: chance(0.2) };
  return { seed, calm, apps, files: themes.has(FILES), rates, entries, ending };
}

/** Mostly one: a history of all kinds would take long and show little of each. */
function anyThemes(random: Random): ReadonlySet<string> {
  const chance = random.next();
  const count = chance < 0.35 ? 0 : chance < 0.9 ? 1 : 2;
  return new Set(Array.from({ length: count }, () => random.pick(THEMES)));
}

function weighted(chosen: readonly { disturbance: { name: string }; weight: number }[], at: number): string {
  let sum = 0;
  for (const { disturbance, weight } of chosen) {
    sum += weight;
    if (at < sum) return disturbance.name;
  }
  return 'time goes by';
}

const STRENGTHS = [0, 0, 1, 1, 1, 3, 8];
/** Longest pauses, in milliseconds, to choose from each time. Most that goes wrong does so in seconds; what takes hours costs most. */
const RHYTHMS: readonly (readonly number[])[] = [
  ...Array<readonly number[]>(3).fill([2, 200]),
  ...Array<readonly number[]>(3).fill([200, 5_000]),
  ...Array<readonly number[]>(3).fill([2, 5_000, 30_000]),
  [5_000, 20_000, 330_000],
];

function anyRates(random: Random): Rates {
  const some = (rates: readonly number[]) => random.pick(rates);
  return {
    error: some([0, 0, 0.01, 0.05]),
    slow: some([0, 0, 0.02, 0.1]),
    hang: some([0, 0, 0, 0.005]),
    eventLost: some([0, 0, 0.1, 0.5]),
    eventLate: some([0, 0, 0.3]),
    eventDouble: some([0, 0, 0.2]),
  };
}
