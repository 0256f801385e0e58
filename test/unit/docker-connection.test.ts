/** The real driver against an engine that misbehaves, played by a server on a Unix socket in here. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Clock, systemClock } from '../../controller/clock.ts';
import { createDocker } from '../../reconcilers/drivers/docker/dockerode.ts';
import type { Docker, DockerEvent } from '../../reconcilers/drivers/docker/index.ts';
import { LABEL } from '../../reconcilers/drivers/docker/index.ts';
import { rejects } from '../conformance/docker.suite.ts';
import { until } from '../conformance/until.ts';
import { exampleSpec } from './docker-spec.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

interface Played {
  socketPath: string;
  asked: string[];
  /** What is answered from now on, by a piece of the URL. */
  answers: Map<string, Answer>;
  listen(): Promise<void>;
  close(): Promise<void>;
}

const json = (body: unknown, status = 200): Answer => {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
};
const never: Answer = () => {};
const version = (api: string, minimum: string) =>
  json({ Version: '99.1', ApiVersion: api, MinAPIVersion: minimum });

async function withEngine(
  run: (played: Played, docker: Docker) => Promise<void>,
  clock: Clock = systemClock,
  timeoutSeconds = 1,
) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-engine-'));
  const socketPath = join(folder, 'docker.sock');
  const asked: string[] = [];
  const answers = new Map<string, Answer>([['/version', version('1.41', '1.12')]]);
  let server: Server | undefined;
  const played: Played = {
    socketPath,
    asked,
    answers,
    listen() {
      const fresh = createServer((request, response) => {
        const url = request.url ?? '';
        asked.push(`${request.method} ${url}`);
        const answer = [...answers].find(([piece]) => url.includes(piece))?.[1];
        (answer ?? json({ message: 'page not found' }, 404))(request, response);
      });
      server = fresh;
      return new Promise((resolve) => fresh.listen(socketPath, () => resolve()));
    },
    close() {
      const old = server;
      server = undefined;
      old?.closeAllConnections();
      return new Promise((resolve) => (old ? old.close(() => resolve()) : resolve()));
    },
  };
  await played.listen();
  try {
    await run(played, createDocker({ socketPath, clock, timeoutSeconds }));
  } finally {
    // Those of a test that failed, too: they would keep the process alive.
    for (const stop of followers) stop.abort();
    followers.clear();
    await played.close();
    await rm(folder, { recursive: true, force: true });
  }
}

const spoken = [
  { server: '1.41', minimum: '1.12', path: '/v1.41/' },
  { server: '1.52', minimum: '1.44', path: '/v1.51/' },
  { server: '1.70', minimum: '1.60', path: '/v1.60/' },
];
for (const row of spoken) {
  test(`an engine of API ${row.minimum} to ${row.server} is spoken to with ${row.path}, asked once`, () =>
    withEngine(async ({ answers, asked }, docker) => {
      answers.set('/version', version(row.server, row.minimum));
      answers.set('/containers/json', json([]));
      await Promise.all([docker.containers(), docker.containers()]);
      await docker.containers();
      assert.is(asked.filter((url) => url === 'GET /version').length, 1);
      assert.is(asked.filter((url) => url.startsWith(`GET ${row.path}containers`)).length, 3);
    }));
}

test('an engine that was upgraded while it was away is asked for its version again', () =>
  withEngine(async (played, docker) => {
    played.answers.set('/containers/json', json([]));
    await docker.containers();
    await played.close();
    await rejects('unavailable', docker.containers(), /cannot be reached/);
    played.answers.set('/version', version('1.51', '1.44'));
    await played.listen();
    await docker.containers();
    assert.match(played.asked.at(-1) ?? '', /\/v1\.51\//);
  }));

test('an engine that refuses the version that was agreed on is asked again, unnoticed', () =>
  withEngine(async ({ answers, asked }, docker) => {
    answers.set('/containers/json', json([]));
    await docker.containers();
    const refusal = { message: 'client version 1.41 is too old. Minimum supported API version is 1.44' };
    answers.set('/version', version('1.51', '1.44'));
    answers.set('/containers/json', (request, response) => {
      const old = request.url?.startsWith('/v1.41/');
      json(old ? refusal : [], old ? 400 : 200)(request, response);
    });
    assert.equal(await docker.containers(), []);
    assert.match(asked.at(-1) ?? '', /\/v1\.51\//);
  }));

const silent: { name: string; piece: string; call(docker: Docker): Promise<unknown> }[] = [
  { name: 'the version', piece: '/version', call: (docker) => docker.containers() },
  { name: 'a list', piece: '/containers/json', call: (docker) => docker.containers() },
  { name: 'an inspect', piece: '/containers/x/json', call: (docker) => docker.container('x') },
  { name: 'its state', piece: '/info', call: (docker) => docker.info() },
];
for (const row of silent) {
  test(`an engine that never answers for ${row.name} ends with timeout`, () =>
    withEngine(async ({ answers }, docker) => {
      answers.set(row.piece, never);
      await rejects('timeout', row.call(docker), /no answer from Docker in 1 s/);
    }));
}

test('an answer that is cut off is unavailable', () =>
  withEngine(async ({ answers }, docker) => {
    answers.set('/containers/json', (_request, response) => {
      response.writeHead(200, { 'content-length': '1000' });
      response.write('[');
      setImmediate(() => response.destroy());
    });
    await docker.containers().then(
      () => assert.unreachable(),
      (caught) => assert.ok(['unavailable', 'timeout'].includes(caught.code), caught.message),
    );
  }));

test('a socket that is not there is unavailable, and names it', async () => {
  const docker = createDocker({ socketPath: '/nonexistent/docker.sock', clock: systemClock });
  await rejects('unavailable', docker.containers(), /nonexistent/);
});

/** Waits from so many milliseconds on pass a thousand times as fast. */
const hurried = (from: number): Clock => ({
  ...systemClock,
  after: (milliseconds, run) =>
    systemClock.after(milliseconds >= from ? milliseconds / 1000 : milliseconds, run),
});

const followers = new Set<AbortController>();

function following(docker: Docker) {
  const seen = { events: [] as DockerEvent[], ups: 0, downs: [] as Error[] };
  const stop = new AbortController();
  followers.add(stop);
  const done = docker.follow(
    {
      onEvent: (event) => seen.events.push(event),
      onUp: () => {
        seen.ups += 1;
      },
      onDown: (error) => seen.downs.push(error),
    },
    stop.signal,
  );
  return {
    seen,
    async stop() {
      stop.abort();
      await done;
    },
  };
}

const event = (action: string) =>
  `${JSON.stringify({ Type: 'container', Action: action, Actor: { ID: 'c', Attributes: { [LABEL.managed]: 'true' } } })}\n`;

test('events are followed again after the engine went away, and down is told once', () =>
  withEngine(async (played, docker) => {
    played.answers.set('/events', (_request, response) => {
      response.writeHead(200);
      response.write(event('start'));
    });
    const { seen, stop } = following(docker);
    await until(() => seen.events.length === 1, 'an event came');
    await played.close();
    await until(() => seen.downs.length === 1, 'down was told');
    await played.listen();
    await until(() => seen.ups === 2 && seen.events.length === 2, 'it is up again');
    assert.is(seen.downs.length, 1);
    await stop();
  }));

test('an engine that is away from the start is told, too', () =>
  withEngine(async (played, docker) => {
    await played.close();
    const { seen, stop } = following(docker);
    await until(() => seen.downs.length === 1, 'down was told');
    assert.is(seen.ups, 0);
    assert.match(seen.downs[0]?.message ?? '', /cannot be reached/);
    played.answers.set('/events', (_request, response) => response.writeHead(200).flushHeaders());
    await played.listen();
    await until(() => seen.ups === 1, 'it is up');
    await stop();
  }));

test('a stream that stays open and silent while the engine is frozen is found dead', () =>
  withEngine(async (played, docker) => {
    played.answers.set('/events', (_request, response) => response.writeHead(200).flushHeaders());
    played.answers.set('/_ping', never);
    const { seen, stop } = following(docker);
    await until(() => seen.downs.length >= 1, 'the silence was noticed');
    assert.is(seen.ups, 1);
    await stop();
  }, hurried(5_000)));

test('a stream that is silent while the engine is well stays', () =>
  withEngine(
    async (played, docker) => {
      let pings = 0;
      played.answers.set('/events', (_request, response) => response.writeHead(200).flushHeaders());
      played.answers.set('/_ping', (_request, response) => {
        pings += 1;
        response.end('OK');
      });
      const { seen, stop } = following(docker);
      await until(() => pings >= 3, 'it was asked several times');
      assert.is(seen.downs.length, 0);
      await stop();
      // A busy machine may take its time for a ping.
    },
    hurried(12_000),
    10,
  ));

test('a pull whose stream ends with an error, or breaks, is told', () =>
  withEngine(async ({ answers }, docker) => {
    answers.set('/images/create', (_request, response) => {
      response.write('{"status":"Pulling from x","id":"1"}\n');
      response.end(
        '{"errorDetail":{"message":"no space left on device"},"error":"no space left on device"}\n',
      );
    });
    await rejects('storageFull', docker.pull('x:1', {}), /^pulling x:1: no space/);
    answers.set('/images/create', (_request, response) => {
      response.write('{"status":"Pulling from x","id":"1"}\n');
      setImmediate(() => response.destroy());
    });
    await rejects('unavailable', docker.pull('x:1', {}), /hung up/);
  }));

test('a removal that somebody else began is waited for', () =>
  withEngine(async ({ answers }, docker) => {
    const container = { Id: 'f'.repeat(64), Config: { Labels: { [LABEL.managed]: 'true' } }, HostConfig: {} };
    let looks = 0;
    answers.set('/json', (request, response) => {
      looks += 1;
      const gone = looks > 3;
      json(gone ? { message: 'No such container' } : container, gone ? 404 : 200)(request, response);
    });
    answers.set('/containers/f', json({ message: 'removal of container f is already in progress' }, 409));
    await docker.remove('wiki');
    assert.is(looks, 4);
  }));

test('settings of a container are in the body alone: what is in a URL stands in the logs of engines', () =>
  withEngine(async ({ answers, asked }, docker) => {
    let body = '';
    answers.set('/containers/create', async (request, response) => {
      for await (const chunk of request) body += String(chunk);
      json({ Id: 'abc' }, 201)(request, response);
    });
    await docker.createContainer(exampleSpec({ name: 'wiki', env: { TOKEN: 'hidden-word' } }));
    assert.equal(asked.slice(1), ['POST /v1.41/containers/create?name=wiki']);
    assert.match(body, /TOKEN=hidden-word/);
  }));

test('what hangs on the agent is not made a text of at every call', () =>
  withEngine(async ({ answers }, docker) => {
    answers.set('/networks', json([]));
    // Nothing asks what a socket looks like, or it would be told here.
    let looked = 0;
    Object.defineProperty(Socket.prototype, inspect.custom, {
      configurable: true,
      value: () => {
        looked += 1;
        return 'socket';
      },
    });
    try {
      await Promise.all(Array.from({ length: 5 }, () => docker.networks()));
      await docker.networks();
    } finally {
      Reflect.deleteProperty(Socket.prototype, inspect.custom);
    }
    assert.is(looked, 0);
  }));

test.run();
