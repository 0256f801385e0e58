/** One process of the pool: runs the histories whose seeds it is sent, one after another, and answers each with its verdict. */
import { join } from 'node:path';
import { historyOf } from './history.ts';
import { makePlace } from './place.ts';
import { runHistory } from './run.ts';

/** What came of one seed, as it goes from process to process. */
export interface Result {
  seed: number;
  disturbances: number;
  digest: string;
  broken?: { invariant: string; message: string };
  points: number;
  lives: number;
  commits: number;
  settledAfter: number;
  /** Processor time, in milliseconds. */
  cpu: number;
}

const place = makePlace();

process.on('message', (seed: number) => {
  void one(seed).then((result) => process.send?.(result));
});
process.once('disconnect', () => process.exit(0));

async function one(seed: number): Promise<Result> {
  const history = historyOf(seed, process.env['HOLDFAST_SIM_THEME']);
  const before = process.cpuUsage();
  const {
    trace: _text,
    history: _history,
    ...result
  } = await runHistory(history, { folder: join(place, 'store') });
  const { user, system } = process.cpuUsage(before);
  return { seed, cpu: (user + system) / 1000, disturbances: history.entries.length, ...result };
}
