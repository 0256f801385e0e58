/**
 * Test support: an API on a real Unix socket in a folder of its own, with containers made of plain streams, and a client
 * that reads streams line by line. `inject` reaches the same routes without the socket.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { InjectOptions } from 'fastify';
import { buildApi } from '../../controller/api/build.ts';
import type { ApiDependencies, ExecSession, LogLine, LogRequest } from '../../controller/api/dependencies.ts';
import { startApi } from '../../controller/api/start.ts';
import { systemClock } from '../../controller/clock.ts';
import { silentLog } from '../../controller/log.ts';
import type { Store } from '../../controller/store/types.ts';
import type { Manifest } from '../../resources/document.ts';
import type { FieldProblem, KindDefinition } from '../../resources/kind.ts';
import { noPods } from '../support/api-server.ts';
import { idleEngine } from '../support/idle-engine.ts';

function kind(name: string, more: Partial<KindDefinition> = {}): KindDefinition {
  const singular = name.toLowerCase();
  return {
    kind: name,
    plural: `${singular}s`,
    singular,
    shortNames: [],
    schema: `${singular}.v1.json`,
    writtenBy: 'people',
    columns: [],
    ...more,
  };
}

/** Enough kinds to see that nothing is written for one. */
export const testKinds: readonly KindDefinition[] = [
  kind('App', { shortNames: ['ap'] }),
  kind('Secret', { secret: true }),
  kind('Site', { writtenBy: 'reconcilers', history: false }),
  kind('Source', { writtenBy: 'reconcilers', history: false }),
];

export type MakeStore = (kinds: readonly KindDefinition[]) => Promise<{
  store: Store;
  /** Makes versions up to the present one unwatchable. */
  compact?(): Promise<void>;
  end(): Promise<void>;
}>;

export interface TestApi {
  store: Store;
  socketPath: string;
  compact(): Promise<void>;
  dependencies: ApiDependencies;
  call(method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  stream(url: string): Promise<LineStream>;
  close(): Promise<void>;
}

export interface Answer {
  code: number;
  headers: Record<string, unknown>;
  text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  body: any;
}

/** Runs with a fresh API, and takes it down whatever happens. */
export async function withApi(
  makeStore: MakeStore,
  run: (api: TestApi) => Promise<void>,
  overrides: Partial<ApiDependencies> = {},
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-api-'));
  const made = await makeStore(testKinds);
  const dependencies = { ...testDependencies(made.store), ...overrides };
  const socketPath = join(folder, 'run', 'api.sock');
  const injected = buildApi(dependencies);
  const started = await startApi({ ...dependencies, socketPath });
  const streams: LineStream[] = [];
  let closed = false;
  const close = async () => {
    if (closed) return;
    closed = true;
    await Promise.all([started.close(), injected.close()]);
  };
  try {
    await run({
      store: made.store,
      socketPath,
      compact: async () => made.compact?.(),
      dependencies,
      close,
      async stream(url) {
        const stream = await openStream(socketPath, url);
        streams.push(stream);
        return stream;
      },
      async call(method, url, body, headers = {}) {
        const options = { method, url, headers: { ...headers } } as InjectOptions & {
          headers: Record<string, string>;
        };
        if (body !== undefined) {
          options.payload = typeof body === 'string' ? body : JSON.stringify(body);
          options.headers['content-type'] ??= 'application/json';
        }
        const answer = await injected.inject(options);
        const json = String(answer.headers['content-type'] ?? '').startsWith('application/json');
        return {
          code: answer.statusCode,
          headers: answer.headers,
          text: answer.body,
          body: json ? JSON.parse(answer.body) : undefined,
        };
      },
    });
  } finally {
    for (const stream of streams) stream.destroy();
    await close();
    await made.end();
    await rm(folder, { recursive: true, force: true });
  }
}

export function testDependencies(store: Store): ApiDependencies {
  return {
    store,
    kinds: testKinds,
    validate: refuseNumbers,
    plan: async (documents, deletions) => ({
      documents: [],
      steps: [],
      problems: [
        ...documents.map(({ kind, metadata }) => ({
          document: { kind, name: metadata.name },
          ...words('apply'),
        })),
        ...deletions.map((document) => ({ document, ...words('delete') })),
      ],
    }),
    engine: idleEngine,
    containers: { logs: () => lines([]), exec: async () => echo().session },
    pods: noPods,
    doctor: async () => [{ name: 'disk', ok: true, message: '10 GiB are free' }],
    https: async () => ({ wanted: false, listening: [], ca: '' }),
    metrics: () => [],
    ready: () => [{ name: 'store', ok: true, message: 'open' }],
    version: '0.1.0',
    log: silentLog,
    clock: systemClock,
  };
}

const words = (word: string) => ({ reason: word, message: word });

function refuseNumbers(manifest: Manifest): FieldProblem[] {
  const { image } = (manifest.spec ?? {}) as { image?: unknown };
  if (image === undefined || typeof image === 'string') return [];
  return [{ pointer: '/spec/image', message: 'text is expected', suggestion: 'nginx' }];
}

/** A log that has these lines and, when followed, stays open until the signal. */
export async function* lines(texts: string[], options: LogRequest = {}): AsyncGenerator<LogLine> {
  for (const text of texts) yield { stream: 'stdout', text };
  if (!options.follow) return;
  await new Promise<void>((resolve) => options.signal?.addEventListener('abort', () => resolve()));
}

/** A command that answers its input and exits with 7 when the input ends. */
export function echo(): { session: ExecSession; sizes: string[]; closed: Promise<void> } {
  const stdin = new PassThrough();
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const sizes: string[] = [];
  stdin.on('data', (chunk: Buffer) => stdout.write(chunk));
  const exitCode = new Promise<number>((resolve) =>
    stdin.once('end', () => {
      stderr.write('bye');
      stdout.end();
      stderr.end();
      resolve(7);
    }),
  );
  const closed = new Promise<void>((resolve) => stdin.once('close', () => resolve()));
  const resize = async (columns: number, rows: number) => void sizes.push(`${columns}x${rows}`);
  return { session: { stdin, stdout, stderr, resize, exitCode }, sizes, closed };
}

export class LineStream {
  readonly lines: string[] = [];
  readonly code: number;
  readonly headers: IncomingHttpHeaders;
  readonly message: IncomingMessage;
  ended = false;
  broken = false;
  #rest = '';

  constructor(message: IncomingMessage) {
    this.message = message;
    this.code = message.statusCode ?? 0;
    this.headers = message.headers;
    message.setEncoding('utf8');
    message.on('data', (chunk: string) => {
      const parts = (this.#rest + chunk).split('\n');
      this.#rest = parts.pop() ?? '';
      this.lines.push(...parts);
    });
    message.on('end', () => {
      this.ended = true;
    });
    message.on('error', () => {
      this.broken = true;
    });
  }

  // biome-ignore lint/suspicious/noExplicitAny: events hold objects of many shapes
  get events(): any[] {
    return this.lines.map((line) => JSON.parse(line));
  }

  /** `ADDED wiki 3`, for comparing. */
  get summary(): string[] {
    return this.events.map(({ type, object }) =>
      `${type} ${object.metadata.name ?? object.code ?? ''}`.trim(),
    );
  }

  destroy(): void {
    this.message.destroy();
  }
}

export function openStream(socketPath: string, url: string): Promise<LineStream> {
  return new Promise((resolve, reject) => {
    const agent = new Agent({ keepAlive: false });
    const call = request({ socketPath, path: url, agent }, (message) => resolve(new LineStream(message)));
    call.once('error', reject);
    call.end();
  });
}

/** Polls until the condition holds; fails with what it saw last when it never does. */
export async function eventually(
  condition: () => boolean,
  describe: () => unknown = () => '',
): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline)
      throw new Error(`It never came true: ${condition} ${JSON.stringify(describe())}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function app(
  name: string,
  more: Record<string, unknown> = {},
  metadata: Record<string, unknown> = {},
) {
  return {
    apiVersion: 'holdfast.dev/v1',
    kind: 'App',
    metadata: { name, ...metadata },
    spec: { image: 'nginx:1.27', port: 80, location: name, domain: 'localhost', ...more },
  };
}

export function secret(name: string, stringData: Record<string, string>) {
  return { apiVersion: 'holdfast.dev/v1', kind: 'Secret', metadata: { name }, spec: { stringData } };
}
