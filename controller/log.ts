/**
 * The controller's own words: structured lines for machines, or plain text for a person at a terminal. main.ts makes one
 * and hands it down; everything else takes a `Log` as an argument. A secret never reaches a line: fields with the names
 * that secrets have are hidden here, at any depth, whoever forgot it.
 */
import { type DestinationStream, destination, type Logger, pino } from 'pino';

export type LogFields = Record<string, unknown>;

export interface Log {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  /** Give the caught value as the field `error`: its text, code and stack are kept. */
  error(message: string, fields?: LogFields): void;
  /** The same log with these fields on each line. */
  child(fields: LogFields): Log;
}

export type LogFormat = 'json' | 'text';
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  /** Default info. */
  level?: LogLevel;
  /** Default json. */
  format?: LogFormat;
  /** Takes whole lines. Default: standard error, written at once. */
  output?: DestinationStream;
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent'];
const FORMATS: readonly LogFormat[] = ['json', 'text'];

/** Reads LOG_LEVEL and LOG_FORMAT. A word that is neither is refused, so that a slip does not silence the log. */
export function logOptions(environment: Record<string, string | undefined>): LogOptions {
  return {
    level: oneOf('LOG_LEVEL', environment['LOG_LEVEL'], LEVELS) ?? 'info',
    format: oneOf('LOG_FORMAT', environment['LOG_FORMAT'], FORMATS) ?? 'json',
  };
}

export function createLog(options: LogOptions = {}): Log {
  const output = options.output ?? standardError();
  const lines = options.format === 'text' ? textLines(output) : output;
  return wrap(
    pino(
      {
        level: options.level ?? 'info',
        base: null,
        timestamp: () => `,"time":"${new Date().toISOString()}"`,
        messageKey: 'message',
        formatters: { level: (label) => ({ level: label }) },
      },
      lines,
    ),
  );
}

/** Lines that a full disk does not take, in bytes: they are written when there is room again, the newest are lost first. */
const MOST_WAITING = 1_048_576;

/** A log that cannot be written must not fail what is logged about: a full disk is told by the store, and by a condition. */
function standardError(): DestinationStream {
  const stream = destination({ dest: 2, sync: true, maxLength: MOST_WAITING });
  stream.on('error', () => undefined);
  return stream;
}

/** For tests, and for parts that are used without a controller. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLog,
};

function wrap(logger: Logger): Log {
  return {
    debug: (message, fields) => logger.debug(redact(fields), message),
    info: (message, fields) => logger.info(redact(fields), message),
    warn: (message, fields) => logger.warn(redact(fields), message),
    error: (message, fields) => logger.error(redact(fields), message),
    child: (fields) => wrap(logger.child(redact(fields))),
  };
}

function oneOf<Word extends string>(
  name: string,
  value: string | undefined,
  words: readonly Word[],
): Word | undefined {
  if (value === undefined || value === '') return undefined;
  const word = words.find((candidate) => candidate === value.toLowerCase());
  if (word === undefined) throw new Error(`${name} is "${value}"; it can be ${words.join(', ')}`);
  return word;
}

const HIDDEN = '(hidden)';
const SECRET_FIELD =
  /^(authorization|proxy-authorization|cookie|set-cookie|stringdata|secrets?|credentials?|.*(password|passwd|passphrase|token|secretkey|privatekey|apikey|accesskey))$/;
/** Deeper than this nothing is printed: a log line is no dump of the store. */
const DEPTH = 8;

function redact(fields: LogFields | undefined): LogFields {
  return fields === undefined ? {} : (hide(fields, 0) as LogFields);
}

function hide(value: unknown, depth: number): unknown {
  if (value instanceof Error) return describeError(value, depth);
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= DEPTH) return '(deeper)';
  if (Array.isArray(value)) return value.map((item) => hide(item, depth + 1));
  if (value instanceof Date) return value.toISOString();
  const entries = Object.entries(value).map(([name, content]) => {
    const secret = SECRET_FIELD.test(name.toLowerCase().replaceAll('_', ''));
    return [name, secret && content !== undefined ? HIDDEN : hide(content, depth + 1)];
  });
  return Object.fromEntries(entries);
}

function describeError(error: Error, depth: number): LogFields {
  const { code, reason } = error as { code?: unknown; reason?: unknown };
  return {
    name: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    ...(typeof reason === 'string' && { reason }),
    stack: error.stack,
    ...(error.cause !== undefined && depth < DEPTH && { cause: hide(error.cause, depth + 1) }),
  };
}

/** `2026-11-23T21:00:00.000Z info  applied file=wiki.yaml`, an error's stack on lines of its own. */
function textLines(output: DestinationStream): DestinationStream {
  return {
    write(line: string) {
      const { level, time, message, error, ...fields } = JSON.parse(line) as LogFields;
      const words = Object.entries(fields).map(([name, value]) => `${name}=${textValue(value)}`);
      const head = [time, String(level).padEnd(5), oneLine(String(message ?? '')), ...words].join(' ');
      output.write(error === undefined ? `${head}\n` : `${head}\n${errorText(error)}\n`);
    },
  };
}

function textValue(value: unknown): string {
  if (typeof value !== 'string') return JSON.stringify(value);
  return /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}

/** A message that carries foreign text must not forge a second line. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, ' ⏎ ');
}

function errorText(error: unknown): string {
  const { stack, message } = error as { stack?: unknown; message?: unknown };
  const text = typeof stack === 'string' ? stack : String(message ?? JSON.stringify(error));
  return text
    .split('\n')
    .map((line) => `  ${line}`)
    .join('\n');
}
