/** What the engine does so that people can trust it: loops end, nothing is stuck, nothing disturbs unasked, status tells its age. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Window } from '../../controller/engine/holds.ts';
import { ANNOTATION, API_VERSION, type Document } from '../../resources/document.ts';
import { makeToys, ReconcileError, ROOT, type Toys } from '../support/toys.ts';

interface Context {
  toys: Toys;
  window: Window | undefined;
  paused: Set<string>;
  deadline: number | undefined;
}

const test = suite<Context>('trust in the engine');
test.before.each(async (context) => {
  context.window = undefined;
  context.deadline = undefined;
  context.paused = new Set();
  context.toys = await makeToys({
    window: () => context.window,
    deadlineOf: () => context.deadline,
    isPaused: (kind) => context.paused.has(kind),
  });
});
test.after.each(({ toys }) => toys.close());

const condition = (toys: Toys, type: string) =>
  toys.thing('a')?.status?.conditions?.find((entry) => entry.type === type);

function target(toys: Toys) {
  const found = toys.engine.targetOf(toys.thing('a') as Document);
  if (!found) throw new Error('nothing is done for a Thing');
  return found;
}

async function painted(toys: Toys): Promise<void> {
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
}

test('a loop does no more than three steps, however often somebody wakes it, and is over when the difference goes away', async ({
  toys,
}) => {
  toys.world.stubborn.add('a');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  for (let time = 0; time < 30; time += 1) {
    toys.engine.wake('Thing', 'a');
    await toys.settle();
  }
  assert.is(toys.world.calls.length, 3);
  assert.is(condition(toys, 'Stalled')?.reason, 'Looping');
  assert.match(condition(toys, 'Stalled')?.message ?? '', /color: found null, wanted "red"/);
  const { version } = toys.store;
  await toys.pass(400_000);
  assert.is(toys.world.calls.length, 3);
  assert.is(toys.store.version, version, 'looking at a loop writes nothing');
  toys.world.boxes.set('a', 'red');
  await toys.pass(61_000);
  assert.is(toys.ready('a').status, 'True');
  assert.is(condition(toys, 'Stalled'), undefined);
  assert.is(toys.world.calls.length, 3);
});

test('what loops is tried rarely, each time once, and by retry at once', async ({ toys }) => {
  toys.world.stubborn.add('a');
  await toys.apply('a', { color: 'red' });
  await toys.pass(661_000);
  assert.is(toys.world.calls.length, 4, 'once after ten minutes');
  await toys.pass(660_000);
  assert.is(toys.world.calls.length, 4, 'the next time only after twenty');
  await toys.pass(660_000);
  assert.is(toys.world.calls.length, 5);
  toys.world.stubborn.clear();
  toys.engine.retry(target(toys), toys.thing('a') as Document, 'root through cli');
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
});

test('a controller that is started anew holds to what was stopped, until it is asked or its time has come', async ({
  toys,
}) => {
  toys.world.stubborn.add('a');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.is(toys.world.calls.length, 3);
  await toys.pass(300_000);
  await toys.restart();
  await toys.pass(200_000);
  assert.is(toys.world.calls.length, 3);
  assert.is(condition(toys, 'Stalled')?.reason, 'Looping');
  await toys.pass(161_000);
  assert.is(toys.world.calls.length, 4, 'once, ten minutes after it was stopped');
  await toys.restart();
  toys.world.stubborn.clear();
  toys.engine.retry(target(toys), toys.thing('a') as Document, 'root through cli');
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
  assert.is(toys.thing('a')?.status?.stopped, undefined);
});

test('what was cancelled is not begun again by a controller that is started anew', async ({ toys }) => {
  toys.world.hangs.set('a', 'deaf');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  toys.engine.cancelStep(target(toys), 'root through cli');
  await toys.settle();
  toys.world.hangs.clear();
  await toys.restart();
  await toys.pass(1_300_000);
  assert.equal(toys.world.calls, ['paint a red']);
  assert.is(condition(toys, 'Stalled')?.reason, 'Cancelled');
  toys.engine.retry(target(toys), toys.thing('a') as Document, 'root through cli');
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
});

test('a newer generation ends a loop', async ({ toys }) => {
  toys.world.stubborn.add('a');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  toys.world.stubborn.clear();
  await toys.apply('a', { color: 'blue' });
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
});

test('what somebody changes back again and again, each time a little later, is a loop too', async ({
  toys,
}) => {
  await painted(toys);
  toys.world.painting = { impact: 'replace', cause: 'drift' };
  for (let time = 0; time < 20; time += 1) {
    toys.world.boxes.set('a', `mud ${time}`);
    toys.engine.wake('Thing', 'a');
    await toys.pass(30_000);
  }
  assert.is(toys.world.calls.length, 1 + 10);
  assert.is(toys.ready('a').reason, 'Looping');
});

test('what is ended again and again is started again each time: that disturbs nothing', async ({ toys }) => {
  await painted(toys);
  toys.world.painting = { impact: 'none', cause: 'drift' };
  for (let time = 0; time < 20; time += 1) {
    toys.world.boxes.delete('a');
    toys.engine.wake('Thing', 'a');
    await toys.pass(5_000);
  }
  assert.is(toys.world.calls.length, 1 + 20);
  assert.is(toys.ready('a').status, 'True');
});

test('a step that hangs is cancelled at once and left alone until somebody asks', async ({ toys }) => {
  toys.world.hangs.set('a', 'deaf');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  const [operation] = toys.engine.operations();
  assert.equal(
    [operation?.kind, operation?.key, operation?.state, operation?.step, operation?.cause],
    ['Thing', 'a', 'Running', 'PaintBox', 'a test'],
  );
  assert.is(operation?.until, '2026-01-01T00:01:00.000Z');
  assert.is(toys.engine.cancelStep(target(toys), 'root through cli')?.step, 'PaintBox');
  await toys.settle();
  assert.is(toys.ready('a').reason, 'Cancelled');
  assert.match(toys.ready('a').message, 'cancelled by root through cli');
  toys.world.hangs.clear();
  await toys.pass(1_300_000);
  assert.equal(toys.world.calls, ['paint a red']);
  toys.engine.retry(target(toys), toys.thing('a') as Document, 'root through cli');
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
  assert.is(condition(toys, 'Stalled'), undefined);
});

test('retry ends what hangs and begins anew', async ({ toys }) => {
  toys.world.hangs.set('a', 'deaf');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  toys.world.hangs.clear();
  toys.engine.retry(target(toys), toys.thing('a') as Document, 'root through cli');
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
  assert.not.ok(toys.events('a').includes('Failed'));
});

test('what waits for its next try is cancelled, and left alone until somebody asks', async ({ toys }) => {
  toys.world.failures.set('a', new Error('no brush'));
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.is(toys.engine.cancelStep(target(toys), 'root through cli')?.state, 'Retrying');
  await toys.settle();
  assert.is(toys.ready('a').reason, 'Cancelled');
  assert.match(toys.ready('a').message, /^PaintBox on .* was cancelled by root through cli/);
  assert.equal(toys.engine.operations(), []);
  toys.world.failures.clear();
  const { length } = toys.world.calls;
  await toys.pass(1_300_000);
  assert.is(toys.world.calls.length, length);
  await toys.restart();
  await toys.pass(10_000);
  assert.is(toys.world.calls.length, length, 'also by a controller that is started anew');
  toys.engine.retry(target(toys), toys.thing('a') as Document, 'root through cli');
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
});

test('nothing runs: there is nothing to cancel', async ({ toys }) => {
  await painted(toys);
  assert.is(toys.engine.cancelStep(target(toys), 'root'), undefined);
});

test('a failure that is tried again is among the operations, with the time', async ({ toys }) => {
  toys.world.failures.set('a', new Error('no brush'));
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  const [operation] = toys.engine.operations();
  assert.is(operation?.state, 'Retrying');
  assert.ok(Date.parse(operation?.until ?? '') > toys.clock.now());
});

test('the deadline of a step can be set', async (context) => {
  const { toys } = context;
  context.deadline = 5;
  toys.world.hangs.set('a', 'deaf');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  await toys.pass(5_500);
  assert.match(toys.ready('a').message, 'did not end within 5 s');
});

test('a kind whose work all hangs goes on with other keys', async ({ toys }) => {
  const many = Array.from({ length: 8 }, (_, index) => `hang${index}`);
  for (const name of many) {
    toys.world.hangs.set(name, 'deaf');
    await toys.apply(name, { color: 'red' });
  }
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.is(toys.ready('a').status, 'none');
  await toys.pass(31_000);
  assert.is(toys.ready('a').status, 'True');
});

const drift = { impact: 'replace' as const, cause: 'drift' };
const opensAt = Date.parse('2026-01-01T03:00:00.000Z');

async function drifts(toys: Toys): Promise<void> {
  toys.world.boxes.set('a', 'mud');
  toys.engine.wake('Thing', 'a');
  await toys.settle();
}

test('what nobody asked for and would disturb waits for the window, and is done when it opens', async (context) => {
  const { toys } = context;
  await painted(toys);
  context.window = { open: false, opensAt };
  toys.world.painting = drift;
  await drifts(toys);
  assert.is(toys.world.boxes.get('a'), 'mud');
  assert.is(toys.ready('a').status, 'True', 'what it does was looked at, and it does it');
  assert.is(condition(toys, 'Reconciling')?.reason, 'WaitingForWindow');
  assert.match(
    condition(toys, 'Reconciling')?.message ?? '',
    /2026-01-01T03:00:00.*holdfast approve: paint a \(color, because of drift\)/,
  );
  assert.equal(
    toys.engine.operations().map(({ state, until }) => [state, until]),
    [['Waiting', '2026-01-01T03:00:00.000Z']],
  );
  const { version } = toys.store;
  await toys.pass(3_600_000);
  assert.is(toys.store.version, version, 'waiting writes nothing');
  toys.clock.advance(opensAt - toys.clock.now() - 1000);
  await toys.settle();
  assert.is(toys.world.boxes.get('a'), 'mud');
  context.window = { open: true };
  await toys.pass(3_000);
  assert.is(toys.world.boxes.get('a'), 'red');
  assert.is(condition(toys, 'Reconciling'), undefined);
});

async function approve(toys: Toys): Promise<void> {
  const annotations = { [ANNOTATION.approvedAt]: new Date(toys.clock.now()).toISOString() };
  const document = { apiVersion: API_VERSION, kind: 'Thing', metadata: { name: 'a', annotations }, spec: {} };
  await toys.store.write([{ verb: 'apply', document, manager: 'approve' }], ROOT);
  await toys.settle();
}

test('approve lets it go now, and only what waited', async (context) => {
  const { toys } = context;
  await painted(toys);
  await approve(toys);
  toys.clock.advance(1000);
  context.window = { open: false, opensAt };
  toys.world.painting = drift;
  await drifts(toys);
  assert.is(toys.world.boxes.get('a'), 'mud', 'an approval of before is none');
  await approve(toys);
  assert.is(toys.world.boxes.get('a'), 'red');
  toys.clock.advance(1000);
  await drifts(toys);
  assert.is(toys.world.boxes.get('a'), 'mud', 'the next time asks again');
});

const goes: [what: string, painting: Toys['world']['painting'], window: Window | undefined][] = [
  [
    'what a person asked for',
    { impact: 'replace', cause: 'generation 2 by root through cli' },
    { open: false, opensAt },
  ],
  ['drift that does not disturb', { impact: 'reload', cause: 'drift' }, { open: false, opensAt }],
  ['what does not serve', { impact: 'replace', cause: 'drift', urgent: true }, { open: false, opensAt }],
  ['drift where no windows are set', drift, undefined],
  ['drift while a window is open', drift, { open: true }],
];
for (const [what, painting, window] of goes) {
  test(`${what} waits for no window`, async (context) => {
    const { toys } = context;
    await painted(toys);
    context.window = window;
    toys.world.painting = painting;
    await drifts(toys);
    assert.is(toys.world.boxes.get('a'), 'red');
  });
}

test('what a new Holdfast wants waits for a window, too', async (context) => {
  const { toys } = context;
  await toys.apply('a', { color: 'red', held: true });
  await toys.settle();
  assert.is(condition(toys, 'Reconciling')?.reason, 'UpgradePending');
  context.window = { open: true };
  toys.engine.wakeAll();
  await toys.settle();
  assert.is(toys.world.boxes.get('a'), 'red');
});

test('a kind that is paused is looked at and not touched', async (context) => {
  const { toys } = context;
  await painted(toys);
  context.paused.add('Thing');
  await drifts(toys);
  assert.is(toys.world.boxes.get('a'), 'mud');
  assert.is(condition(toys, 'Stalled')?.reason, 'Suspended');
  context.paused.clear();
  toys.engine.wakeAll();
  await toys.settle();
  assert.is(toys.world.boxes.get('a'), 'red');
});

test('the time of the last look moves while the status is not written again', async ({ toys }) => {
  await painted(toys);
  const { version } = toys.store;
  const thing = () => toys.thing('a') as Document;
  const before = toys.engine.observedAt(thing());
  await toys.pass(301_000);
  assert.is(toys.store.version, version);
  const after = toys.engine.observedAt(thing());
  assert.ok(Date.parse(after ?? '') - Date.parse(before ?? '') >= 300_000, `${before} to ${after}`);
  await toys.restart();
  assert.is(
    toys.engine.observedAt(thing()),
    thing().status?.observedAt,
    'what is on disk, until it is looked at again',
  );
});

test('what cannot be looked at says since when, in words that stand still', async ({ toys }) => {
  await painted(toys);
  await toys.pass(1_000_000);
  const seen = toys.engine.observedAt(toys.thing('a') as Document);
  toys.world.failures.set('look a', new Error('the lamp is out'));
  toys.engine.wake('Thing', 'a');
  await toys.settle();
  assert.is(toys.ready('a').status, 'Unknown');
  assert.match(toys.ready('a').message, `the lamp is out (last seen ${seen})`);
  assert.is(toys.thing('a')?.status?.observedAt, seen);
  const { version } = toys.store;
  await toys.pass(700_000);
  assert.is(toys.store.version, version);
  toys.world.failures.clear();
  await toys.pass(301_000);
  assert.is(toys.ready('a').status, 'True');
});

test('drift is told before it is repaired', async ({ toys }) => {
  await painted(toys);
  const told: string[] = [];
  toys.store.watch({
    kind: 'Thing',
    fromVersion: toys.store.version,
    onChange: ({ document }) => {
      const ready = document.status?.conditions?.find(({ type }) => type === 'Ready');
      told.push(`${ready?.status} ${toys.world.boxes.get('a')}`);
    },
  });
  toys.world.painting = { impact: 'none', cause: 'drift' };
  await drifts(toys);
  assert.equal(told, ['False mud', 'True red']);
});

test('a failure that asks to be looked at soon is', async ({ toys }) => {
  const soon = new ReconcileError('waiting', 'PortTaken', 'port 80 is taken', { recheckSeconds: 5 });
  toys.world.failures.set('a', soon);
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  toys.world.failures.clear();
  await toys.pass(5_500);
  assert.is(toys.ready('a').status, 'True');
});

test.run();
