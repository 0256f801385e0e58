import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Step } from '../../controller/engine/contract.ts';
import { eventStep, subjectsOf } from '../../controller/engine/step.ts';
import { makeDocument } from '../support/app.ts';

const [a, b, c] = ['a', 'b', 'c'].map((name) => makeDocument('Site', name, {}, { uid: `uid-${name}` }));
const key = { kind: 'Site', name: 'nginx' };

const rows: { name: string; documents: unknown[]; regarding?: string[]; subjects: string[] }[] = [
  {
    name: 'the one document of a key is what its steps are about',
    documents: [a],
    subjects: ['Site/a uid-a'],
  },
  {
    name: 'of many those that the step names',
    documents: [a, b, c],
    regarding: ['a', 'c'],
    subjects: ['Site/a uid-a', 'Site/c uid-c'],
  },
  { name: 'a step that names none is about the key', documents: [a, b], subjects: ['Site/nginx '] },
  { name: 'a key without documents too', documents: [], subjects: ['Site/nginx '] },
];

for (const row of rows) {
  test(row.name, () => {
    const step = row.regarding ? { regarding: row.regarding } : {};
    const subjects = subjectsOf(step, key, row.documents as never);
    assert.equal(
      subjects.map(({ kind, name, uid }) => `${kind}/${name} ${uid ?? ''}`),
      row.subjects,
    );
  });
}

test('an event keeps the reasons of its document and of everybody, and not too many', () => {
  const reasons = (names: (string | undefined)[]) =>
    names.map((regarding, at) => ({
      field: `field ${at}`,
      cause: 'drift',
      ...(regarding === undefined ? {} : { regarding }),
    }));
  const step = (names: (string | undefined)[]): Step => ({
    type: 'PublishSites',
    target: 'nginx',
    action: 'change',
    impact: 'reload',
    message: '',
    because: reasons(names),
  });
  assert.equal(eventStep(step(['a', 'b', undefined]), 'b')['because'], [
    { field: 'field 1', cause: 'drift' },
    { field: 'field 2', cause: 'drift' },
  ]);
  assert.is((eventStep(step(Array(50).fill('a')), 'a')['because'] as unknown[]).length, 20);
});

test.run();
