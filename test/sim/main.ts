/**
 * `npm run sim`: runs histories and says how it went. A seed that fails is cut down, its trace is written to a file, and the one command
 * that replays it is printed. See docs/decisions/simulation.md.
 */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, Option } from 'commander';
import { exhaust, SMALL_HISTORIES, smallHistory } from './exhaustive.ts';
import { type History, historyOf } from './history.ts';
import { runMutations } from './mutations/run.ts';
import { THEMES } from './parts/index.ts';
import { makePlace } from './place.ts';
import { runSeeds } from './pool.ts';
import { runHistory, type Verdict } from './run.ts';
import { shrink } from './shrink.ts';
import type { Result } from './worker.ts';

interface Options {
  seed?: number;
  runs?: number;
  minutes?: number;
  trace?: boolean;
  shrink: boolean;
  exhaustive?: boolean;
  mutations?: boolean;
  only?: string;
  theme?: string;
}

const number = (text: string): number => {
  const value = Number(text);
  if (Number.isFinite(value) && value >= 0) return value;
  throw new Error(`"${text}" is no number`);
};

const program = new Command('sim')
  .description(
    'Runs the whole controller on fakes and virtual time, with random histories of what people and the world do.',
  )
  .option('--seed <number>', 'the first seed; alone: that one history, with its trace where it fails', number)
  .option('--runs <number>', 'how many histories', number)
  .option('--minutes <number>', 'as many as fit into this time', number)
  .option('--trace', 'print the trace of the one history')
  .option('--no-shrink', 'do not cut down what fails')
  .option('--exhaustive', 'small histories, with a crash at every single point of each')
  .option('--mutations', 'put one deliberate bug after another into a copy, and see that each is caught')
  .addOption(new Option('--theme <name>', 'only histories of it').choices(THEMES))
  .option('--only <words>', 'only mutations with these words');

const options = program.parse().opts<Options>();
process.exitCode = await main(options);

async function main({ seed, runs, minutes, exhaustive, mutations, only }: Options): Promise<number> {
  if (mutations) return runMutations(only === undefined ? {} : { only });
  if (exhaustive) return tryEveryPoint(seed ?? 1);
  if (seed !== undefined && runs === undefined && minutes === undefined)
    return replay(historyOf(seed, options.theme));
  return many(
    seed ?? Math.floor(Math.random() * 1e9),
    runs ?? (minutes === undefined ? 100 : Number.POSITIVE_INFINITY),
    minutes,
  );
}

async function replay(history: History): Promise<number> {
  const folder = join(makePlace(), 'store');
  const verdict = await runHistory(history, { folder, keepTrace: true });
  if (options.trace) console.log(verdict.trace.join('\n'));
  if (!verdict.broken) {
    console.log(
      `seed ${history.seed}: ${history.entries.length} disturbances, ${verdict.lives} lives, all is well`,
    );
    console.log(`trace ${verdict.digest}`);
    return 0;
  }
  await tell(verdict, folder);
  return 1;
}

async function many(first: number, runs: number, minutes: number | undefined): Promise<number> {
  const began = performance.now();
  const results: Result[] = [];
  const seeds = (function* () {
    for (let index = 0; index < runs; index += 1) yield first + index;
  })();
  const until = minutes === undefined ? Number.POSITIVE_INFINITY : began + minutes * 60_000;
  await runSeeds({
    seeds,
    theme: options.theme,
    isOver: () => performance.now() > until || results.filter(({ broken }) => broken).length >= 20,
    onResult(result) {
      results.push(result);
      if (result.broken)
        console.log(
          `seed ${result.seed}: ${result.broken.invariant}: ${result.broken.message.slice(0, 300)}`,
        );
      if (results.length % 500 === 0) console.log(`${results.length} histories`);
    },
  });
  const failed = results.filter(({ broken }) => broken);
  const seconds = (performance.now() - began) / 1000;
  console.log(summary(results, seconds));
  const [worst] = failed.sort((a, b) => a.seed - b.seed);
  if (!worst) return 0;
  await replay(historyOf(worst.seed, options.theme));
  return 1;
}

function summary(results: readonly Result[], seconds: number): string {
  const sum = (of: (result: Result) => number) => results.reduce((total, result) => total + of(result), 0);
  const each = (total: number) => Math.round(total / Math.max(1, results.length));
  const slowest = results.reduce((most, { settledAfter }) => Math.max(most, settledAfter), 0);
  return [
    `${results.length} histories from seed ${Math.min(...results.map(({ seed }) => seed))} in ${seconds.toFixed(1)} s, ${results.filter(({ broken }) => broken).length} failed`,
    `each on average: ${each(sum(({ disturbances }) => disturbances))} disturbances, ${each(sum(({ lives }) => lives))} lives of the controller, ${each(sum(({ commits }) => commits))} commits, ${each(sum(({ points }) => points))} points for a crash, ${each(sum(({ cpu }) => cpu))} ms of processor time`,
    `the longest took ${Math.round(slowest)} virtual seconds until all was well`,
  ].join('\n');
}

async function tell(verdict: Verdict, folder: string): Promise<void> {
  const { history, broken } = verdict;
  console.log(`seed ${history.seed} breaks: ${broken?.invariant}\n  ${broken?.message}`);
  const theme = options.theme === undefined ? '' : ` --theme ${options.theme}`;
  console.log(`again: npm run sim -- --seed ${history.seed}${theme}`);
  let shown = verdict;
  if (options.shrink) {
    const { verdict: small, runs } = await shrink(verdict, { folder });
    shown = await runHistory(small.history, { folder, keepTrace: true });
    console.log(
      `cut down to ${small.history.entries.length} of ${history.entries.length} disturbances in ${runs} runs:`,
    );
    for (const { name, pause } of small.history.entries)
      console.log(`  ${name}, then ${(pause / 1000).toFixed(1)} s`);
  }
  const file = join(tmpdir(), `holdfast-sim-${history.seed}.trace`);
  writeFileSync(file, `${shown.trace.join('\n')}\n`);
  console.log(`trace: ${file}; its end:`);
  console.log(
    shown.trace
      .slice(-25)
      .map((line) => `  ${line.slice(0, 220)}`)
      .join('\n'),
  );
}

async function tryEveryPoint(seed: number): Promise<number> {
  const folder = join(makePlace(), 'store');
  let failures = 0;
  for (const [name, names] of Object.entries(SMALL_HISTORIES)) {
    const began = performance.now();
    const { points, broken } = await exhaust(smallHistory(names, seed), { folder });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    console.log(
      `${name}: a crash at each of ${points} points, ${broken.length} of them break something (${seconds} s)`,
    );
    for (const { point, verdict } of broken.slice(0, 5))
      console.log(`  point ${point}: ${verdict.broken?.invariant}: ${verdict.broken?.message.slice(0, 300)}`);
    failures += broken.length;
  }
  return failures === 0 ? 0 : 1;
}
