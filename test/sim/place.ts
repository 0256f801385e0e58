/** Where the stores of simulations lie: in memory, so that a commit costs no disk, in a folder of this process that goes with it. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const MEMORY = '/dev/shm';

/** Answers a folder that is removed when the process ends, however it ends, but for a kill. */
export function makePlace(): string {
  const place = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'holdfast-sim-'));
  process.once('exit', () => rmSync(place, { recursive: true, force: true }));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  return place;
}
