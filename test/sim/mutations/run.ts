/**
 * Tries the simulation itself: puts one deliberate bug after another into a copy of the project and runs histories there until one breaks.
 * A bug that no history notices is a hole in the simulation. Called by `npm run sim -- --mutations` and, for some of them, by a test.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { makePlace } from '../place.ts';
import { runSeeds } from '../pool.ts';
import type { Result } from '../worker.ts';
import { MUTATIONS, type Mutation } from './list.ts';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const COPIED = [
  'controller',
  'reconcilers',
  'resources',
  'schemas',
  'test/sim',
  'test/support',
  'package.json',
  'tsconfig.json',
];
/** A bug that so many histories do not notice is taken for unnoticed. */
const MOST_HISTORIES = 500;

export interface Outcome {
  mutation: Mutation;
  /** The first history that broke. */
  caught?: Result;
  histories: number;
}

export interface MutationOptions {
  /** Only those with these words in the name. */
  only?: string;
  /** Only those that the first histories notice. */
  quick?: boolean;
  print?(line: string): void;
}

/** Answers what became of each; prints a table as it goes. */
export async function tryMutations(options: MutationOptions = {}): Promise<Outcome[]> {
  const { only = '', quick = false, print = console.log } = options;
  const chosen = MUTATIONS.filter((mutation) => mutation.name.includes(only) && (!quick || mutation.quick));
  const waiting = [...chosen];
  const place = makePlace();
  const outcomes: Outcome[] = [];
  print('caught  histories  bug: what noticed it');
  const lane = async (number: number) => {
    for (let mutation = waiting.shift(); mutation; mutation = waiting.shift()) {
      const outcome = await tryOne(mutation, join(place, `copy-${number}`));
      outcomes.push(outcome);
      print(row(outcome));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, (_, number) => lane(number)));
  return outcomes;
}

/** Exit code: 0 when every bug was noticed. */
export async function runMutations(options: MutationOptions): Promise<number> {
  const outcomes = await tryMutations(options);
  const missed = outcomes.filter(({ caught }) => !caught);
  console.log(`${outcomes.length - missed.length} of ${outcomes.length} bugs were caught`);
  return missed.length === 0 && outcomes.length > 0 ? 0 : 1;
}

function row({ mutation, caught, histories }: Outcome): string {
  const noticed = caught?.broken ? `${caught.broken.invariant} (seed ${caught.seed})` : 'nothing';
  return `${caught ? 'yes   ' : 'NO    '}  ${String(histories).padStart(9)}  ${mutation.name}: ${noticed}`;
}

async function tryOne(mutation: Mutation, copy: string): Promise<Outcome> {
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(join(copy, 'test'), { recursive: true });
  for (const path of COPIED) cpSync(join(ROOT, path), join(copy, path), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, mutation.file), mutated(mutation, copy));
  const outcome: Outcome = { mutation, histories: 0 };
  const seeds = (function* () {
    for (let seed = 1; seed <= MOST_HISTORIES; seed += 1) yield seed;
  })();
  // A history that breaks without the bug, too, has not noticed it.
  while (!outcome.caught) {
    const { theme } = mutation;
    const found = await firstBroken(join(copy, 'test/sim/worker.ts'), theme, seeds, outcome);
    if (!found) break;
    const own = await firstBroken(undefined, theme, [found.seed][Symbol.iterator]());
    if (!own) outcome.caught = found;
  }
  return outcome;
}

async function firstBroken(
  worker: string | undefined,
  theme: string | undefined,
  seeds: Iterator<number>,
  count?: { histories: number },
): Promise<Result | undefined> {
  let found: Result | undefined;
  await runSeeds({
    seeds,
    processes: 1,
    theme,
    ...(worker === undefined ? {} : { worker }),
    isOver: () => found !== undefined,
    onResult(result) {
      if (count) count.histories += 1;
      if (result.broken) found ??= result;
    },
  });
  return found;
}

/** Throws where the text of a bug is not in its file once. `folder`: of the project, or of a copy of it. */
export function mutated({ name, file, find, replace }: Mutation, folder: string): string {
  const pieces = readFileSync(join(folder, file), 'utf8').split(find);
  if (pieces.length !== 2) {
    const found = pieces.length === 1 ? 'is not in it' : `is in it ${pieces.length - 1} times`;
    throw new Error(
      `the bug "${name}" cannot be put into ${file}: its text ${found}; write it anew in test/sim/mutations/list.ts`,
    );
  }
  return pieces.join(replace);
}
