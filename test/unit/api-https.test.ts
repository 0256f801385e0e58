import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { FailedLogins } from '../../controller/api/failed-logins.ts';
import type { Manifest } from '../../resources/document.ts';
import { type ApiServer, startApiServer } from '../support/api-server.ts';
import { VirtualClock } from '../support/clock.ts';
import { app, eventually, LineStream, secret } from './api-client.ts';

const BASE = '/apis/holdfast.dev/v1';
const open = new Set<LineStream>();

async function withServer(run: (server: ApiServer) => Promise<void>): Promise<void> {
  const server = await startApiServer();
  try {
    await run(server);
  } finally {
    for (const stream of open) stream.destroy();
    open.clear();
    await server.close();
  }
}

interface Asking {
  token?: string | undefined;
  body?: unknown;
  headers?: Record<string, string>;
}

function send(
  server: ApiServer,
  method: string,
  path: string,
  asking: Asking = {},
): Promise<IncomingMessage> {
  const { token, body, headers } = asking;
  return new Promise((resolve, reject) => {
    const call = request(
      {
        host: '127.0.0.1',
        port: server.port,
        method,
        path,
        ca: server.ca,
        agent: false,
        headers: {
          ...(token !== undefined && { authorization: `Bearer ${token}` }),
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...headers,
        },
      },
      resolve,
    );
    call.once('error', reject);
    call.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** The whole answer. */
async function call(server: ApiServer, method: string, path: string, asking: Asking = {}) {
  const message = await send(server, method, path, asking);
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return {
    code: message.statusCode,
    text,
    body: text.startsWith('{') ? JSON.parse(text.split('\n', 1)[0] ?? '') : undefined,
  };
}

async function follow(server: ApiServer, path: string, token: string): Promise<LineStream> {
  const stream = new LineStream(await send(server, 'GET', path, { token }));
  open.add(stream);
  return stream;
}

async function token(server: ApiServer, name: string, ...options: string[]): Promise<string> {
  const { stdout, stderr, code } = await server.holdfast('token', 'create', name, ...options);
  assert.is(code, 0, stderr);
  return stdout.trim();
}

async function write(server: ApiServer, ...documents: unknown[]): Promise<void> {
  for (const document of documents) {
    await server.store.write([{ verb: 'create', document: document as Manifest }], {
      user: 'root',
      via: 'api',
    });
  }
}

test('over HTTPS nothing but health is answered without a token that is valid', () =>
  withServer(async (server) => {
    const good = await token(server, 'reader');
    assert.is((await call(server, 'GET', '/livez')).code, 200);
    for (const path of ['/apis', '/version', `${BASE}/apps`, '/holdfast/v1/doctor', '/nowhere', '/metrics']) {
      const { code, body } = await call(server, 'GET', path);
      assert.is(code, 401, path);
      assert.is(body.reason, 'Unauthorized');
    }
    assert.is((await call(server, 'GET', '/apis', { token: `${good}x` })).code, 401);
    assert.is(
      (await call(server, 'GET', '/apis', { headers: { authorization: 'Basic cm9vdDo=' } })).code,
      401,
    );
    assert.is((await call(server, 'GET', '/apis', { token: good })).code, 200);
    assert.equal(
      server.lines('a login failed').map(({ from }) => from),
      ['127.0.0.1', '127.0.0.1'],
    );
  }));

test('a scope allows what it says and no more', () =>
  withServer(async (server) => {
    await write(server, app('wiki'), secret('keys', { password: 'hunter2' }));
    const tokens = {
      read: await token(server, 'r', '--scope', 'read'),
      write: await token(server, 'w', '--scope', 'write'),
      admin: await token(server, 'a', '--scope', 'admin'),
      apps: await token(server, 'k', '--scope', 'write', '--kind', 'app'),
    };
    const patch = {
      body: { spec: { port: 81 } },
      headers: { 'content-type': 'application/merge-patch+json' },
    };
    const apply = (document: unknown) => ({ body: { documents: [document], manager: 'test' } });
    const made = {
      apiVersion: 'holdfast.dev/v1',
      kind: 'Token',
      metadata: { name: 'more' },
      spec: { user: 'x', scopes: ['admin'], hash: 'a'.repeat(64) },
    };
    const rows: [string, string, object, string][] = [
      // who may: r(ead), w(rite), a(dmin), k(inds: App)
      ['GET', `${BASE}/apps`, {}, 'rwak'],
      ['GET', `${BASE}/secrets`, {}, 'rwa'],
      ['GET', `${BASE}/secrets/keys?showSecrets=true`, {}, 'a'],
      ['GET', `${BASE}/secrets/keys?showSecrets`, {}, 'a'],
      ['GET', `${BASE}/secrets/keys/history?showSecrets=1`, {}, 'a'],
      ['PATCH', `${BASE}/apps/wiki`, patch, 'wak'],
      ['POST', '/holdfast/v1/apply', apply(app('wiki')), 'wak'],
      ['POST', '/holdfast/v1/apply', apply(secret('keys', { password: 'x' })), 'wa'],
      ['POST', '/holdfast/v1/apply?dryRun=All', apply(made), 'a'],
      ['POST', '/holdfast/v1/plan', { body: { documents: [made] } }, 'a'],
      ['POST', '/holdfast/v1/plan', { body: {} }, 'wa'],
      ['GET', `${BASE}/tokens`, {}, 'a'],
      ['GET', `${BASE}/tokens?watch=1&timeoutSeconds=1`, {}, 'a'],
      ['DELETE', `${BASE}/tokens/none`, {}, 'a'],
      ['GET', '/holdfast/v1/doctor', {}, 'rwa'],
      ['GET', `${BASE}/apps/wiki/exec`, {}, 'wak'],
    ];
    for (const [method, path, options, may] of rows) {
      for (const [name, text] of Object.entries(tokens)) {
        const letter = name === 'apps' ? 'k' : (name[0] ?? '');
        const { code, body } = await call(server, method, path, { ...options, token: text });
        const words = `${method} ${path} with ${name}: ${code}`;
        if (may.includes(letter)) assert.not.equal(code, 403, words);
        else assert.equal([code, body.reason], [403, 'Forbidden'], words);
      }
    }
    const { text } = await call(server, 'GET', `${BASE}/secrets`, { token: tokens.admin });
    assert.not.match(text, 'hunter2');
  }));

test('a token acts as its user, whatever the headers say, and each write leaves a line without values', () =>
  withServer(async (server) => {
    await write(server, secret('keys', { password: 'old-value' }));
    const text = await token(server, 'ci', '--scope', 'write', '--user', 'anna');
    const answer = await call(server, 'PATCH', `${BASE}/secrets/keys?reason=rotation`, {
      token: text,
      body: { metadata: { labels: { a: 'b' } }, spec: { stringData: { password: 'new-value' } } },
      headers: {
        'content-type': 'application/merge-patch+json',
        'x-holdfast-user': 'root',
        'x-holdfast-via': 'cli',
      },
    });
    assert.is(answer.code, 200, answer.text);
    const author = server.store.history('Secret', 'keys').at(-1)?.author;
    assert.equal(author, { user: 'anna', via: 'api', reason: 'rotation' });
    const line = server.lines('audit').at(-1);
    assert.equal(
      [line?.['user'], line?.['from'], line?.['by'], line?.['verb']],
      ['anna', '127.0.0.1', 'token/ci', 'patch'],
    );
    assert.equal(line?.['changed'], ['metadata.labels.a', 'spec.stringData.password']);
    assert.not.match(JSON.stringify(server.lines('audit')), /new-value|old-value/);
  }));

test('the text of a token is nowhere in the store, and its use is written down', () =>
  withServer(async (server) => {
    const text = await token(server, 'ci', '--expires', '90d');
    assert.match(text, /^holdfast_[\w-]{43}$/);
    assert.is((await call(server, 'GET', '/apis', { token: text })).code, 200);
    const status = () => server.store.get('Token', 'ci')?.status as { lastUsedAt?: string } | undefined;
    await eventually(() => status()?.lastUsedAt !== undefined);
    assert.not.match(JSON.stringify(server.store.get('Token', 'ci')), text.slice(9));
  }));

test('a token that is revoked, suspended or expired ends, with the watches that it opened', () =>
  withServer(async (server) => {
    const endings: Record<string, (name: string) => Promise<unknown>> = {
      revoked: (name) => server.holdfast('token', 'revoke', name),
      suspended: (name) => server.holdfast('suspend', `token/${name}`),
      expired: async () => undefined,
    };
    for (const [name, end] of Object.entries(endings)) {
      const text = await token(server, name, ...(name === 'expired' ? ['--expires', '1500ms'] : []));
      const watch = await follow(server, `${BASE}/apps?watch=1`, text);
      assert.is(watch.code, 200);
      await end(name);
      await eventually(() => watch.ended || watch.broken);
      assert.is((await call(server, 'GET', '/apis', { token: text })).code, 401, name);
    }
  }));

test('failed logins are answered later and later, and memory of them is bounded', async () => {
  const clock = new VirtualClock();
  const failed = new FailedLogins(clock);
  const delays: number[] = [];
  for (let index = 0; index < 8; index++) {
    const start = clock.monotonic();
    let done = false;
    const held = failed.hold('192.0.2.1').then(() => {
      done = true;
    });
    while (!done) {
      clock.advance(100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await held;
    delays.push(clock.monotonic() - start);
  }
  assert.equal(delays, [200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  const waiting = Array.from({ length: 9 }, () =>
    failed.hold('192.0.2.2').then(
      () => 'told',
      (error) => error.code,
    ),
  );
  assert.is(await Promise.race(waiting), 429);
  clock.advance(60_000);
  await Promise.all(waiting);
  for (let index = 0; index < 10_200; index++) failed.hold(`address ${index}`).catch(() => undefined);
  clock.advance(60_000);
  assert.is(failed.size, 10_000);
});

test('a kubeconfig is written only where the API listens, unless it is told to', () =>
  withServer(async (server) => {
    const written = await server.holdfast('kubeconfig', '--token-name', 'laptop');
    assert.is(written.code, 0, written.stderr);
    assert.match(written.stdout, `server: https://127.0.0.1:${server.port}`);
    const again = await server.holdfast('kubeconfig', '--token-name', 'laptop');
    assert.is(again.code, 1);
    assert.match(again.stderr, /--replace/);
    assert.is((await server.holdfast('kubeconfig', '--token-name', 'laptop', '--replace')).code, 0);
    await server.https.set(undefined);
    const refused = await server.holdfast('kubeconfig', '--token-name', 'other');
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /--enable/);
    assert.is(server.store.get('Token', 'other'), undefined);
  }));

test.run();
