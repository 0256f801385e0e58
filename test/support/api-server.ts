/**
 * An API with the real store and the real kinds, on a socket and on HTTPS, and the command line in this process. No engine runs:
 * what reconcilers would write, tests write. Everything is in one folder that goes at the end.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { ApiDependencies } from '../../controller/api/dependencies.ts';
import { HttpsApi } from '../../controller/api/https.ts';
import { startApi } from '../../controller/api/start.ts';
import { apiCertificate } from '../../controller/api-certificate.ts';
import { main } from '../../controller/cli/main.ts';
import { systemClock } from '../../controller/clock.ts';
import { type Log, type LogFields, silentLog } from '../../controller/log.ts';
import { openStore } from '../../controller/store/open-store.ts';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import { kinds } from '../../resources/registry.ts';
import { validate } from '../../resources/validation.ts';
import { idleEngine } from './idle-engine.ts';

export interface ApiServer {
  folder: string;
  port: number;
  store: SqliteStore;
  https: HttpsApi;
  ca: string;
  /** Fields of the log's lines with this message. */
  lines(message: string): LogFields[];
  /** Runs `holdfast` with these words. */
  holdfast(...words: string[]): Promise<{ code: number; stdout: string; stderr: string }>;
  /** Ends listeners and store and starts them anew over the same folder and port, as a restart of the controller does. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

interface Running {
  store: SqliteStore;
  https: HttpsApi;
  close(): Promise<void>;
}

export async function startApiServer(overrides: Partial<ApiDependencies> = {}): Promise<ApiServer> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-api-'));
  const socketPath = join(folder, 'run', 'api.sock');
  const port = await freePort();
  const logged: { message: string; fields: LogFields }[] = [];
  const write = (message: string, fields: LogFields = {}) => void logged.push({ message, fields });
  const log: Log = { ...silentLog, info: write, warn: write, error: write };
  const certificate = apiCertificate({ stateFolder: folder, clock: systemClock, hostname: 'test-host' });
  const run = async (): Promise<Running> => {
    const store = openStore({ folder: join(folder, 'store'), clock: systemClock, kinds, validate, log });
    const dependencies: ApiDependencies = {
      store,
      kinds,
      validate,
      plan: async () => ({ documents: [], steps: [], problems: [] }),
      engine: idleEngine,
      containers: {
        async *logs() {},
        exec: () => Promise.reject(new Error('nothing runs here')),
      },
      pods: noPods,
      doctor: async () => [],
      https: async () => ({ ...https.state(), ca: (await certificate(['127.0.0.1'])).ca }),
      metrics: () => [],
      ready: () => [],
      version: '0.1.0',
      log,
      clock: systemClock,
      ...overrides,
    };
    const https = new HttpsApi({ ...dependencies, certificate });
    const api = await startApi({ ...dependencies, socketPath });
    await https.set({ port, addresses: ['127.0.0.1'] });
    return {
      store,
      https,
      async close() {
        await api.close();
        await https.close();
        await store.close();
      },
    };
  };
  let running = await run();
  const { ca } = await certificate(['127.0.0.1']);
  return {
    folder,
    port,
    ca,
    get store() {
      return running.store;
    },
    get https() {
      return running.https;
    },
    lines: (message) => logged.filter((entry) => entry.message === message).map(({ fields }) => fields),
    async holdfast(...words) {
      const out = { stdout: '', stderr: '' };
      const code = await main(['--socket', socketPath, ...words], {
        stdin: Readable.from([]) as Readable & { isTTY?: boolean },
        stdout: { write: (text) => (out.stdout += String(text)) },
        stderr: { write: (text) => (out.stderr += String(text)) },
        env: {},
        now: () => Date.now(),
        signal: new AbortController().signal,
        version: '0.1.0',
      });
      return { code, ...out };
    },
    async restart() {
      await running.close();
      running = await run();
    },
    async close() {
      await running.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Nothing runs. */
export const noPods: ApiDependencies['pods'] = {
  node: 'test-host',
  list: async () => [],
  onChange: () => () => undefined,
  async *logs() {},
  exec: () => Promise.reject(new Error('nothing runs here')),
  connect: () => Promise.reject(new Error('nothing runs here')),
};

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });
}
