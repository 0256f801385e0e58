/**
 * A command in a running container, over the engine's hijacked connection. Called by the driver's `exec` verb. Both output
 * streams must be read: the command is held back, as at a pipe, when nobody does.
 */
import { once } from 'node:events';
import { type Duplex, PassThrough, Writable } from 'node:stream';
import type { Exec } from 'dockerode';
import { type Clock, delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import type { Connection } from './connection.ts';
import type { ExecSession } from './index.ts';
import { createFrameReader } from './logs.ts';

const BUFFER_BYTES = 1024 * 1024;

export async function runExec(
  { connection, clock }: { connection: Connection; clock: Clock },
  id: string,
  options: { command: string[]; tty: boolean; env?: Record<string, string>; user?: string },
): Promise<ExecSession> {
  const about = `running ${options.command[0] ?? 'a command'} in container ${id.slice(0, 12)}`;
  const exec = await connection.call(about, (docker, abortSignal) =>
    docker.getContainer(id).exec({
      abortSignal,
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: options.tty,
      Cmd: options.command,
      Env: Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`),
      ...(options.user === undefined ? {} : { User: options.user }),
    }),
  );
  const socket = await connection.call(about, () =>
    exec.start({ hijack: true, stdin: true, Tty: options.tty }),
  );
  const stdout = new PassThrough({ highWaterMark: BUFFER_BYTES });
  const stderr = new PassThrough({ highWaterMark: BUFFER_BYTES });
  const flow = spread(socket, options.tty, stdout, stderr);
  const exitCode = flow.then(() => exitCodeOf({ connection, clock }, about, exec));
  // Nobody need ask for the exit code.
  exitCode.catch(() => {});
  return {
    stdin: inputOf(socket),
    stdout,
    stderr,
    exitCode,
    async resize(columns, rows) {
      await connection.call(about, () => exec.resize({ h: rows, w: columns }));
    },
  };
}

/** Ends the sending half only: what the command still says is read. */
function inputOf(socket: Duplex): Writable {
  return new Writable({
    write: (chunk, _encoding, done) => {
      // The command may be gone already; that its input is lost shows in its exit code.
      if (socket.destroyed || socket.writableEnded) return done();
      socket.write(chunk, () => done());
    },
    final: (done) => {
      if (socket.destroyed) return done();
      socket.end(() => done());
    },
    destroy: (error, done) => {
      if (error) socket.destroy();
      done(null);
    },
  });
}

async function spread(socket: Duplex, tty: boolean, stdout: PassThrough, stderr: PassThrough): Promise<void> {
  const frames = createFrameReader(tty);
  const targets = { stdout, stderr };
  // An error of the socket shows in the loop below; without a listener it would end the process between two reads.
  socket.on('error', () => {});
  try {
    for await (const chunk of socket) {
      for (const frame of frames(chunk as Buffer)) await give(targets[frame.stream], frame.data);
    }
  } finally {
    stdout.end();
    stderr.end();
  }
}

async function give(target: PassThrough, data: Buffer): Promise<void> {
  if (target.destroyed || target.write(data)) return;
  const done = new AbortController();
  const { signal } = done;
  await Promise.race([once(target, 'drain', { signal }), once(target, 'close', { signal })]).finally(() =>
    done.abort(),
  );
}

/** The stream may end a moment before the engine has the code. */
async function exitCodeOf(
  { connection, clock }: { connection: Connection; clock: Clock },
  about: string,
  exec: Exec,
): Promise<number> {
  for (let tries = 0; tries < 100; tries += 1) {
    const state = await connection.call(about, (_docker, abortSignal) => exec.inspect({ abortSignal }));
    if (!state.Running && state.ExitCode !== null) return state.ExitCode;
    await delay(clock, 50);
  }
  throw new DriverError('timeout', `${about}: its output ended, but Docker says no exit code`);
}
