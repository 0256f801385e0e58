/**
 * JSON over HTTPS to a provider's API: bounded in time, patient where it says that there were too many calls, and with its own
 * words in every error. Used by digitalocean.ts and cloudflare.ts.
 */
import { type Clock, delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';

export interface JsonAnswer {
  status: number;
  body: unknown;
}

export interface JsonApi {
  /** Answers of every status but 429 and 5xx, which are tried again and then an error. */
  call(method: string, path: string, signal: AbortSignal, body?: unknown): Promise<JsonAnswer>;
}

const CALL_MILLISECONDS = 20_000;
const MOST_TRIES = 6;
const LONGEST_PAUSE_MILLISECONDS = 60_000;
const MOST_BYTES = 64 * 2 ** 20;

export function jsonApi(options: {
  clock: Clock;
  /** For messages: "DigitalOcean". */
  name: string;
  endpoint: string;
  token: string;
}): JsonApi {
  const { clock, name, endpoint, token } = options;
  const base = endpoint.replace(/\/+$/, '');

  async function once(method: string, path: string, outer: AbortSignal, body: unknown): Promise<Response> {
    const controller = new AbortController();
    const cancel = clock.after(CALL_MILLISECONDS, () =>
      controller.abort(
        new DriverError('timeout', `${name} did not answer within ${CALL_MILLISECONDS / 1000} s`),
      ),
    );
    const onAbort = () => controller.abort(outer.reason);
    outer.addEventListener('abort', onAbort, { once: true });
    if (outer.aborted) onAbort();
    try {
      const response = await fetch(`${base}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          accept: 'application/json',
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: controller.signal,
        redirect: 'error',
      });
      // Read within the time, too.
      const text = await bounded(response, name);
      return new Response(NO_BODY.has(response.status) ? null : text, response);
    } catch (error) {
      throw controller.signal.aborted ? controller.signal.reason : unreachable(name, error);
    } finally {
      cancel();
      outer.removeEventListener('abort', onAbort);
    }
  }

  return {
    async call(method, path, signal, body) {
      for (let attempt = 1; ; attempt += 1) {
        const response = await once(method, path, signal, body);
        // What may have been done is not done again blindly: only what was surely not.
        const again = response.status === 429 || (response.status >= 500 && method === 'GET');
        if (!again && response.status < 500)
          return { status: response.status, body: await json(response, name) };
        if (!again || attempt >= MOST_TRIES) {
          const why =
            response.status === 429 ? 'says that there were too many calls' : `answers ${response.status}`;
          throw new DriverError('unavailable', `${name} ${why}; it is tried again later`);
        }
        await delay(clock, pauseOf(response, attempt, clock), signal);
      }
    },
  };
}

const NO_BODY = new Set([101, 204, 205, 304]);

/** As the provider says, else longer each time, with jitter so that not all come back at once. */
function pauseOf({ headers }: Response, attempt: number, clock: Clock): number {
  const said = Number(headers.get('retry-after'));
  const own = 500 * 2 ** attempt * (0.75 + clock.random() / 2);
  return Math.min(LONGEST_PAUSE_MILLISECONDS, said > 0 ? said * 1000 : own);
}

async function bounded(response: Response, name: string): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > MOST_BYTES) throw new DriverError('failed', `${name} answers more than can be true`);
  }
  return text + decoder.decode();
}

async function json(response: Response, name: string): Promise<unknown> {
  const text = await response.text();
  if (text.trim() === '') return undefined;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new DriverError('failed', `${name} answers ${response.status} with something that is no JSON`, {
      cause: error,
    });
  }
}

function unreachable(name: string, error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  const words = cause?.message ?? cause?.code ?? (error instanceof Error ? error.message : String(error));
  return new DriverError('unavailable', `${name} cannot be reached: ${words}`, { cause: error });
}
