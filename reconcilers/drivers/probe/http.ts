/**
 * The real probe: one HTTP request on a connection of its own, answered by what came first: headers, an error, or the end
 * of the time. Called by the health monitor. It follows no redirect, reads no body, and takes any certificate: whether the
 * certificate is right is not the App's health.
 */
import {
  type ClientRequest,
  type IncomingMessage,
  request as plainRequest,
  type RequestOptions,
} from 'node:http';
import { request as tlsRequest } from 'node:https';
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { Probe, ProbeAnswer, ProbeTarget } from './index.ts';

/** In words that say where to look. Anything else is told as the runtime says it. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed without an answer',
  EHOSTUNREACH: 'no route to its address',
  ENETUNREACH: 'no route to its address',
  ETIMEDOUT: 'connection timed out',
  EPIPE: 'connection closed without an answer',
  EPROTO: 'no TLS on this port',
};

export function createProbe({ clock }: { clock: Clock }): Probe {
  return {
    ask(target, signal) {
      if (signal?.aborted) return Promise.reject(aborted(signal));
      return new Promise((resolve, reject) => {
        const end = (answer: () => void) => {
          cancelTimer();
          signal?.removeEventListener('abort', onAbort);
          request?.destroy();
          answer();
        };
        const onAbort = () => end(() => reject(aborted(signal)));
        const seconds = Number((target.timeoutMilliseconds / 1000).toFixed(1));
        const cancelTimer = clock.after(target.timeoutMilliseconds, () =>
          end(() => resolve({ ok: false, message: `no answer in ${seconds} s` })),
        );
        signal?.addEventListener('abort', onAbort, { once: true });
        const request = open(
          target,
          (response) => end(() => resolve(answerOf(response.statusCode ?? 0))),
          (error) => end(() => resolve({ ok: false, message: wordsOf(error) })),
        );
      });
    },
  };
}

function open(
  target: ProbeTarget,
  onResponse: (response: IncomingMessage) => void,
  onError: (error: NodeJS.ErrnoException) => void,
): ClientRequest | undefined {
  const options: RequestOptions = {
    host: target.address,
    port: target.port,
    path: target.path,
    headers: { host: target.host, 'user-agent': 'Holdfast (health check)', connection: 'close' },
    agent: false,
  };
  try {
    const request = target.tls
      ? tlsRequest({ ...options, servername: target.host, rejectUnauthorized: false })
      : plainRequest(options);
    // Errors after the answer, from closing early, have nobody to tell.
    request.on('error', onError).once('response', onResponse).end();
    return request;
  } catch (caught) {
    // A path or host that cannot be put into a request.
    queueMicrotask(() => onError(caught as NodeJS.ErrnoException));
    return undefined;
  }
}

function answerOf(status: number): ProbeAnswer {
  return { ok: status < 400, status, message: `status ${status}` };
}

function wordsOf(error: NodeJS.ErrnoException): string {
  const { code = '', message } = error;
  if (code.startsWith('HPE_')) return `no HTTP on this port: ${message}`;
  if (code.startsWith('ERR_SSL_')) return `no TLS on this port: ${message}`;
  return WORDS[code] ?? message;
}

function aborted(signal: AbortSignal | undefined): DriverError {
  return new DriverError('aborted', 'asking for its health: cancelled', { cause: signal?.reason });
}
