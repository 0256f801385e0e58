/**
 * What a verb of `holdfast` is: data that commander and the completion are made from, and one function. Each verb is a file that
 * exports `command: VerbDefinition`; main.ts loads the one that was asked for.
 */
import type { Client } from './client.ts';

export interface ArgumentDefinition {
  name: string;
  description: string;
  required?: boolean;
  /** Takes all that are left. Only the last may. */
  variadic?: boolean;
  /** What completion offers. */
  complete?: 'reference' | 'app' | 'kind' | 'field' | 'file';
}

export interface OptionDefinition {
  /** As commander reads it: `-f, --file <path>`. */
  flags: string;
  description: string;
  default?: string | boolean | number;
  choices?: readonly string[];
  /** May be given several times: the value is a list. */
  repeatable?: boolean;
}

/** Values by the camel-cased long name of the option. Read them with textOption and its like. */
export type Options = Readonly<Record<string, unknown>>;

/** Where words go. The real ones are the process's streams. */
export interface Output {
  write(text: string | Uint8Array): unknown;
  isTTY?: boolean;
  columns?: number;
}

export interface CliContext {
  /** The controller, over its socket. Connects when first used. */
  client: Client;
  socketPath: string;
  stdin: NodeJS.ReadableStream & AsyncIterable<Buffer | string> & { isTTY?: boolean };
  /** Data. */
  stdout: Output;
  /** Words. */
  stderr: Output;
  env: NodeJS.ProcessEnv;
  /** Milliseconds since 1970. */
  now(): number;
  /** Aborts on Ctrl-C and SIGTERM. */
  signal: AbortSignal;
  /** Version of this program. */
  version: string;
}

export interface VerbDefinition {
  name: string;
  /** One line, for the list of verbs. */
  summary: string;
  description?: string;
  arguments?: readonly ArgumentDefinition[];
  options?: readonly OptionDefinition[];
  /** Lines shown under help. */
  examples?: readonly string[];
  /** Options after the first argument belong to the command that is run, as with exec. */
  passThrough?: boolean;
  hidden?: boolean;
  /**
   * It ends by itself when context.signal aborts, as a server does. Without, Ctrl-C and SIGTERM end the program at once with 130.
   */
  ownsSignals?: boolean;
  /** Answers the exit code; nothing is 0. An error that is thrown is printed, and the code is 1. */
  run(context: CliContext, args: readonly string[], options: Options): Promise<number | undefined>;
}

/** What a person did wrong, or what cannot be done: its message is all that is printed. */
export class CliError extends Error {
  readonly exitCode: number;
  constructor(message: string, options: { exitCode?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = 'CliError';
    this.exitCode = options.exitCode ?? 1;
  }
}

export function textOption(options: Options, name: string): string | undefined {
  const value = options[name];
  return typeof value === 'string' ? value : undefined;
}

export function flagOption(options: Options, name: string): boolean {
  return options[name] === true;
}

export function listOption(options: Options, name: string): string[] {
  const value = options[name];
  if (typeof value === 'string') return [value];
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : [];
}

/** A whole number from 0, or undefined where the option is absent. */
export function numberOption(options: Options, name: string): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  if (!/^[0-9]+$/.test(String(text)))
    throw new CliError(`--${kebab(name)} takes a whole number, not "${text}"`);
  return Number(text);
}

const UNIT: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** 90, 90s, 2m, 1h30m in milliseconds. A number alone is seconds. */
export function durationOption(options: Options, name: string): number | undefined {
  const text = textOption(options, name);
  if (text === undefined) return undefined;
  if (/^[0-9]+$/.test(text)) return Number(text) * 1000;
  if (!/^([0-9]+(ms|s|m|h|d))+$/.test(text))
    throw new CliError(`--${kebab(name)} takes a duration such as 90s or 5m, not "${text}"`);
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+)(ms|s|m|h|d)/g))
    total += Number(amount) * (UNIT[unit ?? ''] ?? 0);
  return total;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
