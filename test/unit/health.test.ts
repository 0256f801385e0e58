import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { edgeOf, HealthMonitor, healthSettings, nextState } from '../../reconcilers/app/health.ts';
import type { Probe, ProbeAnswer } from '../../reconcilers/drivers/probe/index.ts';
import { makeDocument, UID } from '../support/app.ts';
import { VirtualClock } from '../support/clock.ts';

const GOOD: ProbeAnswer = { ok: true, status: 200, message: 'status 200' };
const BAD: ProbeAnswer = { ok: false, status: 503, message: 'status 503' };
const settings = healthSettings(undefined);

const rows: {
  name: string;
  before: 'starting' | 'healthy' | 'unhealthy';
  answer: ProbeAnswer;
  without: number;
  after: string;
}[] = [
  {
    name: 'one good answer makes it healthy',
    before: 'unhealthy',
    answer: GOOD,
    without: 0,
    after: 'healthy',
  },
  { name: 'one bad answer is no alarm', before: 'healthy', answer: BAD, without: 10_000, after: 'healthy' },
  {
    name: 'half a minute without a good one is',
    before: 'healthy',
    answer: BAD,
    without: 30_000,
    after: 'unhealthy',
  },
  { name: 'a slow start is a start', before: 'starting', answer: BAD, without: 29_000, after: 'starting' },
  {
    name: 'a start that never ends is unhealthy',
    before: 'starting',
    answer: BAD,
    without: 31_000,
    after: 'unhealthy',
  },
];

for (const { name, before, answer, without, after } of rows) {
  test(name, () => assert.is(nextState(before, answer, without, settings), after));
}

function makeMonitor() {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const changes: string[] = [];
  let answer = BAD;
  const probe: Probe = {
    async ask({ address, port, path, host }) {
      asked.push(`${host} ${address}:${port}${path}`);
      return answer;
    },
  };
  const monitor = new HealthMonitor({
    probe,
    clock,
    settings: () => settings,
    onChange: (app) => changes.push(app),
  });
  const pass = async (milliseconds: number) => {
    for (let left = milliseconds; left > 0; left -= 50) {
      clock.advance(Math.min(50, left));
      for (let turn = 0; turn < 4; turn += 1) await Promise.resolve();
    }
  };
  return { monitor, clock, asked, changes, pass, answerWith: (next: ProbeAnswer) => (answer = next) };
}

function runningApp(containerId: string, startedAt = '2026-01-01T00:00:00Z') {
  return {
    ...makeDocument('App', 'hello', {}),
    status: {
      address: '10.213.0.2',
      fqdn: 'hello.localhost',
      manifest: { httpPort: 8080, healthCheckPath: '/up' },
      container: { id: containerId, state: 'running', startedAt },
    },
  } as ReturnType<typeof makeDocument>;
}

test('a new container is asked often until it answers, then every ten seconds', async () => {
  const { monitor, asked, changes, pass, answerWith } = makeMonitor();
  monitor.follow(runningApp('one'));
  await pass(1_000);
  assert.ok(asked.length >= 3 && asked.length <= 5, `${asked.length} questions in the first second`);
  assert.is(asked[0], 'hello.localhost 10.213.0.2:8080/up');
  answerWith(GOOD);
  await pass(2_000);
  assert.is(monitor.of(UID)?.state, 'healthy');
  const before = asked.length;
  await pass(60_000);
  assert.ok(asked.length - before <= 7, `${asked.length - before} questions a minute`);
  assert.equal(changes, ['hello', 'hello'], 'once for the first words, once for healthy');
  monitor.close();
});

test('flapping is damped: healthy, 20 s bad, healthy again wakes nobody', async () => {
  const { monitor, changes, pass, answerWith } = makeMonitor();
  answerWith(GOOD);
  monitor.follow(runningApp('one'));
  await pass(1_000);
  changes.length = 0;
  answerWith(BAD);
  await pass(20_000);
  answerWith(GOOD);
  await pass(20_000);
  assert.equal(changes, []);
  answerWith(BAD);
  await pass(45_000);
  assert.is(monitor.of(UID)?.state, 'unhealthy');
  monitor.close();
});

test('another container starts anew, and one that stopped is not asked', async () => {
  const { monitor, asked, pass, answerWith } = makeMonitor();
  answerWith(GOOD);
  monitor.follow(runningApp('one'));
  await pass(500);
  monitor.follow(runningApp('two'));
  assert.is(monitor.of(UID)?.containerId, 'two');
  assert.is(monitor.of(UID)?.state, 'starting');
  monitor.follow(runningApp('two'), true);
  const before = asked.length;
  await pass(30_000);
  assert.is(asked.length, before);
  assert.is(monitor.of(UID), undefined);
});

test('what is known of a container ends when it is started again', async () => {
  const { monitor, pass, answerWith } = makeMonitor();
  answerWith(GOOD);
  monitor.follow(runningApp('one'));
  await pass(500);
  assert.is(monitor.of(UID)?.state, 'healthy');
  monitor.follow(runningApp('one'));
  assert.is(monitor.of(UID)?.state, 'healthy');
  monitor.follow(runningApp('one', '2026-01-01T00:01:00Z'));
  assert.is(monitor.of(UID)?.state, 'starting');
  monitor.close();
});

const edges: { name: string; http: object | undefined; address: string; port: number }[] = [
  { name: 'the default', http: undefined, address: '127.0.0.1', port: 443 },
  { name: 'all addresses', http: { addresses: ['0.0.0.0', '::'] }, address: '127.0.0.1', port: 443 },
  { name: 'IPv6 alone', http: { addresses: ['::'], httpsPort: 8443 }, address: '::1', port: 8443 },
  { name: 'one address', http: { addresses: ['192.0.2.1'] }, address: '192.0.2.1', port: 443 },
];
for (const { name, http, address, port } of edges)
  test(`the edge is asked where nginx listens: ${name}`, () =>
    assert.equal(edgeOf(http === undefined ? undefined : { http }), { address, port }));

test('when an answer came is not known any more once the clock was set', async () => {
  const { monitor, clock, pass, answerWith } = makeMonitor();
  answerWith(GOOD);
  monitor.follow(runningApp('one'));
  await pass(100);
  assert.ok(monitor.of(UID)?.lastHealthyAt);
  clock.jump(-5_000);
  assert.is(monitor.of(UID)?.lastHealthyAt, undefined);
  assert.is(monitor.of(UID)?.state, 'healthy');
  await pass(20_000);
  assert.ok(monitor.of(UID)?.lastHealthyAt, 'until it has answered again');
  monitor.close();
});

test.run();
