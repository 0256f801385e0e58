/**
 * Puts the API on its Unix socket: one that it makes, or one that is held for it (socket activation, controller/supervise), on which
 * requests wait while no controller runs. It stops without losing what was sent to it: new connections are left to the next one,
 * those that were taken are answered.
 */
import { chmod } from 'node:fs/promises';
import { Server as NetServer, type Socket } from 'node:net';
import { type Clock, delay } from '../clock.ts';
import { buildApi } from './build.ts';
import type { ApiDependencies } from './dependencies.ts';
import { prepareSocketFolder, removeStaleSocket } from './socket.ts';

/** For connections that were taken and have not said what they want yet, and for answers under way; milliseconds. */
const UNSAID = 1_000;
const UNANSWERED = 10_000;
const LOOK_AGAIN = 20;

export interface StartOptions extends ApiDependencies {
  socketPath: string;
  /** Number of an open file that listens already. */
  heldSocket?: number;
}

/** Rejects when another process answers on the socket, or when the folder cannot be closed to others. */
export async function startApi(options: StartOptions): Promise<{ close(): Promise<void> }> {
  const { socketPath, heldSocket, log, clock } = options;
  if (heldSocket === undefined) {
    await prepareSocketFolder(socketPath);
    await removeStaleSocket(socketPath);
  }
  const api = buildApi(options);
  await api.ready();
  const server = api.server as NetServer & { closeIdleConnections(): void; closeAllConnections(): void };
  const silent = followSilent(server);
  await listen(server, heldSocket === undefined ? { path: socketPath } : { fd: heldSocket });
  if (heldSocket === undefined) await chmod(socketPath, 0o600);
  log.info('the API listens', { socket: socketPath, held: heldSocket !== undefined });
  return {
    async close() {
      let isDone = false;
      // Of net, not of http: that one would close connections that are about to say what they want.
      NetServer.prototype.close.call(server, () => {
        isDone = true;
      });
      await until(clock, UNSAID, () => silent.size === 0);
      await api.close();
      await until(clock, UNANSWERED, () => {
        server.closeIdleConnections();
        return isDone;
      });
      server.closeAllConnections();
    },
  };
}

function listen(server: NetServer, where: { path: string } | { fd: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Connections on which nothing was asked yet. */
function followSilent(server: NetServer): ReadonlySet<Socket> {
  const silent = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  server.on('request', (request: { socket: Socket }) => silent.delete(request.socket));
  server.on('upgrade', (request: { socket: Socket }) => silent.delete(request.socket));
  return silent;
}

async function until(clock: Clock, milliseconds: number, isDone: () => boolean): Promise<void> {
  const deadline = clock.monotonic() + milliseconds;
  while (!isDone() && clock.monotonic() < deadline) await delay(clock, LOOK_AGAIN);
}
