/**
 * The Unix socket of the API, for whoever makes it: the controller itself, or its supervisor, which holds it so that no request is lost
 * while the controller is replaced. Only root's own folder and socket guard the API, so both are made and kept closed to others; the
 * socket of a controller that lives is never taken away from it.
 */
import { chmod, lstat, mkdir, rm, stat } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';

/** What the kernel takes for a socket's path, in bytes with the closing zero (unix(7)). */
const LONGEST_PATH = 107;

/** Rejects when the path cannot be a socket's, or the folder cannot be closed to others. */
export async function prepareSocketFolder(socketPath: string): Promise<void> {
  if (Buffer.byteLength(socketPath) > LONGEST_PATH) {
    throw new Error(
      `The socket path ${socketPath} is longer than ${LONGEST_PATH} bytes; choose a shorter folder`,
    );
  }
  await closeFolder(dirname(socketPath));
}

async function closeFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await stat(folder);
  const own = uid === process.getuid?.();
  // A folder that others use, such as /tmp or /run, must not be closed to them.
  if (!own || mode & 0o1000 || ['/', '/run', '/var/run', '/tmp'].includes(folder)) {
    throw new Error(`The socket needs a folder of its own, not ${folder}; set another path for it`);
  }
  if ((mode & 0o777) !== 0o700) await chmod(folder, 0o700);
}

/** Rejects when another process answers on the socket, or when something else lies there. */
export async function removeStaleSocket(socketPath: string): Promise<void> {
  const found = await lstat(socketPath).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (!found) return;
  if (!found.isSocket()) throw new Error(`${socketPath} is in the way and is no socket; move it away`);
  if (await answers(socketPath)) {
    throw new Error(`Another controller answers on ${socketPath}; stop it first (holdfast down)`);
  }
  await rm(socketPath, { force: true });
}

function answers(socketPath: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false);
      else reject(error);
    });
  });
}
