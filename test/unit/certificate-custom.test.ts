/** Certificates that a person gives, good and bad, and what is served where there is no other. */
import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pairProblem } from '../../reconcilers/certificate/pem.ts';
import { makeAuthority, makeLeaf, type Pair } from '../../reconcilers/drivers/authority/x509.ts';
import { CertificateWorld, DAY } from './certificate-world.ts';

const HOST = 'wiki.example.com';
const NOW = Date.parse('2026-01-01T00:00:00.000Z');

const [authority, other] = await Promise.all([
  makeAuthority({ name: 'one', now: NOW }),
  makeAuthority({ name: 'other', now: NOW }),
]);
const good = await makeLeaf(authority, [HOST, '*.shop.example.com'], NOW);
const expired = await makeLeaf(authority, [HOST], NOW - 500 * DAY, { days: 90 });
const early = await makeLeaf(authority, [HOST], NOW + 10 * DAY);
const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
const weakKey = weak.export({ type: 'pkcs8', format: 'pem' }).toString();
const locked = execFileSync('openssl', ['pkey', '-aes256', '-passout', 'pass:secret'], {
  encoding: 'utf8',
  stdio: ['pipe', 'pipe', 'ignore'],
  input: good.key,
});

interface Row {
  name: string;
  pair: Pair;
  hosts?: string[];
  reason?: string;
  message?: RegExp;
}

const rows: Row[] = [
  { name: 'its own certificate alone', pair: good },
  {
    name: 'with the one that signed it',
    pair: { ...good, certificate: good.certificate + authority.certificate },
  },
  {
    name: 'with words between the blocks',
    pair: { ...good, certificate: `subject=x\n${good.certificate}\n` },
  },
  { name: 'for a name that a wildcard covers', pair: good, hosts: ['a.shop.example.com'] },
  {
    name: 'for a name too deep for its wildcard',
    pair: good,
    hosts: ['a.b.shop.example.com'],
    reason: 'NamesMissing',
    message: /not good for a\.b\.shop\.example\.com: it has wiki\.example\.com, \*\.shop/,
  },
  {
    name: 'for another name',
    pair: good,
    hosts: ['blog.example.com'],
    reason: 'NamesMissing',
    message: /secret\/given is not good for blog/,
  },
  { name: 'that has ended', pair: expired, reason: 'Expired', message: /ended on 2024-.*Put a new one/ },
  { name: 'that has not begun', pair: early, reason: 'NotYetValid', message: /begins on 2026-01-10.*clock/ },
  {
    name: 'with another’s key',
    pair: { ...good, key: early.key },
    reason: 'KeyMismatch',
    message: /not the key of the certificate/,
  },
  {
    name: 'behind the one that signed it',
    pair: { ...good, certificate: authority.certificate + good.certificate },
    reason: 'ChainOrder',
    message: /number 2 in tls\.crt.*Put it first/,
  },
  {
    name: 'with one that did not sign it',
    pair: { ...good, certificate: good.certificate + other.certificate },
    reason: 'ChainOrder',
    message: /Certificate 2 in tls\.crt.*did not sign/,
  },
  {
    name: 'with a passphrase',
    pair: { ...good, key: locked },
    reason: 'KeyEncrypted',
    message: /openssl pkey/,
  },
  {
    name: 'with a short key',
    pair: { ...good, key: weakKey },
    reason: 'WeakKey',
    message: /1024 bits; nginx wants 2048/,
  },
  { name: 'with no key', pair: { ...good, key: 'hello' }, reason: 'NoKey', message: /no private key in PEM/ },
  {
    name: 'that is none',
    pair: { ...good, certificate: 'hello' },
    reason: 'NoCertificate',
    message: /holds no certificate in PEM/,
  },
  {
    name: 'that was cut',
    pair: { ...good, certificate: good.certificate.replace(/\n.{20}/, '\n') },
    reason: 'NoCertificate',
    message: /Certificate 1 .*copy it again/,
  },
];

const pairs = suite('a pair that a person gives');
for (const { name, pair, hosts = [HOST], reason, message } of rows) {
  pairs(`${name}: ${reason ?? 'fine'}`, () => {
    const found = pairProblem(pair, 'given', hosts, NOW);
    assert.is(found?.reason, reason, found?.message);
    if (message) assert.match(found?.message ?? '', message);
    assert.not.match(found?.message ?? '', 'PRIVATE KEY');
  });
}
pairs.run();

const test = suite<{ world: CertificateWorld }>('certificates of Secrets');
test.before.each(async (context) => {
  context.world = new CertificateWorld();
  await context.world.apply('Platform', 'platform', { http: { addresses: ['0.0.0.0'] } });
  await context.world.start();
});
test.after.each(({ world }) => world.close());

const give = (world: CertificateWorld, name: string, { certificate, key }: Pair) =>
  world.apply('Secret', name, { stringData: { 'tls.crt': certificate, 'tls.key': key } });

const siteText = (world: CertificateWorld) => world.nginx.files.get('sites/wiki.conf') ?? '';
const CUSTOM = 'example.com-custom';

test('it waits for its Secret, is served when that comes, and no authority is asked', async ({ world }) => {
  await world.domain('example.com', { issuer: 'custom', certificate: { secret: 'given' } });
  await world.site('wiki', HOST);
  await world.settle();
  assert.is(world.state('Certificate', CUSTOM), 'False ReferenceNotFound');
  assert.match(
    world.message('Certificate', CUSTOM),
    /secret\/given, which spec\.tls\.certificate of domain\/example\.com/,
  );
  assert.is(world.state('Site', 'wiki'), 'True Serving', 'HTTPS answers all the same');
  assert.is(world.state('Site', 'wiki', 'Certified'), 'False Fallback');
  await give(world, 'given', good);
  await world.settle();
  assert.is(world.state('Certificate', CUSTOM), 'True Issued', world.message('Certificate', CUSTOM));
  assert.is(world.state('Site', 'wiki', 'Certified'), 'True Certified');
  assert.match(siteText(world), `domain_${CUSTOM}.pem`);
  assert.is(world.acme.orders.length, 0);
});

test('one that goes wrong afterwards leaves the good one in place, with what to do', async ({ world }) => {
  await world.domain('example.com', { issuer: 'custom', certificate: { secret: 'given' } });
  await world.site('wiki', HOST);
  await give(world, 'given', good);
  await world.settle();
  await give(world, 'given', { ...good, key: early.key });
  await world.settle();
  assert.is(world.state('Certificate', CUSTOM), 'False KeyMismatch');
  assert.is(world.nginx.pems.get(`domain_${CUSTOM}`)?.certificate, good.certificate);
  assert.is(world.nginx.pems.get(`domain_${CUSTOM}`)?.key, good.key);
  assert.match(siteText(world), `domain_${CUSTOM}.pem`);
  const renewed = await makeLeaf(authority, [HOST], world.clock.now());
  await give(world, 'given', renewed);
  await world.settle();
  assert.is(world.state('Certificate', CUSTOM), 'True Issued');
  assert.is(world.nginx.pems.get(`domain_${CUSTOM}`)?.certificate, renewed.certificate);
});

test('one that was bad from the first is never given to nginx', async ({ world }) => {
  await world.domain('example.com', { issuer: 'custom', certificate: { secret: 'given' } });
  await world.site('wiki', HOST);
  await give(world, 'given', { ...good, key: early.key });
  await world.settle();
  assert.is(world.state('Certificate', CUSTOM), 'False KeyMismatch');
  assert.not(world.nginx.pems.has(`domain_${CUSTOM}`));
  assert.is(world.state('Site', 'wiki'), 'True Serving');
});

test('who renews by hand is told a month before the end, and at the end the platform’s own is served', async ({
  world,
}) => {
  await world.domain('example.com', { issuer: 'custom', certificate: { secret: 'given' } });
  await world.site('wiki', HOST);
  await give(world, 'given', good);
  await world.settle();
  assert.is(world.state('Certificate', CUSTOM, 'CertificateExpiring'), 'none');
  await world.pass(370 * DAY, DAY);
  assert.is(world.state('Certificate', CUSTOM, 'CertificateExpiring'), 'True RenewByHand');
  assert.match(
    world.message('Certificate', CUSTOM, 'CertificateExpiring'),
    /Put a new one into secret\/given/,
  );
  await world.pass(40 * DAY, DAY);
  assert.is(world.state('Certificate', CUSTOM), 'False Expired');
  assert.is(world.state('Site', 'wiki', 'Certified'), 'False Fallback');
  assert.not.match(siteText(world), `domain_${CUSTOM}.pem`);
});

test('a fallback of the Domain is served until there is another', async ({ world }) => {
  const fallback = await makeLeaf(authority, ['*.example.com'], world.clock.now());
  await give(world, 'fallback', fallback);
  world.acme.down = true;
  await world.domain('example.com', { fallback: { secret: 'fallback' } });
  await world.site('wiki', HOST);
  await world.settle();
  assert.is(world.state('Certificate', 'example.com-fallback'), 'True Issued');
  assert.match(siteText(world), 'domain_example.com-fallback.pem');
  world.acme.down = false;
  await world.settle(90);
  assert.match(siteText(world), `domain_${HOST}.pem`);
  assert.not.match(siteText(world), 'fallback.pem');
});

const CAA: [name: string, at: string, tag: string, value: string, tls: object, allowed: boolean][] = [
  ['another authority at the host', HOST, 'issue', 'other.example', {}, false],
  ['another authority at the domain', 'example.com', 'issue', 'other.example', {}, false],
  ['nobody at all', 'example.com', 'issue', '', {}, false],
  ['this authority', 'example.com', 'issue', 'ours.example', {}, true],
  ['mail about breaches only', 'example.com', 'iodef', 'mailto:a@example.com', {}, true],
  ['another one for wildcards only', 'example.com', 'issuewild', 'other.example', {}, true],
  [
    'another one for wildcards, and a wildcard',
    'example.com',
    'issuewild',
    'other.example',
    { wildcard: true },
    false,
  ],
];

for (const [name, at, tag, value, tls, allowed] of CAA) {
  test(`CAA records that allow ${name}: ${allowed ? 'issued' : 'nothing is ordered'}`, async ({ world }) => {
    world.acme.caaIdentities = ['ours.example'];
    world.caa.zones.set(at, [{ tag, value }]);
    await world.domain('example.com', tls);
    await world.site('wiki', HOST);
    await world.settle(60);
    const certificate = 'wildcard' in tls ? 'example.com' : HOST;
    const state = world.state('Certificate', certificate);
    assert.is(state, allowed ? 'True Issued' : 'False CaaForbids', world.message('Certificate', certificate));
    assert.is(world.acme.orders.length, allowed ? 1 : 0);
    if (!allowed)
      assert.match(
        world.message('Certificate', certificate),
        /Add the record: .* CAA 0 issue(wild)? "ours\.example"/,
      );
  });
}

test.run();
