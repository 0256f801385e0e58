/**
 * Which ports of this machine are free for the edge. `up` asks before it starts the controller for the first time: once our
 * own nginx has them they are taken. It binds for a moment and lets go; it never takes a port from anybody.
 */
import { createServer } from 'node:net';

/** Loopback: the default of Platform.spec.http.addresses. A listener on all addresses is in the way of it too. */
const addresses = ['127.0.0.1', '::1'];

function canBind(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    // A machine without IPv6 has nobody in the way there.
    server.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code === 'EADDRNOTAVAIL' || error.code === 'EAFNOSUPPORT');
    });
    server.listen({ port, host, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export async function isFree(port: number): Promise<boolean> {
  for (const address of addresses) if (!(await canBind(port, address))) return false;
  return true;
}

export interface EdgePorts {
  port: number;
  httpsPort: number;
}

export const USUAL: EdgePorts = { port: 80, httpsPort: 443 };

/** 80 and 443 if both are free; else the first free from 8080 and from 8443 up. */
export async function choosePorts(free: (port: number) => Promise<boolean> = isFree): Promise<EdgePorts> {
  if ((await free(USUAL.port)) && (await free(USUAL.httpsPort))) return USUAL;
  return { port: await firstFree(8080, free), httpsPort: await firstFree(8443, free) };
}

async function firstFree(from: number, free: (port: number) => Promise<boolean>): Promise<number> {
  for (let port = from; port < from + 200; port += 1) if (await free(port)) return port;
  throw new Error(
    `No port from ${from} to ${from + 199} is free for nginx: say which with --http-port and --https-port.`,
  );
}
