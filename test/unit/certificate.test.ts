import { X509Certificate } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CertificateWorld } from './certificate-world.ts';

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
  await world.settle(120);
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
  await world.settle(700);
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

test.run();
