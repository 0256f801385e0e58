import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { WorkQueue } from '../../controller/engine/queue.ts';
import { VirtualClock } from '../support/clock.ts';

function makeQueue(settleMilliseconds = 0) {
  const clock = new VirtualClock();
  let ready = 0;
  const queue = new WorkQueue({ clock, settleMilliseconds, onReady: () => (ready += 1) });
  return { clock, queue, readied: () => ready };
}

test('a key that is added ten times is given out once', () => {
  const { queue } = makeQueue();
  for (let count = 0; count < 10; count += 1) queue.add('a');
  assert.is(queue.take(), 'a');
  assert.is(queue.take(), undefined);
});

test('a key is never given out while it is worked on, and comes back afterwards', () => {
  const { queue } = makeQueue();
  queue.add('a');
  assert.is(queue.take(), 'a');
  queue.add('a');
  queue.add('a');
  assert.is(queue.take(), undefined);
  assert.ok(queue.isStale('a'));
  queue.done('a');
  assert.is(queue.take(), 'a');
  queue.done('a');
  assert.is(queue.take(), undefined);
});

test('keys are given out in the order in which they came', () => {
  const { queue } = makeQueue();
  for (const key of ['c', 'a', 'b']) queue.add(key);
  assert.equal([queue.take(), queue.take(), queue.take()], ['c', 'a', 'b']);
});

test('the pause doubles with each failure, stays below the longest, and starts anew after success', () => {
  const { queue, clock } = makeQueue();
  const pauses = Array.from({ length: 12 }, () => {
    const pause = queue.retry('a');
    clock.advance(pause);
    queue.take();
    queue.done('a');
    return pause;
  });
  const rows = pauses.map((pause, index) => ({ pause, base: Math.min(300_000, 1000 * 2 ** index) }));
  for (const { pause, base } of rows)
    assert.ok(pause >= base * 0.75 && pause <= base * 1.25, `${pause} for ${base}`);
  queue.forget('a');
  assert.ok(queue.retry('a') <= 1250);
});

test('of two delays the earlier holds, and an add does not wait for either', () => {
  const { queue, clock } = makeQueue();
  queue.addAfter('a', 1000);
  queue.addAfter('a', 5000);
  queue.addAfter('b', 5000);
  queue.addAfter('b', 1000);
  clock.advance(999);
  assert.is(queue.take(), undefined);
  queue.add('c');
  assert.is(queue.take(), 'c');
  clock.advance(1);
  assert.equal([queue.take(), queue.take()].sort(), ['a', 'b']);
  clock.advance(10_000);
  assert.is(queue.take(), undefined);
});

test('a settling key waits for quiet, and ten times that at most', () => {
  const { queue, clock } = makeQueue(100);
  queue.add('a');
  clock.advance(60);
  queue.add('a');
  clock.advance(60);
  assert.is(queue.take(), undefined, 'it was added 60 ms ago');
  clock.advance(40);
  assert.is(queue.take(), 'a');
  queue.done('a');
  for (let elapsed = 0; elapsed < 1000; elapsed += 50) {
    queue.add('b');
    clock.advance(50);
  }
  assert.is(queue.take(), 'b', 'a stream of changes does not starve it');
});

test('a closed queue gives nothing out and forgets its timers', () => {
  const { queue, clock } = makeQueue();
  queue.add('a');
  queue.addAfter('b', 10);
  queue.close();
  queue.add('c');
  clock.advance(100);
  assert.is(queue.take(), undefined);
  assert.is(clock.pending, 0);
});

test.run();
