/**
 * Requests that leave HTTP for a protocol of their own: commands and forwarded ports. One place lets them in, by the same rules as
 * every other request, and hands each to the route of its path. There is no answer object on such a connection, so a refusal is
 * written by hand.
 */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import type { KindDefinition } from '../../resources/kind.ts';
import type { Context } from './context.ts';
import { type Identity, requireAccess } from './identity.ts';
import { Query } from './query.ts';
import { refuse, toStatus } from './status.ts';

export interface Upgrade {
  request: IncomingMessage;
  socket: Duplex;
  /** What came right behind the request. */
  head: Buffer;
  query: Query;
  parameters: Record<string, string>;
  identity: Identity;
}

export interface UpgradeRoute {
  /** With `:name` for a part. Names hold no percent codes: what has one fits no route. */
  path: string;
  /** Takes the scope write for it. */
  kind: KindDefinition;
  /** Rejects before the connection is upgraded; afterwards it ends it itself. */
  open(upgrade: Upgrade): Promise<void>;
}

export function addUpgrades(
  server: FastifyInstance,
  context: Context,
  routes: readonly UpgradeRoute[],
): void {
  const known = routes.map((route) => ({ route, pattern: patternOf(route.path) }));
  server.server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const open = async () => {
      const identity = await context.admit(request);
      const url = request.url ?? '';
      const path = url.split('?', 1)[0] ?? '';
      for (const { route, pattern } of known) {
        const match = pattern.exec(path);
        if (!match) continue;
        requireAccess(identity, 'write', route.kind);
        const parameters = { ...match.groups };
        return route.open({ request, socket, head, query: new Query(url), parameters, identity });
      }
      throw refuse.unknownPath(path);
    };
    open().catch((error: unknown) => refuseUpgrade(context, socket, error));
  });
}

function patternOf(path: string): RegExp {
  const text = path
    .replaceAll('.', '[.]')
    .replace(/:(\w+)/g, '(?<$1>[a-z0-9](?:[-.a-z0-9]{0,251}[a-z0-9])?)');
  return new RegExp(`^${text}$`);
}

function refuseUpgrade(context: Context, socket: Duplex, error: unknown): void {
  const status = toStatus(error, context.kinds);
  if (status.code === 500) context.log.error('an upgrade failed', { error });
  if (socket.destroyed) return;
  const body = JSON.stringify(status);
  socket.end(
    `HTTP/1.1 ${status.code} ${status.reason}\r\nContent-Type: application/json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}
