/** Deliberate bugs that must not stay unnoticed. All of them are tried by `npm run sim -- --mutations`. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MUTATIONS } from './mutations/list.ts';
import { mutated, ROOT, tryMutations } from './mutations/run.ts';

const test = suite('mutations');

test('every bug can be put in: its text is in its file', () => {
  for (const mutation of MUTATIONS) mutated(mutation, ROOT);
  assert.is(new Set(MUTATIONS.map(({ name }) => name)).size, MUTATIONS.length, 'each has a name of its own');
});

test('some bugs, put into a copy one at a time, are noticed by the first histories', async () => {
  const lines: string[] = [];
  const outcomes = await tryMutations({ quick: true, print: (line) => lines.push(line) });
  const missed = outcomes.filter(({ caught }) => !caught).map(({ mutation }) => mutation.name);
  assert.equal(missed, [], lines.join('\n'));
  assert.is(outcomes.length, MUTATIONS.filter(({ quick }) => quick).length);
  assert.ok(outcomes.length >= 5);
});

test.run();
