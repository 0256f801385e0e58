/**
 * A domain on a whole host: the example, with a real name server beside Holdfast. The host finds names by that server alone, so that
 * curl comes to the App by DNS, and nothing is done by hand.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseAllDocuments } from 'yaml';
import { telling } from '../support/before.ts';
import { type Host, project, startHost } from './host.ts';
import { serveZones, ZONE_KEY, zoneRecords, zoneSerial } from './names.ts';
import { buildHello, succeeded } from './product.ts';
import { until } from './until.ts';

const example = fileURLToPath(new URL('../../examples/domain.yaml', import.meta.url));
const credentials = parseAllDocuments(readFileSync(example, 'utf8'))
  .map((document) => document.toJS() as { kind: string; spec: { stringData?: Record<string, string> } })
  .find(({ kind }) => kind === 'Secret')?.spec.stringData;

let host: Host;

test.before(
  telling(async () => {
    host = await startHost({ name: 'names', flavour: 'names' });
    assert.is(credentials?.['key'], ZONE_KEY);
    await serveZones(host, ['example.com']);
    succeeded(await host.holdfast(['up'], { timeoutSeconds: 240 }));
    await buildHello(host);
  }),
);
test.after(async () => {
  await host?.remove();
});

const dump = () => zoneRecords(host, 'example.com');

let before = '';

test('the example is applied, and the App is found by DNS and served with no step by hand', async () => {
  before = await dump();
  succeeded(await host.holdfast(['apply', '-f', `${project}/examples/domain.yaml`]));
  const waited = ['wait', 'app/greeting', '--for', 'condition=Ready', '--timeout', '120s'];
  succeeded(await host.holdfast(waited, { timeoutSeconds: 150 }));
  assert.is(await host.sh('kdig +tcp +short @127.0.0.1 A greeting.example.com'), '127.0.0.1');
  const ca = '--cacert /var/lib/holdfast/authority/ca.pem';
  for (const name of ['greeting.example.com', 'example.com']) {
    const answer = await host.sh(
      `curl -sS --fail ${ca} -o /tmp/page -w '%{http_version} %{http_code}' https://${name}/`,
    );
    assert.match(answer, /^(2|1\.1) 200$/);
    assert.match(await host.readFile('/tmp/page'), /<h1>/);
  }
});

test('the tree of the App shows its records', async () => {
  const { stdout } = succeeded(await host.holdfast(['tree', 'app/greeting']));
  assert.match(stdout, /site\/greeting/);
  assert.match(stdout, /dnsrecord\/greeting\.example\.com\.a-\w+ +True +Resolved/);
  assert.match(stdout, /dnsrecord\/example\.com\.a-\w+ +True +Resolved/);
});

test('what people wrote is exported, and the records are not', async () => {
  const { stdout } = succeeded(await host.holdfast(['export']));
  assert.match(stdout, /^kind: Domain$/m);
  assert.not.match(stdout, /^kind: DNSRecord$/m);
  assert.not.match(stdout, new RegExp(credentials?.['key'] ?? ''));
});

test('applying it again changes nothing, here and in the zone', async () => {
  const serial = await zoneSerial(host, 'example.com');
  const plan = await host.holdfast(['plan', '-f', `${project}/examples/domain.yaml`, '--detailed-exitcode']);
  assert.is(plan.code, 0, `${plan.stdout}${plan.stderr}`);
  succeeded(await host.holdfast(['apply', '-f', `${project}/examples/domain.yaml`]));
  assert.is(await zoneSerial(host, 'example.com'), serial);
});

test('without the App its records are gone, and the rest of the zone is as before, byte for byte', async () => {
  assert.not.equal(await dump(), before);
  succeeded(await host.holdfast(['delete', 'app/greeting']));
  await until('the zone is as before', async () => (await dump()) === before);
  const left = succeeded(await host.holdfast(['get', 'dnsrecords', '-o', 'name']));
  assert.is(left.stdout.trim(), '');
});

test.run();
