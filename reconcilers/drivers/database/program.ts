/**
 * Runs a server's own program in its container, with streams: how dumps are made and read. The words of a program that fails become the
 * error. Given the container driver's `exec` by whoever builds the databases driver.
 */
import { PassThrough, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { DockerWriting } from '../docker/index.ts';
import { DriverError } from '../error.ts';

export interface Program {
  container: string;
  /** For messages. */
  what: string;
  command: string[];
  env?: Record<string, string>;
  user?: string;
  input?: Readable;
  signal?: AbortSignal;
}

export interface RunProgram {
  /** Its output as it comes. A failure ends the stream with an error. */
  output(program: Program): Promise<Readable>;
  /** Until it has ended. */
  toEnd(program: Program): Promise<void>;
}

/** Of what a program says. */
const MOST_WORDS = 2_000;

export function programsBy(exec: DockerWriting['exec']): RunProgram {
  async function begin({ container, command, env, user }: Program) {
    const session = await exec(container, {
      command,
      tty: false,
      ...(env ? { env } : {}),
      ...(user === undefined ? {} : { user }),
    });
    let words = '';
    session.stderr.on('data', (chunk: Buffer) => {
      words = (words + chunk.toString('utf8')).slice(-MOST_WORDS);
    });
    return { session, words: () => words.trim() };
  }

  return {
    async output(program) {
      const { session, words } = await begin(program);
      session.stdin.end();
      const out = new PassThrough();
      const stop = () => out.destroy(abortReason(program.signal));
      program.signal?.addEventListener('abort', stop, { once: true });
      pipeline(session.stdout, out, { end: false })
        .then(() => session.exitCode)
        .then((code) => (code === 0 ? void out.end() : void out.destroy(failed(program, code, words()))))
        .catch((error: unknown) => void out.destroy(asError(error)))
        .finally(() => program.signal?.removeEventListener('abort', stop));
      return out;
    },
    async toEnd(program) {
      const { session, words } = await begin(program);
      session.stdout.resume();
      const fed = program.input
        ? pipeline(program.input, session.stdin, ...(program.signal ? [{ signal: program.signal }] : []))
        : Promise.resolve(void session.stdin.end());
      // What it says of its end is worth more than that it no longer took what it was given.
      const feeding = fed.then(
        () => undefined,
        (error: unknown) => error,
      );
      const code = await session.exitCode;
      if (code !== 0) throw failed(program, code, words());
      const error = await feeding;
      if (error !== undefined) throw asError(error);
    },
  };
}

function failed({ what }: Program, code: number, words: string): DriverError {
  return new DriverError('failed', `${what}: exit code ${code}${words === '' ? '' : `: ${words}`}`);
}

function abortReason(signal: AbortSignal | undefined): Error {
  return signal?.reason instanceof Error ? signal.reason : new DriverError('aborted', 'it was ended');
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
