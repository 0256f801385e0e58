/** Selectors as Kubernetes writes them: what each operator selects, and what is refused. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  fieldText,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
} from '../../controller/store/selectors.ts';
import { StoreError } from '../../controller/store/types.ts';

const labels = { app: 'wiki', tier: 'web', 'example.org/team': 'blue', empty: '' };

const labelRows: [selector: string, matches: boolean][] = [
  ['', true],
  ['app=wiki', true],
  ['app==wiki', true],
  ['app = wiki', true],
  ['app=mail', false],
  ['app!=mail', true],
  ['app!=wiki', false],
  ['absent!=x', true],
  ['app in (mail, wiki)', true],
  ['app in (mail)', false],
  ['app notin (mail,chat),tier=web', true],
  ['absent notin (x)', true],
  ['app notin (wiki)', false],
  ['app', true],
  ['absent', false],
  ['!absent', true],
  ['! absent', true],
  ['!app', false],
  ['example.org/team=blue,app', true],
  ['empty=', true],
  ['app=', false],
  ['absent=', false],
  ['toString', false],
  ['!constructor', true],
];
for (const [selector, matches] of labelRows) {
  test(`the labels ${matches ? 'match' : 'do not match'} "${selector}"`, () => {
    assert.is(matchesLabels(parseLabelSelector(selector), labels), matches);
  });
}

test('a document without labels matches what asks for absence only', () => {
  assert.is(matchesLabels(parseLabelSelector('!app,tier!=web'), undefined), true);
  assert.is(matchesLabels(parseLabelSelector('app'), undefined), false);
});

for (const selector of ['app=wiki,', '=x', 'app in wiki', 'app in (a', 'a b', 'app=a b', 'UP/x=1', 'app>1']) {
  test(`the label selector "${selector}" is refused`, () => {
    assert.throws(
      () => parseLabelSelector(selector),
      (error: unknown) => error instanceof StoreError && error.reason === 'Invalid',
    );
  });
}

const document = {
  metadata: { name: 'wiki' },
  spec: { regarding: { kind: 'App' }, count: 3, on: true, text: 'a,b=c' },
};
const fields = ['metadata.name', 'spec.regarding.kind', 'spec.count', 'spec.on', 'spec.text', 'status.phase'];

const fieldRows: [selector: string, matches: boolean][] = [
  ['', true],
  ['metadata.name=wiki', true],
  ['metadata.name==wiki', true],
  ['metadata.name!=wiki', false],
  ['spec.regarding.kind=App,spec.count=3,spec.on=true', true],
  ['spec.regarding.kind=App,spec.count=4', false],
  ['status.phase=', true],
  ['status.phase!=Ready', true],
  ['spec.text=a\\,b\\=c', true],
];
for (const [selector, matches] of fieldRows) {
  test(`the fields ${matches ? 'match' : 'do not match'} "${selector}"`, () => {
    const parsed = parseFieldSelector(selector, fields);
    assert.is(
      matchesFields(parsed, (field) => fieldText(document, field)),
      matches,
    );
  });
}

for (const selector of ['metadata.name', 'metadata.uid=x', 'metadata.name>x', 'metadata.name=a=b']) {
  test(`the field selector "${selector}" is refused`, () => {
    assert.throws(() => parseFieldSelector(selector, fields), /field selector/);
  });
}

test('an unknown field is refused with the fields that there are', () => {
  assert.throws(
    () => parseFieldSelector('spec.nope=1', ['metadata.name', 'spec.type']),
    /metadata\.name, spec\.type/,
  );
});

test.run();
