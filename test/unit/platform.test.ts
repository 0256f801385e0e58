import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createFakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import type { ContainerState } from '../../reconcilers/drivers/docker/index.ts';
import { notePulls } from '../../reconcilers/drivers/docker/note-pulls.ts';
import { createFakeHost } from '../../reconcilers/drivers/host/fake.ts';
import { DiskMonitor } from '../../reconcilers/platform/disk-monitor.ts';
import { findUnneeded } from '../../reconcilers/platform/images.ts';
import { findNetwork, overlapsNow, planNetwork } from '../../reconcilers/platform/network.ts';
import { fullOn, levelOf, thresholdsOf, withToday } from '../../reconcilers/platform/pressure.ts';
import { findStrays } from '../../reconcilers/platform/strays.ts';
import { chooseSubnet, gatewayOf, overlaps } from '../../reconcilers/platform/subnet.ts';
import { platformKind } from '../../resources/platform.ts';
import { makeDocument } from '../support/app.ts';
import { VirtualClock } from '../support/clock.ts';

const rows: [string, string, boolean][] = [
  ['10.213.0.0/16', '10.213.4.0/24', true],
  ['10.213.4.0/24', '10.213.0.0/16', true],
  ['10.213.0.0/16', '10.0.0.0/8', true],
  ['10.213.0.0/16', '10.214.0.0/16', false],
  ['10.213.0.0/16', 'fd00::/64', false],
  ['10.213.0.0/16', '10.213.255.255/32', true],
];
for (const [a, b, expected] of rows) {
  test(`${a} and ${b} ${expected ? 'overlap' : 'do not overlap'}`, () => assert.is(overlaps(a, b), expected));
}

test('the first subnet that overlaps nothing is taken', () => {
  const taken = [{ subnet: '10.213.0.0/24', by: 'route by tun0' }];
  assert.equal(chooseSubnet(['10.213.0.0/16', '10.214.0.0/16'], taken), { subnet: '10.214.0.0/16' });
});

test('when all are taken, who has each is told', () => {
  const taken = [{ subnet: '10.0.0.0/8', by: 'route by tun0' }];
  assert.equal(chooseSubnet(['10.213.0.0/16'], taken), {
    conflicts: [{ subnet: '10.213.0.0/16', by: 'route by tun0 (10.0.0.0/8)' }],
  });
});

test('the gateway is the first address', () => {
  assert.is(gatewayOf('10.213.0.0/16'), '10.213.0.1');
  assert.is(gatewayOf('192.168.224.0/20'), '192.168.224.1');
});

const network = (name: string, subnet: string, labels: Record<string, string> = {}) => ({
  id: name,
  name,
  driver: 'bridge',
  labels,
  subnets: [subnet],
  gateway: gatewayOf(subnet),
  options: {},
});
const managed = { 'dev.holdfast.managed': 'true' };
const POOL = ['10.213.0.0/16', '10.214.0.0/16'];

test('a route that overlaps the pool is named where the network is planned', () => {
  const routes = [{ destination: '10.213.4.0/24', interface: 'tun0' }];
  const planned = planNetwork(POOL, findNetwork([], routes, '/state'), 'first time');
  assert.ok('spec' in planned);
  assert.is(planned.spec.subnet, '10.214.0.0/16');
  assert.is(planned.because[1]?.found, '10.213.0.0/16 overlaps route by tun0 (10.213.4.0/24)');
});

test('routes of other tables, addresses and networks of others are in the way, too', () => {
  const routes = [
    { destination: '10.213.0.0/24', interface: 'table 51820' },
    { destination: '10.214.0.9/32', interface: 'address' },
  ];
  const seen = findNetwork([network('web_default', '10.215.0.0/16')], routes, '/state');
  assert.equal(planNetwork([...POOL, '10.215.0.0/16'], seen, ''), {
    conflicts: [
      { subnet: '10.213.0.0/16', by: 'a route in table 51820 (10.213.0.0/24)' },
      { subnet: '10.214.0.0/16', by: 'an address of this machine (10.214.0.9/32)' },
      { subnet: '10.215.0.0/16', by: 'docker network web_default (10.215.0.0/16)' },
    ],
  });
});

test('our own network is not in its own way, and a VPN that came later is', () => {
  const own = network('holdfast', '10.213.0.0/16', managed);
  const routes = [
    { destination: '10.213.0.0/16', interface: 'holdfast0' },
    { destination: '10.213.0.1/32', interface: 'address' },
  ];
  assert.equal(overlapsNow(findNetwork([own], routes, '/state')), []);
  const later = [...routes, { destination: '10.213.9.0/24', interface: 'wg0' }];
  assert.equal(overlapsNow(findNetwork([own], later, '/state')), [
    { subnet: '10.213.9.0/24', by: 'route by wg0' },
  ]);
});

test('the network of another installation is left alone', () => {
  const first = network('holdfast', '10.213.0.0/16', { ...managed, 'dev.holdfast.state': '/one' });
  assert.equal(findNetwork([first], [], '/one').isOurs, true);
  assert.equal(
    [findNetwork([first], [], '/two').isOurs, findNetwork([first], [], '/two').owner],
    [false, '/one'],
  );
  assert.equal(findNetwork([network('holdfast', '10.213.0.0/16', managed)], [], '/two').isOurs, true);
  assert.equal(findNetwork([network('holdfast', '10.1.0.0/16')], [], '/two').isOurs, false);
});

const GIB = 2 ** 30;
const room = (freeGib: number, totalGib: number, freeFiles = 1000) => ({
  device: 1,
  totalBytes: totalGib * GIB,
  freeBytes: freeGib * GIB,
  totalFiles: 1000,
  freeFiles,
});
const levels: [string, Parameters<typeof levelOf>, string][] = [
  ['a tenth free is enough', [room(10, 100), thresholdsOf({})], 'none'],
  ['less is a warning', [room(9.9, 100), thresholdsOf({})], 'warning'],
  ['less than a twentieth is critical', [room(4.9, 100), thresholdsOf({})], 'critical'],
  ['of a large disk 20 GiB are enough', [room(21, 2000), thresholdsOf({})], 'none'],
  ['a share of its own', [room(30, 100), thresholdsOf({ disk: { warningBelow: '40%' } })], 'warning'],
  ['an amount of its own', [room(30, 100), thresholdsOf({ disk: { criticalBelow: '31Gi' } })], 'critical'],
  ['few files are as bad as few bytes', [room(50, 100, 9), thresholdsOf({})], 'critical'],
  ['a warning stays until there is some more', [room(10.5, 100), thresholdsOf({}), 'warning'], 'warning'],
  ['and ends then', [room(11.1, 100), thresholdsOf({}), 'warning'], 'none'],
  ['critical becomes a warning first', [room(6, 100), thresholdsOf({}), 'critical'], 'warning'],
];
for (const [name, args, level] of levels) test(`disk: ${name}`, () => assert.is(levelOf(...args), level));

test('the day on which a disk is full follows from the days before', () => {
  const days = [10, 12, 14, 16].map((used, index) => ({ day: `2026-01-0${index + 1}`, usedBytes: used }));
  assert.is(fullOn(days, 26), '2026-01-09');
  assert.is(fullOn(days.slice(0, 2), 26), undefined);
  assert.is(
    fullOn(
      [...days].reverse().map(({ usedBytes }, index) => ({ day: `2026-01-0${index + 1}`, usedBytes })),
      26,
    ),
    undefined,
  );
  assert.is(fullOn(days, 1_000_000), undefined);
  assert.equal(withToday(days, { day: '2026-01-04', usedBytes: 99 }), days);
  assert.is(withToday(days, { day: '2026-01-05', usedBytes: 18 }).length, 5);
  // The clock jumps back over midnight, and comes there again.
  const back = withToday(days, { day: '2025-12-31', usedBytes: 8 });
  assert.is(back[0]?.day, '2025-12-31');
  assert.equal(withToday(back, { day: '2026-01-04', usedBytes: 99 }), back);
});

test('the critical level is below the warning', () => {
  const check = (disk: object) => platformKind.check?.({ spec: { disk } } as never) ?? [];
  assert.is(check({ warningBelow: '10%', criticalBelow: '5%' }).length, 0);
  assert.is(check({ warningBelow: '5%', criticalBelow: '5%' })[0]?.pointer, '/spec/disk/criticalBelow');
  assert.is(check({ warningBelow: '1Gi', criticalBelow: '2Gi' }).length, 1);
  assert.is(check({ warningBelow: '1%', criticalBelow: '2Gi' }).length, 0);
});

/** An engine with images of others, and an App that was at wiki:1 to wiki:4. */
async function withImages() {
  const docker = createFakeDocker({ clock: systemClock });
  const host = createFakeHost({ stateFolder: '/state' });
  const noting = notePulls(docker, host, systemClock);
  docker.addImage('others:1');
  for (const name of ['wiki:1', 'wiki:2', 'wiki:3', 'wiki:4']) {
    docker.registry.set(name, { image: {} });
    await noting.pull(name, {});
  }
  docker.registry.set('others:1', { image: {} });
  await noting.pull('others:1', {});
  const specs = [4, 4, 3, 2, 1].map((number) => ({ image: `wiki:${number}`, port: 80 }));
  const world = { docker, host, history: { specs: () => specs } } as unknown as Parameters<
    typeof findUnneeded
  >[2];
  const app = { ...makeDocument('App', 'wiki', specs[0] ?? {}), kind: 'App' };
  return { docker, host, world, app };
}

test('a note that the disk does not take holds up a pull for half a minute at most', async () => {
  const clock = new VirtualClock();
  const docker = createFakeDocker({ clock });
  docker.registry.set('wiki:1', { image: {} });
  const hangs = { notePulled: () => new Promise<void>(() => undefined) };
  let said = '';
  notePulls(docker, hangs, clock)
    .pull('wiki:1', {})
    .then(
      () => (said = 'pulled'),
      (error: Error) => (said = error.message),
    );
  for (let second = 0; second < 60 && said === ''; second += 1) {
    await new Promise(setImmediate);
    clock.advance(1_000);
  }
  assert.match(said, /could not be noted within 30 s/);
});

test('an image that was there before is never noted as pulled', async () => {
  const { host } = await withImages();
  assert.equal(
    host.state.pulled.map(({ reference }) => reference),
    ['wiki:1', 'wiki:2', 'wiki:3', 'wiki:4'],
  );
});

test('images beyond those to go back to are not needed, unless a container of anybody has them', async () => {
  const { docker, world, app } = await withImages();
  const unneeded = async (keep: number) =>
    (await findUnneeded({ apps: [app], addons: [] }, keep, world)).map(({ reference }) => reference);
  assert.equal(await unneeded(4), []);
  assert.equal(await unneeded(2), ['wiki:1', 'wiki:2']);
  docker.addForeign({ name: 'theirs', image: 'wiki:1' });
  assert.equal(await unneeded(2), ['wiki:2']);
  assert.equal((await findUnneeded({ apps: [], addons: [] }, 2, world)).length, 3);
});

test('images of servers are needed as long as an Addon of their type is there', async () => {
  const { host, world } = await withImages();
  host.state.pulled = [
    { id: 'sha256:pg', reference: 'postgres:17' },
    { id: 'sha256:redis', reference: 'redis:7' },
  ];
  const addon = { ...makeDocument('Addon', 'postgresql', { type: 'postgresql' }), kind: 'Addon' };
  const unneeded = await findUnneeded({ apps: [], addons: [addon] }, 2, world);
  assert.equal(
    unneeded.map(({ reference }) => reference),
    ['redis:7'],
  );
});

test('what Docker made for a document that is gone is removed, unless it ever ran or is of somebody else', () => {
  const app = makeDocument('App', 'wiki', {});
  const labels = { 'dev.holdfast.managed': 'true', 'dev.holdfast.kind': 'App', 'dev.holdfast.uid': 'gone' };
  const container = (name: string, state: ContainerState, more: Record<string, string> = {}) => ({
    ...{ id: name, name, image: 'wiki:1', imageId: 'sha256:wiki', state, addresses: {}, createdAt: 0 },
    labels: { ...labels, ...more },
  });
  const all = [
    container('late', 'created'),
    container('ran', 'exited'),
    container('runs', 'running'),
    container('has a document', 'created', { 'dev.holdfast.uid': app.metadata.uid }),
    container('of a task', 'created', { 'dev.holdfast.kind': 'Task' }),
    container('foreign', 'created', { 'dev.holdfast.managed': '' }),
  ];
  assert.equal(
    findStrays(all, [app]).map(({ name }) => name),
    ['late'],
  );
});

test('disks on one file system are one, and what takes the room is looked for once in a while', async () => {
  const { docker, host } = await withImages();
  host.state.sizes.set('/state/apps', [{ name: 'wiki', bytes: 900 }]);
  host.state.sizes.set('/state', [
    { name: 'apps', bytes: 900 },
    { name: 'store', bytes: 100 },
  ]);
  const monitor = new DiskMonitor({
    host,
    docker,
    clock: systemClock,
    stateFolder: '/state',
    thresholds: () => thresholdsOf({}),
    onChange: () => undefined,
  });
  const disks = await monitor.disks();
  assert.equal(
    disks.map(({ path, holds }) => [path, holds]),
    [['/state', ['state', 'docker']]],
  );
  const largest = await monitor.largest();
  assert.equal(largest, [
    { what: 'data of app/wiki', bytes: 900 },
    { what: '/state/store', bytes: 100 },
  ]);
  assert.is(await monitor.largest(), largest);
});

test.run();
