/** What the emulated DNS services share: an HTTP server on the loopback that counts its calls, throttles and hangs when told. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface Call {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface Answer {
  status: number;
  body?: string;
  headers?: Record<string, string>;
}

export interface Emulator {
  readonly endpoint: string;
  /** In the order they came. */
  readonly calls: Call[];
  /** So many of the next calls are answered as where there were too many. */
  throttle(calls: number): void;
  /** true: calls are taken and never answered. */
  hang(value: boolean): void;
  stop(): Promise<void>;
}

export async function startEmulator(
  answer: (call: Call) => Answer,
  throttled: (call: Call) => Answer,
): Promise<Emulator> {
  const calls: Call[] = [];
  let toThrottle = 0;
  let hangs = false;
  const respond = async (request: IncomingMessage, response: ServerResponse) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const url = new URL(request.url ?? '/', 'http://emulator');
    const { method = 'GET', headers } = request;
    const call: Call = { method, path: url.pathname, query: url.searchParams, headers, body };
    calls.push(call);
    if (hangs) return;
    const { status, body: text, headers: own } = toThrottle-- > 0 ? throttled(call) : answer(call);
    response.writeHead(status, own).end(text);
  };
  const server = createServer((request, response) => {
    respond(request, response).catch((error) => response.writeHead(500).end(String(error)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    calls,
    throttle: (count) => {
      toThrottle = count;
    },
    hang: (value) => {
      hangs = value;
    },
    async stop() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
