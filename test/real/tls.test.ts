/**
 * What a stranger learns who tries the edge with openssl and curl, as testssl would: versions of TLS, ciphers, headers, what is said of
 * names that nobody has, and what plain HTTP is good for. Each thing that must be refused is first shown to be possible for the client.
 */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createAuthority } from '../../reconcilers/drivers/authority/folder.ts';
import { createFakeHost } from '../../reconcilers/drivers/host/fake.ts';
import { freePorts, missingNginx, type RealNginx, realNginx } from '../conformance/nginx.real.ts';
import { until } from '../conformance/nginx.suite.ts';
import { telling } from '../support/before.ts';
import { messageOf, platform, readyOf, reconcile, site } from '../unit/site-world.ts';

const HOST = 'wiki.example.com';
const DENYING = 'denying.example.com';
const MAIN = 'main.example.com';
const ALIAS = 'alias.example.com';
const MODERN = 'wiki.modern.example';

const test = suite('the edge as a stranger sees it');
let real: RealNginx;
let upstream: Server;
let ca = '';
let httpsPort = 0;
let folder = '';

/** All that nginx sets, with values of its own, and what tells its version. */
const OWN_HEADERS = {
  'x-frame-options': 'ALLOWALL',
  'x-xss-protection': '0',
  'x-download-options': 'open',
  'x-content-type-options': 'sniff',
  'x-permitted-cross-domain-policies': 'all',
  'referrer-policy': 'unsafe-url',
  'strict-transport-security': 'max-age=1; includeSubDomains; preload',
  server: 'Upstream/1.2.3',
  'x-powered-by': 'PHP/8.1.2',
};

const domain = (name: string, tls: object) => ({
  ...site(name),
  kind: 'Domain',
  spec: { provider: 'noop', tls: { issuer: 'internal', ...tls } },
  status: { zone: name, conditions: [] },
});

test.before(
  telling(async () => {
    upstream = createServer((_, response) => {
      for (const [name, value] of Object.entries(OWN_HEADERS)) response.setHeader(name, value);
      response.end('hello');
    });
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve));
    folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'));
    real = await realNginx();
    httpsPort = real.port + 1;
    const { nginx } = real;
    const authority = createAuthority({
      folder: join(dirname(real.prefix), 'authority'),
      clock: systemClock,
      hostname: 'test',
      nginx,
    });
    const host = createFakeHost({ stateFolder: '/state' });
    host.state.ipv6 = false;
    const { port } = upstream.address() as AddressInfo;
    const to = { address: '127.0.0.1', port };
    const documents = [
      platform({ port: real.port, httpsPort }),
      domain('example.com', {}),
      domain('modern.example', { minVersion: '1.3' }),
      site('wiki', { hosts: [HOST], domain: 'example.com', upstream: to }),
      site('denying', { hosts: [DENYING], domain: 'example.com', upstream: to, frameOptions: 'DENY' }),
      site('main', {
        hosts: [MAIN, ALIAS],
        domain: 'example.com',
        upstream: to,
        redirectAliases: true,
      }),
      site('modern', { hosts: [MODERN], domain: 'modern.example', upstream: to }),
    ];
    const turn = await reconcile(documents, { nginx, authority, host });
    for (const name of ['wiki', 'denying', 'main', 'modern'])
      assert.is(readyOf(turn, name), 'True Serving', messageOf(turn, name));
    ca = authority.caCertificatePath;
  }),
);
test.after(async () => {
  await real?.close();
  upstream?.close();
  await rm(folder, { recursive: true, force: true });
});

interface Ended {
  code: number;
  out: string;
}

function run(program: string, words: readonly string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const child = execFile(program, words, { timeout: 20_000 }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, out: `${stdout}${stderr}` }),
    );
    child.stdin?.end();
  });
}

/** A handshake; SECLEVEL 0 lets the client offer what is long broken. */
const shake = (port: number, ...words: string[]) =>
  run('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...words]);

const shakeHost = (...words: string[]) => shake(httpsPort, '-servername', HOST, ...words);

async function curl(url: string, ...words: string[]): Promise<Ended> {
  const hosts = [HOST, DENYING, MAIN, ALIAS, MODERN, 'nobody.example.com'];
  const resolve = hosts.flatMap((host) => [
    ...['--resolve', `${host}:${httpsPort}:127.0.0.1`],
    ...['--resolve', `${host}:${real.port}:127.0.0.1`],
  ]);
  return run('curl', ['-sS', '--max-time', '15', '--cacert', ca, ...resolve, ...words, url]);
}

const url = (host: string, path = '/') => `https://${host}:${httpsPort}${path}`;

/** By name, in small letters: all values. */
async function headersOf(host: string): Promise<Map<string, string[]>> {
  const { code, out } = await curl(url(host), '-o', '/dev/null', '-D', '-');
  assert.is(code, 0, out);
  const found = new Map<string, string[]>();
  for (const line of out.split('\r\n').slice(1)) {
    const [name = '', ...value] = line.split(':');
    if (value.length === 0) continue;
    const key = name.toLowerCase();
    found.set(key, [...(found.get(key) ?? []), value.join(':').trim()]);
  }
  return found;
}

const OLD = ['-tls1', '-tls1_1'] as const;
const WEAK = ['-cipher', 'ALL:@SECLEVEL=0'];

/** A server that speaks everything, with a key that all kinds of exchange work with. */
async function careless(body: (port: number) => Promise<void>): Promise<void> {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made = await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1'],
    ...['-subj', '/CN=careless', '-keyout', key, '-out', certificate],
  ]);
  assert.is(made.code, 0, made.out);
  const port = await freePorts(1);
  const server = spawn(
    'openssl',
    ['s_server', '-accept', `127.0.0.1:${port}`, '-key', key, '-cert', certificate, ...WEAK, '-www'],
    { stdio: 'ignore' },
  );
  try {
    await until(async () => (await shake(port)).code === 0, 'the careless server does not answer');
    await body(port);
  } finally {
    server.kill('SIGKILL');
  }
}

test('TLS 1.2 and 1.3 are spoken, 1.0 and 1.1 are not', async () => {
  for (const [version, name] of [
    ['-tls1_2', 'TLSv1.2'],
    ['-tls1_3', 'TLSv1.3'],
  ] as const) {
    const { code, out } = await shakeHost(version);
    assert.is(code, 0, out);
    assert.match(out, `New, ${name}`);
  }
  for (const version of OLD) {
    const { code, out } = await shakeHost(version, ...WEAK);
    assert.is.not(code, 0, out);
    assert.match(out, /alert protocol version/, `the server refuses ${version}, not the client`);
  }
  await careless(async (port) => {
    for (const version of OLD)
      assert.is((await shake(port, version, ...WEAK)).code, 0, `${version} can be tried`);
  });
});

test('of all ciphers of TLS 1.2 only those with forward secrecy and authenticated encryption are taken', async () => {
  const { out } = await run('openssl', ['ciphers', '-tls1_2', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0']);
  const names = out.trim().split(':');
  const offered = names.filter((name) => !name.startsWith('TLS_') && !/PSK|SRP/.test(name));
  assert.ok(offered.length > 30, `${offered.length} can be tried`);
  const taken = [];
  for (const name of offered) {
    const { code } = await shakeHost('-tls1_2', '-cipher', `${name}:@SECLEVEL=0`);
    if (code === 0) taken.push(name);
  }
  assert.equal(taken.sort(), [
    'ECDHE-ECDSA-AES128-GCM-SHA256',
    'ECDHE-ECDSA-AES256-GCM-SHA384',
    'ECDHE-ECDSA-CHACHA20-POLY1305',
  ]);
  await careless(async (port) => {
    const weak = ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0'];
    assert.is((await shake(port, ...weak)).code, 0, 'one without authentication can be had elsewhere');
    assert.is.not((await shakeHost(...weak)).code, 0);
  });
});

test('no compression, no tickets, no renegotiation of the old kind, and no OCSP answer is stapled', async () => {
  const { out } = await shakeHost('-tls1_2', '-status');
  assert.match(out, /Compression: NONE/);
  assert.match(out, /Secure Renegotiation IS supported/);
  assert.not.match(out, /TLS session ticket:/);
  assert.match(out, /OCSP response: no response sent/);
});

test('the certificate is for the name and leads to the authority', async () => {
  const { out } = await shakeHost('-CAfile', ca, '-verify_return_error', '-verify_hostname', HOST);
  assert.match(out, /Verify return code: 0 \(ok\)/);
  const other = await shakeHost('-CAfile', ca, '-verify_return_error', '-verify_hostname', DENYING);
  assert.is.not(other.code, 0);
});

test('HTTP/2 is spoken with those who ask for it, and HTTP/1.1 with the others', async () => {
  for (const [option, version] of [
    ['--http2', '2'],
    ['--http1.1', '1.1'],
  ] as const) {
    const { out } = await curl(url(HOST), option, '-o', '/dev/null', '-w', '%{http_version} %{http_code}');
    assert.is(out, `${version} 200`);
  }
});

test('each header stands there once, with our value, whatever the App says', async () => {
  const headers = await headersOf(HOST);
  assert.equal(headers.get('strict-transport-security'), ['max-age=15768000'], 'and not for subdomains');
  assert.equal(headers.get('x-frame-options'), ['SAMEORIGIN']);
  assert.equal(headers.get('x-xss-protection'), ['1; mode=block']);
  assert.equal(headers.get('x-download-options'), ['noopen']);
  assert.equal(headers.get('x-content-type-options'), ['nosniff']);
  assert.equal(headers.get('x-permitted-cross-domain-policies'), ['none']);
  assert.equal(headers.get('referrer-policy'), ['no-referrer-when-downgrade']);
  const denying = await headersOf(DENYING);
  assert.equal(denying.get('x-frame-options'), ['DENY']);
  assert.equal(denying.get('content-security-policy'), ["frame-ancestors 'none'"]);
});

test('nobody tells a version: not nginx, not the App through it, not a page of an error', async () => {
  const headers = await headersOf(HOST);
  assert.equal(headers.get('server'), ['nginx']);
  assert.is(headers.get('x-powered-by'), undefined);
  const bad = await curl(url(HOST), '-i', '-H', 'Host: a b');
  assert.match(bad.out, /400 Bad Request/);
  const plain = await curl(`http://${HOST}:${httpsPort}/`, '-i');
  assert.match(plain.out, / 400 /);
  for (const { out } of [bad, plain]) assert.not.match(out, /nginx\/|openssl|debian/i);
});

test('a name that nobody has gets nothing: no page, no certificate, no name of another', async () => {
  const unknown = await shake(httpsPort, '-servername', 'nobody.example.com');
  assert.is.not(unknown.code, 0);
  assert.match(unknown.out, /no peer certificate available/);
  const nameless = await shake(httpsPort, '-noservername');
  assert.match(nameless.out, /no peer certificate available/);
  for (const { out } of [unknown, nameless]) assert.not.match(out, /wiki|denying/);
  assert.is((await curl(`http://nobody.example.com:${real.port}/`)).code, 52, 'an empty answer');
  assert.is((await curl(`http://127.0.0.1:${real.port}/`)).code, 52);
  assert.is((await curl(`http://nobody.example.com:${real.port}/.well-known/acme-challenge/x`)).code, 52);
});

test('a page of one name is not had through the connection of a name that nobody has', async () => {
  const { out } = await curl(
    url(HOST),
    '-o',
    '/dev/null',
    '-w',
    '%{http_code}',
    '-H',
    `Host: nobody.example.com`,
  );
  assert.not.match(out, /200/);
});

test('plain HTTP sends to HTTPS, whatever is asked and how, and shows nothing of the App', async () => {
  for (const method of ['GET', 'POST', 'HEAD', 'DELETE']) {
    const words = method === 'HEAD' ? ['-I'] : ['-i', '-X', method];
    const { out } = await curl(`http://${HOST}:${real.port}/a?b=c`, ...words);
    assert.match(out, /^HTTP\/1\.1 301 /);
    assert.match(out, `Location: ${url(HOST, '/a?b=c')}`);
    assert.not.match(out, /hello/);
  }
  const acme = await curl(`http://${HOST}:${real.port}/.well-known/acme-challenge/token`, '-i');
  assert.match(acme.out, /^HTTP\/1\.1 404 /, 'no authority is asked for this Domain');
});

test('aliases that send to the main name do so with path, query and method, and have the headers', async () => {
  const to = url(MAIN, '/a?b=c');
  for (const method of ['GET', 'POST']) {
    const { out } = await curl(url(ALIAS, '/a?b=c'), '-i', '--http1.1', '-X', method);
    assert.match(out, /^HTTP\/1\.1 308 /);
    assert.match(out, `Location: ${to}`);
    assert.match(out, 'Cache-Control: max-age=3600');
    assert.match(out, 'Strict-Transport-Security: max-age=15768000');
    assert.not.match(out, /hello/);
  }
  const followed = await curl(url(ALIAS, '/a?b=c'), '-L', '-w', ' %{num_redirects} %{url_effective}');
  assert.is(followed.out, `hello 1 ${to}`);
});

test('a Domain that wants TLS 1.3 says so to those who come with less', async () => {
  const status = ['-o', '/dev/null', '-w', '%{http_code}'];
  assert.is((await curl(url(MODERN), ...status)).out, '200');
  assert.is((await curl(url(MODERN), ...status, '--tls-max', '1.2')).out, '426');
  assert.is((await curl(url(HOST), ...status, '--tls-max', '1.2')).out, '200', 'the others go on');
});

const missing =
  missingNginx() ??
  ['openssl', 'curl'].find((program) => spawnSync(program, ['version']).error)?.concat(' is not installed');
if (missing === undefined) {
  test.run();
} else {
  console.log(`SKIP: the edge as a stranger sees it: ${missing}`);
}
