import { X509Certificate } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CertificateWorld, DAY } from './certificate-world.ts';

const test = suite<{ world: CertificateWorld }>('certificates');
test.before.each(async (context) => {
  context.world = new CertificateWorld();
  await context.world.apply('Platform', 'platform', { http: { addresses: ['0.0.0.0'] } });
  await context.world.start();
});
test.after.each(({ world }) => world.close());

const HOST = 'wiki.example.com';
const files = (world: CertificateWorld) => [...world.nginx.pems.keys()].sort();
const siteText = (world: CertificateWorld, name: string) => world.nginx.files.get(`sites/${name}.conf`) ?? '';

test('a host gets a certificate of its authority, and the platform’s own until then', async ({ world }) => {
  world.acme.down = true;
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle(10);
  assert.is(world.state('Site', 'wiki'), 'True Serving');
  assert.is(world.state('Site', 'wiki', 'Certified'), 'False Fallback');
  assert.is(world.state('Certificate', HOST), 'False Unavailable');
  world.acme.down = false;
  await world.settle(60);
  assert.is(world.state('Certificate', HOST), 'True Issued', world.message('Certificate', HOST));
  assert.is(world.state('Site', 'wiki', 'Certified'), 'True Certified');
  assert.match(siteText(world, 'wiki'), `/domain_${HOST}.pem`);
  assert.equal(files(world), [`domain_${HOST}`], 'what nobody uses any more is removed');
  assert.is(world.acme.orders.length, 1);
  const pem = world.nginx.pems.get(`domain_${HOST}`)?.certificate ?? '';
  assert.is(new X509Certificate(pem).subjectAltName, `DNS:${HOST}`);
  assert.is(world.list('DNSRecord').length, 0);
});

test('a second look changes nothing', async ({ world }) => {
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'True Issued');
  world.calls.length = 0;
  const { version } = world;
  await world.restart();
  await world.pass(700_000, 10_000);
  assert.equal(world.calls, []);
  assert.is(world.version, version);
});

test('a wildcard is had by a record, which is gone afterwards, and serves every App below', async ({
  world,
}) => {
  await world.domain('example.com', { wildcard: true });
  await world.site('wiki', HOST);
  await world.site('www', 'example.com');
  await world.settle();
  assert.is(
    world.state('Certificate', 'example.com'),
    'True Issued',
    world.message('Certificate', 'example.com'),
  );
  assert.equal(world.certificate('example.com')?.status?.names?.slice().sort(), [
    '*.example.com',
    'example.com',
  ]);
  for (const name of ['wiki', 'www']) assert.match(siteText(world, name), '/domain_example.com.pem');
  assert.equal([...world.zone], []);
  assert.is(world.list('DNSRecord').length, 0);
  await world.site('blog', 'blog.example.com');
  await world.settle();
  assert.is(world.acme.orders.length, 1, 'a new App needs no new certificate');
  assert.is(world.state('Site', 'blog', 'Certified'), 'True Certified');
});

test('the authority is asked to look only when the name servers answer', async ({ world }) => {
  world.propagates = false;
  await world.domain('example.com', { acme: { challenge: 'dns-01' } });
  await world.site('wiki', HOST);
  await world.settle(120);
  assert.is(world.state('Certificate', HOST), 'False RecordNotReady', world.message('Certificate', HOST));
  assert.not(world.calls.includes('acme.answer'));
  const [record] = world.list('DNSRecord');
  assert.is(record?.spec['name'], `_acme-challenge.${HOST}`);
  world.propagates = true;
  world.zone.set(`_acme-challenge.${HOST}`, record?.spec['values'] as string[]);
  await world.ready('DNSRecord', record?.metadata.name ?? '');
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'True Issued');
  assert.is(world.acme.orders.length, 1);
});

test('at two thirds of its life it is renewed, and the old one serves until then', async ({ world }) => {
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  const before = world.certificate(HOST)?.status;
  const life = Date.parse(before?.notAfter ?? '') - Date.parse(before?.notBefore ?? '');
  const share = (Date.parse(before?.renewAt ?? '') - Date.parse(before?.notBefore ?? '')) / life;
  assert.ok(share > 0.63 && share < 0.71, `renewed at ${share}`);
  const reloads = world.nginx.reloads;
  await world.pass(Date.parse(before?.renewAt ?? '') - world.clock.now() - 3_600_000, 6 * 3_600_000);
  assert.is(world.certificate(HOST)?.status?.fingerprint, before?.fingerprint);
  await world.pass(2 * 3_600_000, 300_000);
  const after = world.certificate(HOST)?.status;
  assert.is.not(after?.fingerprint, before?.fingerprint);
  assert.is(world.acme.orders.length, 2);
  assert.is(world.nginx.reloads, reloads + 1, 'one reload for the new one');
  const [event] = world.events('PublishSites').slice(-1);
  assert.match(JSON.stringify(event), '"cause":"renewal"');
});

test('an authority that is down for a day: the old one serves, a warning comes long before its end', async ({
  world,
}) => {
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  const before = world.certificate(HOST)?.status;
  world.acme.down = true;
  await world.pass(Date.parse(before?.renewAt ?? '') - world.clock.now() + DAY, 6 * 3_600_000);
  assert.is(world.state('Certificate', HOST), 'True Issued');
  assert.is(world.state('Certificate', HOST, 'CertificateExpiring'), 'True Unavailable');
  assert.match(
    world.message('Certificate', HOST, 'CertificateExpiring'),
    /ends in (2[0-9]|30) days.* is not renewed: .*cannot be reached/,
  );
  assert.ok(world.events('Unavailable').length > 0, 'an event warns');
  assert.match(siteText(world, 'wiki'), `/domain_${HOST}.pem`);
  world.acme.down = false;
  await world.pass(600_000, 30_000);
  assert.is.not(world.certificate(HOST)?.status?.fingerprint, before?.fingerprint);
  assert.is(world.state('Certificate', HOST, 'CertificateExpiring'), 'none');
});

test('what ends without a successor is replaced by the platform’s own', async ({ world }) => {
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  world.acme.down = true;
  await world.pass(91 * DAY, DAY);
  assert.match(world.state('Certificate', HOST), 'False');
  assert.is(world.state('Site', 'wiki', 'Certified'), 'False Fallback');
  assert.not.match(siteText(world, 'wiki'), `/domain_${HOST}.pem`);
});

test('a name that is not confirmed holds up no other, and is tried again after pauses that grow', async ({
  world,
}) => {
  const bad = 'alias.elsewhere.org';
  world.unreachable.add(bad);
  await world.domain('example.com');
  await world.site('wiki', HOST, bad);
  await world.settle(60);
  assert.is(world.state('Certificate', HOST), 'True Issued', world.message('Certificate', HOST));
  assert.equal(world.certificate(HOST)?.spec.hosts, [HOST]);
  assert.is(world.state('Certificate', bad), 'False NotConfirmed', world.message('Certificate', bad));
  assert.match(
    world.message('Certificate', bad),
    /could not confirm alias.elsewhere.org: connection refused. It is tried again after/,
  );
  assert.ok(world.events('NotConfirmed').length > 0);
  const text = siteText(world, 'wiki');
  assert.match(text, new RegExp(`server_name ${HOST};[\\s\\S]*domain_${HOST}.pem`));
  await world.restart();
  const orders = () => world.acme.orders.filter(({ hosts }) => hosts.includes(bad)).length;
  assert.is(orders(), 2);
  await world.pass(10 * 60_000, 30_000);
  assert.is(orders(), 2, 'a restart does not shorten the pause');
  await world.pass(10 * 60_000, 30_000);
  assert.is(orders(), 3);
  await world.pass(2 * DAY, 1_200_000);
  assert.ok(orders() <= 8, `${orders()} orders in two days`);
  world.unreachable.delete(bad);
  await world.pass(2 * DAY, 1_200_000);
  assert.is(world.state('Certificate', bad), 'True Issued');
  assert.is(world.state('Site', 'wiki', 'Certified'), 'True Certified');
});

test('what a person mends is tried at once', async ({ world }) => {
  world.unreachable.add(HOST);
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'False NotConfirmed');
  world.unreachable.delete(HOST);
  const retriedAt = new Date(world.clock.now()).toISOString();
  await world.apply(
    'Certificate',
    HOST,
    { ...world.certificate(HOST)?.spec },
    { 'holdfast.dev/retriedAt': retriedAt },
  );
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'True Issued');
});

test('a limit of the authority is told with its end, and kept over restarts', async ({ world }) => {
  const until = world.clock.now() + 5 * 3_600_000;
  world.acme.limitedUntil = until;
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'False RateLimited');
  assert.match(world.message('Certificate', HOST), new Date(until).toISOString());
  const asked = () => world.calls.filter((call) => call === 'acme.placeOrder').length;
  assert.is(asked(), 1);
  await world.restart();
  await world.pass(4.9 * 3_600_000, 1_200_000);
  assert.is(asked(), 1);
  await world.pass(0.3 * 3_600_000, 300_000);
  assert.is(world.state('Certificate', HOST), 'True Issued');
});

test('CAA records against the authority are told before anything is ordered', async ({ world }) => {
  world.acme.caaIdentities = ['fake.invalid'];
  world.caa.zones.set('example.com', [{ tag: 'issue', value: 'other.invalid' }]);
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'False CaaForbids');
  assert.match(world.message('Certificate', HOST), 'Add the record: example.com CAA 0 issue "fake.invalid"');
  assert.is(world.acme.orders.length, 0);
  world.caa.zones.delete('example.com');
  await world.settle(90);
  assert.is(world.state('Certificate', HOST), 'True Issued');
});

test('an account that the authority has forgotten is made again', async ({ world }) => {
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  world.acme.accounts.clear();
  world.acme.orders.length = 0;
  await world.site('blog', 'blog.example.com');
  await world.settle();
  assert.is(world.state('Certificate', 'blog.example.com'), 'True Issued');
  assert.is(world.list('Key').filter(({ spec }) => spec['type'] === 'AcmeAccount').length, 1);
});

test('an account with a binding waits for its Secret', async ({ world }) => {
  world.acme.bindings.set('kid', 'aGVsbG8');
  await world.domain('example.com', { acme: { eab: { secret: 'eab' } } });
  await world.site('wiki', HOST);
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'False ReferenceNotFound');
  await world.apply('Secret', 'eab', { stringData: { kid: 'kid', hmacKey: 'aGVsbG8' } });
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'True Issued');
});

test('an App that goes and comes back needs no new certificate', async ({ world }) => {
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  await world.delete('Site', 'wiki');
  await world.settle();
  assert.is(world.state('Certificate', HOST), 'True Issued');
  assert.is(world.get('Site', 'wiki'), undefined);
  await world.site('wiki', HOST);
  await world.settle();
  assert.is(world.state('Site', 'wiki', 'Certified'), 'True Certified');
  assert.is(world.acme.orders.length, 1);
  await world.delete('Site', 'wiki');
  await world.pass(92 * DAY, DAY);
  assert.is(world.certificate(HOST), undefined, 'nor is it kept beyond its end');
});

test('a file that somebody deletes is put back from what is kept', async ({ world }) => {
  await world.domain('example.com');
  await world.site('wiki', HOST);
  await world.settle();
  world.nginx.pems.delete(`domain_${HOST}`);
  await world.pass(310_000, 10_000);
  assert.ok(world.nginx.pems.has(`domain_${HOST}`));
  assert.is(world.acme.orders.length, 1);
  assert.match(siteText(world, 'wiki'), `/domain_${HOST}.pem`);
});

for (const challenge of ['http-01', 'dns-01'] as const) {
  test(`killed at any call of an order by ${challenge}, there is one order and nothing is left behind`, async () => {
    let calls = 0;
    for (let call = 1; calls === 0 || call <= calls; call += 1) {
      for (const when of ['before', 'after'] as const) {
        const world = new CertificateWorld();
        try {
          await world.apply('Platform', 'platform', { http: { addresses: ['0.0.0.0'] } });
          await world.domain('example.com', { acme: { challenge } });
          await world.site('wiki', HOST);
          world.killAt = { call, when };
          await world.start();
          await world.settle(15);
          const died = world.isDead;
          if (!died) calls = call;
          await world.restart();
          await world.settle(15);
          const where = `call ${call}, ${when}`;
          assert.is(
            world.state('Certificate', HOST),
            'True Issued',
            `${where}: ${world.message('Certificate', HOST)}`,
          );
          assert.is(world.acme.orders.length, 1, where);
          assert.is(world.acme.accounts.size, 1, where);
          assert.equal([...world.zone], [], where);
          assert.is(world.list('DNSRecord').length, 0, where);
          assert.is(world.state('Site', 'wiki', 'Certified'), 'True Certified', where);
        } finally {
          await world.close();
        }
      }
    }
    assert.ok(calls > 15, `${calls} calls`);
  });
}

test.run();
