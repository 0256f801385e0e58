import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { lstat, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Clock, systemClock } from '../../controller/clock.ts';
import { createAuthority } from '../../reconcilers/drivers/authority/folder.ts';
import { type Authority, certificateName } from '../../reconcilers/drivers/authority/index.ts';
import { writeCertificate } from '../../reconcilers/drivers/nginx/certificates.ts';
import type { IssuedCertificate } from '../../reconcilers/world.ts';

const DAY = 24 * 60 * 60 * 1000;
const HOSTS = ['wiki.localhost', 'w.localhost', 'a.localhost'];
const REORDERED = ['wiki.localhost', 'a.localhost', 'w.localhost'];

interface Place {
  root: string;
  clock: Clock;
  /** Moves the clock by so many days. */
  shift(days: number): void;
  authority: Authority;
  again(): Authority;
}

async function inPlace(run: (place: Place) => Promise<void>): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-authority-'));
  let days = 0;
  const clock = { ...systemClock, now: () => Date.now() + days * DAY };
  const shift = (by: number) => {
    days = by;
  };
  const certificates = join(root, 'certificates');
  const again = () =>
    createAuthority({
      folder: join(root, 'authority'),
      clock,
      hostname: 'test',
      nginx: { certificates, writeCertificate: (name, pem) => writeCertificate(certificates, name, pem) },
    });
  try {
    await run({ root, clock, shift, authority: again(), again });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

test('what it issues verifies with openssl, names its hosts, and is found', () =>
  inPlace(async ({ authority }) => {
    assert.is(await authority.find(HOSTS), undefined);
    const issued = await authority.issue(HOSTS);
    const said = execFileSync('openssl', [
      'verify',
      '-x509_strict',
      '-purpose',
      'sslserver',
      '-CAfile',
      authority.caCertificatePath,
      issued.paths.certificate,
    ]);
    assert.match(said.toString(), /: OK/);
    const leaf = new X509Certificate(await readFile(issued.paths.certificate));
    assert.is(leaf.subjectAltName, 'DNS:wiki.localhost, DNS:w.localhost, DNS:a.localhost');
    assert.is(Math.round((Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / DAY), 397);
    assert.is(issued.issuer, 'CN=Holdfast test CA');
    assert.equal(await authority.find(HOSTS), issued);
    assert.equal(await authority.find(REORDERED), issued);
    assert.is(await authority.find(['wiki.localhost']), undefined);
  }));

test('the authority has the extensions that strict verifiers ask for, critical where they must be', () =>
  inPlace(async ({ authority }) => {
    await authority.ensure();
    const text = execFileSync('openssl', [
      'x509',
      '-in',
      authority.caCertificatePath,
      '-noout',
      '-text',
    ]).toString();
    assert.match(text, /Basic Constraints: critical\s+CA:TRUE, pathlen:0/);
    assert.match(text, /Key Usage: critical\s+Certificate Sign, CRL Sign/);
    assert.match(text, /Subject Key Identifier/);
  }));

test('keys are for root alone, the authority’s certificate is for all', () =>
  inPlace(async ({ root, authority }) => {
    const issued = await authority.issue(HOSTS);
    assert.is((await lstat(join(root, 'authority/ca.key'))).mode & 0o777, 0o600);
    assert.is((await lstat(authority.caCertificatePath)).mode & 0o777, 0o644);
    assert.is((await lstat(issued.paths.key)).mode & 0o777, 0o600);
  }));

test('another start has the same authority, and so have two first calls at once', () =>
  inPlace(async ({ authority, again }) => {
    const [one, two] = await Promise.all([
      authority.issue(['a.localhost']),
      authority.issue(['b.localhost']),
    ]);
    const ca = await readFile(authority.caCertificatePath, 'utf8');
    const other = again();
    await other.ensure();
    assert.is(await readFile(other.caCertificatePath, 'utf8'), ca);
    assert.equal(await other.find(['a.localhost']), one);
    assert.equal(await other.find(['b.localhost']), two);
  }));

const rows: { name: string; spoil: (place: Place, issued: IssuedCertificate) => Promise<void> | void }[] = [
  { name: 'two thirds of its life are over', spoil: ({ shift }) => shift(265) },
  { name: 'the clock was set back before its time', spoil: ({ shift }) => shift(-3) },
  { name: 'its key is gone', spoil: (_place, issued) => rm(issued.paths.key) },
  { name: 'it is gone', spoil: (_place, issued) => rm(issued.paths.certificate) },
  {
    name: 'it is not a certificate',
    spoil: (_place, issued) => writeFile(issued.paths.certificate, 'hello'),
  },
  {
    name: 'its key is another',
    spoil: async ({ authority }, issued) => {
      const other = await authority.issue(['other.localhost']);
      await writeFile(issued.paths.key, await readFile(other.paths.key));
    },
  },
  {
    name: 'it is for other names',
    spoil: async ({ authority }, issued) => {
      const other = await authority.issue(['other.localhost']);
      await writeFile(issued.paths.certificate, await readFile(other.paths.certificate));
      await writeFile(issued.paths.key, await readFile(other.paths.key));
    },
  },
  {
    name: 'the authority that signed it was replaced',
    spoil: async ({ root, again }) => {
      await rm(join(root, 'authority'), { recursive: true });
      await again().ensure();
    },
  },
];

for (const row of rows) {
  test(`a certificate is not found when ${row.name}, and a new one is right`, () =>
    inPlace(async (place) => {
      const issued = await place.authority.issue(HOSTS);
      assert.ok(await place.authority.find(HOSTS));
      await row.spoil(place, issued);
      assert.is(await place.authority.find(HOSTS), undefined);
      const renewed = await place.authority.issue(HOSTS);
      assert.equal(await place.authority.find(HOSTS), renewed);
    }));
}

test('near its end the authority is renewed with its key, so that what it signed stays good', () =>
  inPlace(async ({ shift, authority, again }) => {
    await authority.ensure();
    const before = await readFile(authority.caCertificatePath, 'utf8');
    shift(8.95 * 365);
    const issued = await authority.issue(HOSTS);
    await again().ensure();
    const after = await readFile(authority.caCertificatePath, 'utf8');
    assert.is.not(after, before);
    assert.ok(new X509Certificate(before).publicKey.equals(new X509Certificate(after).publicKey));
    assert.ok(await again().find(HOSTS));
    assert.ok(
      new X509Certificate(await readFile(issued.paths.certificate)).verify(
        new X509Certificate(before).publicKey,
      ),
    );
  }));

const names: [string[], RegExp][] = [
  [['wiki.localhost'], /^wiki\.localhost_[0-9a-f]{12}$/],
  [['*.example.com'], /^x_\.example\.com_[0-9a-f]{12}$/],
  [['../../etc/passwd'], /^_?[a-z0-9_.-]+_[0-9a-f]{12}$/],
  [['a'.repeat(250)], /^a{100}_[0-9a-f]{12}$/],
];

for (const [hosts, expected] of names) {
  test(`the name of a certificate for ${hosts[0]?.slice(0, 20)} is a file’s name`, () => {
    assert.match(certificateName(hosts), expected);
    assert.not.match(certificateName(hosts), /\//);
  });
}

test.run();
