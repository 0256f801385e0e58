/** Lists, their pages, and watches: order, replay, selectors, and what a failing listener does to others. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Change, List, WatchOptions } from '../../controller/store/types.ts';
import {
  controller,
  manifest,
  open,
  person,
  put,
  refused,
  stoppedClock,
  withStore,
} from './store-fixture.ts';

async function notes(store: SqliteStore, names: readonly string[], labels: object = {}): Promise<void> {
  await Promise.all(
    names.map((name) =>
      put(store, { verb: 'create', document: manifest('Note', name, { type: name }, { labels }) }),
    ),
  );
}

const names = (list: List) => list.items.map((document) => document.metadata.name);
const numbered = (count: number) =>
  Array.from({ length: count }, (_, index) => `n${String(index).padStart(4, '0')}`);

/** What a watch was given, as `ADDED a@1`. */
function record(
  store: SqliteStore,
  options: Partial<WatchOptions> = {},
): { seen: string[]; end: () => void } {
  const seen: string[] = [];
  const onChange = ({ type, version, document }: Change) => {
    seen.push(`${type} ${document.metadata.name}@${version}`);
  };
  const end = store.watch({ fromVersion: 0, onChange, onEnd: (reason) => seen.push(reason), ...options });
  return { seen, end };
}

test(
  'a list is sorted by name, says its version, and is the caller’s own',
  withStore(async (store) => {
    await notes(store, ['c', 'a', 'b-1', 'b']);
    const list = store.list('Note');
    assert.equal(names(list), ['a', 'b', 'b-1', 'c']);
    assert.is(list.resourceVersion, '4');
    assert.is(list.continue, undefined);
    list.items.pop();
    assert.is(store.list('Note').items.length, 4);
    assert.equal(names(store.list('App')), []);
  }),
);

test(
  'a list is selected by labels and by the fields of its kind',
  withStore(async (store) => {
    await notes(store, ['a', 'b'], { color: 'red' });
    await notes(store, ['c'], { color: 'blue' });
    const rows: [options: object, expected: string[]][] = [
      [{ labelSelector: 'color=red' }, ['a', 'b']],
      [{ labelSelector: 'color in (red,blue)', fieldSelector: 'metadata.name!=b' }, ['a', 'c']],
      [{ fieldSelector: 'spec.type=c' }, ['c']],
      [{ labelSelector: '!color' }, []],
    ];
    for (const [options, expected] of rows) assert.equal(names(store.list('Note', options)), expected);
  }),
);

const refusedLists: [options: object, words: RegExp][] = [
  [{ fieldSelector: 'spec.nope=1' }, /metadata\.name, metadata\.namespace, spec\.type/],
  [{ labelSelector: 'a b' }, /label selector/],
  [{ limit: -1 }, /limit/],
  [{ limit: 1.5 }, /limit/],
  [{ continue: 'x' }, /continue token/],
];
for (const [options, words] of refusedLists) {
  test(
    `a list with ${JSON.stringify(options)} is refused`,
    withStore((store) => refused(() => store.list('Note', options), 'Invalid', words)),
  );
}

test(
  'a list of a kind that there is not is NotFound',
  withStore((store) => refused(() => store.list('Nope'), 'NotFound', /no kind "Nope"/)),
);

test(
  'all pages show the version of the first, whatever is written meanwhile',
  withStore(async (store) => {
    const all = numbered(25);
    await notes(store, all);
    const pages: List[] = [store.list('Note', { limit: 10 })];
    const version = pages[0]?.resourceVersion;
    assert.is(pages[0]?.remainingItemCount, 15);
    await put(store, { verb: 'create', document: manifest('Note', 'n0012-new', {}) });
    await put(store, { verb: 'delete', reference: { kind: 'Note', name: 'n0015' } });
    await put(store, { verb: 'update', document: manifest('Note', 'n0020', { type: 'changed' }) });
    for (let token = pages[0]?.continue; token !== undefined; ) {
      const page = store.list('Note', { limit: 10, continue: token });
      pages.push(page);
      token = page.continue;
    }
    assert.equal(
      pages.map((page) => page.items.length),
      [10, 10, 5],
    );
    assert.equal(pages.flatMap(names), all);
    assert.ok(pages.every((page) => page.resourceVersion === version));
    assert.is(pages[2]?.items[0]?.spec.type, 'n0020');
    assert.is(pages[2]?.remainingItemCount, undefined);
  }),
);

const clock = stoppedClock();
test(
  'a continue token ends after a while, and with its selectors',
  withStore(
    async (store) => {
      await notes(store, numbered(5));
      const next = store.list('Note', { limit: 2 }).continue ?? '';
      clock.forward(900);
      assert.is(store.list('Note', { limit: 2, continue: next }).items.length, 2);
      clock.forward(900);
      assert.is(store.list('Note', { continue: next }).items.length, 3);
      await refused(
        () => store.list('Note', { continue: next, labelSelector: 'a' }),
        'Expired',
        /list again/,
      );
      clock.forward(1_000);
      await refused(() => store.list('Note', { limit: 2, continue: next }), 'Expired', /list again/);
    },
    { clock, limits: { pageMilliseconds: 1_000 } },
  ),
);

test(
  'a watch gets old changes first, then new ones, in order and once',
  withStore(async (store) => {
    await notes(store, ['a', 'b']);
    const { seen, end } = record(store, { fromVersion: 1 });
    assert.equal(seen, ['ADDED b@2']);
    await put(store, { verb: 'update', document: manifest('Note', 'a', { type: 'z' }) });
    await put(store, { verb: 'create', document: manifest('App', 'wiki', {}) });
    await put(store, { verb: 'delete', reference: { kind: 'Note', name: 'b' } });
    end();
    await notes(store, ['c']);
    assert.equal(seen, ['ADDED b@2', 'MODIFIED a@3', 'ADDED wiki@4', 'DELETED b@5']);
  }),
);

test(
  'a watch of one kind gets only that kind, and has every change when the write is answered',
  withStore(async (store) => {
    const { seen } = record(store, { kind: 'App' });
    await notes(store, ['a']);
    await put(store, { verb: 'create', document: manifest('App', 'wiki', {}) });
    assert.equal(seen, ['ADDED wiki@2']);
  }),
);

test(
  'a document that comes under a selector is ADDED, one that leaves it DELETED, also in a replay from disk',
  withStore(async (store, folder) => {
    const live = record(store, { labelSelector: 'on' });
    const byField = record(store, { kind: 'Note', fieldSelector: 'spec.type=x' });
    await put(store, { verb: 'create', document: manifest('Note', 'a', { type: 'y' }) });
    const set = (labels: object, type: string) =>
      put(store, { verb: 'update', document: manifest('Note', 'a', { type }, { labels }) });
    await set({ on: '1' }, 'y');
    await set({ on: '2' }, 'x');
    await set({}, 'x');
    await set({}, 'z');
    await set({ on: '1' }, 'z');
    await put(store, { verb: 'delete', reference: { kind: 'Note', name: 'a' } });
    const labels = ['ADDED a@2', 'MODIFIED a@3', 'DELETED a@4', 'ADDED a@6', 'DELETED a@7'];
    const fields = ['ADDED a@3', 'MODIFIED a@4', 'DELETED a@5'];
    assert.equal(live.seen, labels);
    assert.equal(byField.seen, fields);
    assert.equal(record(store, { labelSelector: 'on' }).seen, labels);
    await store.close();
    const again = open(folder);
    try {
      assert.equal(record(again, { labelSelector: 'on' }).seen, labels);
      assert.equal(record(again, { kind: 'Note', fieldSelector: 'spec.type=x' }).seen, fields);
      await put(again, { verb: 'create', document: manifest('Note', 'b', {}) });
      assert.equal(record(again, { fromVersion: 6 }).seen, ['DELETED a@7', 'ADDED b@8']);
    } finally {
      await again.close();
    }
  }),
);

test(
  'a watch from a compacted version or from the future is Expired',
  withStore(
    async (store, folder) => {
      await notes(store, numbered(150));
      const check = async (present: SqliteStore) => {
        await refused(() => record(present, { fromVersion: 49 }), 'Expired', /from version 50 to 150/);
        await refused(() => record(present, { fromVersion: 151 }), 'Expired');
        await refused(() => record(present, { fromVersion: Number.NaN }), 'Expired');
        assert.is(record(present, { fromVersion: 50 }).seen.length, 100);
      };
      await check(store);
      assert.equal(store.problems(), []);
      await store.close();
      const again = open(folder, { limits: { changes: 100 } });
      try {
        await check(again);
      } finally {
        await again.close();
      }
    },
    { limits: { changes: 100 } },
  ),
);

test(
  'a listener that throws gets no more, and others get all',
  withStore(async (store) => {
    const ended: string[] = [];
    store.watch({
      fromVersion: 0,
      onChange() {
        throw new Error('listener');
      },
      onEnd: (reason) => ended.push(reason),
    });
    const { seen } = record(store);
    await notes(store, ['a', 'b']);
    assert.equal(ended, ['failed']);
    assert.equal(seen, ['ADDED a@1', 'ADDED b@2']);
  }),
);

test(
  'a watch that begins inside a listener misses nothing and doubles nothing',
  withStore(async (store) => {
    let inner: string[] | undefined;
    const end = store.watch({
      fromVersion: 0,
      onChange() {
        inner ??= record(store).seen;
      },
    });
    await notes(store, ['a', 'b', 'c']);
    end();
    assert.equal(inner, ['ADDED a@1', 'ADDED b@2', 'ADDED c@3']);
  }),
);

test(
  'closing ends the watches, writes what waits, and refuses what comes after',
  withStore(async (store, folder) => {
    const { seen } = record(store);
    const waiting = put(store, { verb: 'create', document: manifest('Note', 'a', {}) });
    const closing = store.close();
    assert.is((await waiting).metadata.name, 'a');
    await closing;
    await store.close();
    assert.equal(seen, ['ADDED a@1', 'closed']);
    await refused(put(store, { verb: 'create', document: manifest('Note', 'b', {}) }), 'Internal', /closed/);
    await refused(() => record(store), 'Internal', /closed/);
    const again = open(folder);
    try {
      assert.equal(names(again.list('Note')), ['a']);
    } finally {
      await again.close();
    }
  }),
);

test(
  'a store that is opened again has the same documents, versions, history and leases',
  withStore(async (store, folder) => {
    await notes(store, ['a', 'b']);
    await put(store, { verb: 'update', document: manifest('Note', 'a', { type: 'z' }) }, controller);
    await store.leases.lease('ip', 'a', ['10.0.0.1']);
    const before = { list: store.list('Note'), history: store.history('Note', 'a') };
    await store.close();
    const again = open(folder);
    try {
      assert.equal({ list: again.list('Note'), history: again.history('Note', 'a') }, before);
      assert.is(again.version, 3);
      assert.is(again.leases.of('ip', 'a'), '10.0.0.1');
      assert.equal(again.problems(), []);
      assert.throws(() => Object.assign(again.get('Note', 'a')?.spec ?? {}, { x: 1 }), TypeError);
      await again.write([{ verb: 'delete', reference: { kind: 'Note', name: 'a' } }], person);
      assert.is(again.version, 4);
    } finally {
      await again.close();
    }
  }),
);

test.run();
