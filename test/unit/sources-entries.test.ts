import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type FileEntry,
  type FileReading,
  mayBeIn,
  nextEntries,
  retain,
  settle,
} from '../../controller/sources/entries.ts';
import { judgeFolder } from '../../controller/sources/folder.ts';

function entry(path: string, ...names: string[]): [string, FileEntry] {
  const documents = names.map((name) => ({ kind: 'App', name, uid: `uid-${name}` }));
  return [path, { path, state: 'applied', hash: 'h', documents }];
}

function reading(path: string, ...names: string[]): FileReading {
  const manifests = names.map((name) => ({ apiVersion: 'holdfast.dev/v1', kind: 'App', metadata: { name } }));
  return { path, hash: 'h', text: names.join(' '), manifests, problems: [] };
}

const broken = (path: string): FileReading => ({
  path,
  text: 'name: wiki',
  manifests: [],
  problems: ['no YAML'],
});

const claims: {
  name: string;
  entries?: [string, FileEntry][];
  readings: FileReading[];
  sound: string[];
  failures?: Record<string, RegExp>;
}[] = [
  {
    name: 'different documents are all sound',
    readings: [reading('a', 'x'), reading('b', 'y')],
    sound: ['a', 'b'],
  },
  {
    name: 'of two new files the first by path has the document',
    readings: [reading('b', 'x'), reading('a', 'x')],
    sound: ['a'],
    failures: { b: /app\/x is already in a/ },
  },
  {
    name: 'the file that gave a document keeps it, whatever its path',
    entries: [entry('b', 'x')],
    readings: [reading('a', 'x')],
    sound: [],
    failures: { a: /already in b/ },
  },
  {
    name: 'a file that no longer names a document gives it free',
    entries: [entry('a', 'x')],
    readings: [reading('a', 'y'), reading('b', 'x')],
    sound: ['a', 'b'],
  },
  {
    name: 'two files that swap their documents are sound',
    entries: [entry('a', 'x'), entry('b', 'y')],
    readings: [reading('a', 'y'), reading('b', 'x')],
    sound: ['a', 'b'],
  },
  {
    name: 'a broken file keeps what it gave',
    entries: [entry('a', 'x')],
    readings: [broken('a'), reading('b', 'x')],
    sound: [],
    failures: { a: /no YAML/, b: /already in a/ },
  },
  {
    name: 'a document twice in one file fails that file',
    readings: [reading('a', 'x', 'x')],
    sound: [],
    failures: { a: /twice/ },
  },
];
for (const { name, entries = [], readings, sound, failures = {} } of claims) {
  test(name, () => {
    const settled = settle(new Map(entries), readings);
    assert.equal(
      settled.sound.map((file) => file.path),
      sound,
    );
    assert.equal([...settled.failures.keys()].sort(), Object.keys(failures).sort());
    for (const [path, words] of Object.entries(failures))
      assert.match(settled.failures.get(path) ?? '', words);
  });
}

test('a document is dropped when no file names it any more', () => {
  const before = new Map([entry('a', 'x', 'y'), entry('b', 'z'), entry('c', 'w')]);
  const { entries, dropped } = nextEntries(before, new Set(['a', 'c']), new Map([entry('a', 'x')]));
  assert.equal([...entries.keys()], ['a', 'c']);
  assert.equal(
    dropped.map(({ document, path }) => `${path} ${document.name}`),
    ['a y', 'b z'],
  );
});

test('a file that fails has no claim any more to what another one gives now', () => {
  const before = new Map([entry('a', 'x', 'y')]);
  const failed: [string, FileEntry] = [
    'a',
    { path: 'a', state: 'failed', documents: entry('a', 'x', 'y')[1].documents ?? [] },
  ];
  const { entries, dropped } = nextEntries(before, new Set(['a', 'b']), new Map([failed, entry('b', 'y')]));
  assert.equal(
    [...entries].map(([path, { documents = [] }]) => [path, ...documents.map(({ name }) => name)]),
    [
      ['a', 'x'],
      ['b', 'y'],
    ],
  );
  assert.equal(dropped, []);
});

test('what is retained is dropped again at the next look', () => {
  const before = new Map([entry('a', 'x', 'y'), entry('b', 'z')]);
  const present = new Set(['a']);
  const outcomes = new Map([entry('a', 'x')]);
  const first = nextEntries(before, present, outcomes);
  for (const dropped of first.dropped) retain(first.entries, dropped, 'a reason');
  assert.is(first.entries.get('a')?.hash, undefined);
  assert.is(first.entries.get('b')?.state, 'failed');
  const second = nextEntries(first.entries, present, outcomes);
  assert.equal(
    second.dropped.map(({ document }) => document.name),
    ['y', 'z'],
  );
});

const mentions: { name: string; text: string | undefined; found: boolean }[] = [
  { name: 'its name as a word', text: 'metadata:\n  name: "wiki"\n', found: true },
  { name: 'a longer name', text: 'name: wiki-two, my-wiki, wikis', found: false },
  { name: 'a text that nobody could read', text: undefined, found: true },
];
for (const { name, text, found } of mentions) {
  test(`a failed file with ${name} ${found ? 'may' : 'cannot'} hold the document`, () => {
    const failed: FileReading = {
      path: 'b',
      manifests: [],
      problems: ['x'],
      ...(text !== undefined && { text }),
    };
    assert.is(mayBeIn([failed], 'wiki'), found ? 'b' : undefined);
  });
}

const now = { device: '1', inode: '10', birth: '100' };
const folders: {
  name: string;
  before: string | undefined;
  present: string[];
  verdict: string;
}[] = [
  { name: 'the first look', before: undefined, present: [], verdict: 'same' },
  { name: 'the same folder, files removed', before: '1:10:100', present: [], verdict: 'same' },
  { name: 'a device number dealt anew at boot', before: '7:10:100', present: ['a'], verdict: 'same' },
  { name: 'another device with all files', before: '7:11:100', present: ['a', 'b'], verdict: 'renewed' },
  { name: 'another device with some files', before: '7:11:100', present: ['a'], verdict: 'foreign' },
  { name: 'another device, empty', before: '7:2:1', present: [], verdict: 'foreign' },
  {
    name: 'another folder on the device with some files',
    before: '1:11:90',
    present: ['a'],
    verdict: 'renewed',
  },
  { name: 'another folder on the device, empty', before: '1:11:90', present: [], verdict: 'foreign' },
  {
    name: 'another folder on the device with all files that are known',
    before: '1:11:90',
    present: ['a', 'b'],
    verdict: 'renewed',
  },
  { name: 'an inode number used again', before: '1:10:90', present: [], verdict: 'foreign' },
];
for (const { name, before, present, verdict } of folders) {
  test(`${name} is ${verdict}`, () => {
    assert.is(judgeFolder(before, now, ['a', 'b'], new Set(present)), verdict);
  });
}

test.run();
