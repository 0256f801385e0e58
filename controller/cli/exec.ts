/** `holdfast exec`: a command in an App's container, with its input, output, terminal size and exit code. */
import type { Socket } from 'node:net';
import { CHANNEL, encodeFrame, FrameDecoder, parseExit, type TerminalSize } from '../frames.ts';
import { parseReference } from './references.ts';
import { type CliContext, CliError, flagOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'exec',
  summary: 'run a command in an App',
  arguments: [
    { name: 'app', description: 'such as app/wiki, or wiki', required: true, complete: 'app' },
    { name: 'command', description: 'the command and its arguments, after --', variadic: true },
  ],
  options: [
    { flags: '-i, --stdin', description: 'pass on what comes on stdin' },
    { flags: '-t, --tty', description: 'with a terminal' },
  ],
  passThrough: true,
  examples: ['holdfast exec -it wiki -- sh', 'holdfast exec app/wiki -- env'],
  async run(context, args, options) {
    const [app, ...words] = args;
    const command = words[0] === '--' ? words.slice(1) : words;
    const reference = parseReference([app ?? ''], { defaultKind: 'App' });
    if (reference.kind !== 'App') throw new CliError(`commands run in Apps, not in a ${reference.kind}`);
    if (command.length === 0) throw new CliError(`run what? As in holdfast exec ${reference.name} -- env`);
    const tty = flagOption(options, 'tty');
    const wantsInput = flagOption(options, 'stdin');
    if (tty && wantsInput && context.stdin.isTTY !== true)
      throw new CliError('-t needs a terminal on stdin; leave out -t to pass on a file or a pipe');
    const size = tty ? terminalSize() : {};
    const { socket, head } = await context.client.exec(
      reference.name,
      { command, tty, ...size },
      context.signal,
    );
    return new Session(context, socket, { tty, wantsInput }).run(head);
  },
};

/** A terminal that does not know its size says 0. */
function terminalSize(): TerminalSize {
  return { columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 };
}

/** One running command: frames from the socket to the streams, the streams and the terminal's size to the socket. */
class Session {
  private readonly context: CliContext;
  private readonly socket: Socket;
  private readonly tty: boolean;
  private readonly wantsInput: boolean;
  private readonly decoder = new FrameDecoder();

  constructor(context: CliContext, socket: Socket, options: { tty: boolean; wantsInput: boolean }) {
    this.context = context;
    this.socket = socket;
    this.tty = options.tty;
    this.wantsInput = options.wantsInput;
  }

  async run(head: Uint8Array): Promise<number> {
    const stop = this.startInput();
    try {
      return await this.output(head);
    } finally {
      stop();
      this.socket.destroy();
    }
  }

  private output(head: Uint8Array): Promise<number> {
    return new Promise((resolve, reject) => {
      const onBytes = (bytes: Uint8Array) => {
        try {
          for (const { channel, payload } of this.decoder.push(bytes)) {
            if (channel === CHANNEL.stdout) this.context.stdout.write(payload);
            else if (channel === CHANNEL.stderr) this.context.stderr.write(payload);
            else if (channel === CHANNEL.exit) resolve(exitCode(payload));
          }
        } catch (error) {
          reject(error);
        }
      };
      this.socket.on('data', onBytes);
      this.socket.on('error', (error) => reject(new CliError(`the connection broke: ${error.message}`)));
      this.socket.on('close', () => reject(new CliError('the connection ended before the command did')));
      onBytes(head);
    });
  }

  /** Answers a function that gives the terminal back. */
  private startInput(): () => void {
    if (!this.wantsInput) {
      this.socket.write(encodeFrame(CHANNEL.stdinClosed));
      return () => {};
    }
    const { stdin } = this.context;
    const send = (chunk: Buffer | string) => {
      if (!this.socket.write(encodeFrame(CHANNEL.stdin, chunk))) {
        stdin.pause();
        this.socket.once('drain', () => stdin.resume());
      }
    };
    const end = () => this.socket.write(encodeFrame(CHANNEL.stdinClosed));
    stdin.on('data', send);
    stdin.on('end', end);
    const restore = this.tty ? this.takeTerminal() : () => {};
    stdin.resume();
    return () => {
      stdin.off('data', send);
      stdin.off('end', end);
      stdin.pause();
      restore();
    };
  }

  private takeTerminal(): () => void {
    const resize = () => {
      this.socket.write(encodeFrame(CHANNEL.resize, JSON.stringify(terminalSize())));
    };
    process.stdin.setRawMode?.(true);
    process.stdout.on('resize', resize);
    return () => {
      process.stdin.setRawMode?.(false);
      process.stdout.off('resize', resize);
    };
  }
}

function exitCode(payload: Uint8Array): number {
  const end = parseExit(payload) ?? { message: 'the command ended without an exit code' };
  if ('exitCode' in end) return end.exitCode;
  throw new CliError(end.message);
}
