import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { memo, memoOf } from '../../resources/memo.ts';

test('what is asked for again and again is worked out once, and what is not is let go', () => {
  const asked: string[] = [];
  const length = memo(2, (text) => {
    asked.push(text);
    return text.length;
  });
  for (const text of ['a', 'bb', 'a', 'ccc', 'a', 'dddd', 'a', 'eeeee', 'a'])
    assert.is(length(text), text.length);
  assert.equal(asked, ['a', 'bb', 'ccc', 'dddd', 'eeeee']);
  length('bb');
  assert.is(asked.at(-1), 'bb');
});

test('an answer that is undefined is kept, too', () => {
  let asked = 0;
  const nothing = memo(2, () => {
    asked += 1;
    return undefined;
  });
  nothing('a');
  nothing('a');
  assert.is(asked, 1);
});

test('of an object it is asked once, also where the answer is nothing', () => {
  let asked = 0;
  const answer = memoOf((object: { value?: number }) => {
    asked += 1;
    return object.value;
  });
  const [one, none] = [{ value: 1 }, {}];
  assert.equal([answer(one), answer(none), answer(one), answer(none)], [1, undefined, 1, undefined]);
  assert.is(asked, 2);
});

test.run();
