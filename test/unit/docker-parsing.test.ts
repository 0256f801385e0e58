import { Readable } from 'node:stream';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { chooseApiVersion } from '../../reconcilers/drivers/docker/connection.ts';
import { driverError, engineText, pullError } from '../../reconcilers/drivers/docker/errors.ts';
import { readEvent } from '../../reconcilers/drivers/docker/events.ts';
import { readProgram } from '../../reconcilers/drivers/docker/fake-program.ts';
import { type DockerEvent, LABEL, type LogLine } from '../../reconcilers/drivers/docker/index.ts';
import {
  createDemultiplexer,
  createLineSplitter,
  logQuery,
  readLines,
  unixSeconds,
} from '../../reconcilers/drivers/docker/logs.ts';
import { createPullTracker, jsonLines, type PullLine } from '../../reconcilers/drivers/docker/pull.ts';
import { parseReference, requireImageName, requireName } from '../../reconcilers/drivers/docker/reference.ts';
import { shareNext } from '../../reconcilers/drivers/docker/share-next.ts';
import { DriverError, type DriverErrorCode } from '../../reconcilers/drivers/error.ts';
import { createSemaphore } from '../../reconcilers/drivers/semaphore.ts';
import { rejects } from '../conformance/docker.suite.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;

const references: [string, string, string, string | undefined, string][] = [
  ['nginx', 'nginx', 'latest', undefined, 'nginx:latest'],
  ['nginx:1.27', 'nginx', '1.27', undefined, 'nginx:1.27'],
  ['library/nginx', 'library/nginx', 'latest', undefined, 'library/nginx:latest'],
  ['ghcr.io/a/b:1', 'ghcr.io/a/b', '1', 'ghcr.io', 'ghcr.io/a/b:1'],
  ['127.0.0.1:5000/a', '127.0.0.1:5000/a', 'latest', '127.0.0.1:5000', '127.0.0.1:5000/a:latest'],
  ['localhost/a:2', 'localhost/a', '2', 'localhost', 'localhost/a:2'],
  [`host:5000/a/b@${DIGEST}`, 'host:5000/a/b', DIGEST, 'host:5000', `host:5000/a/b@${DIGEST}`],
  [`nginx:1@${DIGEST}`, 'nginx', DIGEST, undefined, `nginx@${DIGEST}`],
];
for (const [given, repository, tag, registry, full] of references) {
  test(`the reference ${given} is ${repository} and ${tag}`, () => {
    const { registry: found, ...rest } = parseReference(given);
    assert.equal(rest, { repository, tag, text: full });
    assert.is(found, registry);
  });
}

for (const bad of ['', '../x', 'a/b', 'a?b=1', 'a b', '-a', 'a\n']) {
  test(`${JSON.stringify(bad)} is not put into a path as a name`, () => {
    assert.throws(() => requireName('container', bad), /cannot be the name/);
  });
}
for (const bad of ['', 'a/../../containers/x', 'a?b', 'a b', '/a', 'a//b', './a']) {
  test(`${JSON.stringify(bad)} is not put into a path as an image`, () => {
    assert.throws(() => requireImageName(bad), /no image reference/);
  });
}
for (const good of ['nginx', DIGEST, `host:5000/a/b@${DIGEST}`, 'ghcr.io/a.b/c_d:1.2-x']) {
  test(`${good} may name an image`, () => requireImageName(good));
}

const versions: [string, string | undefined, string][] = [
  ['1.41', '1.12', '1.41'],
  ['1.51', '1.24', '1.51'],
  ['1.52', '1.44', '1.51'],
  ['1.9', undefined, '1.9'],
  ['1.60', '1.55', '1.55'],
];
for (const [server, minimum, chosen] of versions) {
  test(`with an engine of API ${server}, at least ${minimum}, ${chosen} is spoken`, () => {
    assert.is(chooseApiVersion(server, minimum), chosen);
  });
}

const http = (statusCode: number, message: string) =>
  Object.assign(new Error(`(HTTP code ${statusCode}) server error - ${message} `), {
    statusCode,
    json: { message },
  });
const system = (code: string, message: string) => Object.assign(new Error(message), { code });

const failures: [string, unknown, DriverErrorCode, RegExp][] = [
  [
    'no socket',
    system('ENOENT', 'connect ENOENT /run/docker.sock'),
    'unavailable',
    /cannot be reached.*ENOENT/,
  ],
  ['nobody listens', system('ECONNREFUSED', 'connect ECONNREFUSED'), 'unavailable', /ECONNREFUSED/],
  ['a broken pipe', system('EPIPE', 'write EPIPE'), 'unavailable', /EPIPE/],
  ['a hang up', system('ECONNRESET', 'socket hang up'), 'unavailable', /hang up/],
  ['no such container', http(404, 'No such container: x'), 'notFound', /^starting x: No such container: x$/],
  ['a name', http(409, 'Conflict. The name "/x" is already in use'), 'conflict', /already in use/],
  ['a port', http(500, 'Bind for 0.0.0.0:80 failed: port is already allocated'), 'conflict', /0\.0\.0\.0:80/],
  ['a proxy', http(500, 'listen tcp4 0.0.0.0:80: bind: address already in use'), 'conflict', /bind/],
  ['an address', http(403, 'Address already in use'), 'conflict', /Address/],
  ['a subnet', http(403, 'Pool overlaps with other one on this address space'), 'conflict', /Pool/],
  ['a full disk', http(500, 'mkdir /x: no space left on device'), 'storageFull', /no space/],
  ['a bad parameter', http(400, 'invalid mount config'), 'invalid', /mount/],
  ['not running', http(409, 'Container x is not running'), 'failed', /not running/],
  ['anything else', http(500, 'OCI runtime create failed'), 'failed', /OCI/],
  ['what is no error', 'text', 'failed', /text/],
];
for (const [name, caught, code, words] of failures) {
  test(`an engine that tells of ${name} is ${code}`, () => {
    const error = driverError('starting x', caught);
    assert.is(error.code, code);
    assert.match(error.message, words);
    assert.match(error.message, /^starting x: /);
  });
}

test('a DriverError stays as it is, and text without JSON loses what dockerode puts in front', () => {
  const error = new DriverError('timeout', 'late');
  assert.is(driverError('x', error), error);
  assert.is(
    engineText(Object.assign(new Error('(HTTP code 404) unexpected - gone '), { json: null })),
    'gone',
  );
});

const pulls: [string, number | undefined, DriverErrorCode][] = [
  ['manifest for x:9 not found: manifest unknown: manifest unknown', undefined, 'notFound'],
  ['repository x not found: name unknown: repository name not known to registry', 404, 'notFound'],
  ['pull access denied for x, repository does not exist or may require login', 404, 'denied'],
  ['Head "https://x/v2/": unauthorized: authentication required', 500, 'denied'],
  ['Get "http://127.0.0.1:1/v2/": dial tcp 127.0.0.1:1: connect: connection refused', 500, 'failed'],
  ['no matching manifest for linux/arm64 in the manifest list entries', undefined, 'notFound'],
  ['write /var/lib/docker/tmp: no space left on device', undefined, 'storageFull'],
  ['invalid reference format', 400, 'invalid'],
  ['toomanyrequests: You have reached your pull rate limit', 500, 'failed'],
];
for (const [text, status, code] of pulls) {
  test(`a pull that ends with "${text.slice(0, 40)}…" is ${code}`, () => {
    const error = pullError('x:1', text, status);
    assert.is(error.code, code);
    assert.is(error.message, `pulling x:1: ${text}`);
  });
}

function frame(stream: 1 | 2, text: string): Buffer {
  const data = Buffer.from(text);
  const header = Buffer.alloc(8);
  header[0] = stream;
  header.writeUInt32BE(data.length, 4);
  return Buffer.concat([header, data]);
}

test('frames come out whole, wherever the stream is cut', () => {
  const whole = Buffer.concat([frame(1, 'one\n'), frame(2, ''), frame(2, 'zwei\n'), frame(1, 'x')]);
  for (let size = 1; size <= whole.length; size += 1) {
    const push = createDemultiplexer();
    const found: string[] = [];
    for (let at = 0; at < whole.length; at += size) {
      for (const { stream, data } of push(whole.subarray(at, at + size))) found.push(`${stream} ${data}`);
    }
    assert.equal(found, ['stdout one\n', 'stderr ', 'stderr zwei\n', 'stdout x'], `in pieces of ${size}`);
  }
});

test('lines are put together of each stream for itself, also inside a character', () => {
  const lines = createLineSplitter();
  const euro = Buffer.from('€');
  const found: LogLine[] = [
    ...lines.push({ stream: 'stdout', data: Buffer.from('a') }),
    ...lines.push({ stream: 'stderr', data: Buffer.from('bad\r\n') }),
    ...lines.push({ stream: 'stdout', data: euro.subarray(0, 1) }),
    ...lines.push({ stream: 'stdout', data: Buffer.concat([euro.subarray(1), Buffer.from('\n\nend')]) }),
    ...lines.flush(),
    ...lines.flush(),
  ];
  assert.equal(found, [
    { stream: 'stderr', text: 'bad' },
    { stream: 'stdout', text: 'a€' },
    { stream: 'stdout', text: '' },
    { stream: 'stdout', text: 'end' },
  ]);
});

test('a line that never ends is given out in pieces', () => {
  const lines = createLineSplitter();
  const found = lines.push({ stream: 'stdout', data: Buffer.alloc(3 * 1024 * 1024, 'x') });
  assert.is(found.length, 1);
});

test('a log stream that breaks rejects, and one that is cancelled ends', async () => {
  const broken = new Readable({ read() {} });
  const reading = readLines(broken, true).next();
  broken.destroy(new Error('cut off'));
  await reading.then(
    () => assert.unreachable(),
    (caught: Error) => assert.is(caught.message, 'cut off'),
  );
  const stop = new AbortController();
  const endless = readLines(new Readable({ read() {} }), true, stop.signal).next();
  stop.abort();
  assert.is((await endless).done, true);
});

const times: [string, string][] = [
  ['2026-11-23T10:00:00Z', '1795428000'],
  ['2026-11-23T10:00:00.5Z', '1795428000.500000000'],
  ['2026-11-23T11:00:00.123456789+01:00', '1795428000.123456789'],
];
for (const [given, expected] of times) {
  test(`${given} is ${expected} for the engine`, () => assert.is(unixSeconds(given), expected));
}

test('all lines are asked for unless a number is said, also the number 0', () => {
  assert.is(logQuery({})['tail'], 'all');
  assert.is(logQuery({ tail: 0 })['tail'], '0');
});

const mark = { [LABEL.managed]: 'true' };
const events: [string, Parameters<typeof readEvent>[0], DockerEvent | undefined][] = [
  [
    'a death of ours',
    {
      Type: 'container',
      Action: 'die',
      Actor: { ID: 'c', Attributes: { ...mark, name: 'wiki', image: 'i', exitCode: '137', other: 'label' } },
    },
    {
      type: 'container',
      action: 'die',
      id: 'c',
      name: 'wiki',
      labels: { ...mark, other: 'label' },
      exitCode: 137,
    },
  ],
  [
    'a health that was found',
    { Type: 'container', Action: 'health_status: healthy', Actor: { ID: 'c', Attributes: { ...mark } } },
    { type: 'container', action: 'health_status', id: 'c', name: '', labels: mark },
  ],
  [
    'one of others',
    { Type: 'container', Action: 'die', Actor: { ID: 'c', Attributes: { name: 'x' } } },
    undefined,
  ],
  [
    'a command inside',
    { Type: 'container', Action: 'exec_create: sh', Actor: { ID: 'c', Attributes: { ...mark } } },
    undefined,
  ],
  [
    'a disconnect',
    {
      Type: 'network',
      Action: 'disconnect',
      Actor: { ID: 'n', Attributes: { container: 'c', name: 'net', type: 'bridge' } },
    },
    { type: 'network', action: 'disconnect', id: 'n', name: 'net', labels: {}, containerId: 'c' },
  ],
  [
    'a volume',
    { Type: 'volume', Action: 'destroy', Actor: { ID: 'v', Attributes: { driver: 'local' } } },
    { type: 'volume', action: 'destroy', id: 'v', name: 'v', labels: {} },
  ],
  ['a plugin', { Type: 'plugin', Action: 'enable' }, undefined],
  ['nothing', {}, undefined],
];
for (const [name, raw, expected] of events) {
  test(`the event of ${name} is read`, () => assert.equal(readEvent(raw), expected));
}

function track(lines: PullLine[]): { moved: boolean[]; percents: (number | undefined)[]; last: string } {
  const tracker = createPullTracker();
  const moved: boolean[] = [];
  const percents: (number | undefined)[] = [];
  for (const line of lines) {
    moved.push(tracker.take(line));
    percents.push(tracker.progress().percent);
  }
  return { moved, percents, last: tracker.progress().message };
}

test('progress is unknown until all sizes are, then goes up to 100 and never back', () => {
  const { percents, last } = track([
    { status: 'Pulling from library/x', id: '1' },
    { id: 'a', status: 'Pulling fs layer' },
    { id: 'b', status: 'Pulling fs layer' },
    { id: 'a', status: 'Downloading', progressDetail: { current: 0, total: 100 } },
    { id: 'b', status: 'Downloading', progressDetail: { current: 150, total: 300 } },
    { id: 'a', status: 'Download complete' },
    { id: 'a', status: 'Extracting', progressDetail: { current: 50, total: 100 } },
    { id: 'a', status: 'Pull complete' },
    { id: 'b', status: 'Downloading', progressDetail: { current: 10, total: 300 } },
    { id: 'b', status: 'Pull complete' },
    { status: 'Status: Downloaded newer image for x' },
  ]);
  assert.equal(percents, [undefined, undefined, undefined, undefined, 18, 31, 37, 43, 43, 100, 100]);
  assert.is(last, '2 of 2 layers, 0.0 of 0.0 MB');
});

test('what is there already and a layer too small to be counted are complete', () => {
  const { percents } = track([
    { id: 'a', status: 'Already exists' },
    { id: 'b', status: 'Pulling fs layer' },
    { id: 'b', status: 'Download complete' },
    { id: 'b', status: 'Pull complete' },
  ]);
  assert.is(percents.at(-1), 100);
});

test('repeating the same line, and counting down to a new try, is no movement', () => {
  const downloading = { id: 'a', status: 'Downloading', progressDetail: { current: 1, total: 9 } };
  const { moved } = track([
    downloading,
    downloading,
    { id: 'a', status: 'Retrying in 5 seconds' },
    { id: 'a', status: 'Retrying in 4 seconds' },
    { ...downloading, progressDetail: { current: 2, total: 9 } },
  ]);
  assert.equal(moved, [true, false, false, false, true]);
});

test('JSON lines are put together from pieces; what is no JSON is left out', async () => {
  const chunks = ['{"a":1}\n{"a"', ':2}\r\n\nnonsense\n', '{"a":3}'].map((text) => Buffer.from(text));
  const found: unknown[] = [];
  for await (const value of jsonLines(Readable.from(chunks))) found.push(value);
  assert.equal(found, [{ a: 1 }, { a: 2 }, { a: 3 }]);
});

test('no more run at once than there are places, in the order they came', async () => {
  const semaphore = createSemaphore(2);
  const order: number[] = [];
  let running = 0;
  let most = 0;
  const task = (number: number) =>
    semaphore.run(async () => {
      running += 1;
      most = Math.max(most, running);
      order.push(number);
      await Promise.resolve();
      running -= 1;
      if (number === 2) throw new Error('a task that fails gives its place back');
    });
  const results = await Promise.allSettled([1, 2, 3, 4, 5].map(task));
  assert.is(most, 2);
  assert.equal(order, [1, 2, 3, 4, 5]);
  assert.is(results.filter(({ status }) => status === 'rejected').length, 1);
});

test('one who gives up waiting frees nobody else', async () => {
  const semaphore = createSemaphore(1);
  let finish = () => {};
  const first = semaphore.run(() => new Promise<void>((resolve) => (finish = resolve)));
  const stop = new AbortController();
  const second = semaphore.run(async () => assert.unreachable(), stop.signal);
  const third = semaphore.run(async () => 'third');
  stop.abort();
  await rejects('aborted', second);
  await rejects(
    'aborted',
    semaphore.run(async () => {}, stop.signal),
  );
  finish();
  await first;
  assert.is(await third, 'third');
});

const programs: [string[], ReturnType<typeof readProgram>][] = [
  [['/no/such'], undefined],
  [['nginx'], { lines: [] }],
  [['sleep', 'infinity'], { lines: [] }],
  [['sleep', '2'], { lines: [], exit: { code: 0, after: 2000 } }],
  [['cat'], { lines: [], echoesInput: true }],
  [
    ['sh', '-c', 'echo a b; sleep 1; echo c >&2; exit 3'],
    {
      lines: [
        { stream: 'stdout', text: 'a b', after: 0 },
        { stream: 'stderr', text: 'c', after: 1000 },
      ],
      exit: { code: 3, after: 1000 },
    },
  ],
];
for (const [command, expected] of programs) {
  test(`the fake runs ${command.join(' ')}`, () => assert.equal(readProgram(command), expected));
}

test('what comes soon goes before all who wait for their turn', async () => {
  const semaphore = createSemaphore(1);
  const order: string[] = [];
  const task = (name: string) => async () => {
    order.push(name);
    await Promise.resolve();
  };
  await Promise.all([
    semaphore.run(task('first')),
    semaphore.run(task('create')),
    semaphore.runSoon(task('start')),
    semaphore.runSoon(task('remove')),
  ]);
  assert.equal(order, ['first', 'start', 'remove', 'create']);
});

test('a shared answer is never older than the question, and a failure is not kept', async () => {
  const answers: ((outcome: number | Error) => void)[] = [];
  const ask = shareNext(
    () =>
      new Promise<number>((resolve, reject) => {
        answers.push((outcome) => (outcome instanceof Error ? reject(outcome) : resolve(outcome)));
      }),
  );
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const early = [ask(), ask()];
  await turn();
  const late = [ask(), ask()];
  await turn();
  assert.is(answers.length, 1);
  answers[0]?.(1);
  assert.equal(await Promise.all(early), [1, 1]);
  await turn();
  assert.is(answers.length, 2);
  answers[1]?.(new Error('gone'));
  for (const { status } of await Promise.allSettled(late)) assert.is(status, 'rejected');
  const again = ask();
  await turn();
  answers[2]?.(3);
  assert.is(await again, 3);
});

test.run();
