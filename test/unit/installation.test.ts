/** What up, down and purge decide: units, ports, what is ours, what is removed, what is printed. Tables. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { listBelongings, mountsIn, sizeText } from '../../controller/supervise/belongings.ts';
import { isStatic } from '../../controller/supervise/example-image.ts';
import { curlLine, progressOf, urlOf } from '../../controller/supervise/examples.ts';
import { ensureInstallation, readInstallation } from '../../controller/supervise/installation.ts';
import { isOurs, MARK } from '../../controller/supervise/inventory.ts';
import { layout, packageRoot } from '../../controller/supervise/layout.ts';
import { choosePorts, isFree } from '../../controller/supervise/ports.ts';
import { renderUnit, unitWord } from '../../controller/supervise/units.ts';
import { LABEL } from '../../reconcilers/drivers/docker/index.ts';
import { createFakeFirewall } from '../../reconcilers/drivers/firewall/fake.ts';
import type { Document } from '../../resources/document.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-installation-'));
test.after(() => rmSync(folder, { recursive: true, force: true }));

// --- units ---------------------------------------------------------------------------------------------------------------

const words = [
  { name: 'a plain path stays plain', text: '/var/lib/holdfast', want: '/var/lib/holdfast' },
  { name: 'spaces are quoted', text: '/srv/my data', want: '"/srv/my data"' },
  { name: 'specifiers are no specifiers', text: '/srv/100%n', want: '/srv/100%%n' },
  { name: 'variables are no variables', text: '/srv/$HOME', want: '/srv/$$HOME' },
  { name: 'quotes are kept', text: 'a"b', want: '"a\\"b"' },
];
for (const row of words) test(`unit: ${row.name}`, () => assert.is(unitWord(row.text), row.want));

test('unit: what a template asks for must be given', () => {
  assert.is(renderUnit('A=@ONE@\nB=@TWO@\n', { ONE: 'x', TWO: ['a b', 'c'] }), 'A=x\nB="a b" c\n');
  assert.throws(() => renderUnit('A=@THREE@', {}), /@THREE@/);
});

test('unit: apps and nginx outlive the controller by its unit', () => {
  const unit = readFileSync(path.join(packageRoot(), 'systemd/holdfast.service'), 'utf8');
  assert.match(unit, /^KillMode=process$/m);
  assert.match(unit, /^Restart=always$/m);
});

// --- ports ---------------------------------------------------------------------------------------------------------------

const portRows: { name: string; taken: number[]; want: [number, number] }[] = [
  { name: 'the usual ones where both are free', taken: [], want: [80, 443] },
  { name: 'both others where one is taken', taken: [443], want: [8080, 8443] },
  { name: 'the next free ones where those are taken too', taken: [80, 8080, 8443, 8444], want: [8081, 8445] },
];
for (const row of portRows) {
  test(`ports: ${row.name}`, async () => {
    const ports = await choosePorts(async (port) => !row.taken.includes(port));
    assert.equal([ports.port, ports.httpsPort], row.want);
  });
}

for (const address of ['127.0.0.1', '0.0.0.0']) {
  test(`ports: one that listens on ${address} is not free`, async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, address, resolve));
    const bound = server.address();
    const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
    try {
      assert.not(await isFree(port));
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
    assert.ok(await isFree(port));
  });
}

// --- what is ours -----------------------------------------------------------------------------------------------------------

test('the mark is the one that the Docker driver makes', () => assert.is(MARK.managed, LABEL.managed));

const marks: { name: string; labels: Record<string, string> | null; want: boolean }[] = [
  { name: 'no labels', labels: null, want: false },
  { name: 'another word', labels: { 'dev.holdfast.managed': 'no' }, want: false },
  { name: 'the mark', labels: { 'dev.holdfast.managed': 'true' }, want: true },
  {
    name: 'the mark of this state folder',
    labels: { 'dev.holdfast.managed': 'true', 'dev.holdfast.state': '/srv/one' },
    want: true,
  },
  {
    name: 'the mark of another state folder',
    labels: { 'dev.holdfast.managed': 'true', 'dev.holdfast.state': '/srv/two' },
    want: false,
  },
  {
    name: 'the label of an image that we built',
    labels: { 'dev.holdfast.image.content': 'abc' },
    want: false,
  },
];
for (const row of marks) test(`ours: ${row.name}`, () => assert.is(isOurs(row.labels, '/srv/one'), row.want));

test('mounts at and below a folder are found, also with spaces, and not beside it', () => {
  const line = (point: string) => `36 35 98:0 / ${point} rw,noatime master:1 - ext4 /dev/sda1 rw`;
  const text = ['/', '/srv/one', '/srv/one/apps/a\\040b', '/srv/one-more'].map(line).join('\n');
  assert.equal(mountsIn('/srv/one', text), ['/srv/one', '/srv/one/apps/a b']);
});

const sizes = [
  { bytes: 0, want: '0 B' },
  { bytes: 1536, want: '1.5 KiB' },
  { bytes: 300 * 1024 * 1024, want: '300 MiB' },
];
for (const row of sizes) test(`size: ${row.want}`, () => assert.is(sizeText(row.bytes), row.want));

test('purge refuses a folder that is no state folder', async () => {
  const state = path.join(folder, 'documents');
  mkdirSync(state);
  writeFileSync(path.join(state, 'letter.txt'), 'x');
  const places = layout(
    { state, config: path.join(folder, 'none'), socket: path.join(folder, 's/s.sock') },
    {},
  );
  let words = '';
  await listBelongings(places, undefined, createFakeFirewall()).catch((error: Error) => {
    words = error.message;
  });
  assert.match(words, /does not look like/);
});

test('purge lists the folders that up made, and a config folder that was there before stays', async () => {
  const state = path.join(folder, 'state');
  const config = path.join(folder, 'config');
  mkdirSync(config);
  const places = layout({ state, config, socket: path.join(folder, 's/s.sock') }, {});
  const made = await ensureInstallation(places);
  assert.equal([made.madeState, made.madeConfig], [true, false]);
  assert.equal(await ensureInstallation(places), made, 'the second time nothing is different');
  const found = await listBelongings(places, undefined, createFakeFirewall());
  assert.equal(
    found.folders.map((one) => one.path),
    [state],
  );
});

test('a damaged record claims nothing', async () => {
  const places = layout({ state: path.join(folder, 'state') }, {});
  writeFileSync(places.record, '{"madeConfig": tr');
  assert.is((await readInstallation(places))?.madeConfig, false);
});

// --- the example ------------------------------------------------------------------------------------------------------------

test('the line of curl works with and without the usual port, and with an odd folder', () => {
  const usual = { host: 'hello.localhost', port: 443, authority: '/var/lib/holdfast/authority/ca.pem' };
  assert.is(
    curlLine(usual),
    'curl --cacert /var/lib/holdfast/authority/ca.pem --resolve hello.localhost:443:127.0.0.1 https://hello.localhost/',
  );
  const other = { host: 'hello.localhost', port: 8443, authority: "/srv/it's mine/ca.pem" };
  assert.is(urlOf(other), 'https://hello.localhost:8443/');
  assert.match(curlLine(other), /--cacert '\/srv\/it'\\''s mine\/ca\.pem' --resolve hello\.localhost:8443:/);
});

const app = (status: Document['status']): Document => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'App',
  metadata: { name: 'hello', uid: 'u', generation: 2, resourceVersion: '9', creationTimestamp: '' },
  spec: {},
  ...(status === undefined ? {} : { status }),
});
const ready = (value: 'True' | 'False') => ({
  type: 'Ready',
  status: value,
  reason: value === 'True' ? 'Ready' : 'Starting',
  message: 'the container starts',
  lastTransitionTime: '',
});
const progress: { name: string; status: Document['status']; want: [boolean, string] }[] = [
  { name: 'nothing observed yet', status: undefined, want: [false, 'waiting for the controller'] },
  {
    name: 'ready is of an older generation',
    status: { observedGeneration: 1, conditions: [ready('True')] },
    want: [false, 'Ready: the container starts'],
  },
  { name: 'ready', status: { observedGeneration: 2, conditions: [ready('True')] }, want: [true, 'Ready'] },
  {
    name: 'not yet',
    status: { observedGeneration: 2, conditions: [ready('False')] },
    want: [false, 'Starting: the container starts'],
  },
  {
    name: 'in an operation',
    status: { operation: { id: '1', type: 'pull', percent: 40, message: 'pulling', startedAt: '' } },
    want: [false, 'pulling (40 %)'],
  },
];
for (const row of progress) {
  test(`progress: ${row.name}`, () => {
    const { ready: isReady, words: text } = progressOf(app(row.status));
    assert.equal([isReady, text], row.want);
  });
}

test('a program that needs a loader is told from one that does not', () => {
  assert.not(isStatic(readFileSync(process.execPath)), 'node is linked dynamically');
  assert.not(isStatic(Buffer.from('#!/bin/sh\n'.padEnd(100))));
});

test.run();
