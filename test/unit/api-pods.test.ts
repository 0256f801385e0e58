/** Containers as Pods, with their sessions by both protocols: from the outside, by a WebSocket client and by SPDY frames made here. */
import { connect, type Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { constants, createDeflate } from 'node:zlib';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import WebSocket from 'ws';
import type { LogRequest, PodAccess, RunningContainer } from '../../controller/api/dependencies.ts';
import { DICTIONARY } from '../../controller/api/spdy-dictionary.ts';
import { noPods } from '../support/api-server.ts';
import { app, echo, eventually, lines, type MakeStore, type TestApi, withApi } from './api-client.ts';
import { memoryStore } from './api-memory-store.ts';

const makeStore: MakeStore = async (kinds) => {
  const store = memoryStore(kinds);
  await store.write([{ verb: 'create', document: app('wiki') }], { user: 'root', via: 'api' });
  return { store, end: () => store.close() };
};
const PODS = '/api/v1/namespaces/default/pods';

/** One machine whose containers a test may change. */
function machine(api: () => TestApi, more: Partial<PodAccess> = {}) {
  const listeners = new Set<() => void>();
  let change: Partial<RunningContainer> = {};
  const container = (): RunningContainer => ({
    id: 'a'.repeat(64),
    name: 'holdfast-app-wiki',
    owner: { kind: 'App', name: 'wiki', uid: api().store.get('App', 'wiki')?.metadata.uid ?? '' },
    image: 'nginx:1.27',
    imageId: 'sha256:1',
    state: 'running',
    address: '10.0.0.2',
    createdAt: 1_000,
    startedAt: '2026-01-01T00:00:00.5Z',
    exitCode: 0,
    oomKilled: false,
    restarts: 0,
    tty: true,
    ports: [],
    ...change,
  });
  const pods: PodAccess = {
    ...noPods,
    list: async () => (change.state === 'removing' ? [] : [container()]),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    ...more,
  };
  const set = (now: Partial<RunningContainer>) => {
    change = { ...change, ...now };
    for (const listener of listeners) listener();
  };
  return { pods, set, listeners };
}

function withPods(
  run: (api: TestApi, world: ReturnType<typeof machine>) => Promise<void>,
  more: Partial<PodAccess> = {},
): Promise<void> {
  let current: TestApi | undefined;
  const world = machine(() => {
    if (!current) throw new Error('not yet');
    return current;
  }, more);
  return withApi(
    makeStore,
    async (api) => {
      current = api;
      await run(api, world);
    },
    { pods: world.pods },
  );
}

test('a container of ours is a Pod of the App, in the one namespace', () =>
  withPods(async ({ call }, { set }) => {
    const { body } = await call('GET', `${PODS}/wiki`);
    assert.is(body.metadata.namespace, 'default');
    assert.is(body.status.phase, 'Running');
    assert.is(body.metadata.ownerReferences[0].name, 'wiki');
    assert.equal(Object.keys(body.spec.containers[0]).sort(), ['image', 'name', 'resources', 'stdin', 'tty']);
    assert.is((await call('GET', '/api/v1/pods')).body.items.length, 1);
    assert.is((await call('GET', '/api/v1/namespaces/other/pods')).body.items.length, 0);
    assert.is((await call('GET', '/api/v1/namespaces/other/pods/wiki')).code, 404);
    assert.is((await call('GET', `${PODS}?labelSelector=holdfast.dev/name=other`)).body.items.length, 0);
    assert.is((await call('GET', `${PODS}?fieldSelector=status.phase=Running`)).body.items.length, 1);
    assert.is((await call('GET', `${PODS}?fieldSelector=spec.odd=1`)).body.reason, 'Invalid');
    set({ owner: { kind: 'App', name: 'wiki', uid: 'of another installation' } });
    assert.is((await call('GET', PODS)).body.items.length, 0);
  }));

test('a watch of Pods tells each change once, and forgets nothing while nobody looks', () =>
  withPods(async ({ call, stream }, { set, listeners }) => {
    const { metadata } = (await call('GET', PODS)).body;
    const watch = await stream(`${PODS}?watch=true&resourceVersion=${metadata.resourceVersion}`);
    const failed = await stream(`${PODS}?watch=true&fieldSelector=status.phase=Failed`);
    set({ state: 'exited', exitCode: 3 });
    await eventually(() => watch.lines.length === 1);
    set({ state: 'running' });
    await eventually(() => watch.lines.length === 2);
    set({ state: 'removing' });
    await eventually(() => watch.lines.length === 3);
    assert.equal(watch.summary, ['MODIFIED wiki', 'MODIFIED wiki', 'DELETED wiki']);
    await eventually(() => failed.lines.length === 2);
    assert.equal(failed.summary, ['ADDED wiki', 'DELETED wiki']);
    const again = await stream(`${PODS}?watch=true&resourceVersion=${metadata.resourceVersion}`);
    await eventually(() => again.lines.length === 3);
    const old = await stream(`${PODS}?watch=true&resourceVersion=1`);
    await eventually(() => old.lines.length === 1);
    assert.is(old.events[0].object.code, 410);
    for (const one of [watch, failed, again, old]) one.destroy();
    await eventually(() => listeners.size === 0);
  }));

const refusals: { name: string; method: string; url: string; code: number; words: string }[] = [
  { name: 'a Pod that is not there', method: 'GET', url: `${PODS}/none`, code: 404, words: 'pods "none"' },
  {
    name: 'a name with percent codes',
    method: 'GET',
    url: `${PODS}/%2e%2e`,
    code: 404,
    words: 'could not find',
  },
  { name: 'deleting a Pod', method: 'DELETE', url: `${PODS}/wiki`, code: 405, words: 'holdfast restart' },
  { name: 'making a Pod', method: 'POST', url: PODS, code: 405, words: 'not written' },
  { name: 'exec without an upgrade', method: 'POST', url: `${PODS}/wiki/exec`, code: 400, words: 'Upgrade' },
  {
    name: 'another container',
    method: 'GET',
    url: `${PODS}/wiki/log?container=db`,
    code: 400,
    words: 'called app',
  },
  {
    name: 'a tail that is none',
    method: 'GET',
    url: `${PODS}/wiki/log?tailLines=x`,
    code: 400,
    words: 'tailLines',
  },
  {
    name: 'a stream that is none',
    method: 'GET',
    url: `${PODS}/wiki/log?stream=odd`,
    code: 400,
    words: 'Stdout',
  },
  {
    name: 'a run that was not',
    method: 'GET',
    url: `${PODS}/wiki/log?previous=true`,
    code: 400,
    words: 'previous terminated',
  },
  {
    name: 'a namespace that is not there',
    method: 'GET',
    url: '/api/v1/namespaces/x',
    code: 404,
    words: 'not found',
  },
];
for (const { name, method, url, code, words } of refusals) {
  test(`${name} is refused with a Status`, () =>
    withPods(async ({ call }) => {
      const answer = await call(method, url);
      assert.is(answer.code, code, answer.text);
      assert.is(answer.body.kind, 'Status');
      assert.ok(answer.body.message.includes(words), answer.body.message);
    }));
}

test('a log is cut to its bytes, to a stream, and to the run before', async () => {
  const asked: LogRequest[] = [];
  const logs = (_id: string, options: LogRequest) => {
    asked.push(options);
    return lines(['one', 'two', 'three'], options);
  };
  await withPods(
    async ({ stream }, { set }) => {
      const text = async (query: string) => {
        const log = await stream(`${PODS}/wiki/log?${query}`);
        await eventually(() => log.ended);
        return log.lines;
      };
      assert.equal(await text('limitBytes=4'), ['one']);
      assert.equal(await text('stream=Stderr'), []);
      set({ finishedAt: '2026-01-01T00:00:00.1Z' });
      assert.equal(await text('previous=true&tailLines=1'), ['three']);
      assert.is(asked.at(-1)?.until, '2026-01-01T00:00:00.300Z');
      assert.is(asked.at(-1)?.tail, undefined);
    },
    { logs },
  );
});

function open(api: TestApi, query: string, protocols: string[]): WebSocket {
  return new WebSocket(`ws+unix://${api.socketPath}:${PODS}/wiki/exec?${query}`, protocols);
}

for (const protocol of ['v5.channel.k8s.io', 'v4.channel.k8s.io']) {
  test(`a command runs over ${protocol}, with sizes, input and its exit code`, async () => {
    const running = echo();
    await withPods(
      async (api) => {
        const client = open(api, 'command=cat&stdin=true&stdout=true&stderr=true', [protocol]);
        const got = new Map<number, string>();
        client.on('message', (data: Buffer) => {
          const channel = data[0] ?? -1;
          got.set(channel, (got.get(channel) ?? '') + data.subarray(1).toString());
        });
        let code = 0;
        client.on('close', (reason) => {
          code = reason;
        });
        await new Promise((resolve) => client.once('open', resolve));
        assert.is(client.protocol, protocol);
        client.send(Buffer.from('\u0004{"Width":99,"Height":33}'));
        client.send(Buffer.from('\u0000typed'));
        await eventually(() => got.get(1) === 'typed');
        assert.equal(running.sizes, ['99x33']);
        if (protocol.startsWith('v5')) client.send(Buffer.from([255, 0]));
        else running.session.stdin.end();
        await eventually(() => code !== 0);
        assert.is(code, 1000);
        assert.is(got.get(2), 'bye');
        const status = JSON.parse(got.get(3) ?? '');
        assert.is(status.reason, 'NonZeroExitCode');
        assert.equal(status.details.causes, [{ reason: 'ExitCode', message: '7' }]);
      },
      { exec: async () => running.session },
    );
  });
}

test('a client that goes away ends the session, and one that speaks nonsense is cut', async () => {
  for (const leave of [
    (client: WebSocket) => client.terminate(),
    (client: WebSocket) => client.send('\u0009?'),
  ]) {
    const running = echo();
    await withPods(
      async (api) => {
        const client = open(api, 'command=cat&stdin=true&stdout=true', ['v5.channel.k8s.io']);
        client.on('error', () => undefined);
        await new Promise((resolve) => client.once('open', resolve));
        leave(client);
        await running.closed;
      },
      { exec: async () => running.session },
    );
  }
});

test('what cannot be upgraded is refused with a Status', () =>
  withPods(async (api, { set }) => {
    const refusal = (query: string, protocols: string[]) =>
      new Promise<string>((resolve, reject) => {
        const client = open(api, query, protocols);
        client.once('open', () => reject(new Error('it was let in')));
        client.on('error', () => undefined);
        client.once('unexpected-response', (_request, message) => {
          let text = '';
          message.on('data', (chunk) => (text += String(chunk)));
          message.on('end', () => resolve(text));
        });
      });
    assert.match(await refusal('command=ls', ['v1.channel.k8s.io']), 'v5.channel.k8s.io');
    assert.match(await refusal('', ['v5.channel.k8s.io']), 'a command is needed');
    assert.match(await refusal('command=ls&container=db', ['v5.channel.k8s.io']), 'called app');
    set({ state: 'exited' });
    assert.match(await refusal('command=ls', ['v5.channel.k8s.io']), 'does not run');
  }));

/** As much of a SPDY client as opens streams and reads what comes. */
class SpdyClient {
  readonly socket: Socket;
  readonly #deflate = createDeflate({ dictionary: DICTIONARY });
  readonly data = new Map<number, string>();
  readonly ended = new Set<number>();
  readonly types: number[] = [];
  head = '';
  closed = false;
  #rest = Buffer.alloc(0);

  constructor(socketPath: string, url: string, protocol: string) {
    this.socket = connect(socketPath);
    this.socket.write(
      `POST ${url} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
    );
    this.socket.on('data', (chunk) => this.#take(chunk));
    this.socket.on('error', () => undefined);
    this.socket.on('close', () => {
      this.closed = true;
    });
  }

  #take(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.head === '') {
      const end = this.#rest.indexOf('\r\n\r\n');
      if (end < 0) return;
      this.head = this.#rest.subarray(0, end).toString();
      this.#rest = this.#rest.subarray(end + 4);
    }
    while (this.#rest.length >= 8 && this.#rest.length >= 8 + this.#rest.readUIntBE(5, 3)) {
      const word = this.#rest.readUInt32BE(0);
      const payload = this.#rest.subarray(8, 8 + this.#rest.readUIntBE(5, 3));
      if (word >>> 31 === 1) this.types.push(word & 0xffff);
      else this.data.set(word, (this.data.get(word) ?? '') + payload.toString());
      if (word >>> 31 === 0 && this.#rest.readUInt8(4) & 1) this.ended.add(word);
      this.#rest = this.#rest.subarray(8 + payload.length);
    }
  }

  async open(id: number, headers: Record<string, string>): Promise<void> {
    const text = (value: string) => Buffer.concat([number(value.length, 4), Buffer.from(value)]);
    const pairs = Object.entries(headers);
    const block = Buffer.concat([number(pairs.length, 4), ...pairs.flat().map(text)]);
    const packed = await new Promise<Buffer>((resolve) =>
      this.#deflate.write(block, () =>
        this.#deflate.flush(constants.Z_SYNC_FLUSH, () => resolve(this.#deflate.read() as Buffer)),
      ),
    );
    this.control(1, Buffer.concat([number(id, 4), Buffer.alloc(6), packed]));
  }

  control(type: number, payload: Buffer): void {
    this.socket.write(
      Buffer.concat([
        number(0x8003, 2),
        number(type, 2),
        Buffer.alloc(1),
        number(payload.length, 3),
        payload,
      ]),
    );
  }

  send(id: number, text: string, isLast = false): void {
    this.socket.write(
      Buffer.concat([number(id, 4), number(isLast ? 1 : 0, 1), number(text.length, 3), Buffer.from(text)]),
    );
  }
}

function number(value: number, bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  buffer.writeUIntBE(value, 0, bytes);
  return buffer;
}

const EXEC = `${PODS}/wiki/exec?command=cat&stdin=true&stdout=true&stderr=true`;

test('a command runs over SPDY, with pings, input and its exit code', async () => {
  const running = echo();
  await withPods(
    async ({ socketPath }) => {
      const client = new SpdyClient(socketPath, EXEC, 'v4.channel.k8s.io');
      await eventually(() => client.head !== '');
      assert.match(client.head, /101[\s\S]*X-Stream-Protocol-Version: v4\.channel\.k8s\.io/);
      const streams = ['error', 'stdin', 'stdout', 'stderr'];
      for (const [index, streamtype] of streams.entries()) await client.open(2 * index + 1, { streamtype });
      client.control(6, number(1, 4));
      client.send(3, 'typed');
      await eventually(() => client.data.get(5) === 'typed');
      assert.ok(client.types.includes(6), 'the ping is answered');
      assert.is(client.types.filter((type) => type === 2).length, 4);
      client.send(3, ' more', true);
      await eventually(() => client.ended.has(1) && client.ended.has(5) && client.ended.has(7));
      assert.is(client.data.get(5), 'typed more');
      assert.is(client.data.get(7), 'bye');
      assert.match(client.data.get(1) ?? '', '"message":"7"');
      await eventually(() => client.closed);
    },
    { exec: async () => running.session },
  );
});

const nonsense: { name: string; send(client: SpdyClient): void | Promise<void> }[] = [
  {
    name: 'another version',
    send: (client) => void client.socket.write(Buffer.from('8002000100000000', 'hex')),
  },
  {
    name: 'a frame without end',
    send: (client) => void client.socket.write(Buffer.from('8003000100ffffff', 'hex')),
  },
  { name: 'a stream that has an even id', send: (client) => client.open(2, { streamtype: 'error' }) },
  { name: 'headers that are not packed', send: (client) => client.control(1, Buffer.alloc(40, 7)) },
  {
    name: 'headers that unpack without end',
    send: (client) => client.open(1, { streamtype: 'x'.repeat(5_000_000) }),
  },
  { name: 'a frame that is too short', send: (client) => client.control(1, Buffer.alloc(2)) },
];
for (const { name, send } of nonsense) {
  test(`${name} ends a connection of SPDY, and nothing else`, async () => {
    const running = echo();
    await withPods(
      async ({ socketPath, call }) => {
        const client = new SpdyClient(socketPath, EXEC, 'v4.channel.k8s.io');
        await eventually(() => client.head !== '');
        await send(client);
        await eventually(() => client.closed);
        await running.closed;
        assert.is((await call('GET', '/livez')).code, 200);
      },
      { exec: async () => running.session },
    );
  });
}

test('a port is forwarded by a pair of streams, and what cannot be reached is said on one', async () => {
  const connected: number[] = [];
  const connectTo = async (_container: unknown, port: number) => {
    connected.push(port);
    if (port === 1) throw new Error('port 1 cannot be reached');
    return new PassThrough();
  };
  await withPods(
    async ({ socketPath }) => {
      const client = new SpdyClient(socketPath, `${PODS}/wiki/portforward`, 'portforward.k8s.io');
      await client.open(1, { streamtype: 'error', port: '80', requestid: '0' });
      await client.open(3, { streamtype: 'data', port: '80', requestid: '0' });
      client.send(3, 'hello');
      await eventually(() => client.data.get(3) === 'hello');
      await client.open(5, { streamtype: 'error', port: '1', requestid: '1' });
      await client.open(7, { streamtype: 'data', port: '1', requestid: '1' });
      await eventually(() => client.data.get(5) === 'port 1 cannot be reached');
      assert.equal(connected, [80, 1]);
      client.socket.destroy();
    },
    { connect: connectTo },
  );
});

test('reviews tell what the one who asks may do, in JSON and in protobuf', () =>
  withPods(async ({ call }) => {
    const url = '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews';
    const review = async (resourceAttributes: object) =>
      (await call('POST', url, { spec: { resourceAttributes } })).body.status;
    assert.equal(await review({ verb: 'create', group: 'holdfast.dev', resource: 'apps' }), {
      allowed: true,
    });
    assert.is((await review({ verb: 'create', group: 'holdfast.dev', resource: 'sites' })).allowed, false);
    assert.is((await review({ verb: 'list', group: '', resource: 'pods' })).allowed, true);
    assert.is((await review({ verb: 'delete', group: '', resource: 'pods' })).allowed, false);
    assert.is((await review({ verb: 'list', group: 'apps', resource: 'deployments' })).allowed, false);
    assert.is((await call('POST', url, { spec: {} })).code, 400);
    const text = (field: number, value: Buffer | string) =>
      Buffer.concat([Buffer.from([field * 8 + 2, value.length]), Buffer.from(value)]);
    const type = Buffer.concat([text(1, 'authorization.k8s.io/v1'), text(2, 'SelfSubjectAccessReview')]);
    const attributes = Buffer.concat([text(2, 'get'), text(3, 'holdfast.dev'), text(5, 'apps')]);
    const raw = text(2, text(1, attributes));
    const packed = Buffer.concat([Buffer.from('k8s\0'), text(1, type), text(2, raw)]);
    const headers = { 'content-type': 'application/vnd.kubernetes.protobuf' };
    const answer = await call('POST', url, packed.toString('latin1'), headers);
    assert.is(answer.body.status.allowed, true);
    assert.is((await call('POST', url, 'k8s\0\xff', headers)).code, 400);
    assert.is(
      (await call('POST', '/apis/holdfast.dev/v1/apps', packed.toString('latin1'), headers)).code,
      415,
    );
  }));

test.run();
