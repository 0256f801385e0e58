/**
 * DNS over TCP: one connection, messages with their length in front, until the asker has heard enough. Used by rfc2136.ts, whose
 * messages are too long for UDP. Ends with the signal, however the other side behaves.
 */
import { connect, type Socket } from 'node:net';
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';

export interface TcpServer {
  host: string;
  port: number;
}

const CONNECT_MILLISECONDS = 10_000;
const SILENCE_MILLISECONDS = 20_000;

export class TcpConnection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #name: string;
  #received = Buffer.alloc(0);
  readonly #messages: Buffer[] = [];
  #wake: (() => void) | undefined;
  #failure: Error | undefined;

  private constructor(socket: Socket, server: TcpServer, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#name = `the name server ${server.host} port ${server.port}`;
    socket.on('data', (chunk) => this.#take(chunk));
    socket.on('error', (error) => this.#fail(unreachable(this.#name, error)));
    socket.on('close', () =>
      this.#fail(new DriverError('unavailable', `${this.#name} closed the connection`)),
    );
  }

  static async open(server: TcpServer, clock: Clock, signal: AbortSignal): Promise<TcpConnection> {
    signal.throwIfAborted();
    const socket = connect({ host: server.host, port: server.port });
    const connection = new TcpConnection(socket, server, clock);
    signal.addEventListener('abort', () => connection.#fail(signal.reason), { once: true });
    const cancel = clock.after(CONNECT_MILLISECONDS, () =>
      connection.#fail(new DriverError('timeout', `${connection.#name} does not answer`)),
    );
    socket.once('connect', () => connection.#wake?.());
    try {
      await connection.#until(() => socket.readyState === 'open');
      return connection;
    } finally {
      cancel();
    }
  }

  send(message: Buffer): void {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length, 0);
    this.#socket.write(Buffer.concat([length, message]));
  }

  /** The next message. timeout when the server says nothing for too long. */
  async receive(): Promise<Buffer> {
    const cancel = this.#clock.after(SILENCE_MILLISECONDS, () =>
      this.#fail(
        new DriverError('timeout', `${this.#name} said nothing for ${SILENCE_MILLISECONDS / 1000} s`),
      ),
    );
    try {
      await this.#until(() => this.#messages.length > 0);
      return this.#messages.shift() as Buffer;
    } finally {
      cancel();
    }
  }

  close(): void {
    this.#failure ??= new DriverError('aborted', `${this.#name}: done`);
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 2) {
      const size = this.#received.readUInt16BE(0);
      if (this.#received.length < size + 2) break;
      this.#messages.push(Buffer.from(this.#received.subarray(2, size + 2)));
      this.#received = this.#received.subarray(size + 2);
    }
    this.#wake?.();
  }

  #fail(error: Error): void {
    this.#failure ??= error;
    this.#socket.destroy();
    this.#wake?.();
  }

  /** What came before it failed is still given out. */
  async #until(isSo: () => boolean): Promise<void> {
    while (!isSo()) {
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

function unreachable(name: string, error: Error): DriverError {
  const code = (error as NodeJS.ErrnoException).code;
  const words = code === 'ECONNREFUSED' ? 'refuses the connection' : `cannot be reached: ${error.message}`;
  return new DriverError('unavailable', `${name} ${words}`, { cause: error });
}
