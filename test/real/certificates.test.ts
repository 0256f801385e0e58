/**
 * Certificates on a whole host: domains in zones of a real name server, an ACME authority that is strict and refuses one nonce in five,
 * nginx, and curl that finds its way by DNS and trusts that authority alone. Nothing is done by hand.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Certificate } from '../../resources/certificate.ts';
import { condition, type Document } from '../../resources/document.ts';
import { telling } from '../support/before.ts';
import { type Host, startHost } from './host.ts';
import { type Authority, installAuthority, serveZones, ZONE_KEY, zoneRecords, zoneSerial } from './names.ts';
import { appManifest, buildHello, stream, succeeded } from './product.ts';
import { until } from './until.ts';

/** By HTTP; one for all names of it; by DNS. */
const ZONES = ['example.com', 'example.org', 'example.net'] as const;
const ROOT = '/tmp/root.pem';

let host: Host;
let authority: Authority;
const zonesBefore = new Map<string, string>();

const document = (kind: string, name: string, spec: object) =>
  JSON.stringify({ apiVersion: 'holdfast.dev/v1', kind, metadata: { name }, spec });

function domain(name: string, tls: { wildcard?: boolean; challenge?: string }): string {
  const { challenge, ...others } = tls;
  return document('Domain', name, {
    provider: 'rfc2136',
    credentials: { secret: 'nameserver' },
    nameServers: ['127.0.0.1'],
    address: { ipv4: '127.0.0.1' },
    tls: {
      issuer: 'acme',
      ...others,
      acme: { directory: authority.directory, caBundle: authority.ca, ...(challenge ? { challenge } : {}) },
    },
  });
}

function app(name: string, of: string, more: object = {}): string {
  const { spec, ...others } = JSON.parse(appManifest(name)) as { spec: object };
  return JSON.stringify({ ...others, spec: { ...spec, domain: of, ...more } });
}

const apply = async (...manifests: string[]) =>
  succeeded(await host.holdfast(['apply', '-f', '-'], { input: stream(manifests) }));

async function list<T = Document>(kind: string): Promise<T[]> {
  const { stdout } = succeeded(await host.holdfast(['get', kind, '-o', 'json']));
  return (JSON.parse(stdout) as { items: T[] }).items;
}

const certificates = () => list<Certificate>('certificates');

/** The certificate that has this name in it, once it is issued and no other is asked for. */
const issued = (name: string, seconds = 120) =>
  until(
    `the certificate of ${name} is issued`,
    async () => {
      const all = await certificates();
      const found = all.find(({ status }) => status?.names?.includes(name));
      if (found && condition(found as unknown as Document, 'Ready')?.status === 'True') return found;
      throw new Error(all.map((each) => JSON.stringify(each.status)).join('\n'));
    },
    { seconds, everyMilliseconds: 500 },
  );

/** Who signed what is served for a name, and what the page says. */
async function visit(name: string): Promise<string> {
  const answer = `curl -sS --fail --http2 --cacert ${ROOT} -o /tmp/page -w '%{http_version} %{http_code}'`;
  return host.sh(`${answer} https://${name}/`);
}

const served = (name: string) =>
  host.sh(
    `openssl s_client -connect 127.0.0.1:443 -servername ${name} </dev/null 2>/dev/null | openssl x509 -noout -serial`,
  );

const controllerPid = `sed 's/.*"pid":\\([0-9]*\\).*/\\1/' /var/lib/holdfast/run/controller.json`;

/** Waits for a condition on the host without leaving it, then kills the controller at once, and waits for the next one. */
async function killWhen(shellCondition: string): Promise<void> {
  const before = await host.sh(
    `pid=$(${controllerPid}); for i in $(seq 2000); do if ${shellCondition}; then kill -9 $pid; echo $pid; exit; fi; sleep 0.02; done; echo "never: $0" >&2; exit 1`,
    { timeoutSeconds: 120 },
  );
  await until(
    'the supervisor has started another one',
    async () => (await host.sh(`pid=$(${controllerPid}); test -d /proc/$pid && echo $pid`)) !== before,
  );
  await until('it answers', async () => (await host.holdfast(['get', 'apps'])).code === 0);
}

test.before(
  telling(async () => {
    host = await startHost({ name: 'certificates', flavour: 'names' });
    await serveZones(host, ZONES);
    authority = await installAuthority(host);
    succeeded(await host.holdfast(['up'], { timeoutSeconds: 240 }));
    await buildHello(host);
    await authority.root(ROOT);
    for (const zone of ZONES) zonesBefore.set(zone, await zoneRecords(host, zone));
  }),
);
test.after(async () => {
  await host?.remove();
});

test('a Domain and an App: the record, the certificate of the authority, and the page over HTTP/2, with no step by hand', async () => {
  const server = { server: '127.0.0.1', port: '53', keyName: 'holdfast', algorithm: 'hmac-sha256' };
  await apply(
    document('Platform', 'platform', { http: { addresses: ['0.0.0.0'] } }),
    document('Secret', 'nameserver', { stringData: { ...server, key: ZONE_KEY } }),
    domain('example.com', {}),
    app('greeting', 'example.com', { aliases: ['example.com'] }),
  );
  const { spec } = await issued('greeting.example.com');
  assert.equal([...spec.hosts].sort(), ['example.com', 'greeting.example.com']);
  assert.is(await host.sh('kdig +tcp +short @127.0.0.1 A greeting.example.com'), '127.0.0.1');
  for (const name of ['greeting.example.com', 'example.com']) {
    await until(`the page of ${name}`, async () => (await visit(name)) === '2 200');
    assert.match(await host.readFile('/tmp/page'), /<h1>/);
  }
  assert.is(await authority.orders(), 1);
});

test('one certificate for all names of a domain, by a record that is gone afterwards', async () => {
  const ordersBefore = await authority.orders();
  await apply(
    domain('example.org', { wildcard: true }),
    app('first', 'example.org'),
    app('second', 'example.org'),
  );
  const { spec } = await issued('*.example.org');
  assert.equal([...spec.hosts].sort(), ['*.example.org', 'example.org']);
  for (const name of ['first.example.org', 'second.example.org'])
    await until(`the page of ${name}`, async () => (await visit(name)) === '2 200');
  assert.is((await authority.orders()) - ordersBefore, 1);
  await until(
    'no challenge is left in the zone',
    async () => !(await zoneRecords(host, 'example.org')).includes('_acme-challenge'),
  );
});

/** What a second look must leave alone. */
async function everything(): Promise<string> {
  const kinds = ['domains', 'sites', 'certificates', 'dnsrecords', 'apps'];
  const versions = [];
  for (const kind of kinds)
    for (const { metadata } of await list(kind))
      versions.push(`${kind} ${metadata.name} ${metadata.resourceVersion}`);
  const serials = await Promise.all(ZONES.map((zone) => zoneSerial(host, zone)));
  const files = await host.sh('find /var/lib/holdfast -name "domain_*" -printf "%f %m %T@\\n" | sort');
  return [...versions, ...serials, files, String(await authority.orders())].join('\n');
}

test('keys are files for root alone', async () => {
  const modes = await host.sh('find /var/lib/holdfast -name "domain_*.key" -printf "%m %u\\n" | sort -u');
  assert.is(modes, '600 root');
});

test('a second look, by a controller that knows nothing of the first, changes nothing', async () => {
  const settled = await until('all is settled', async () => {
    const one = await everything();
    return one === (await everything()) && one;
  });
  await killWhen('true');
  const pid = await host.sh(controllerPid);
  await apply(domain('example.com', {}), app('first', 'example.org'));
  await issued('greeting.example.com');
  assert.is(await visit('first.example.org'), '2 200');
  assert.is(await everything(), settled);
  assert.is(await host.sh(controllerPid), pid);
});

const inZone = (name: string) => `kdig +tcp +short @127.0.0.1 TXT _acme-challenge.${name} | grep -q .`;
const MOMENTS: readonly [name: string, what: string, when: (name: string, orders: number) => string][] = [
  [
    'one',
    'the order was made',
    (_, orders) => `[ $(grep -c 'Added order "' /var/log/pebble.log) -gt ${orders} ]`,
  ],
  ['two', 'the record is in the zone', (name) => inZone(name)],
  [
    'three',
    'the authority has issued',
    () => `[ $(grep -c 'Issued certificate' /var/log/pebble.log) -gt $(cat /tmp/issued) ]`,
  ],
];

for (const [name, what, when] of MOMENTS) {
  test(`killed when ${what}: at most one order more, and no challenge is left in the zone`, async () => {
    const fqdn = `${name}.example.net`;
    await apply(domain('example.net', { challenge: 'dns-01' }));
    const orders = await authority.orders();
    await host.sh(`grep -c 'Issued certificate' /var/log/pebble.log >/tmp/issued`);
    await apply(app(name, 'example.net'));
    await killWhen(when(fqdn, orders));
    await issued(fqdn);
    await until(`the page of ${fqdn}`, async () => (await visit(fqdn)) === '2 200', { seconds: 60 });
    const made = (await authority.orders()) - orders;
    assert.ok(made === 1 || made === 2, `${made} orders for one certificate`);
    console.log(`killed when ${what}: ${made} order(s)`);
    await until(
      'no challenge is left in the zone',
      async () => !(await zoneRecords(host, 'example.net')).includes('_acme-challenge'),
    );
  });
}

test('renewed at two thirds of its life; the authority is away then, the old one serves, a warning tells, and it is renewed after', async () => {
  await authority.halt();
  await authority.start({ validitySeconds: 75 });
  await apply(app('short', 'example.net'));
  const before = await issued('short.example.net');
  await authority.root(ROOT);
  await until('it is served', async () => (await visit('short.example.net')) === '2 200');
  const serial = await served('short.example.net');
  await authority.halt();
  const warned = await until(
    'a warning comes before its end',
    async () => {
      const found = (await certificates()).find(({ metadata }) => metadata.name === before.metadata.name);
      const warning = found && condition(found as unknown as Document, 'CertificateExpiring');
      return warning?.status === 'True' && warning.message;
    },
    { seconds: 75 },
  );
  assert.match(warned, /not renewed/);
  assert.is(await served('short.example.net'), serial);
  await authority.start();
  await until('another one is served', async () => (await served('short.example.net')) !== serial, {
    seconds: 120,
  });
  await authority.root(ROOT);
  assert.is(await visit('short.example.net'), '2 200');
  assert.is(await authority.orders(), 1);
});

test('without the Apps their records, certificates and sites are gone, and each zone is as before, byte for byte', async () => {
  const names = (await list('apps')).map(({ metadata }) => `app/${metadata.name}`);
  succeeded(await host.holdfast(['delete', ...names], { timeoutSeconds: 120 }));
  for (const zone of ZONES)
    await until(
      `${zone} is as before`,
      async () => (await zoneRecords(host, zone)) === zonesBefore.get(zone),
      {
        seconds: 60,
      },
    );
  await until('no site is left', async () => (await list('sites')).length === 0);
  assert.is(
    (
      await host.exec([
        'curl',
        '-sk',
        '--max-time',
        '10',
        'https://greeting.example.com/',
        '--resolve',
        'greeting.example.com:443:127.0.0.1',
      ])
    ).code === 0,
    false,
  );
});

test.run();
