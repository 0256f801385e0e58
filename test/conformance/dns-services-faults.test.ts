/** What the services do when there were too many calls, when they hang, and when they dislike some of a batch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import type { SetChange, ZoneAccess } from '../../reconcilers/drivers/dns/index.ts';
import { valueDigest } from '../../reconcilers/drivers/dns/values.ts';
import { createDns } from '../../reconcilers/drivers/dns/zones.ts';
import { CLOUDFLARE_TOKEN, startCloudflare } from '../support/dns/cloudflare.ts';
import { DIGITALOCEAN_TOKEN, startDigitalOcean } from '../support/dns/digitalocean.ts';
import { ROUTE53_CREDENTIALS, startRoute53 } from '../support/dns/route53.ts';
import { rejects } from './docker.suite.ts';

const ZONE = 'example.com';
const dns = () => createDns({ clock: systemClock });
const create = (name: string, value = '192.0.2.1'): SetChange => ({
  name: `${name}.${ZONE}`,
  type: 'A',
  after: {
    ttl: 300,
    values: [value],
    mark: { owner: 'me', resource: 'app/x', values: [valueDigest(value)] },
  },
});

const services = {
  route53: async () => {
    const service = await startRoute53();
    service.addZone(ZONE);
    return { service, credentials: { ...ROUTE53_CREDENTIALS, endpoint: service.endpoint } };
  },
  digitalocean: async () => {
    const service = await startDigitalOcean();
    service.addZone(ZONE);
    return { service, credentials: { token: DIGITALOCEAN_TOKEN, endpoint: service.endpoint } };
  },
  cloudflare: async () => {
    const service = await startCloudflare();
    service.addZone(ZONE);
    return { service, credentials: { token: CLOUDFLARE_TOKEN, endpoint: service.endpoint } };
  },
};

for (const [name, start] of Object.entries(services)) {
  const provider = name as keyof typeof services;

  test(`${provider}: what is throttled is tried again with pauses, and done once`, async () => {
    const { service, credentials } = await start();
    const access: ZoneAccess = { provider, zone: ZONE, credentials };
    try {
      const driver = dns();
      service.throttle(2);
      await driver.zone(access);
      await driver.records(access, []);
      service.throttle(2);
      assert.equal(await driver.change(access, [create('wiki')]), []);
      const sets = await driver.records(access, []);
      assert.is(sets.filter((set) => set.name === `wiki.${ZONE}`).length, 1);
    } finally {
      await service.stop();
    }
  });

  test(`${provider}: a change that hangs ends with its signal`, async () => {
    const { service, credentials } = await start();
    const access: ZoneAccess = { provider, zone: ZONE, credentials };
    try {
      const driver = dns();
      await driver.records(access, []);
      service.hang(true);
      const stop = new AbortController();
      const changing = driver.change(access, [create('wiki')], stop.signal);
      stop.abort(new Error('stopped'));
      await changing.then(
        () => assert.unreachable('it did not end'),
        (error) => assert.is(error.message, 'stopped'),
      );
    } finally {
      await service.stop();
    }
  });

  test(`${provider}: a service that is not there is unavailable`, async () => {
    const { service, credentials } = await start();
    await service.stop();
    const access: ZoneAccess = { provider, zone: ZONE, credentials };
    // The SDK of Route 53 tries some times by itself.
    await rejects('unavailable', dns().zone(access));
  });
}

test('Route 53: 200 sets with their marks go out in few batches, each within the limits', async () => {
  const service = await startRoute53();
  service.addZone(ZONE);
  try {
    const access: ZoneAccess = {
      provider: 'route53',
      zone: ZONE,
      credentials: { ...ROUTE53_CREDENTIALS, endpoint: service.endpoint },
    };
    const driver = dns();
    assert.equal(
      await driver.change(
        access,
        Array.from({ length: 200 }, (_, index) => create(`app-${index}`)),
      ),
      [],
    );
    console.log(`Route 53: 200 sets in ${service.batches.length} batches`);
    assert.ok(service.batches.length <= 5, String(service.batches));
    assert.ok(
      service.calls.some(({ path }) => path.includes('/change/')),
      'it is waited for',
    );
  } finally {
    await service.stop();
  }
});

test('Cloudflare: 200 sets go out in one batch, marked by comments of at most 100 letters', async () => {
  const service = await startCloudflare();
  service.addZone(ZONE);
  try {
    const access: ZoneAccess = {
      provider: 'cloudflare',
      zone: ZONE,
      credentials: { token: CLOUDFLARE_TOKEN, endpoint: service.endpoint },
    };
    const driver = dns();
    assert.equal(
      await driver.change(
        access,
        Array.from({ length: 200 }, (_, index) => create(`app-${index}`)),
      ),
      [],
    );
    assert.equal(service.batches, [200]);
    const comments = service.records(ZONE).map(({ comment }) => comment ?? '');
    assert.ok(
      comments.every((comment) => comment.startsWith('heritage=holdfast,owner=me') && comment.length <= 100),
    );
  } finally {
    await service.stop();
  }
});

test('Cloudflare: a record that somebody put behind the proxy stays there when its address changes', async () => {
  const service = await startCloudflare();
  service.addZone(ZONE);
  try {
    const access: ZoneAccess = {
      provider: 'cloudflare',
      zone: ZONE,
      credentials: { token: CLOUDFLARE_TOKEN, endpoint: service.endpoint },
    };
    const driver = dns();
    await driver.change(access, [create('wiki')]);
    const [record] = service.records(ZONE);
    if (record) Object.assign(record, { proxied: true, ttl: 1 });
    const [before] = await driver.records(access, []);
    assert.ok(before?.proxied);
    await driver.change(access, [{ ...create('wiki', '192.0.2.2'), before }]);
    assert.equal(
      service.records(ZONE).map(({ content, proxied }) => [content, proxied]),
      [['192.0.2.2', true]],
    );
  } finally {
    await service.stop();
  }
});

test('Route 53: an alias is seen as something special', async () => {
  const service = await startRoute53();
  const id = service.addZone(ZONE);
  service.put(id, { name: `www.${ZONE}`, type: 'A', ttl: 0, values: [], alias: 'd1.cloudfront.net.' });
  try {
    const access: ZoneAccess = {
      provider: 'route53',
      zone: ZONE,
      credentials: { ...ROUTE53_CREDENTIALS, endpoint: service.endpoint },
    };
    const sets = await dns().records(access, []);
    assert.is(sets.find(({ name }) => name === `www.${ZONE}`)?.special, 'an alias of d1.cloudfront.net');
  } finally {
    await service.stop();
  }
});

test.run();
