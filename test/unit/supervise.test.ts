/** The supervisor and the processes it remembers, on real processes. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { heldEnvironment, heldSocket, makeSocket } from '../../controller/supervise/held-socket.ts';
import { boundLog, nextBackoff, supervise } from '../../controller/supervise/loop.ts';
import { readOrders, saysToRun, writeOrders } from '../../controller/supervise/orders.ts';
import {
  describeProcess,
  endProcess,
  isAlive,
  liveRecord,
  type ProcessRecord,
  signalProcess,
  writeRecord,
} from '../../controller/supervise/processes.ts';
import { takesOrders } from '../../controller/supervise/start.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'holdfast-supervise-'));
const started: ProcessRecord[] = [];
const cleanUp = () => {
  for (const record of started) signalProcess(record, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
};
test.after(cleanUp);
// Also when the process ends by an error that no test has caught.
process.once('exit', cleanUp);

const file = (name: string) => path.join(folder, name);

async function poll<T>(what: string, look: () => T | undefined | false): Promise<T> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const value = look();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline) throw new Error(`did not come: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function sleeper(): ProcessRecord {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  const record = describeProcess(child.pid ?? 0);
  if (record === undefined) throw new Error('sleep did not start');
  started.push(record);
  return record;
}

const bounds = { firstBackoffSeconds: 1, longestBackoffSeconds: 30, wellAfterSeconds: 60, logBytes: 100 };
const rows = [
  { name: 'the first wait is short', ran: 0, last: 0, want: 1 },
  { name: 'each wait is twice the last while it ends at once', ran: 2, last: 4, want: 8 },
  { name: 'waits have a longest', ran: 2, last: 20, want: 30 },
  { name: 'one that ran long starts over', ran: 61, last: 30, want: 1 },
];
for (const row of rows) {
  test(`backoff: ${row.name}`, () => assert.is(nextBackoff(row.ran, row.last, bounds), row.want));
}

test('a process is known again by number and start time', () => {
  const record = sleeper();
  writeRecord(file('one.json'), record);
  assert.equal(liveRecord(file('one.json')), record);
  assert.not(isAlive({ ...record, startTime: '1' }));
  assert.not(isAlive({ ...record, boot: 'another' }));
});

test('a record of another process is no leave to signal this one', () => {
  const record = sleeper();
  assert.not(signalProcess({ ...record, startTime: '1' }, 'SIGKILL'));
  assert.ok(isAlive(record));
});

test('a damaged or missing record is nothing', () => {
  assert.is(liveRecord(file('none.json')), undefined);
  writeFileSync(file('bad.json'), '{"pid": 1');
  assert.is(liveRecord(file('bad.json')), undefined);
});

test('one that does not listen to SIGTERM is ended by force', async () => {
  const child = spawn('sh', ['-c', 'trap "" TERM; echo ready; while :; do sleep 0.1; done'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const record = describeProcess(child.pid ?? 0);
  if (record === undefined) throw new Error('sh did not start');
  started.push(record);
  await endProcess(systemClock, record, 0.3);
  assert.not(isAlive(record));
});

test('a program that is killed is started again, and ends with its supervisor', async () => {
  const stop = new AbortController();
  const wanted = { command: ['sleep', '601'], cwd: folder, log: file('log'), record: file('child.json') };
  const done = supervise(wanted, systemClock, stop.signal, { ...bounds, firstBackoffSeconds: 0.05 });
  const first = await poll('the first start', () => liveRecord(wanted.record));
  started.push(first);
  signalProcess(first, 'SIGKILL');
  const second = await poll('the second start', () => {
    const record = liveRecord(wanted.record);
    return record?.pid === first.pid ? undefined : record;
  });
  started.push(second);
  stop.abort();
  await done;
  assert.not(isAlive(second));
  assert.is(liveRecord(wanted.record), undefined);
});

test('a supervisor adopts what another one started', async () => {
  const record = sleeper();
  const stop = new AbortController();
  const wanted = { command: ['false'], cwd: folder, log: file('log2'), record: file('adopted.json') };
  writeRecord(wanted.record, record);
  const done = supervise(wanted, systemClock, stop.signal, bounds);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(liveRecord(wanted.record), record);
  stop.abort();
  await done;
  assert.not(isAlive(record));
});

test('a program that cannot be started does not end the supervisor', async () => {
  const stop = new AbortController();
  const wanted = { command: ['/no/such'], cwd: folder, log: file('log3'), record: file('none2.json') };
  const done = supervise(wanted, systemClock, stop.signal, { ...bounds, firstBackoffSeconds: 0.01 });
  await new Promise((resolve) => setTimeout(resolve, 100));
  stop.abort();
  await done;
});

test('what the program says is in the log', async () => {
  const stop = new AbortController();
  const wanted = {
    command: ['sh', '-c', 'echo said; echo complained >&2; exec sleep 602'],
    cwd: folder,
    log: file('deep/log4'),
    record: file('talks.json'),
  };
  const done = supervise(wanted, systemClock, stop.signal, bounds);
  const text = await poll('words in the log', () => {
    const words = statSync(wanted.log, { throwIfNoEntry: false }) && readFileSync(wanted.log, 'utf8');
    return words?.includes('complained') === true && words;
  });
  assert.is(text, 'said\ncomplained\n');
  stop.abort();
  await done;
});

test('a log past its bound is kept once and emptied', () => {
  writeFileSync(file('long'), 'x'.repeat(200));
  boundLog(file('long'), 100);
  assert.is(statSync(file('long')).size, 0);
  assert.is(statSync(file('long.1')).size, 200);
  boundLog(file('not-there'), 100);
});

const server = `
  const server = require('node:http').createServer((_request, answer) => answer.end(process.argv[1]));
  server.listen({ fd: 3 });
  process.once('SIGTERM', () => server.close(() => process.exit(0)));
`;
const serving = (name: string) => [process.execPath, '-e', server, name];

/** Answers what the API would; rejects when nobody takes the connection. */
function ask(socketPath: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { socketPath, path: '/', agent: false, timeout: 20_000 };
    const sent = request(options, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      answer.on('end', () => resolve(text));
    });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.end();
  });
}

test('no request is lost while a supervisor is told to run another program, or none for a while', async () => {
  const socket = file('sockets/api.sock');
  const records = { own: file('own.json'), child: file('held.json'), orders: file('orders.json') };
  const script = new URL('../../controller/supervise.ts', import.meta.url).pathname;
  const words = [
    script,
    records.own,
    records.child,
    file('log5'),
    folder,
    records.orders,
    ...serving('first'),
  ];
  await makeSocket(socket, (held) => {
    const child = spawn(process.execPath, ['--import', 'tsx', ...words], {
      stdio: ['ignore', 'ignore', 'inherit', held],
      env: { ...process.env, ...heldEnvironment },
    });
    child.unref();
  });
  assert.is(statSync(socket).mode & 0o777, 0o600);
  const supervisor = await poll('the supervisor', () => liveRecord(records.own));
  started.push(supervisor);
  assert.ok(takesOrders(records.own));
  assert.is(await ask(socket), 'first');

  const answers: string[] = [];
  let asking = true;
  const askOnAndOn = async () => {
    while (asking) answers.push(await ask(socket));
  };
  let load = askOnAndOn();
  writeOrders(records.orders, { command: serving('second'), paused: true });
  signalProcess(supervisor, 'SIGHUP');
  await poll('the first one ends', () => liveRecord(records.child) === undefined);
  const before = answers.length;
  writeOrders(records.orders, { command: serving('second') });
  await poll('the second one answers', () => answers.includes('second'));
  assert.ok(answers.length > before);
  const second = liveRecord(records.child);
  assert.ok(second);
  // What a killed program was just answering dies with it. All that is asked once it is dead is answered by the next one.
  asking = false;
  await load;
  signalProcess(second, 'SIGKILL');
  await poll('the second one is dead', () => !isAlive(second));
  asking = true;
  load = askOnAndOn();
  const count = answers.length;
  await poll('it answers again', () => answers.length > count + 20);
  asking = false;
  await load;
  assert.equal([...new Set(answers)], ['first', 'second']);
  signalProcess(supervisor, 'SIGTERM');
  await poll('all of it ends', () => !isAlive(supervisor));
  // Who connects while the last holder closes the socket is reset; after that nobody listens.
  let refusal = await ask(socket).catch((error: NodeJS.ErrnoException) => error.code);
  for (let tries = 0; refusal === 'ECONNRESET' && tries < 50; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    refusal = await ask(socket).catch((error: NodeJS.ErrnoException) => error.code);
  }
  assert.is(refusal, 'ECONNREFUSED');
});

test('orders that cannot be read are none', () => {
  for (const text of ['', '{', '{"command": []}', '{"command": "x"}']) {
    writeFileSync(file('bad-orders.json'), text);
    assert.is(readOrders(file('bad-orders.json')), undefined);
  }
});

test('orders of an upgrade that was killed on its way are not those to run this program', () => {
  const orders = file('left-orders.json');
  const own = ['/old/bin/holdfast', 'serve'];
  assert.not(saysToRun(orders, own), 'there are none');
  for (const [left, same] of [
    [{ command: own }, true],
    [{ command: own, paused: true }, false],
    [{ command: ['/new/bin/holdfast', 'serve'] }, false],
  ] as const) {
    writeOrders(orders, { ...left, command: [...left.command] });
    assert.is(saysToRun(orders, own), same, JSON.stringify(left));
  }
});

test('a held socket is taken only by whom it is for, and not passed on', () => {
  const env: NodeJS.ProcessEnv = { LISTEN_PID: '7', LISTEN_FDS: '1', LISTEN_FDNAMES: 'x' };
  assert.is(heldSocket({ ...env }, 8), undefined);
  assert.is(heldSocket({ ...env, LISTEN_FDS: '2' }, 7), undefined);
  assert.is(heldSocket(env, 7), 3);
  assert.equal(env, {});
  assert.is(heldSocket({ ...heldEnvironment }, 7), 3);
});

test.run();
