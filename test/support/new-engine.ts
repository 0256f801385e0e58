/**
 * A door before a Docker Engine that does as Docker 29 does: it calls itself newer and refuses requests in API versions before 1.44 with
 * the words of that engine. What it lets pass reaches the engine behind in a version which that one knows. For tests on machines that
 * have an older engine only; answers that only a newer engine would give are not imitated.
 */
import { request } from 'node:http';
import { createConnection, createServer, type Socket } from 'node:net';

const DOCKER_29 = { oldest: 44, newest: '1.52' };

export interface NewEngine {
  /** Requests that were refused. */
  readonly refused: string[];
  close(): Promise<void>;
}

/** `real`: socket of the engine behind; `known`: the newest API version that it knows. */
export async function startNewEngine(
  socketPath: string,
  real: string,
  known: string,
  versions: { oldest: number; newest: string } = DOCKER_29,
): Promise<NewEngine> {
  const refused: string[] = [];
  const open = new Set<Socket>();
  // Whoever has typed all ends its half and still reads.
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.once('data', (first: Buffer) => {
      const text = first.toString('latin1');
      const [line = ''] = text.split('\r\n', 1);
      const version = /^\S+ \/v1\.(\d+)\//.exec(line)?.[1];
      if (version !== undefined && Number(version) < versions.oldest) {
        refused.push(line);
        return refuse(socket, version, versions.oldest);
      }
      if (/^GET (\/v1\.\d+)?\/version[ ?]/.test(line)) return void tellVersion(socket, real, versions);
      pass(socket, real, Buffer.from(text.replace(/^(\S+ )\/v1\.\d+\//, `$1/v${known}/`), 'latin1'));
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(socketPath, resolve);
  });
  return {
    refused,
    close() {
      for (const socket of open) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(socket: Socket, status: string, body: object): void {
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}

function refuse(socket: Socket, version: string, oldest: number): void {
  const message = `client version 1.${version} is too old. Minimum supported API version is 1.${oldest}, please upgrade your client to a newer version`;
  answer(socket, '400 Bad Request', { message });
}

async function tellVersion(
  socket: Socket,
  real: string,
  { oldest, newest }: { oldest: number; newest: string },
): Promise<void> {
  const said = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const sent = request({ socketPath: real, path: '/version' }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.on('end', () => resolve(JSON.parse(text) as Record<string, unknown>));
    });
    sent.on('error', reject);
    sent.end();
  }).catch((): Record<string, unknown> => ({}));
  answer(socket, '200 OK', {
    ...said,
    Version: newest === DOCKER_29.newest ? '29.0.0' : said['Version'],
    ApiVersion: newest,
    MinAPIVersion: `1.${oldest}`,
  });
}

/** The rest as it comes: bodies, streams, and connections that become something else. */
function pass(socket: Socket, real: string, first: Buffer): void {
  const behind = createConnection({ path: real, allowHalfOpen: true });
  behind.on('error', () => socket.destroy());
  socket.on('close', () => behind.destroy());
  behind.write(first);
  socket.pipe(behind);
  behind.pipe(socket);
}
