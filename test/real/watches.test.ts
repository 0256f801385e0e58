/**
 * The API under many: a thousand open watches and a thousand writes, and a list of ten thousand Apps in pages while others write.
 * The real store, in a process of its own whose memory is measured. No engine, no Docker.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, type ClientRequest, request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { until } from './until.ts';

const WATCHERS = 1_000;
const WRITES = 1_000;
const APPS = 10_000;
const PAGE = 500;
const PATH = '/apis/holdfast.dev/v1/apps';
/** What may stay after a thousand watches are gone: caches of texts and code. Their buffers alone would be many times that. */
const MOST_LEFT = 48 * 2 ** 20;

interface Reached {
  socketPath: string;
  port: number;
  ca: string;
  token: string;
}

let child: ChildProcess;
let reached: Reached;
let nextLine: () => Promise<string>;

test.before(
  telling(async () => {
    const program = fileURLToPath(new URL('../support/api-process.ts', import.meta.url));
    child = spawn(process.execPath, ['--expose-gc', '--import', 'tsx', program], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    if (!child.stdout) throw new Error('no output');
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    nextLine = async () => (await lines.next()).value ?? '';
    reached = JSON.parse(await nextLine());
  }),
);
test.after(async () => {
  child.stdin?.end();
  await new Promise((resolve) => child.once('close', resolve));
});

async function memory(): Promise<number> {
  child.stdin?.write('memory\n');
  return (JSON.parse(await nextLine()) as { bytes: number }).bytes;
}

interface Answer {
  code: number;
  body: string;
}

/** Over HTTPS with the token, or over the socket. */
function call(
  method: string,
  path: string,
  body?: unknown,
  over: 'https' | 'socket' = 'socket',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = {
      'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json',
    };
    const { socketPath, port, ca, token } = reached;
    const options = { method, path, agent: false } as const;
    const sent: ClientRequest =
      over === 'socket'
        ? request({ ...options, socketPath, headers })
        : secureRequest({
            ...options,
            host: '127.0.0.1',
            port,
            ca,
            headers: { ...headers, authorization: `Bearer ${token}` },
          });
    sent.once('error', reject);
    sent.once('response', (message) => {
      let text = '';
      message.setEncoding('utf8');
      message.on('data', (chunk) => (text += chunk));
      message.on('end', () => resolve({ code: message.statusCode ?? 0, body: text }));
    });
    sent.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

const app = (name: string) => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'App',
  metadata: { name },
  spec: { image: 'nginx:1.27', port: 80, location: name, domain: 'localhost' },
});

/** A watcher that knows which turn comes next, and notes what came instead. */
class Watcher {
  seen = 0;
  wrong: string | undefined;
  isOpen = false;
  readonly #request: ClientRequest;
  #rest = '';

  constructor(version: string) {
    const path = `${PATH}?watch=1&resourceVersion=${version}`;
    this.#request = request({ socketPath: reached.socketPath, path, agent: new Agent({ keepAlive: false }) });
    this.#request.on('error', () => undefined);
    this.#request.once('response', (message) => {
      this.isOpen = message.statusCode === 200;
      message.setEncoding('utf8');
      message.on('error', () => undefined);
      message.on('data', (chunk: string) => this.#take(chunk));
    });
    this.#request.end();
  }

  #take(chunk: string): void {
    const lines = (this.#rest + chunk).split('\n');
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      const at = line.indexOf('"turn":"');
      const turn = line.slice(at + 8, line.indexOf('"', at + 8));
      if (turn === String(this.seen)) this.seen += 1;
      else this.wrong ??= `${turn} came where ${this.seen} was next`;
    }
  }

  end(): void {
    this.#request.destroy();
  }
}

async function newest(): Promise<string> {
  return JSON.parse((await call('GET', `${PATH}?limit=1`)).body).metadata.resourceVersion;
}

test('a thousand watchers see a thousand writes once and in order, and their memory comes back', async () => {
  assert.is((await call('POST', PATH, app('watched'))).code, 201);
  for (let index = 0; index < 20; index++)
    await call('PATCH', `${PATH}/watched`, { metadata: { labels: { warm: `${index}` } } });
  const before = await memory();
  const version = await newest();
  const watchers = Array.from({ length: WATCHERS }, () => new Watcher(version));
  try {
    await until('all watches are open', async () => watchers.every(({ isOpen }) => isOpen), { seconds: 120 });
    const began = performance.now();
    for (let turn = 0; turn < WRITES; turn++) {
      const { code } = await call('PATCH', `${PATH}/watched`, {
        metadata: { labels: { turn: String(turn) } },
      });
      assert.is(code, 200);
    }
    const bad = () => watchers.find(({ wrong }) => wrong !== undefined)?.wrong;
    await until(
      'all have seen all',
      async () => bad() !== undefined || watchers.every(({ seen }) => seen === WRITES),
      { seconds: 240 },
    );
    assert.is(bad(), undefined);
    const seconds = (performance.now() - began) / 1000;
    const during = await memory();
    for (const watcher of watchers) watcher.end();
    await until('they are gone', async () => {
      const { body } = await call('GET', '/metrics');
      return /^holdfast_api_streams 0$/m.test(body);
    });
    const after = await memory();
    const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
    console.log(
      `  ${WRITES} writes to ${WATCHERS} watchers: ${seconds.toFixed(1)} s; memory ${mib(before)} before, ${mib(during)} with them, ${mib(after)} after`,
    );
    assert.ok(after - before < MOST_LEFT, `${mib(after - before)} stay`);
  } finally {
    for (const watcher of watchers) watcher.end();
  }
});

test('ten thousand Apps in pages, while others write: none is missing, and none comes twice', async () => {
  const names = Array.from({ length: APPS }, (_, index) => `app-${String(index).padStart(5, '0')}`);
  for (let from = 0; from < APPS; from += PAGE) {
    const documents = names.slice(from, from + PAGE).map(app);
    const { code, body } = await call('POST', '/holdfast/v1/apply', { documents, manager: 'test' });
    assert.is(code, 200, body.slice(0, 500));
  }
  const seen: string[] = [];
  let pages = 0;
  let next: string | undefined;
  do {
    const query = `limit=${PAGE}&labelSelector=!turn${next === undefined ? '' : `&continue=${encodeURIComponent(next)}`}`;
    const { code, body } = await call('GET', `${PATH}?${query}`, undefined, 'https');
    assert.is(code, 200, body.slice(0, 500));
    const list = JSON.parse(body) as {
      items: { metadata: { name: string } }[];
      metadata: { continue?: string };
    };
    seen.push(...list.items.map(({ metadata }) => metadata.name));
    next = list.metadata.continue;
    pages += 1;
    // Others make Apps before and after the place that was reached, change them, and begin to delete them.
    const number = String(pages).padStart(5, '0');
    await call('POST', PATH, app(`aaa-${number}`));
    await call('POST', PATH, app(`app-09999-${number}`));
    await call('PATCH', `${PATH}/${names[pages * 7] ?? ''}`, { metadata: { labels: { changed: 'yes' } } });
    await call('PATCH', `${PATH}/${names[APPS - pages] ?? ''}`, { metadata: { labels: { turn: 'gone' } } });
    await call('DELETE', `${PATH}/${names[APPS - 200 - pages] ?? ''}`);
  } while (next !== undefined);
  assert.is(pages, APPS / PAGE);
  assert.equal(seen, names);
});

test.run();
