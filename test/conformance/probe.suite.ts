/** What every probe must answer. The real one and the fake each call this in a test file of their own. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Probe, ProbeTarget } from '../../reconcilers/drivers/probe/index.ts';
import { rejects } from './docker.suite.ts';

export interface ProbeUnderTest {
  probe: Probe;
  /** An address and port that answer this status, nothing at all, or refuse. */
  target(behaviour: number | 'silence' | 'refused'): Promise<ProbeTarget>;
  cleanup(): Promise<void>;
}

export function probeConformance(name: string, makeProbe: () => Promise<ProbeUnderTest>): void {
  const test = suite(`Probe driver: ${name}`);
  let under: ProbeUnderTest;
  test.before.each(async () => {
    under = await makeProbe();
  });
  test.after.each(() => under.cleanup());

  for (const [status, ok] of [
    [200, true],
    [204, true],
    [302, true],
    [399, true],
    [400, false],
    [401, false],
    [404, false],
    [503, false],
  ] as const) {
    test(`status ${status} is ${ok ? 'good' : 'bad'}`, async () => {
      const answer = await under.probe.ask(await under.target(status));
      assert.equal(answer, { ok, status, message: `status ${status}` });
    });
  }

  test('where nothing listens the connection is refused', async () => {
    const answer = await under.probe.ask(await under.target('refused'));
    assert.equal(answer, { ok: false, message: 'connection refused' });
  });

  test('silence ends with the time', async () => {
    const target = { ...(await under.target('silence')), timeoutMilliseconds: 100 };
    assert.equal(await under.probe.ask(target), { ok: false, message: 'no answer in 0.1 s' });
  });

  test('a signal ends it at once', async () => {
    const stop = new AbortController();
    const asking = under.probe.ask(await under.target('silence'), stop.signal);
    stop.abort();
    await rejects('aborted', asking);
    await rejects('aborted', under.probe.ask(await under.target('silence'), stop.signal));
  });

  test.run();
}
