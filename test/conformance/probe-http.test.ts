/** The real probe against servers in here. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createRawServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { promisify } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createProbe } from '../../reconcilers/drivers/probe/http.ts';
import type { ProbeTarget } from '../../reconcilers/drivers/probe/index.ts';
import { freePort } from './docker-parts.ts';
import { probeConformance } from './probe.suite.ts';
import { until } from './until.ts';

const target = (port: number, changes: Partial<ProbeTarget> = {}): ProbeTarget => ({
  address: '127.0.0.1',
  port,
  path: '/healthz?full=1',
  host: 'wiki.localhost',
  timeoutMilliseconds: 10_000,
  ...changes,
});

async function serve(listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port };
}

probeConformance('http', async () => {
  const servers: Server[] = [];
  return {
    probe: createProbe({ clock: systemClock }),
    async target(behaviour) {
      if (behaviour === 'refused') return target(await freePort());
      const { server, port } = await serve((_request, response) => {
        if (typeof behaviour === 'number')
          response.writeHead(behaviour, { location: '/elsewhere' }).end('a body');
      });
      servers.push(server);
      return target(port);
    },
    async cleanup() {
      for (const server of servers) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
});

const test = suite('Probe driver: what goes over the wire');
const probe = createProbe({ clock: systemClock });

async function withServer(listener: RequestListener, run: (port: number, server: Server) => Promise<void>) {
  const { server, port } = await serve(listener);
  try {
    await run(port, server);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('it asks with GET, the path with its query, and the Host, once', async () => {
  const asked: IncomingMessage[] = [];
  const listener: RequestListener = (request, response) => {
    asked.push(request);
    response.writeHead(301, { location: 'http://127.0.0.1:1/' }).end();
  };
  await withServer(listener, async (port) => {
    await probe.ask(target(port));
    assert.is(asked.length, 1);
    assert.is(asked[0]?.method, 'GET');
    assert.is(asked[0]?.url, '/healthz?full=1');
    assert.is(asked[0]?.headers.host, 'wiki.localhost');
    assert.match(asked[0]?.headers['user-agent'] ?? '', /Holdfast/);
  });
});

test('a body without an end is not waited for, and no connection is kept', async () => {
  const listener: RequestListener = (_request, response) => {
    response.writeHead(200);
    response.write('x'.repeat(100_000));
  };
  await withServer(listener, async (port, server) => {
    assert.is((await probe.ask(target(port))).ok, true);
    const connections = () =>
      new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count)));
    await until(async () => (await connections()) === 0, 'the connection is closed');
  });
});

const odd: { name: string; say(socket: Socket): void; tls?: boolean; words: RegExp }[] = [
  { name: 'closes at once', say: (socket) => socket.destroy(), words: /closed without an answer/ },
  {
    name: 'speaks something else',
    say: (socket) => socket.end('220 mail ESMTP\r\n'),
    words: /no HTTP on this port/,
  },
  {
    name: 'speaks no TLS',
    say: (socket) => socket.end('HTTP/1.1 400 Bad\r\n\r\n'),
    tls: true,
    words: /no TLS on this port/,
  },
];
for (const row of odd) {
  test(`a server that ${row.name} is told in words`, async () => {
    const server = createRawServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => row.say(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      const answer = await probe.ask(target(port, { tls: row.tls ?? false }));
      assert.is(answer.ok, false);
      assert.match(answer.message, row.words);
    } finally {
      server.close();
    }
  });
}

test('with TLS it asks for the name, and takes any certificate', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-probe-'));
  const request = 'req -x509 -newkey rsa:2048 -nodes -subj /CN=nobody -days 1 -keyout key.pem -out cert.pem';
  await promisify(execFile)('openssl', request.split(' '), { cwd: folder });
  const [key, cert] = await Promise.all(['key.pem', 'cert.pem'].map((name) => readFile(join(folder, name))));
  await rm(folder, { recursive: true, force: true });
  const names: (string | false | null)[] = [];
  const server = createTlsServer({ key, cert }, (incoming, response) => {
    names.push((incoming.socket as TLSSocket & { servername: string | false }).servername);
    response.writeHead(200).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    assert.equal(await probe.ask(target(port, { tls: true })), {
      ok: true,
      status: 200,
      message: 'status 200',
    });
    assert.equal(names, ['wiki.localhost']);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test('a path that cannot be asked for is an answer, not a crash', async () => {
  const answer = await probe.ask(target(1, { path: '/with space' }));
  assert.is(answer.ok, false);
  assert.match(answer.message, /path/i);
});

test.run();
