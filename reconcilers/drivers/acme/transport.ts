/**
 * How acme-client's requests leave: an adapter for the axios that it comes with. One request is one request: no retries of its own,
 * with a deadline, with the certificates that this authority is to be known by, and with every refusal as an AcmeError that keeps
 * what the authority said of its kind and of when to come again. Called by client.ts.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { rootCertificates } from 'node:tls';
import { axios } from 'acme-client';
import type { DriverErrorCode } from '../error.ts';
import { AcmeError } from './index.ts';

const DEADLINE_SECONDS = 30;
/** A chain has some kilobytes; nothing that an authority says is longer than this. */
const MOST_BYTES = 2 * 1024 * 1024;

export interface Surroundings {
  /** PEM, beside the authorities that everybody knows. */
  ca?: string;
  now(): number;
  /** Sees each answer's headers. */
  onAnswer?(headers: IncomingMessage['headers']): void;
}

type Adapter = Extract<NonNullable<typeof axios.defaults.adapter>, (...given: never[]) => unknown>;
type Config = Parameters<Adapter>[0];

const surroundings = new AsyncLocalStorage<Surroundings>();

/** Requests that `work` makes leave with these surroundings. */
export function within<T>(around: Surroundings, work: () => Promise<T>): Promise<T> {
  axios.defaults.adapter = adapter;
  return surroundings.run(around, work);
}

const adapter: Adapter = async (config) => {
  const around = surroundings.getStore();
  if (!around) throw new Error('a request to an authority was made outside of within()');
  const url = new URL(config.url ?? '');
  const { response, body } = await send(url, config, around);
  around.onAnswer?.(response.headers);
  const status = response.statusCode ?? 0;
  if (status >= 400 && !isBadNonce(body)) throw refusal(url, response, body, around.now());
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [
      name,
      Array.isArray(value) ? value.join(', ') : value,
    ]),
  );
  return { data: body, status, statusText: response.statusMessage ?? '', headers, config } as Awaited<
    ReturnType<Adapter>
  >;
};

function send(
  url: URL,
  config: Config,
  around: Surroundings,
): Promise<{ response: IncomingMessage; body: string }> {
  return new Promise((resolve, reject) => {
    const failed = (error: unknown) => reject(noAnswer(url, error));
    const open = url.protocol === 'http:' ? httpRequest : httpsRequest;
    const request = open(url, {
      method: config.method?.toUpperCase() ?? 'GET',
      headers: headersOf(config),
      signal: AbortSignal.timeout(DEADLINE_SECONDS * 1000),
      ...(around.ca === undefined ? {} : { ca: [...rootCertificates, around.ca] }),
    });
    request.on('error', failed);
    request.on('response', (response) => {
      readAll(response).then((body) => resolve({ response, body }), failed);
    });
    request.end(config.data);
  });
}

function headersOf(config: Config): Record<string, string> {
  const entries = Object.entries(config.headers.toJSON()).filter(([, value]) => typeof value === 'string');
  const headers = Object.fromEntries(entries) as Record<string, string>;
  const { data } = config;
  return typeof data === 'string'
    ? { ...headers, 'Content-Length': String(Buffer.byteLength(data)) }
    : headers;
}

async function readAll(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += (chunk as Buffer).length;
    if (size > MOST_BYTES) throw new Error(`the answer is longer than ${MOST_BYTES} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function noAnswer(url: URL, error: unknown): AcmeError {
  const { name, code, message } = error as { name?: string; code?: string; message?: string };
  if (name === 'TimeoutError' || name === 'AbortError')
    return new AcmeError('timeout', `${url.host} gave no answer within ${DEADLINE_SECONDS} s`, {
      cause: error,
    });
  const words = message === undefined || message === '' ? code : message;
  const hint = /CERT|SELF_SIGNED|ISSUER|ALTNAME/.test(code ?? '')
    ? '; a private ACME server needs its own authority’s certificate in spec.tls.acme.caBundle or caSecret of the Domain'
    : '';
  return new AcmeError('unavailable', `${url.host} cannot be reached: ${words}${hint}`, { cause: error });
}

interface ProblemDocument {
  type?: unknown;
  detail?: unknown;
  subproblems?: { type?: unknown; detail?: unknown; identifier?: { value?: unknown } }[];
}

function readProblem(body: string): ProblemDocument {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null ? (parsed as ProblemDocument) : {};
  } catch {
    return {};
  }
}

/** acme-client asks again by itself, with the nonce that came with the refusal. */
function isBadNonce(body: string): boolean {
  return problemType(readProblem(body).type) === 'badNonce';
}

export function problemType(urn: unknown): string {
  return /^urn:ietf:params:acme:error:(\w+)$/.exec(String(urn))?.[1] ?? '';
}

/** The words of a problem document, with what it says of single names. */
export function problemWords(problem: ProblemDocument): string {
  const parts = (problem.subproblems ?? []).map(
    ({ identifier, detail }) => `${identifier?.value}: ${detail}`,
  );
  const detail = typeof problem.detail === 'string' ? problem.detail : '';
  return [detail, ...parts].filter((part) => part !== '').join('; ');
}

function refusal(url: URL, response: IncomingMessage, body: string, now: number): AcmeError {
  const status = response.statusCode ?? 0;
  const problem = readProblem(body);
  const type = problemType(problem.type);
  const retryAt = retryTime(response.headers['retry-after'], now);
  const said = problemWords(problem) || `status ${status}`;
  return new AcmeError(codeOf(status, type), `${url.host} says: ${said}${type === '' ? '' : ` (${type})`}`, {
    type: type === '' && status === 429 ? 'rateLimited' : type,
    ...(retryAt === undefined ? {} : { retryAt }),
  });
}

function codeOf(status: number, type: string): DriverErrorCode {
  if (status === 404) return 'notFound';
  if (status >= 500 || status === 429 || type === 'serverInternal') return 'unavailable';
  return status === 401 || status === 403 ? 'denied' : 'invalid';
}

/** Seconds or a date. */
export function retryTime(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d+$/.test(header)) return now + Number(header) * 1000;
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : date;
}
