/**
 * `kubectl port-forward`: connections to a Pod's ports, each a pair of SPDY streams (data, and one for what went wrong). Clients of
 * before 1.31 upgrade to SPDY/3.1; newer ones send the same frames through a WebSocket.
 */
import type { Duplex } from 'node:stream';
import { createWebSocketStream } from 'ws';
import type { Context } from './context.ts';
import { accept, acceptorOf, switching } from './remote-command.ts';
import { SpdyConnection, type SpdyStream } from './spdy.ts';
import { refuse } from './status.ts';
import type { Upgrade } from './upgrades.ts';

const PROTOCOL = 'portforward.k8s.io';
const TUNNEL = `SPDY/3.1+${PROTOCOL}`;
const LARGEST_MESSAGE = 4 * 1024 * 1024;
const tunnels = acceptorOf(TUNNEL, LARGEST_MESSAGE);

/** `connect` answers a connection to the port. Resolves when the client is gone. */
export async function servePortForward(
  context: Context,
  upgrade: Upgrade,
  connect: (port: number) => Promise<Duplex>,
): Promise<void> {
  const { socket, head, request } = upgrade;
  const protocol = request.headers.upgrade?.toLowerCase();
  const offered = String(
    request.headers[protocol === 'websocket' ? 'sec-websocket-protocol' : 'x-stream-protocol-version'] ?? '',
  );
  if (protocol !== 'websocket' && protocol !== 'spdy/3.1')
    throw refuse.badRequest('port-forward needs "Upgrade: websocket" or "Upgrade: SPDY/3.1"');
  if (!offered.includes(PROTOCOL))
    throw refuse.badRequest(`unable to upgrade: of the protocols "${offered}" none is ${PROTOCOL}`);
  const done = context.streams.add(() => socket.destroy());
  socket.once('close', done);
  const take = streamPairs(connect);
  if (protocol === 'spdy/3.1') {
    socket.write(switching('SPDY/3.1', PROTOCOL));
    return new SpdyConnection(socket, take).run(head);
  }
  const client = await accept(tunnels, upgrade);
  const tunnel = createWebSocketStream(client);
  tunnel.on('error', () => tunnel.destroy());
  return new SpdyConnection(tunnel, take).run(Buffer.alloc(0));
}

/** The two streams of one connection have the same request id, and come in either order. */
function streamPairs(connect: (port: number) => Promise<Duplex>): (stream: SpdyStream) => void {
  const waiting = new Map<string, SpdyStream>();
  return (stream) => {
    const id = stream.headers.get('requestid') ?? '';
    const type = stream.headers.get('streamtype') ?? '';
    const port = Number(stream.headers.get('port'));
    const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535;
    if (id === '' || !['data', 'error'].includes(type) || !isPort) return void stream.destroy();
    const other = waiting.get(id);
    if (!other) {
      waiting.set(id, stream);
      stream.once('close', () => waiting.delete(id));
      return;
    }
    waiting.delete(id);
    const [data, error] = type === 'data' ? [stream, other] : [other, stream];
    void forward(data, error, () => connect(port));
  };
}

async function forward(data: SpdyStream, error: SpdyStream, connect: () => Promise<Duplex>): Promise<void> {
  error.resume();
  try {
    const connection = await connect();
    connection.on('error', () => data.destroy());
    data.once('close', () => connection.destroy());
    data.pipe(connection);
    connection.pipe(data);
    connection.once('close', () => error.end());
  } catch (cause) {
    error.end(cause instanceof Error ? cause.message : String(cause));
    data.end();
  }
}
