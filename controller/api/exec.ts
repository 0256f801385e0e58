/**
 * A command in a running App, over an upgraded connection: frames of one channel byte, four bytes of length and a payload,
 * both ways. The session ends with one exit frame; a client that goes away ends it at once.
 *
 * Nothing is queued here: a side that does not read stops the other from being read.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex, Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { Document } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { CHANNEL, encodeFrame, FrameDecoder, UPGRADE_PROTOCOL } from '../frames.ts';
import { isObject } from './body.ts';
import { type Context, path } from './context.ts';
import type { ExecSession } from './dependencies.ts';
import type { Query } from './query.ts';
import { GROUP_PATH } from './resources.ts';
import { refuse } from './status.ts';
import type { Upgrade, UpgradeRoute } from './upgrades.ts';

const LARGEST_PAYLOAD = 64 * 1024;

export function addExecRoute(server: FastifyInstance, definition: KindDefinition): void {
  const collection = `${GROUP_PATH}/${definition.plural}`;
  path(
    server,
    `${collection}/:name/exec`,
    {
      GET: () => {
        throw refuse.badRequest(
          `exec needs the headers "Connection: Upgrade" and "Upgrade: ${UPGRADE_PROTOCOL}"`,
        );
      },
    },
    { access: 'write', kind: definition },
  );
}

/** For the server's upgrades; see upgrades.ts. */
export function execUpgrade(context: Context, definition: KindDefinition): UpgradeRoute {
  const collection = `${GROUP_PATH}/${definition.plural}`;
  return {
    path: `${collection}/:name/exec`,
    kind: definition,
    open: (upgrade) => open(context, definition, upgrade),
  };
}

/** The command that a query asks for: `command` once for each word. */
export function commandOf(query: Query): string[] {
  const command = query.all('command');
  if (command.length === 0) throw refuse.badRequest('a command is needed: ?command=sh&command=-c&command=…');
  if (command.some((word) => word.includes('\0'))) throw refuse.badRequest('a command holds no NUL byte');
  return command;
}

async function open(context: Context, definition: KindDefinition, upgrade: Upgrade): Promise<void> {
  const { request, socket, head, query } = upgrade;
  const app = appOf(context, definition, request, upgrade.parameters['name'] ?? '');
  const command = commandOf(query);
  const tty = query.flag('tty');
  const size = tty
    ? sizeOf({ columns: query.count('columns') ?? 80, rows: query.count('rows') ?? 24 })
    : undefined;
  const done = context.streams.add(() => socket.destroy());
  socket.once('close', done);
  const session = await context.containers.exec(app, { command, tty });
  if (socket.destroyed) return end(session);
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${UPGRADE_PROTOCOL}\r\n\r\n`,
  );
  if (size) await session.resize(size.columns, size.rows).catch(() => {});
  await connect(session, socket, head);
}

function appOf(
  context: Context,
  definition: KindDefinition,
  request: IncomingMessage,
  name: string,
): Document {
  if (request.method !== 'GET') throw refuse.method(request.method ?? '', request.url ?? '');
  if (request.headers.upgrade?.toLowerCase() !== UPGRADE_PROTOCOL) {
    throw refuse.badRequest(`the only protocol to upgrade to is ${UPGRADE_PROTOCOL}`);
  }
  const app = context.store.get(definition.kind, name);
  if (!app) throw refuse.notFound(definition, name);
  return app;
}

/** Resolves when the session is over, whoever ended it. */
async function connect(session: ExecSession, socket: Duplex, head: Buffer): Promise<void> {
  const closed = new Promise<void>((resolve) => socket.once('close', resolve));
  // Half a connection is none: who wants to end the input only, says so by a frame.
  socket.once('end', () => socket.destroy());
  receive(session, socket, head);
  const exit = Promise.all([
    session.exitCode,
    forward(session.stdout, CHANNEL.stdout, socket),
    forward(session.stderr, CHANNEL.stderr, socket),
  ]).then(
    ([exitCode]) => ({ exitCode }),
    (error: unknown) => ({ message: error instanceof Error ? error.message : String(error) }),
  );
  const last = await Promise.race([exit, closed]);
  if (last && !socket.destroyed) socket.end(encodeFrame(CHANNEL.exit, Buffer.from(JSON.stringify(last))));
  end(session);
}

export function end(session: ExecSession): void {
  session.stdin.end();
  session.stdin.destroy();
  session.stdout.destroy();
  session.stderr.destroy();
  session.exitCode.catch(() => {});
}

/** Resolves when the stream has ended. */
function forward(stream: Readable, channel: number, socket: Duplex): Promise<void> {
  return new Promise((resolve, reject) => {
    const resume = () => stream.resume();
    stream.on('data', (chunk: Buffer | string) => {
      const bytes = Buffer.from(chunk as Buffer);
      let room = !socket.destroyed;
      for (let at = 0; at < bytes.length && !socket.destroyed; at += LARGEST_PAYLOAD) {
        room = socket.write(encodeFrame(channel, bytes.subarray(at, at + LARGEST_PAYLOAD)));
      }
      if (room || socket.destroyed) return;
      stream.pause();
      socket.once('drain', resume);
    });
    const finish = (error?: Error | null) => {
      socket.off('drain', resume);
      if (error) reject(error);
      else resolve();
    };
    stream.once('end', () => finish());
    stream.once('close', () => finish());
    stream.once('error', finish);
  });
}

function receive(session: ExecSession, socket: Duplex, head: Buffer): void {
  const decoder = new FrameDecoder();
  // Input of a command that no longer reads is lost, as in any shell.
  session.stdin.on('error', () => {});
  const take = (chunk: Buffer) => {
    try {
      for (const frame of decoder.push(chunk)) handle(session, socket, frame.channel, frame.payload);
    } catch {
      socket.destroy();
    }
  };
  if (head.length > 0) take(head);
  socket.on('data', take);
}

/** Throws on what no honest client sends. */
function handle(session: ExecSession, socket: Duplex, channel: number, payload: Buffer): void {
  if (channel === CHANNEL.stdin) {
    if (session.stdin.writableEnded || session.stdin.destroyed) return;
    // The bytes are kept by the writer while the decoder's buffer goes on being used.
    if (session.stdin.write(payload)) return;
    socket.pause();
    session.stdin.once('drain', () => socket.resume());
  } else if (channel === CHANNEL.stdinClosed) {
    session.stdin.end();
  } else if (channel === CHANNEL.resize) {
    const size = sizeOf(JSON.parse(payload.toString('utf8')));
    session.resize(size.columns, size.rows).catch(() => {});
  } else {
    throw refuse.badRequest(`channel ${channel} is not for clients`);
  }
}

function sizeOf(value: unknown): { columns: number; rows: number } {
  const { columns, rows } = isObject(value) ? value : {};
  const sound = (number: unknown): number is number =>
    typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= 10_000;
  if (!sound(columns) || !sound(rows)) throw refuse.badRequest('columns and rows must be from 1 to 10000');
  return { columns, rows };
}
