import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runSeeds } from './pool.ts';
import type { Result } from './worker.ts';

/** Always the same, and as many that nobody has seen before. CI shows which, so that they can be run again. */
const FIXED = 200;
const FRESH = 4;

const test = suite('histories');

test('whatever happens, the system converges and loses nothing', async () => {
  const fresh = 1_000_000 + Math.floor(Math.random() * 1e9);
  console.log(`fresh seeds from ${fresh}`);
  const seeds = (function* () {
    for (let seed = 1; seed <= FIXED; seed += 1) yield seed;
    for (let index = 0; index < FRESH; index += 1) yield fresh + index;
  })();
  const results: Result[] = [];
  await runSeeds({ seeds, onResult: (result) => results.push(result) });
  const words = results.flatMap(({ seed, broken }) =>
    broken ? [`npm run sim -- --seed ${seed}\n  ${broken.invariant}: ${broken.message}`] : [],
  );
  assert.is(words.join('\n'), '');
  assert.is(results.length, FIXED + FRESH);
  assert.ok(results.every(({ disturbances }) => disturbances >= 50));
});

test('the same seed gives the same trace, byte for byte, in another process', async () => {
  const digests = new Map<number, Set<string>>();
  const seeds = [7, 8, 9, 10, 7, 8, 9, 10][Symbol.iterator]();
  await runSeeds({
    seeds,
    onResult: ({ seed, digest }) => digests.set(seed, (digests.get(seed) ?? new Set()).add(digest)),
  });
  for (const [seed, found] of digests) assert.is(found.size, 1, `seed ${seed}`);
});

test.run();
