import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Write } from '../../controller/store/types.ts';
import { manifest, person, withStore } from './store-fixture.ts';

const write = (store: SqliteStore, ...writes: Write[]) => store.write(writes, person);
const apply = (manager: string, spec: object, force = false): Write => ({
  verb: 'apply',
  manager,
  force,
  document: manifest('Note', 'n', spec),
});
const patch = (manager: string, spec: object): Write => ({
  verb: 'patch',
  type: 'merge',
  manager,
  reference: { kind: 'Note', name: 'n' },
  patch: { spec } as never,
});

/** `kubectl Apply spec.a,spec.b` for each manager. */
function owners(store: SqliteStore): string[] {
  const document = store.get('Note', 'n');
  return (document ? store.managers(document) : []).map(({ manager, operation, fields }) => {
    const { spec = {} } = fields;
    return `${manager} ${operation} ${spec === 1 ? '' : Object.keys(spec).sort().join()}`;
  });
}

test(
  'who changes a field owns it, and who had it does so no more',
  withStore(async (store) => {
    await write(store, apply('a', { x: 1, y: 1 }));
    assert.equal(owners(store), ['a Apply x,y']);
    await write(store, patch('editor', { y: 2, z: 3 }));
    assert.equal(owners(store), ['a Apply x', 'editor Update y,z']);
    await write(store, patch('editor', { y: null }));
    assert.equal(owners(store), ['a Apply x', 'editor Update z']);
  }),
);

test(
  'an apply against what another manager set is a conflict that names field and manager, unless it is forced',
  withStore(async (store) => {
    await write(store, apply('a', { x: 1, y: 1 }), patch('editor', { y: 2 }));
    const error = await write(store, apply('a', { x: 1, y: 1 })).catch((thrown) => thrown);
    assert.is(error.reason, 'Conflict');
    assert.equal(error.causes, [
      { field: '.spec.y', message: 'conflict with "editor" using holdfast.dev/v1' },
    ]);
    assert.is(store.get('Note', 'n')?.spec['y'], 2);
    await write(store, apply('a', { x: 1, y: 1 }, true));
    assert.is(store.get('Note', 'n')?.spec['y'], 1);
    assert.equal(owners(store), ['a Apply x,y']);
  }),
);

test(
  'two that apply the same value own it together, and it stays while one of them does',
  withStore(async (store) => {
    await write(store, apply('a', { x: 1, y: 1 }), apply('b', { x: 1 }));
    assert.equal(owners(store), ['a Apply x,y', 'b Apply x']);
    await write(store, apply('a', {}));
    assert.equal(store.get('Note', 'n')?.spec, { x: 1 });
    await write(store, apply('b', {}));
    assert.equal(store.get('Note', 'n')?.spec, {});
  }),
);

test(
  'the same apply again changes nothing, and a dry run changes no owners',
  withStore(async (store) => {
    await write(store, apply('a', { x: 1 }));
    const document = store.get('Note', 'n');
    const [again] = await write(store, apply('a', { x: 1 }));
    assert.is(again?.outcome, 'unchanged');
    await store.write([apply('b', { x: 2 }, true)], person, { dryRun: true });
    assert.equal(owners(store), ['a Apply x']);
    assert.is(store.get('Note', 'n'), document);
  }),
);

test.run();
