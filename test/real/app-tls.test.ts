/**
 * The addon tls on a whole host: an App without rights of its own speaks TLS on a port of its own, with the certificate that a real ACME
 * authority gave for its name; when that is renewed the App serves the new one.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { condition, type Document } from '../../resources/document.ts';
import { telling } from '../support/before.ts';
import { Apps } from './apps.ts';
import { type Host, startHost } from './host.ts';
import { type Authority, installAuthority, serveZones, ZONE_KEY } from './names.ts';
import { succeeded } from './product.ts';
import { bringImages } from './server-images.ts';
import { until } from './until.ts';

const NAME = 'irc.example.com';
const ROOT = '/tmp/root.pem';
const FOLDER = '/var/lib/holdfast/tls/irc';

let host: Host;
let apps: Apps;
let authority: Authority;
let skip: string | undefined;

const document = (kind: string, name: string, spec: object) => ({
  apiVersion: 'holdfast.dev/v1',
  kind,
  metadata: { name },
  spec,
});

/** openssl serves the files that it was given to whoever comes; the page for health is beside it. */
const START = `#!/bin/sh
openssl s_server -quiet -accept 6697 -cert /etc/certs/tls_cert.pem -cert_chain /etc/certs/tls_cert.pem -key /etc/certs/tls_key.pem -www &
exec perl -MIO::Socket::INET -e '
  my $s = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1) or die $!;
  while (my $c = $s->accept) { <$c>; print $c "HTTP/1.0 200 OK\\r\\n\\r\\nwell"; close $c }'
`;

async function buildImage(): Promise<void> {
  await host.sh('mkdir -p /tmp/irc; cat >/tmp/irc/start; chmod 755 /tmp/irc/start', { input: START });
  const lines = ['FROM holdfast.local/redis:7', 'COPY start /start', 'USER 4321:4321', 'ENTRYPOINT []'];
  await host.sh('cat >/tmp/irc/Dockerfile', { input: [...lines, 'CMD ["/start"]', ''].join('\n') });
  await host.sh('docker build -q -t test.local/irc:1 /tmp/irc', { timeoutSeconds: 60 });
}

const domain = (tls: object = {}) =>
  document('Domain', 'example.com', {
    provider: 'rfc2136',
    credentials: { secret: 'nameserver' },
    nameServers: ['127.0.0.1'],
    address: { ipv4: '127.0.0.1' },
    tls: { issuer: 'acme', acme: { directory: authority.directory, caBundle: authority.ca }, ...tls },
  });

/** A package as the older platform has them. */
const irc = document('App', 'irc', {
  manifest: {
    id: 'org.example.irc',
    version: '1.0.0',
    dockerImage: 'test.local/irc:1',
    httpPort: 8080,
    healthCheckPath: '/',
    addons: { tls: {} },
    tcpPorts: { IRC_PORT: { title: 'IRC over TLS', description: 'IRC over TLS', containerPort: 6697 } },
  },
  location: 'irc',
  domain: 'example.com',
  ports: { IRC_PORT: 6697 },
});

test.before(
  telling(async () => {
    host = await startHost({ name: 'app-tls', flavour: 'names' });
    apps = new Apps(host);
    skip = await bringImages(host, ['redis:7']);
    if (skip !== undefined) return console.log(`SKIP: ${skip}`);
    await serveZones(host, ['example.com']);
    authority = await installAuthority(host);
    await authority.halt();
    succeeded(await host.holdfast(['up'], { timeoutSeconds: 240 }));
    await buildImage();
  }),
);
test.after(async () => {
  await host?.remove();
});

const unlessSkipped = (name: string, run: () => Promise<void>) =>
  test(name, async () => {
    if (skip === undefined) await run();
  });

/** The serial number of what is served at a port, proven up to the authority's root. */
async function served(port: number): Promise<string> {
  const shake = `openssl s_client -connect 127.0.0.1:${port} -servername ${NAME} -verify_hostname ${NAME} -verify_return_error -CAfile ${ROOT}`;
  return host.sh(`${shake} </dev/null 2>/dev/null | openssl x509 -noout -serial`);
}

const life = () => host.sh(`docker inspect -f '{{.Id}}' holdfast-app-irc`);

unlessSkipped('it waits, and says for what, while the authority is away', async () => {
  const server = { server: '127.0.0.1', port: '53', keyName: 'holdfast', algorithm: 'hmac-sha256' };
  await apps.apply(
    document('Platform', 'platform', { http: { addresses: ['0.0.0.0'] } }),
    document('Secret', 'nameserver', { stringData: { ...server, key: ZONE_KEY } }),
    domain(),
    irc,
  );
  await apps.becomes('irc', 'CertificateNotReady');
  const waits = /waits for certificate\/irc\.example\.com/;
  await until('it names the certificate', async () => waits.test((await apps.ready('irc'))?.message ?? ''));
  assert.is(await host.sh('docker ps -aq --filter label=dev.holdfast.kind=App'), '');
});

unlessSkipped('with the certificate it serves the same as nginx, as a user without rights', async () => {
  // Long enough to look at it; renewed at two thirds.
  await authority.start({ validitySeconds: 150 });
  await authority.root(ROOT);
  succeeded(await host.holdfast(['retry', 'app/irc']));
  for (const { metadata } of (await list('certificates')) ?? [])
    succeeded(await host.holdfast(['retry', `certificate/${metadata.name}`]));
  await apps.becomes('irc', 'Serving', 90);
  const serial = await until('its own port answers', () => served(6697));
  assert.is(await served(443), serial);
  const inside = 'docker exec holdfast-app-irc';
  assert.is(await host.sh(`${inside} id -u`), '4321');
  assert.is(await host.sh(`${inside} ls /etc/certs`), 'tls_cert.pem\ntls_key.pem');
  const refused = await host.exec(['docker', 'exec', '-u', '0', 'holdfast-app-irc', 'touch', '/etc/certs/x']);
  assert.match(refused.stderr, /Read-only file system/);
  const variables = await host.sh(`${inside} env`);
  assert.not.match(variables, /TLS|CERT/);
});

async function list(kind: string): Promise<Document[]> {
  const { stdout } = succeeded(await host.holdfast(['get', kind, '-o', 'json']));
  return (JSON.parse(stdout) as { items: Document[] }).items;
}

unlessSkipped('on the host only root reaches the key', async () => {
  assert.is(await host.sh(`stat -c %a ${FOLDER}`), '700');
  await host.sh('useradd -m nobody-else || true');
  const seen = await host.exec(['su', 'nobody-else', '-c', `cat ${FOLDER}/*/tls_key.pem`]);
  assert.is.not(seen.code, 0);
});

unlessSkipped('a second look changes nothing', async () => {
  const [before, version] = [await life(), await apps.now()];
  const { stdout } = succeeded(await host.holdfast(['plan']));
  assert.match(stdout, /0 to create, 0 to change, 0 to delete/);
  assert.is(await life(), before);
  assert.equal(
    (await apps.events(version)).filter(({ kind }) => kind === 'App'),
    [],
  );
});

unlessSkipped(
  'a renewed certificate is served, and the event says why the container is another',
  async () => {
    const [before, serial, version] = [await life(), await served(6697), await apps.now()];
    await until('another certificate is served', async () => (await served(6697)) !== serial, {
      seconds: 200,
    });
    assert.is.not(await life(), before);
    await until('nginx has it, too', async () => (await served(443)) === (await served(6697)));
    const reasons = (await apps.events(version)).flatMap(({ name, step }) =>
      name === 'irc' && step?.type === 'SwitchContainer' ? step.because : [],
    );
    assert.ok(
      reasons.some(({ field, cause }) => field === 'reads./etc/certs' && cause.startsWith('certificate/')),
      JSON.stringify(reasons),
    );
    await until('one certificate is left', async () => (await host.sh(`ls ${FOLDER} | wc -l`)) === '1');
  },
);

unlessSkipped('no key is in any output, log or description', async () => {
  const key = await host.sh(`sed -n 2p ${FOLDER}/*/tls_key.pem`);
  assert.ok(key.length > 40);
  const shown = await host.sh(`
    cd /opt/holdfast && for kind in apps sites certificates events; do bin/holdfast get $kind -o yaml; done
    bin/holdfast plan; bin/holdfast export 2>&1; bin/holdfast describe app/irc
    find /var/log /run/holdfast -type f -size -20M -exec cat {} + 2>/dev/null || true
    docker logs holdfast-app-irc 2>&1; docker inspect holdfast-app-irc`);
  assert.not.ok(shown.includes(key));
});

unlessSkipped('after a reboot without the authority it serves as before', async () => {
  await authority.halt();
  const serial = await served(6697);
  await host.reboot();
  await until('its own port answers', async () => (await served(6697)) === serial, { seconds: 60 });
});

unlessSkipped('the files go with the App', async () => {
  succeeded(await host.holdfast(['up'], { timeoutSeconds: 120 }));
  succeeded(await host.holdfast(['delete', 'app/irc', '--wait']));
  assert.is(await host.sh('ls /var/lib/holdfast/tls'), '');
  const document = await apps.get('irc');
  assert.is(document && condition(document, 'Ready'), undefined);
});

test.run();
