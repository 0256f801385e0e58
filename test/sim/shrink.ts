/**
 * Cuts a history down while it still breaks the same invariant: first halves, then quarters, down to single entries; then the rates of
 * faults are taken away one by one. What is left is what a person has to understand.
 */
import type { Entry, History } from './history.ts';
import { type RunOptions, runHistory, type Verdict } from './run.ts';

export interface Shrunk {
  verdict: Verdict;
  runs: number;
}

/** `verdict` must be broken. Ends after so many runs at the latest. */
export async function shrink(verdict: Verdict, options: RunOptions, mostRuns = 400): Promise<Shrunk> {
  let best = verdict;
  let runs = 0;
  const stillBreaks = async (history: History): Promise<boolean> => {
    if (runs >= mostRuns) return false;
    runs += 1;
    const found = await runHistory(history, options);
    if (kindOf(found) !== kindOf(verdict)) return false;
    best = found;
    return true;
  };
  for (
    let size = Math.ceil(best.history.entries.length / 2);
    size >= 1;
    size = size === 1 ? 0 : Math.ceil(size / 2)
  ) {
    for (let start = 0; start < best.history.entries.length; ) {
      const entries = without(best.history.entries, start, size);
      if (!(await stillBreaks({ ...best.history, entries }))) start += size;
    }
  }
  for (const rate of Object.keys(best.history.rates) as (keyof History['rates'])[]) {
    if (best.history.rates[rate] === 0) continue;
    await stillBreaks({ ...best.history, rates: { ...best.history.rates, [rate]: 0 } });
  }
  return { verdict: best, runs };
}

/** A calm history names the disturbance in its invariant; leaving others out must not change what is looked for. */
function kindOf({ broken }: Verdict): string | undefined {
  return broken?.invariant.replace(/: .*$/, '');
}

function without(entries: readonly Entry[], start: number, count: number): Entry[] {
  return [...entries.slice(0, start), ...entries.slice(start + count)];
}
