import { request } from 'node:http';
import type { Duplex } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { LogRequest } from '../../controller/api/dependencies.ts';
import { encodeFrame, FrameDecoder } from '../../controller/frames.ts';
import { app, echo, eventually, lines, type MakeStore, type TestApi, withApi } from './api-client.ts';
import { memoryStore } from './api-memory-store.ts';

const makeStore: MakeStore = async (kinds) => {
  const store = memoryStore(kinds);
  await store.write([{ verb: 'create', document: app('wiki') }], { user: 'root', via: 'api' });
  return { store, end: () => store.close() };
};
const WIKI = '/apis/holdfast.dev/v1/apps/wiki';
const noExec = async () => Promise.reject(new Error('not here'));

test('a log comes line by line, with what was asked for', async () => {
  const asked: LogRequest[] = [];
  const logs = (_app: unknown, options: LogRequest) => {
    asked.push(options);
    return lines(['one', 'two'], options);
  };
  await withApi(
    makeStore,
    async ({ stream }) => {
      const log = await stream(`${WIKI}/log?tailLines=5&timestamps=true&sinceTime=2026-01-01T00:00:00Z`);
      await eventually(() => log.ended);
      assert.is(log.code, 200);
      assert.match(String(log.headers['content-type']), 'text/plain');
      assert.equal(log.lines, ['one', 'two']);
      const { signal, ...options } = asked[0] ?? {};
      assert.equal(options, { follow: false, timestamps: true, tail: 5, since: '2026-01-01T00:00:00Z' });
      assert.ok(signal);
    },
    { containers: { logs, exec: noExec } },
  );
});

test('a followed log ends when the client goes away, and when the server closes', async () => {
  const signals: (AbortSignal | undefined)[] = [];
  const logs = (_app: unknown, options: LogRequest) => {
    signals.push(options.signal);
    return lines(['one'], options);
  };
  await withApi(
    makeStore,
    async ({ stream, close }) => {
      const first = await stream(`${WIKI}/log?follow=true`);
      await eventually(() => first.lines.length === 1);
      first.destroy();
      await eventually(() => signals[0]?.aborted === true);
      const second = await stream(`${WIKI}/log?follow=true`);
      await eventually(() => second.lines.length === 1);
      await close();
      await eventually(() => second.ended);
      assert.is(signals[1]?.aborted, true);
    },
    { containers: { logs, exec: noExec } },
  );
});

test('an error before the first line is a Status', async () => {
  const logs = async function* () {
    throw Object.assign(new Error('app/wiki has no container'), { name: 'DriverError', code: 'notFound' });
    // biome-ignore lint/correctness/noUnreachable: a generator needs a yield
    yield { stream: 'stdout' as const, text: '' };
  };
  await withApi(
    makeStore,
    async ({ call }) => {
      const { code, body } = await call('GET', `${WIKI}/log`);
      assert.is(code, 404);
      assert.match(body.message, 'app/wiki has no container');
    },
    { containers: { logs, exec: noExec } },
  );
});

test('an error after the first line breaks the answer off', async () => {
  const logs = async function* () {
    yield { stream: 'stdout' as const, text: 'one' };
    throw new Error('the engine went away');
  };
  await withApi(
    makeStore,
    async ({ stream }) => {
      const log = await stream(`${WIKI}/log`);
      await eventually(() => log.broken);
    },
    { containers: { logs, exec: noExec } },
  );
});

interface Session {
  code: number;
  text: string;
  output(channel: number): string;
  send(channel: number, payload: string | Buffer): void;
  socket: Duplex | undefined;
  closed: boolean;
}

function exec(api: TestApi, url: string, headers: Record<string, string> = {}): Promise<Session> {
  return new Promise((resolve, reject) => {
    const call = request({
      socketPath: api.socketPath,
      path: url,
      headers: { connection: 'Upgrade', upgrade: 'holdfast-stream', ...headers },
    });
    call.once('error', reject);
    call.once('response', (message) => {
      let text = '';
      message.on('data', (chunk) => {
        text += chunk;
      });
      message.on('end', () =>
        resolve({
          code: message.statusCode ?? 0,
          text,
          output: () => '',
          send() {},
          socket: undefined,
          closed: true,
        }),
      );
    });
    call.once('upgrade', (message, socket, head) => {
      const decoder = new FrameDecoder();
      const outputs = new Map<number, string>();
      const session: Session = {
        code: message.statusCode ?? 0,
        text: '',
        output: (channel) => outputs.get(channel) ?? '',
        send: (channel, payload) => void socket.write(encodeFrame(channel, Buffer.from(payload))),
        socket,
        closed: false,
      };
      const take = (chunk: Buffer) => {
        for (const { channel, payload } of decoder.push(chunk)) {
          outputs.set(channel, (outputs.get(channel) ?? '') + payload.toString());
        }
      };
      take(head);
      socket.on('data', take);
      socket.on('error', () => {});
      socket.on('close', () => {
        session.closed = true;
      });
      resolve(session);
    });
    call.end();
  });
}

test('exec carries input, output, sizes and the exit code', async () => {
  const { session: container, sizes } = echo();
  const asked: unknown[] = [];
  await withApi(
    makeStore,
    async (api) => {
      const query = 'command=sh&command=-c&command=cat%20%26%26%20exit&tty=true&columns=100&rows=30';
      const session = await exec(api, `${WIKI}/exec?${query}`);
      assert.is(session.code, 101);
      assert.equal(asked, [{ command: ['sh', '-c', 'cat && exit'], tty: true }]);
      const large = 'x'.repeat(300_000);
      session.send(0, 'hello ');
      session.send(0, large);
      session.send(4, JSON.stringify({ columns: 120, rows: 40 }));
      await eventually(() => session.output(1) === `hello ${large}`);
      assert.equal(sizes, ['100x30', '120x40']);
      session.send(5, '');
      await eventually(() => session.closed);
      assert.is(session.output(2), 'bye');
      assert.equal(JSON.parse(session.output(3)), { exitCode: 7 });
    },
    {
      containers: {
        logs: () => lines([]),
        exec: async (_app, options) => {
          asked.push(options);
          return container;
        },
      },
    },
  );
});

test('a client that goes away ends the session', async () => {
  const { session: container, closed } = echo();
  await withApi(
    makeStore,
    async (api) => {
      const session = await exec(api, `${WIKI}/exec?command=cat`);
      session.socket?.destroy();
      await closed;
    },
    { containers: { logs: () => lines([]), exec: async () => container } },
  );
});

test('a command whose end is not known says why', async () => {
  const { session: container } = echo();
  await withApi(
    makeStore,
    async (api) => {
      const session = await exec(api, `${WIKI}/exec?command=cat`);
      await eventually(() => session.closed);
      assert.equal(JSON.parse(session.output(3)), { message: 'the engine went away' });
    },
    {
      containers: {
        logs: () => lines([]),
        exec: async () => ({ ...container, exitCode: Promise.reject(new Error('the engine went away')) }),
      },
    },
  );
});

const wrongFrames: { name: string; channel: number; payload: string | Buffer }[] = [
  { name: 'an unknown channel', channel: 9, payload: '' },
  { name: 'a channel of the server', channel: 1, payload: 'x' },
  { name: 'a size that is no JSON', channel: 4, payload: '{' },
  { name: 'a size without end', channel: 4, payload: '{"columns":1e9,"rows":1}' },
];
for (const { name, channel, payload } of wrongFrames) {
  test(`${name} ends the session`, async () => {
    const { session: container, closed } = echo();
    await withApi(
      makeStore,
      async (api) => {
        const session = await exec(api, `${WIKI}/exec?command=cat`);
        session.send(channel, payload);
        await eventually(() => session.closed);
        await closed;
      },
      { containers: { logs: () => lines([]), exec: async () => container } },
    );
  });
}

test('a frame over 1 MiB ends the session', async () => {
  const { session: container, closed } = echo();
  await withApi(
    makeStore,
    async (api) => {
      const session = await exec(api, `${WIKI}/exec?command=cat`);
      session.socket?.write(Buffer.from([0, 0x7f, 0xff, 0xff, 0xff]));
      await closed;
    },
    { containers: { logs: () => lines([]), exec: async () => container } },
  );
});

test('exec sessions end when the server closes', async () => {
  const { session: container } = echo();
  await withApi(
    makeStore,
    async (api) => {
      const session = await exec(api, `${WIKI}/exec?command=cat`);
      await api.close();
      await eventually(() => session.closed);
    },
    { containers: { logs: () => lines([]), exec: async () => container } },
  );
});

const refusedUpgrades: { name: string; url: string; headers?: Record<string, string>; code: number }[] = [
  { name: 'an app that is not there', url: '/apis/holdfast.dev/v1/apps/gone/exec?command=sh', code: 404 },
  { name: 'a path that climbs', url: '/apis/holdfast.dev/v1/apps/..%2fwiki/exec?command=sh', code: 404 },
  { name: 'a path without exec', url: `${WIKI}?command=sh`, code: 404 },
  { name: 'no command', url: `${WIKI}/exec`, code: 400 },
  { name: 'a NUL byte in a command', url: `${WIKI}/exec?command=a%00b`, code: 400 },
  { name: 'a terminal without end', url: `${WIKI}/exec?command=sh&tty=true&columns=99999`, code: 400 },
  { name: 'another protocol', url: `${WIKI}/exec?command=sh`, headers: { upgrade: 'websocket' }, code: 400 },
  { name: 'an engine that is down', url: `${WIKI}/exec?command=sh`, code: 503 },
];
for (const { name, url, headers, code } of refusedUpgrades) {
  test(`exec refuses ${name} with ${code}`, async () => {
    const down = Object.assign(new Error('dockerd: no answer'), { name: 'DriverError', code: 'unavailable' });
    await withApi(
      makeStore,
      async (api) => {
        const answer = await exec(api, url, headers);
        assert.is(answer.code, code);
        assert.is(JSON.parse(answer.text).code, code);
      },
      { containers: { logs: () => lines([]), exec: () => Promise.reject(down) } },
    );
  });
}

test('frames survive being cut anywhere', () => {
  const bytes = Buffer.concat([encodeFrame(1, Buffer.from('hello')), encodeFrame(2, Buffer.alloc(0))]);
  for (let cut = 0; cut <= bytes.length; cut++) {
    const decoder = new FrameDecoder();
    const frames = [...decoder.push(bytes.subarray(0, cut)), ...decoder.push(bytes.subarray(cut))];
    assert.equal(
      frames.map(({ channel, payload }) => [channel, payload.toString()]),
      [
        [1, 'hello'],
        [2, ''],
      ],
    );
  }
});

test.run();
