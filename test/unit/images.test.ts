/** Which images can be built here and for which addons, and which of them may be removed. Building them is tried in test/real. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ownSuite } from '../../controller/supervise/images/base.ts';
import { BUILDABLE, chosenImages } from '../../controller/supervise/images/catalogue.ts';
import { filesBelow, hashOfFiles, tarOf } from '../../controller/supervise/images/context.ts';
import { findOwn, type OwnImage } from '../../controller/supervise/images/list.ts';
import { ADDON_IMAGES, addonImage, DEFAULT_VERSION } from '../../resources/addon-images.ts';
import { SERVER_TYPES } from '../../resources/addons.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const names = (words: string[], suite = 'bookworm') => chosenImages(words, suite).map(({ image }) => image);

test('every recipe has its folder', () => {
  for (const { folder } of BUILDABLE) assert.ok(existsSync(path.join(root, folder, 'Dockerfile')), folder);
});

test('every type has a default that is in the table', () => {
  for (const type of SERVER_TYPES) {
    assert.ok(
      ADDON_IMAGES[type].some(({ version }) => version === DEFAULT_VERSION[type]),
      type,
    );
  }
});

const official: [(typeof SERVER_TYPES)[number], string, string][] = [
  ['postgresql', '17', 'postgres:17'],
  ['postgresql', '14', 'postgres:14'],
  ['mysql', '8.4', 'mysql:8.4'],
  ['mysql', '5.7', 'mysql:5.7'],
  ['mysql', '11.4', 'mariadb:11.4'],
  ['redis', '6', 'redis:6'],
];
for (const [type, version, image] of official)
  test(`${type} ${version} is ${image}`, () => assert.is(addonImage(type, version).official, image));

const chosen: [string, string[], string, string[]][] = [
  [
    'without a name the usual ones',
    [],
    'bookworm',
    ['holdfast.local/postgresql:15', 'holdfast.local/mariadb:10.11', 'holdfast.local/redis:7'],
  ],
  [
    "without a version this machine's own",
    ['postgresql', 'redis'],
    'trixie',
    ['holdfast.local/postgresql:17', 'holdfast.local/redis:8'],
  ],
  ['on what is not Debian the oldest', ['postgresql'], '', ['holdfast.local/postgresql:15']],
  [
    'by name and version, in full or not, each once',
    ['postgresql:17', 'holdfast.local/postgresql:17'],
    'bookworm',
    ['holdfast.local/postgresql:17'],
  ],
];
for (const [name, words, suite, expected] of chosen)
  test(`chosen: ${name}`, () => assert.equal(names(words, suite), expected));

test('a name that is unknown says what is near, and a version what there is', () => {
  assert.throws(() => names(['postgres']), /did you mean postgresql/);
  assert.throws(() => names(['oracle']), /there are postgresql, mariadb, redis, guestbook/);
  assert.throws(() => names(['postgresql:12']), /can be built as 15, 17, not as 12/);
});

test('the release is known where it is Debian', () => {
  assert.is(ownSuite('ID=debian\nVERSION_CODENAME=trixie\n'), 'trixie');
  assert.is(ownSuite('ID=ubuntu\nVERSION_CODENAME=noble\nID_LIKE=debian\n'), '');
});

const images: OwnImage[] = [
  { name: 'holdfast.local/postgresql:15', id: 'sha256:a', bytes: 1, createdAt: 0, users: [] },
  { name: 'holdfast.local/postgresql:17', id: 'sha256:b', bytes: 1, createdAt: 0, users: [] },
  { name: 'holdfast.local/redis:7', id: 'sha256:c', bytes: 1, createdAt: 0, users: ['holdfast-addon-redis'] },
];
test('only what was built here, is not in use and is meant alone is removed', () => {
  assert.is(findOwn(images, 'postgresql:15').id, 'sha256:a');
  assert.throws(() => findOwn(images, 'postgresql'), /say which/);
  assert.throws(() => findOwn(images, 'redis'), /in use by holdfast-addon-redis/);
  assert.throws(() => findOwn(images, 'debian:12'), /no image that was built here/);
});

test('equal files make equal hashes and a tar, and one changed letter another hash', async () => {
  const files = await filesBelow(path.join(root, 'images/redis'));
  const hash = hashOfFiles(files, [], 'base');
  assert.is(hashOfFiles(await filesBelow(path.join(root, 'images/redis')), [], 'base'), hash);
  assert.is.not(hashOfFiles(files, [], 'another base'), hash);
  const [first, ...rest] = files;
  assert.ok(first);
  assert.is.not(hashOfFiles([{ ...first, content: Buffer.from('x') }, ...rest], [], 'base'), hash);
  let bytes = 0;
  for await (const chunk of tarOf(files, [])) bytes += (chunk as Buffer).length;
  assert.is(bytes % 512, 0);
});

test.run();
