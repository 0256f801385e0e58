/**
 * `kubectl exec`: a command in a Pod, by the two protocols that kubectl has spoken. Since 1.31 a WebSocket with the channels of
 * v5.channel.k8s.io (v4 for older libraries), before that SPDY/3.1 with a stream for each channel. Both end with a Status that
 * has the exit code, as Kubernetes sends it. Nothing is queued: a side that does not read stops the other.
 */
import type { Readable } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Clock } from '../clock.ts';
import { isObject } from './body.ts';
import type { Context } from './context.ts';
import type { ExecSession } from './dependencies.ts';
import { commandOf, end } from './exec.ts';
import { SpdyConnection, type SpdyStream } from './spdy.ts';
import { refuse } from './status.ts';
import type { Upgrade } from './upgrades.ts';

const CHANNEL = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4, close: 255 } as const;
/** In the order in which they are preferred. */
const WEBSOCKET_PROTOCOLS = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];
const SPDY_PROTOCOLS = ['v4.channel.k8s.io'];
/** The client opens its streams at once after the upgrade; milliseconds. */
const STREAMS_DEADLINE = 30_000;
const LARGEST_MESSAGE = 4 * 1024 * 1024;

interface Asked {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
  tty: boolean;
}

/** Rejects while an answer of HTTP is still possible; resolves when the command is over. */
export async function serveExec(
  context: Context,
  upgrade: Upgrade,
  start: (options: { command: string[]; tty: boolean }) => Promise<ExecSession>,
): Promise<void> {
  const { request, socket, query } = upgrade;
  const command = commandOf(query);
  const tty = query.flag('tty');
  const asked: Asked = {
    stdin: query.flag('stdin'),
    stdout: query.flag('stdout'),
    stderr: query.flag('stderr') && !tty,
    tty,
  };
  const protocol = request.headers.upgrade?.toLowerCase();
  const isSpdy = protocol === 'spdy/3.1';
  if (!isSpdy && protocol !== 'websocket')
    throw refuse.badRequest('exec needs "Upgrade: websocket" or "Upgrade: SPDY/3.1"');
  const chosen = isSpdy ? spdyProtocol(upgrade) : webSocketProtocol(upgrade);
  const done = context.streams.add(() => socket.destroy());
  socket.once('close', done);
  const session = await start({ command, tty });
  if (socket.destroyed) return end(session);
  // Input of a command that no longer reads is lost, as in any shell.
  session.stdin.on('error', () => undefined);
  if (isSpdy) await overSpdy(session, upgrade, { asked, chosen, clock: context.clock });
  else await overWebSocket(session, upgrade, asked, chosen);
}

function webSocketProtocol({ request }: Upgrade): string {
  if (request.method !== 'GET') throw refuse.method(request.method ?? '', request.url ?? '');
  return chosenOf(request.headers['sec-websocket-protocol'] ?? '', WEBSOCKET_PROTOCOLS);
}

function spdyProtocol({ request }: Upgrade): string {
  const offered = request.headers['x-stream-protocol-version'] ?? '';
  return chosenOf(String(offered), SPDY_PROTOCOLS);
}

function chosenOf(offered: string, known: readonly string[]): string {
  const words = offered.split(',').map((word) => word.trim());
  const chosen = known.find((protocol) => words.includes(protocol));
  if (chosen !== undefined) return chosen;
  throw refuse.badRequest(`unable to upgrade: of the protocols "${offered}" none is ${known.join(' or ')}`);
}

/** What Kubernetes sends on the error channel at the end. */
type Exit = { code: number } | { message: string };

export function exitStatus(exit: Exit): object {
  if ('code' in exit && exit.code === 0) return { metadata: {}, status: 'Success' };
  if ('code' in exit) {
    return {
      metadata: {},
      status: 'Failure',
      message: `command terminated with non-zero exit code: exit status ${exit.code}`,
      reason: 'NonZeroExitCode',
      details: { causes: [{ reason: 'ExitCode', message: String(exit.code) }] },
    };
  }
  return { metadata: {}, status: 'Failure', message: exit.message, reason: 'InternalError', code: 500 };
}

/** Resolves when both outputs were sent and the command has ended, or can never end any more. */
async function exitOf(session: ExecSession, outputs: readonly Promise<void>[]): Promise<Exit> {
  try {
    const [code] = await Promise.all([session.exitCode, ...outputs]);
    return { code };
  } catch (error) {
    return { message: error instanceof Error ? error.message : String(error) };
  }
}

/** Output that nobody asked for is read and dropped, so that the command goes on. */
function discard(output: Readable): Promise<void> {
  output.resume();
  return Promise.resolve();
}

// ── WebSocket ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Only ever used to take over sockets that were admitted here. */
const acceptors = new Map(
  WEBSOCKET_PROTOCOLS.map((protocol) => [protocol, acceptorOf(protocol, LARGEST_MESSAGE)]),
);

export function acceptorOf(protocol: string, maxPayload: number): WebSocketServer {
  return new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload,
    handleProtocols: () => protocol,
  });
}

/** Never answers where the handshake is bad: then the client was told. */
export function accept(acceptor: WebSocketServer, { request, socket, head }: Upgrade): Promise<WebSocket> {
  return new Promise((resolve) => acceptor.handleUpgrade(request, socket, head, resolve));
}

async function overWebSocket(
  session: ExecSession,
  upgrade: Upgrade,
  asked: Asked,
  protocol: string,
): Promise<void> {
  const acceptor = acceptors.get(protocol);
  if (!acceptor) return;
  upgrade.socket.once('close', () => end(session));
  const client = await accept(acceptor, upgrade);
  client.on('error', () => client.terminate());
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()));
  if (!asked.stdin) session.stdin.end();
  client.on('message', (data) => {
    try {
      takeMessage(session, client, asked, bytesOf(data));
    } catch {
      client.close(1008, 'not understood');
    }
  });
  const send = (channel: number, payload: Buffer): Promise<void> =>
    new Promise((resolve) => client.send(Buffer.concat([Buffer.from([channel]), payload]), () => resolve()));
  const forward = async (output: Readable, channel: number): Promise<void> => {
    for await (const chunk of output) {
      if (client.readyState !== client.OPEN) return;
      await send(channel, Buffer.from(chunk as Buffer));
    }
  };
  const exit = exitOf(session, [
    asked.stdout ? forward(session.stdout, CHANNEL.stdout) : discard(session.stdout),
    asked.stderr ? forward(session.stderr, CHANNEL.stderr) : discard(session.stderr),
  ]);
  const last = await Promise.race([exit, closed]);
  if (last && client.readyState === client.OPEN) {
    await send(CHANNEL.error, Buffer.from(JSON.stringify(exitStatus(last))));
    client.close(1000);
  }
  end(session);
}

function bytesOf(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Array.isArray(data)) return Buffer.concat(data);
  return Buffer.isBuffer(data) ? data : Buffer.from(data);
}

/** Throws on what no honest client sends. */
function takeMessage(session: ExecSession, client: WebSocket, asked: Asked, message: Buffer): void {
  const channel = message[0];
  const payload = message.subarray(1);
  if (channel === undefined) return;
  if (channel === CHANNEL.stdin) {
    if (!asked.stdin || session.stdin.writableEnded || session.stdin.destroyed) return;
    if (session.stdin.write(payload)) return;
    client.pause();
    session.stdin.once('drain', () => client.resume());
  } else if (channel === CHANNEL.resize) {
    resize(session, payload.toString('utf8'));
  } else if (channel === CHANNEL.close) {
    if (payload[0] === CHANNEL.stdin) session.stdin.end();
  } else {
    throw new Error(`channel ${channel} is not for clients`);
  }
}

/** `{"Width":80,"Height":24}`; a size that no terminal has is ignored. */
function resize(session: ExecSession, text: string): void {
  const size: unknown = JSON.parse(text);
  const { Width: columns, Height: rows } = isObject(size) ? size : {};
  if (!isSize(columns) || !isSize(rows)) return;
  session.resize(columns, rows).catch(() => undefined);
}

function isSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 10_000;
}

// ── SPDY ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Streams = Record<'error' | 'stdin' | 'stdout' | 'stderr' | 'resize', SpdyStream | undefined>;

async function overSpdy(
  session: ExecSession,
  upgrade: Upgrade,
  { asked, chosen, clock }: { asked: Asked; chosen: string; clock: Clock },
): Promise<void> {
  const { socket } = upgrade;
  const closed = new Promise<undefined>((resolve) => socket.once('close', () => resolve(undefined)));
  socket.write(switching('SPDY/3.1', chosen));
  const wanted = ['error', ...(['stdin', 'stdout', 'stderr'] as const).filter((name) => asked[name])];
  if (asked.tty) wanted.push('resize');
  const collected = collect(socket, upgrade.head, wanted);
  const streams = await Promise.race([collected.streams, closed, expiry(clock, closed)]);
  if (!streams) {
    socket.destroy();
    return end(session);
  }
  if (streams.stdin) streams.stdin.pipe(session.stdin);
  else session.stdin.end();
  if (streams.resize) followSizes(session, streams.resize);
  const exit = exitOf(session, [pass(session.stdout, streams.stdout), pass(session.stderr, streams.stderr)]);
  const last = await Promise.race([exit, closed]);
  if (last) {
    await finished(streams.error, JSON.stringify(exitStatus(last)));
    collected.connection.end();
  }
  end(session);
}

export function switching(protocol: string, streamProtocol: string): string {
  return (
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n` +
    `X-Stream-Protocol-Version: ${streamProtocol}\r\n\r\n`
  );
}

function collect(
  socket: Upgrade['socket'],
  head: Buffer,
  wanted: readonly string[],
): { connection: SpdyConnection; streams: Promise<Partial<Streams>> } {
  const found = new Map<string, SpdyStream>();
  let resolveAll: (streams: Partial<Streams>) => void = () => undefined;
  const streams = new Promise<Partial<Streams>>((resolve) => {
    resolveAll = resolve;
  });
  const connection = new SpdyConnection(socket, (stream) => {
    const type = stream.headers.get('streamtype') ?? '';
    if (!wanted.includes(type) || found.has(type)) return void stream.destroy();
    found.set(type, stream);
    if (found.size === wanted.length) resolveAll(Object.fromEntries(found));
  });
  void connection.run(head);
  return { connection, streams };
}

function expiry(clock: Clock, closed: Promise<undefined>): Promise<undefined> {
  return new Promise((resolve) => {
    const cancel = clock.after(STREAMS_DEADLINE, () => resolve(undefined));
    void closed.then(cancel);
  });
}

/** Sizes come as one JSON object after the other, each on a line. */
function followSizes(session: ExecSession, stream: SpdyStream): void {
  let rest = '';
  stream.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = (lines.pop() ?? '').slice(0, 1024);
    try {
      for (const line of lines) if (line.trim() !== '') resize(session, line);
    } catch {
      stream.destroy();
    }
  });
}

/** Resolves when everything was handed on, or the client wants no more of it. */
async function pass(output: Readable, stream: SpdyStream | undefined): Promise<void> {
  if (!stream) return discard(output);
  // The client sends nothing here, and its end must be read for the stream to close.
  stream.resume();
  for await (const chunk of output) {
    if (stream.destroyed) continue;
    await new Promise<void>((resolve) => stream.write(chunk, () => resolve()));
  }
  await finished(stream);
}

function finished(stream: SpdyStream | undefined, last?: string): Promise<void> {
  if (!stream || stream.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    stream.once('close', () => resolve());
    stream.end(last ?? '', () => resolve());
  });
}
