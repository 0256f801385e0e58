import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AnyReconciler, View } from '../../controller/engine/contract.ts';
import { allKeys } from '../../controller/engine/keys.ts';
import { makePlan } from '../../controller/engine/plan.ts';
import { classifyFailure } from '../../reconcilers/failure.ts';
import { API_VERSION, type Document, type OwnerReference } from '../../resources/document.ts';
import { makeToys, ReconcileError, ROOT, type Toys } from '../support/toys.ts';

const test = suite<{ toys: Toys }>('engine');
test.before.each(async (context) => {
  context.toys = await makeToys();
});
test.after.each(({ toys }) => toys.close());

test('a document is made real, says so, and names what was done', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.equal([...toys.world.boxes], [['a', 'red']]);
  assert.is(toys.ready('a').status, 'True');
  assert.is(toys.thing('a')?.status?.observedGeneration, 1);
  assert.equal(toys.events('a'), ['PaintBox']);
});

test('looking again at what is well writes nothing and calls nothing', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  const { version } = toys.store;
  const calls = toys.world.calls.length;
  for (let round = 0; round < 3; round += 1) {
    await toys.engine.resync();
    await toys.settle();
  }
  assert.is(toys.store.version, version);
  assert.is(toys.world.calls.length, calls);
});

test('keys that are always looked at need no document', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  const reconciler = { kind: 'Thing', key: ({ metadata }: Document) => metadata.name } as AnyReconciler<
    unknown,
    unknown
  >;
  const { view } = toys.engine;
  assert.equal([...allKeys(reconciler, view)], ['a']);
  assert.equal([...allKeys({ ...reconciler, always: ['shared'] }, view)], ['a', 'shared']);
  const always = (seen: View) => seen.list('Thing').map(({ metadata }) => `@${metadata.name}`);
  assert.equal([...allKeys({ ...reconciler, always }, view)], ['a', '@a']);
});

test('the same step for another reason is another event', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  toys.world.boxes.set('a', 'mud');
  await toys.pass(301_000);
  toys.world.boxes.set('a', 'mud');
  await toys.pass(301_000);
  const found = toys.store
    .list('Event')
    .items.map(({ spec, status }) => [
      (spec['step'] as { because: { found: unknown }[] }).because[0]?.found,
      (status as { count?: number } | undefined)?.count,
    ])
    .sort();
  assert.equal(found, [
    [null, 1],
    ['mud', 2],
  ]);
});

test('drift that nobody announced is repaired by the next resync', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  toys.world.boxes.set('a', 'mud');
  await toys.pass(301_000);
  assert.is(toys.world.boxes.get('a'), 'red');
});

test('a step that a new Holdfast wants waits, is shown, and goes when it is approved', async ({ toys }) => {
  await toys.apply('a', { color: 'red', held: true });
  await toys.pass(700_000);
  assert.equal(toys.world.calls, []);
  const waiting = toys.thing('a')?.status?.conditions?.find(({ type }) => type === 'Reconciling');
  assert.is(waiting?.reason, 'UpgradePending');
  assert.match(waiting?.message ?? '', /holdfast approve: paint a \(color, because of a test\)/);
  const approve = async () => {
    const annotations = { 'holdfast.dev/approvedAt': new Date(toys.clock.now()).toISOString() };
    const metadata = { name: 'a', annotations };
    const document = { apiVersion: API_VERSION, kind: 'Thing', metadata, spec: { color: 'red', held: true } };
    await toys.store.write([{ verb: 'apply', document, manager: 'approve' }], ROOT);
    await toys.settle();
  };
  await approve();
  assert.equal(toys.world.calls, ['paint a red']);
  assert.is(toys.ready('a').status, 'True');
  // What comes later needs its own approval.
  toys.world.boxes.set('a', 'mud');
  await toys.pass(700_000);
  assert.equal(toys.world.calls, ['paint a red']);
  await approve();
  assert.equal(toys.world.calls, ['paint a red', 'paint a red']);
});

test('a failure is told, tried again with growing pauses, and forgotten when it goes well', async ({
  toys,
}) => {
  toys.world.failures.set('a', new Error('no brush'));
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.equal([toys.ready('a').status, toys.ready('a').message], ['False', 'no brush']);
  await toys.pass(60_000);
  const tries = toys.world.calls.length;
  assert.ok(tries >= 4 && tries <= 9, `${tries} tries in a minute`);
  toys.world.failures.clear();
  await toys.pass(90_000);
  assert.is(toys.ready('a').status, 'True');
  assert.equal(toys.events('a'), ['Failed', 'PaintBox'], 'the same failure is one event that counts');
});

test('a terminal failure is not tried again until the document changes', async ({ toys }) => {
  toys.world.failures.set('a', new ReconcileError('terminal', 'NoSuchColor', 'there is no such color'));
  await toys.apply('a', { color: 'octarine' });
  await toys.pass(120_000);
  assert.is(toys.world.calls.length, 1);
  const stalled = toys.thing('a')?.status?.conditions?.find(({ type }) => type === 'Stalled');
  assert.is(stalled?.reason, 'NoSuchColor');
  toys.world.failures.clear();
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.is(toys.ready('a').status, 'True');
  assert.not.ok(toys.thing('a')?.status?.conditions?.some(({ type }) => type === 'Stalled'));
});

test('what something else changes back at once is a loop that stops, with the difference in the message', async ({
  toys,
}) => {
  toys.world.stubborn.add('a');
  await toys.apply('a', { color: 'red' });
  await toys.pass(60_000);
  assert.is(toys.ready('a').reason, 'Looping');
  assert.match(toys.ready('a').message, 'color: found null, wanted "red"');
  assert.ok(toys.world.calls.length <= 4, `${toys.world.calls.length} tries`);
});

test('a world that cannot be looked at makes Ready unknown, not false', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  toys.world.failures.set('look a', new Error('the lamp is out'));
  await toys.engine.resync();
  await toys.settle();
  assert.is(toys.ready('a').status, 'Unknown');
  toys.world.failures.clear();
  await toys.pass(5_000);
  assert.is(toys.ready('a').status, 'True');
});

test('deleting tears down first, then the document and its children go', async ({ toys }) => {
  await toys.apply('a', { color: 'red', big: true });
  await toys.settle();
  assert.ok(toys.store.get('Part', 'a'));
  await toys.store.write([{ verb: 'delete', reference: { kind: 'Thing', name: 'a' } }], ROOT);
  await toys.settle();
  assert.is(toys.world.boxes.size, 0);
  assert.is(toys.thing('a'), undefined);
  assert.is(toys.store.get('Part', 'a'), undefined);
});

test('a child that somebody removed comes back', async ({ toys }) => {
  await toys.apply('a', { color: 'red', big: true });
  await toys.settle();
  await toys.store.write([{ verb: 'delete', reference: { kind: 'Part', name: 'a' } }], {
    user: 'x',
    via: 'controller',
  });
  await toys.settle();
  assert.ok(toys.store.get('Part', 'a'));
});

test('orphans left by a crash are collected at the next start', async ({ toys }) => {
  await toys.apply('a', { color: 'red', big: true });
  await toys.settle();
  const part = toys.store.get('Part', 'a');
  assert.ok(part);
  const controller = { user: 'x', via: 'controller' } as const;
  const made = (name: string, ownerReferences: OwnerReference[]) => {
    const document = { apiVersion: API_VERSION, kind: 'Part', metadata: { name, ownerReferences }, spec: {} };
    return toys.store.write([{ verb: 'applyChild', document }], controller);
  };
  const [ghost] = await made('ghost', []);
  assert.ok(ghost);
  const { uid } = ghost.document.metadata;
  await made('lost', [{ apiVersion: API_VERSION, kind: 'Part', name: 'ghost', uid }]);
  await toys.engine.stop();
  await toys.store.write([{ verb: 'delete', reference: { kind: 'Part', name: 'ghost' } }], controller);
  assert.ok(toys.store.get('Part', 'lost'));
  await toys.restart();
  await toys.settle();
  assert.is(toys.store.get('Part', 'lost'), undefined);
  assert.ok(toys.store.get('Part', 'a'), 'a child whose owner lives stays');
});

test('a newer generation supersedes a step that is under way', async ({ toys }) => {
  toys.world.hangs.set('a', 'listens');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.equal(toys.world.calls, ['paint a red']);
  toys.world.hangs.clear();
  await toys.apply('a', { color: 'blue' });
  await toys.settle();
  assert.is(toys.world.boxes.get('a'), 'blue');
  assert.not.ok(toys.events('a').includes('Failed'));
});

test('a call that never ends costs its own key only, and ends at its deadline', async ({ toys }) => {
  toys.world.hangs.set('a', 'deaf');
  await toys.apply('a', { color: 'red' });
  await toys.apply('b', { color: 'red' });
  await toys.settle();
  assert.is(toys.ready('b').status, 'True');
  await toys.pass(2_000);
  assert.is(toys.thing('a')?.status?.operation?.type, 'PaintBox', 'a long step is shown');
  await toys.pass(60_000);
  assert.is(toys.ready('a').reason, 'DeadlineExceeded');
  assert.is(toys.thing('a')?.status?.operation, undefined);
});

test('cancelling ends a step at once', async ({ toys }) => {
  toys.world.hangs.set('a', 'deaf');
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  assert.ok(
    toys.engine.cancel('Thing', 'a', new ReconcileError('terminal', 'Cancelled', 'cancelled by root')),
  );
  await toys.settle();
  assert.is(toys.ready('a').reason, 'Cancelled');
});

test('a suspended document is looked at and not touched', async ({ toys }) => {
  await toys.apply('a', { color: 'red', suspend: true });
  await toys.settle();
  assert.equal(toys.world.calls, []);
  const stalled = toys.thing('a')?.status?.conditions?.find(({ type }) => type === 'Stalled');
  assert.is(stalled?.reason, 'Suspended');
  await toys.apply('a', { color: 'red', suspend: false });
  await toys.settle();
  assert.is(toys.world.boxes.get('a'), 'red');
});

test('a restart in the middle goes on where it was and does nothing twice', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  await toys.apply('b', { color: 'red' });
  toys.world.hangs.set('a', 'deaf');
  await toys.settle();
  toys.world.hangs.clear();
  await toys.restart();
  await toys.settle();
  assert.equal([...toys.world.boxes.keys()].sort(), ['a', 'b']);
  assert.is(toys.world.calls.filter((call) => call === 'paint b red').length, 1);
});

test('a plan names the steps that the events name afterwards, and changes nothing', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  const { version } = toys.store;
  const documents = ['a', 'b'].map((name) => ({
    apiVersion: API_VERSION,
    kind: 'Thing',
    metadata: { name },
    spec: { color: 'blue', big: true },
  }));
  const plan = await makePlan({
    dryRun: (writes, by) => toys.store.write(writes, by, { dryRun: true }),
    view: toys.engine.view,
    reading: toys.world,
    reconcilers: toys.reconcilers,
    classify: classifyFailure,
    author: ROOT,
    now: '2026-01-01T00:00:00.000Z',
    documents,
    deletions: [],
    manager: 'test',
  });
  const planned = plan.steps.map(({ document, step }) => `${document.name} ${step.type}`).sort();
  assert.equal(planned, ['a ApplyPart', 'a PaintBox', 'b ApplyPart', 'b PaintBox']);
  assert.is(toys.store.version, version);
  assert.equal(toys.world.calls, ['paint a red']);
  for (const document of documents)
    await toys.store.write([{ verb: 'apply', document, manager: 'test' }], ROOT);
  await toys.settle();
  const done = ['a', 'b'].flatMap((name) => toys.events(name).map((reason) => `${name} ${reason}`));
  assert.equal(done.sort(), ['a ApplyPart', 'a PaintBox', 'a PaintBox', 'b ApplyPart', 'b PaintBox']);
});

test('old events are pruned, new ones stay', async ({ toys }) => {
  await toys.apply('a', { color: 'red' });
  await toys.settle();
  toys.clock.jump(8 * 24 * 3_600_000);
  await toys.apply('a', { color: 'blue' });
  await toys.settle();
  await toys.engine.events.prune();
  assert.is(toys.store.list('Event').items.length, 1);
});

test.run();
