/**
 * Sites on the real nginx, on high loopback ports, in front of a real upstream: what a browser, a person with an editor and a
 * bad day do to it. The reconciler's functions are called as the engine calls them, without the engine.
 */
import { execFile, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { dirname, join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createAuthority } from '../../reconcilers/drivers/authority/folder.ts';
import type { Authority } from '../../reconcilers/drivers/authority/index.ts';
import { createFakeHost } from '../../reconcilers/drivers/host/fake.ts';
import type { SiteWriting } from '../../reconcilers/site/converge.ts';
import type { Document } from '../../resources/document.ts';
import { missingNginx, type RealNginx, realNginx } from '../conformance/nginx.real.ts';
import { until } from '../conformance/nginx.suite.ts';
import { telling } from '../support/before.ts';
import { messageOf, platform, readyOf, reconcile, type SiteOptions, site } from '../unit/site-world.ts';

const run = promisify(execFile);
const MEGABYTE = 1024 * 1024;

interface Place extends RealNginx {
  world: SiteWriting;
  authority: Authority;
  httpsPort: number;
  ca: () => Promise<Buffer>;
  /** Sites with the upstream filled in, and the Platform with free ports. */
  documents(...sites: [name: string, options?: SiteOptions][]): Document[];
}

const test = suite('sites on the real nginx');
let upstream: Server;
/** The server forgets them when they are websockets. */
const upgraded = new Set<Socket>();

function check(name: string, body: (place: Place) => Promise<void>): void {
  test(name, async () => {
    const real = await realNginx();
    try {
      await body(placeOf(real));
    } finally {
      await real.close();
    }
  });
}

function placeOf(real: RealNginx): Place {
  const authority = createAuthority({
    folder: join(dirname(real.prefix), 'authority'),
    clock: systemClock,
    hostname: 'test',
    nginx: real.nginx,
  });
  const host = createFakeHost({ stateFolder: '/state' });
  host.state.ipv6 = false;
  const { port } = upstream.address() as AddressInfo;
  const httpsPort = real.port + 1;
  return {
    ...real,
    authority,
    httpsPort,
    world: { nginx: real.nginx, authority, host },
    ca: () => readFile(authority.caCertificatePath),
    documents: (...sites) => [
      platform({ port: real.port, httpsPort }),
      ...sites.map(([name, options]) => site(name, { upstream: { address: '127.0.0.1', port }, ...options })),
    ],
  };
}

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: string;
}

/** Checks the certificate for the host against the authority's alone. */
async function get(
  place: Place,
  host: string,
  path = '/',
  options: { method?: string; body?: Buffer } = {},
): Promise<Answer> {
  const ca = await place.ca();
  return new Promise((resolve, reject) => {
    const request = httpsRequest(
      {
        host: '127.0.0.1',
        port: place.httpsPort,
        servername: host,
        ca,
        path,
        method: options.method ?? 'GET',
        agent: false,
        headers: { host: `${host}:${place.httpsPort}` },
      },
      (response) => resolve(collect(response)),
    );
    request.on('error', reject);
    request.end(options.body);
  });
}

async function collect(response: IncomingMessage): Promise<Answer> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return {
    status: response.statusCode ?? 0,
    headers: response.headers,
    body: Buffer.concat(chunks).toString(),
  };
}

/** Echoes what it is asked as JSON; has headers of its own; takes uploads, gives downloads, speaks websocket enough. */
function makeUpstream(): Promise<Server> {
  const server = createServer((request, response) => {
    if (request.url === '/upload') {
      const hash = createHash('sha256');
      request.on('data', (chunk: Buffer) => hash.update(chunk));
      request.on('end', () => response.end(hash.digest('hex')));
      return;
    }
    if (request.url === '/download') {
      response.setHeader('content-length', 50 * MEGABYTE);
      const block = Buffer.alloc(MEGABYTE, 'x');
      let left = 50;
      const more = () => {
        while (left > 0) {
          left -= 1;
          if (!response.write(block)) {
            response.once('drain', more);
            return;
          }
        }
        response.end();
      };
      more();
      return;
    }
    if (request.url === '/busy') {
      response.writeHead(503).end('the app itself is busy');
      return;
    }
    response.setHeader('x-frame-options', 'ALLOWALL');
    response.setHeader('server', 'upstream');
    response.end(
      JSON.stringify({ url: request.url, headers: request.headers, version: request.httpVersion }),
    );
  });
  server.on('upgrade', (request, socket: Socket) => {
    upgraded.add(socket);
    const accept = createHash('sha1').update(
      `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`,
    );
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept.digest('base64')}\r\n\r\n`,
    );
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

check('a Site is served: certificate, redirect, headers, nobody else’s name', async (place) => {
  const documents = place.documents(['wiki']);
  const turn = await reconcile(documents, place.world);
  assert.is(readyOf(turn, 'wiki'), 'True Serving', messageOf(turn, 'wiki'));
  const url = `https://wiki.localhost:${place.httpsPort}`;
  assert.is(turn.status[0]?.fields?.['url'], url);

  const { stdout } = await run('curl', [
    '-sS',
    '--cacert',
    place.authority.caCertificatePath,
    '--resolve',
    `wiki.localhost:${place.httpsPort}:127.0.0.1`,
    `${url}/some/path?a=b`,
  ]);
  const seen = JSON.parse(stdout) as { url: string; headers: Record<string, string> };
  assert.is(seen.url, '/some/path?a=b');
  assert.is(seen.headers['host'], `wiki.localhost:${place.httpsPort}`);
  assert.is(seen.headers['x-forwarded-for'], '127.0.0.1');
  assert.is(seen.headers['x-real-ip'], '127.0.0.1');
  assert.is(seen.headers['x-forwarded-proto'], 'https');
  assert.is(seen.headers['x-forwarded-ssl'], 'on');
  assert.is(seen.headers['x-forwarded-host'], `wiki.localhost:${place.httpsPort}`);

  const answer = await get(place, 'wiki.localhost');
  assert.is(answer.headers['x-frame-options'], 'SAMEORIGIN');
  assert.is(answer.headers['x-content-type-options'], 'nosniff');
  assert.is(answer.headers['referrer-policy'], 'no-referrer-when-downgrade');
  assert.is(answer.headers['strict-transport-security'], undefined);
  assert.is(answer.headers['server'], 'nginx');

  const moved = await fetchPlain(place, 'wiki.localhost', '/x?y=1');
  assert.is(moved.status, 301);
  assert.is(moved.headers.location, `${url}/x?y=1`);
  assert.is((await fetchPlain(place, 'wiki.localhost', '/.well-known/acme-challenge/t')).status, 404);
  assert.match(await failure(fetchPlain(place, 'other.localhost', '/')), /hang up|ECONNRESET/);
  assert.match(await failure(get(place, 'other.localhost')), /unrecognized name|alert/i);
});

async function failure(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'it answered',
    (error: unknown) => String(error),
  );
}

function fetchPlain(place: Place, host: string, path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      { host: '127.0.0.1', port: place.port, path, agent: false, headers: { host: `${host}:${place.port}` } },
      (response) => resolve(collect(response)),
    );
    request.on('error', reject);
    request.end();
  });
}

check('HTTP/2 is spoken', async (place) => {
  await reconcile(place.documents(['wiki']), place.world);
  const session = connectHttp2(`https://127.0.0.1:${place.httpsPort}`, {
    ca: await place.ca(),
    servername: 'wiki.localhost',
  });
  try {
    const stream = session.request({ ':path': '/two', ':authority': `wiki.localhost:${place.httpsPort}` });
    let body = '';
    for await (const chunk of stream) body += String(chunk);
    const seen = JSON.parse(body) as { url: string; version: string; headers: Record<string, string> };
    assert.is(session.alpnProtocol, 'h2');
    assert.is(seen.url, '/two');
    assert.is(seen.version, '1.1');
    assert.is(seen.headers['host'], `wiki.localhost:${place.httpsPort}`);
  } finally {
    session.close();
  }
});

check('a websocket passes both ways, and lives through a reload', async (place) => {
  await reconcile(place.documents(['wiki']), place.world);
  const socket = connectTls({
    host: '127.0.0.1',
    port: place.httpsPort,
    servername: 'wiki.localhost',
    ca: await place.ca(),
  });
  try {
    let received = '';
    socket.on('data', (data) => {
      received += data.toString('latin1');
    });
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: wiki.localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    );
    await until(() => received.includes('s3pPLMBiTxaQ9kYGzzhZRbK+xOo='), 'no upgrade');
    assert.match(received, /^HTTP\/1\.1 101 /);
    socket.write('hello');
    await until(() => received.endsWith('hello'), 'no echo');
    await reconcile(place.documents(['wiki'], ['blog']), place.world);
    socket.write('again');
    await until(() => received.endsWith('again'), 'no echo after a reload');
  } finally {
    socket.destroy();
  }
});

check('50 MB go up and come down, and nothing of it is put on the disk', async (place) => {
  await reconcile(place.documents(['wiki']), place.world);
  const body = randomBytes(50 * MEGABYTE);
  const up = await get(place, 'wiki.localhost', '/upload', { method: 'POST', body });
  assert.is(up.status, 200);
  assert.is(up.body, createHash('sha256').update(body).digest('hex'));
  const down = await get(place, 'wiki.localhost', '/download');
  assert.is(down.body.length, 50 * MEGABYTE);
  for (const folder of ['body', 'proxy']) assert.equal(await readdir(join(place.prefix, 'run', folder)), []);
});

check(
  'an App that is down has a page that says so; its own errors stay its own; a stopped one says that',
  async (place) => {
    const dead = { upstream: { address: '127.0.0.1', port: place.port + 2 } };
    await reconcile(place.documents(['wiki'], ['dead', dead], ['off', { state: 'stopped' }]), place.world);
    const down = await get(place, 'dead.localhost', '/x', { method: 'POST', body: Buffer.from('y') });
    assert.is(down.status, 502);
    assert.match(down.headers['content-type'] ?? '', /^text\/html/);
    assert.match(down.body, /starting or not answering/);
    const busy = await get(place, 'wiki.localhost', '/busy');
    assert.is(busy.status, 503);
    assert.is(busy.body, 'the app itself is busy');
    const off = await get(place, 'off.localhost');
    assert.is(off.status, 503);
    assert.match(off.body, /is stopped/);
  },
);

check('edits by hand, deleted files and certificates, and a killed nginx are put right', async (place) => {
  const documents = place.documents(['wiki'], ['blog']);
  await reconcile(documents, place.world);
  const path = join(place.nginx.folder, 'sites/wiki.conf');

  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace(/proxy_pass .*;/, 'return 418;'));
  const edited = await reconcile(documents, place.world);
  assert.is(edited.done.length, 1);
  assert.match(JSON.stringify(edited.done[0]?.because), /server\.location \/\.return.*418.*drift/);
  assert.is((await get(place, 'wiki.localhost')).status, 200);

  await rm(path);
  assert.is((await reconcile(documents, place.world)).done.length, 1);

  const { certificates } = await place.nginx.state();
  for (const name of certificates) await rm(join(place.nginx.certificates, `${name}.key`));
  const renewed = await reconcile(documents, place.world);
  assert.equal(
    renewed.done.map((step) => step.type),
    ['IssueCertificate', 'IssueCertificate', 'PublishSites'],
  );
  assert.is((await get(place, 'wiki.localhost')).status, 200);

  await place.kill();
  const killed = await reconcile(documents, place.world);
  assert.equal(
    killed.done.map((step) => step.type),
    ['StartNginx'],
  );
  assert.is(readyOf(killed, 'wiki'), 'True Serving');
  assert.is((await get(place, 'blog.localhost')).status, 200);

  await rm(place.nginx.folder);
  await reconcile(documents, place.world);
  assert.is((await get(place, 'blog.localhost')).status, 200);
  assert.is((await reconcile(documents, place.world)).done.length, 0);
});

check('one bad Site holds up no other', async (place) => {
  const bad: [string, SiteOptions] = ['bad', { upstream: { address: 'no-such-host.invalid', port: 80 } }];
  const turn = await reconcile(place.documents(['wiki'], bad, ['blog']), place.world);
  assert.is(readyOf(turn, 'bad'), 'False Refused');
  assert.match(messageOf(turn, 'bad'), /host not found in upstream "no-such-host\.invalid"/);
  for (const name of ['wiki', 'blog']) {
    assert.is(readyOf(turn, name), 'True Serving');
    assert.is((await get(place, `${name}.localhost`)).status, 200);
  }
  assert.is((await reconcile(place.documents(['wiki'], bad, ['blog']), place.world)).done.length, 0);
  // A Site that served keeps serving with what it had.
  const spoilt = await reconcile(place.documents(['wiki', bad[1]], ['blog']), place.world);
  assert.is(readyOf(spoilt, 'wiki'), 'False Refused');
  assert.is((await get(place, 'wiki.localhost')).status, 200);
});

check('another’s nginx and another’s port are left alone', async (place) => {
  const other = join(dirname(place.prefix), 'other.conf');
  const otherPort = place.port + 2;
  await writeFile(
    other,
    `daemon off; pid ${other}.pid; error_log ${other}.log; events {} http { access_log off; client_body_temp_path ${other}.b; proxy_temp_path ${other}.p; fastcgi_temp_path ${other}.f; uwsgi_temp_path ${other}.u; scgi_temp_path ${other}.s; server { listen 127.0.0.1:${otherPort}; return 200 other; } }`,
  );
  const child = spawn('/usr/sbin/nginx', ['-c', other, '-e', `${other}.log`], { stdio: 'ignore' });
  try {
    const ask = () =>
      fetch(`http://127.0.0.1:${otherPort}/`, { headers: { connection: 'close' } }).then((answer) =>
        answer.text(),
      );
    await until(
      () =>
        ask().then(
          (text) => text === 'other',
          () => false,
        ),
      'the other nginx does not start',
    );
    await reconcile(place.documents(['wiki']), place.world);
    await place.kill();
    await reconcile(place.documents(['wiki']), place.world);
    const [own, wiki] = [platform({ port: place.port, httpsPort: otherPort }), place.documents(['wiki'])[1]];
    const turn = await reconcile(wiki ? [own, wiki] : [], place.world);
    assert.is(readyOf(turn, 'wiki'), 'False PortTaken');
    assert.is((await get(place, 'wiki.localhost')).status, 200, 'it serves where it did');
    await place.nginx.stop();
    assert.is(await ask(), 'other');
  } finally {
    const ended = new Promise((resolve) => child.on('exit', resolve));
    child.kill('SIGTERM');
    await ended;
  }
});

check('300 Sites are one publish, and one change of them is quick', async (place) => {
  const names = Array.from({ length: 300 }, (_, index): [string] => [`site-${index}`]);
  const documents = place.documents(...names);
  const started = performance.now();
  const turn = await reconcile(documents, place.world);
  const first = performance.now() - started;
  assert.is(turn.failure, undefined);
  assert.is(turn.done.filter((step) => step.type === 'PublishSites').length, 1);
  for (const name of ['site-0', 'site-299']) assert.is((await get(place, `${name}.localhost`)).status, 200);
  const again = performance.now();
  assert.is((await reconcile(documents, place.world)).done.length, 0);
  const nothing = performance.now() - again;
  const changing = performance.now();
  await reconcile(place.documents(...names.slice(1)), place.world);
  const change = performance.now() - changing;
  const figures = { first, nothing, change };
  console.log(
    `\n300 sites, in ms: ${JSON.stringify(figures, (_key, value) => (typeof value === 'number' ? Math.round(value) : value))}`,
  );
});

const missing = missingNginx();
if (missing === undefined) {
  test.before(
    telling(async () => {
      upstream = await makeUpstream();
    }),
  );
  test.after(async () => {
    upstream.closeAllConnections();
    for (const socket of upgraded) socket.destroy();
    await new Promise((resolve) => upstream.close(resolve));
  });
  test.run();
} else {
  console.log(`SKIP: sites on the real nginx: ${missing}`);
}
