/**
 * Turns what dockerode rejects with into a DriverError: the engine's real text, with what was tried in front, and one
 * code that a reconciler can act on. Called by every verb of the driver; it never throws and never guesses a cause.
 */
import { DriverError, type DriverErrorCode } from '../error.ts';

/** The parts of a dockerode or node:http error that are looked at. */
interface EngineFailure {
  code?: unknown;
  name?: unknown;
  statusCode?: unknown;
  message?: unknown;
  json?: unknown;
}

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'EPIPE',
  'EACCES',
  'ENOTSOCK',
  'ENOTFOUND',
  'EHOSTUNREACH',
  'ETIMEDOUT',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Words that decide whatever the status is. The engine says most of these with 500. */
const BY_WORDS: readonly [RegExp, DriverErrorCode][] = [
  [/no space left on device|disk quota exceeded/i, 'storageFull'],
  [/port is already allocated|address already in use|pool overlaps|has active endpoints/i, 'conflict'],
  [/is not running|is paused|not paused|is restarting|already in progress|marked for removal/i, 'failed'],
];

const BY_STATUS: Readonly<Record<number, DriverErrorCode>> = {
  400: 'invalid',
  401: 'denied',
  404: 'notFound',
  409: 'conflict',
};

/** HTTP status of the engine's answer, where there was one. */
export function statusOf(caught: unknown): number | undefined {
  const status = asFailure(caught).statusCode;
  return typeof status === 'number' ? status : undefined;
}

/** The engine's own words, without what dockerode puts around them. */
export function engineText(caught: unknown): string {
  const failure = asFailure(caught);
  const json = failure.json as { message?: unknown } | null | undefined;
  if (typeof json?.message === 'string') return json.message.trim();
  const message = typeof failure.message === 'string' ? failure.message : String(caught);
  return message.replace(/^\(HTTP code \d+\) .*? - /s, '').trim();
}

export function driverError(about: string, caught: unknown): DriverError {
  if (caught instanceof DriverError) return caught;
  const text = engineText(caught);
  const code = codeOf(caught, text);
  const said = code === 'unavailable' ? `Docker cannot be reached: ${text}` : text;
  return new DriverError(code, `${about}: ${said}`, { cause: caught });
}

function codeOf(caught: unknown, text: string): DriverErrorCode {
  const failure = asFailure(caught);
  const status = statusOf(caught);
  if (status === undefined) {
    if (failure.name === 'AbortError') return 'aborted';
    if (CONNECTION_CODES.has(String(failure.code))) return 'unavailable';
    if (/socket hang up|^aborted$/.test(text)) return 'unavailable';
  }
  const byWords = BY_WORDS.find(([words]) => words.test(text));
  if (byWords) return byWords[1];
  return (status === undefined ? undefined : BY_STATUS[status]) ?? 'failed';
}

/** Registries speak through the engine, nearly always with status 500 or inside the progress: only words tell. */
const PULL_WORDS: readonly [RegExp, DriverErrorCode][] = [
  [/no space left on device|disk quota exceeded/i, 'storageFull'],
  [/unauthorized|authentication required|no basic auth|access denied|\bdenied\b|forbidden/i, 'denied'],
  [/manifest unknown|name unknown|not found|no matching manifest|unknown to registry/i, 'notFound'],
  [/invalid reference format|invalid repository name|invalid tag/i, 'invalid'],
];

/** `status` is undefined for an error inside the progress stream. */
export function pullError(reference: string, text: string, status?: number, cause?: unknown): DriverError {
  const words = PULL_WORDS.find(([pattern]) => pattern.test(text));
  const code = words?.[1] ?? (status === 400 ? 'invalid' : status === 404 ? 'notFound' : 'failed');
  return new DriverError(code, `pulling ${reference}: ${text}`, cause === undefined ? {} : { cause });
}

function asFailure(caught: unknown): EngineFailure {
  return typeof caught === 'object' && caught !== null ? (caught as EngineFailure) : {};
}
