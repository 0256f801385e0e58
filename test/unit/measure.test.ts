import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { DriverFigures, measureDrivers } from '../../reconcilers/drivers/measure.ts';
import { VirtualClock } from '../support/clock.ts';

test('calls, errors and seconds are counted by driver and verb, and nothing else changes', async () => {
  const clock = new VirtualClock();
  const figures = new DriverFigures();
  const broken = new Error('no answer');
  class Probe {
    readonly #answer = 'ok';
    async look(): Promise<string> {
      await new Promise<void>((resolve) => clock.after(2_000, resolve));
      return this.#answer;
    }
    fail(): Promise<never> {
      return Promise.reject(broken);
    }
    name(): string {
      return this.#answer;
    }
    refuse(): never {
      throw broken;
    }
  }
  const { probe } = measureDrivers({ probe: new Probe() }, figures, clock);
  const looking = probe.look();
  assert.is(figures.of('probe', 'look').running, 1);
  await clock.advance(2_000);
  assert.is(await looking, 'ok');
  assert.is(await probe.fail().catch((error) => error), broken);
  assert.throws(() => probe.refuse(), 'no answer');
  assert.is(probe.name(), 'ok');
  assert.equal(
    figures
      .all()
      .map(({ driver, verb, calls, errors, seconds, running }) => [
        driver,
        verb,
        calls,
        errors,
        seconds,
        running,
      ]),
    [
      ['probe', 'look', 1, 0, 2, 0],
      ['probe', 'fail', 1, 1, 0, 0],
      ['probe', 'refuse', 1, 1, 0, 0],
      ['probe', 'name', 1, 0, 0, 0],
    ],
  );
});

test.run();
