/**
 * The API in a process of its own, so that a test can measure its memory without its own: prints where it is reached as a line of
 * JSON, answers each line on stdin with its memory after a collection, and ends when stdin ends. Run with --expose-gc.
 */
import { createInterface } from 'node:readline';
import { startApiServer } from './api-server.ts';

const server = await startApiServer();
const { stdout } = await server.holdfast('kubeconfig', '--scope', 'admin');
const token = /token: (\S+)/.exec(stdout)?.[1];
const reached = { socketPath: `${server.folder}/run/api.sock`, port: server.port, ca: server.ca, token };
process.stdout.write(`${JSON.stringify(reached)}\n`);
for await (const _line of createInterface({ input: process.stdin })) {
  const collect = (globalThis as { gc?: () => void }).gc;
  collect?.();
  collect?.();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  process.stdout.write(`${JSON.stringify({ bytes: heapUsed + external, arrayBuffers })}\n`);
}
await server.close();
