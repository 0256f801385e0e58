/**
 * A probe that answers what the test says, for unit tests and simulations. Without an answer set, everything is refused, as
 * where nothing listens.
 */
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { Probe, ProbeAnswer, ProbeTarget } from './index.ts';

export interface FakeProbe extends Probe {
  /**
   * What each address and port answers: a status, words of a failure, or silence until the time is over. With TLS, which is how the edge
   * is asked, the default is that it answers.
   */
  readonly answers: Map<string, number | string | 'silence'>;
  readonly asked: ProbeTarget[];
}

export function createFakeProbe({ clock }: { clock: Clock }): FakeProbe {
  const answers: FakeProbe['answers'] = new Map();
  const asked: ProbeTarget[] = [];
  return {
    answers,
    asked,
    async ask(target, signal) {
      asked.push(target);
      const answer =
        answers.get(`${target.address}:${target.port}`) ?? (target.tls ? 200 : 'connection refused');
      if (answer === 'silence') return silence(clock, target, signal);
      if (signal?.aborted) throw cancelled(signal);
      if (typeof answer === 'string') return { ok: false, message: answer };
      return { ok: answer < 400, status: answer, message: `status ${answer}` };
    },
  };
}

function silence(clock: Clock, target: ProbeTarget, signal: AbortSignal | undefined): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      cancel();
      reject(cancelled(signal));
    };
    const cancel = clock.after(target.timeoutMilliseconds, () => {
      signal?.removeEventListener('abort', onAbort);
      resolve({
        ok: false,
        message: `no answer in ${Number((target.timeoutMilliseconds / 1000).toFixed(1))} s`,
      });
    });
    if (signal?.aborted) onAbort();
    else signal?.addEventListener('abort', onAbort, { once: true });
  });
}

function cancelled(signal: AbortSignal | undefined): DriverError {
  return new DriverError('aborted', 'asking for its health: cancelled', { cause: signal?.reason });
}
