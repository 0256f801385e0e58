/**
 * The API's socket, held by who supervises the controller: requests wait in it while the controller is replaced or comes back. Made by
 * `up` for our own supervisor, which passes it on to each controller that it starts; systemd has a unit for it.
 */
import { chmodSync, renameSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { prepareSocketFolder, removeStaleSocket } from '../api/socket.ts';

/** Where a supervised program finds it: the first open file after the standard ones, for systemd and for us. */
export const HELD = 3;
const VARIABLE = 'HOLDFAST_HELD_SOCKET';

/** What tells a program that the socket is held for it. */
export const heldEnvironment = { [VARIABLE]: String(HELD) };

/** Number of the open file, where one is held for this process. Takes it out of the environment: it is not for our own children. */
export function heldSocket(env: NodeJS.ProcessEnv, pid: number): number | undefined {
  const bySystemd = env['LISTEN_PID'] === String(pid) && env['LISTEN_FDS'] === '1';
  const byUs = env[VARIABLE] === String(HELD);
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES', VARIABLE]) delete env[name];
  return bySystemd || byUs ? HELD : undefined;
}

/**
 * Makes the socket and gives its file to `use`, which passes it on to a process of its own. It can be found under its path only when
 * this process has let go of it: nobody is left waiting here.
 */
export async function makeSocket(socketPath: string, use: (file: number) => void): Promise<void> {
  await prepareSocketFolder(socketPath);
  await removeStaleSocket(socketPath);
  const [made, aside] = [`${socketPath}.new`, `${socketPath}.held`];
  for (const path of [made, aside]) rmSync(path, { force: true });
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(made, resolve);
  });
  try {
    chmodSync(made, 0o600);
    use(fileOf(server));
    // Closing removes what lies under the path that it was made with.
    renameSync(made, aside);
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
  renameSync(aside, socketPath);
}

/** Node has no public word for it. */
function fileOf(server: object): number {
  const handle = (server as { _handle?: { fd?: unknown } })._handle;
  if (typeof handle?.fd !== 'number' || handle.fd < 0)
    throw new Error('This Node.js does not tell the file of a socket.');
  return handle.fd;
}
