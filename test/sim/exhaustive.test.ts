/** A crash at every sixth point of a small history. All points of all of them: `npm run sim -- --exhaustive`. */
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { exhaust, SMALL_HISTORIES, smallHistory } from './exhaustive.ts';
import { makePlace } from './place.ts';

const test = suite('exhaustive');
const EVERY = 6;

test('an app comes and goes, whenever the controller crashes on the way', async () => {
  const history = smallHistory(SMALL_HISTORIES['an app comes'] ?? [], 1);
  const { points, broken } = await exhaust(history, { folder: join(makePlace(), 'store') }, EVERY);
  const words = broken.map(
    ({ point, verdict }) => `point ${point}: ${verdict.broken?.invariant}: ${verdict.broken?.message}`,
  );
  assert.equal(words, []);
  assert.ok(points > 100, `${points} points`);
});

test.run();
