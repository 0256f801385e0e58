/** Two hundred Apps in one domain, against the limits that Let's Encrypt documents, which a server of its own rules cannot show. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Certificate } from '../../resources/certificate.ts';
import { CertificateWorld } from './certificate-world.ts';

/** https://letsencrypt.org/docs/rate-limits/ */
const NAMES_IN_ONE = 100;
const CERTIFICATES_IN_A_WEEK = 50;
const ORDERS_IN_THREE_HOURS = 300;

const APPS = 200;
const hostOf = (number: number) => `app${number}.example.com`;

const test = suite<{ world: CertificateWorld }>('allocation of names to certificates');
test.before.each(async (context) => {
  context.world = new CertificateWorld();
  await context.world.apply('Platform', 'platform', { http: { addresses: ['0.0.0.0'] } });
});
test.after.each(({ world }) => world.close());

const all = (world: CertificateWorld) =>
  world.list('Certificate') as readonly unknown[] as readonly Certificate[];

function within(world: CertificateWorld): void {
  const { orders } = world.acme;
  for (const { hosts } of orders)
    assert.ok(hosts.length <= NAMES_IN_ONE, `${hosts.length} names in an order`);
  assert.ok(orders.length <= CERTIFICATES_IN_A_WEEK, `${orders.length} orders`);
  assert.ok(orders.length <= ORDERS_IN_THREE_HOURS);
}

function allCertified(world: CertificateWorld, apps: number): void {
  for (let number = 0; number < apps; number += 1)
    assert.is(world.state('Site', `app${number}`, 'Certified'), 'True Certified', `app${number}`);
}

test('two hundred that come at once have certificates within the limits, and a second look asks for nothing', async ({
  world,
}) => {
  await world.domain('example.com');
  for (let number = 0; number < APPS; number += 1) await world.site(`app${number}`, hostOf(number));
  await world.start();
  await world.settle(90);
  allCertified(world, APPS);
  within(world);
  assert.is(world.acme.orders.length, all(world).length, 'one order for each certificate');
  const { length } = world.acme.orders;
  await world.restart();
  await world.settle();
  assert.is(world.acme.orders.length, length);
});

test('each App has one of its own while there are few, and one that goes changes none of the others', async ({
  world,
}) => {
  await world.domain('example.com');
  for (let number = 0; number < 5; number += 1) await world.site(`app${number}`, hostOf(number));
  await world.start();
  await world.settle(60);
  allCertified(world, 5);
  assert.equal(
    all(world)
      .flatMap(({ spec }) => spec.hosts)
      .sort(),
    [0, 1, 2, 3, 4].map(hostOf),
  );
  assert.is(all(world).length, 5);
  const before = all(world).map(({ status }) => status?.fingerprint);
  await world.delete('Site', 'app2');
  await world.settle();
  assert.equal(
    all(world).map(({ status }) => status?.fingerprint),
    before,
  );
  assert.is(world.acme.orders.length, 5);
});

test('with a wildcard, two hundred that come one after another need one certificate', async ({ world }) => {
  await world.domain('example.com', { wildcard: true });
  await world.start();
  for (let number = 0; number < APPS; number += 1) {
    await world.site(`app${number}`, hostOf(number));
    if (number % 20 === 0) await world.settle(5);
  }
  await world.settle(60);
  allCertified(world, APPS);
  assert.is(world.acme.orders.length, 1);
});

test('a Domain of its own does not count for another', async ({ world }) => {
  await world.domain('example.com');
  await world.domain('example.org');
  await world.site('one', 'one.example.com', 'one.example.org');
  await world.start();
  await world.settle(60);
  assert.equal(
    all(world)
      .map(({ spec }) => `${spec.domain}: ${spec.hosts.join()}`)
      .sort(),
    ['example.com: one.example.com', 'example.org: one.example.org'],
  );
  assert.is(world.state('Site', 'one', 'Certified'), 'True Certified');
});

test.run();
