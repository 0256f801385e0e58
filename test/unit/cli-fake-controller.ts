/**
 * A controller's API as far as verbs need it, in memory on a Unix socket, and `holdfast` run against it in this process. It keeps
 * what was asked, so that tests can see it.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { main } from '../../controller/cli/main.ts';
import type { Plan } from '../../controller/engine/contract.ts';
import { CHANNEL, encodeFrame, FrameDecoder } from '../../controller/frames.ts';
import type { Condition, Document, Manifest } from '../../resources/document.ts';
import { kindOf } from '../../resources/registry.ts';
import { isRecord } from '../../resources/unknown.ts';

const BASE = '/apis/holdfast.dev/v1/';

export interface Asked {
  method: string;
  url: URL;
  body: unknown;
}

export interface Ran {
  code: number;
  out: string;
  err: string;
}

/** A document as far as a test cares. */
export type Given = Partial<Omit<Document, 'metadata' | 'status'>> & {
  kind: string;
  metadata: { name: string } & Partial<Document['metadata']>;
  status?: object;
};

export class FakeController {
  readonly socketPath: string;
  readonly asked: Asked[] = [];
  readonly documents = new Map<string, Document>();
  plan: Plan = { documents: [], steps: [], problems: [] };
  history: unknown[] = [];
  log = '';
  /** What the command in exec does with its input. */
  exec: (input: string, command: string[]) => { stdout: string; stderr: string; end: object } = (input) => ({
    stdout: input,
    stderr: '',
    end: { exitCode: 0 },
  });
  private version = 100;
  private readonly folder = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
  private readonly watchers = new Set<{ kind: string; response: ServerResponse }>();
  private readonly server: Server;

  constructor() {
    this.socketPath = join(this.folder, 'api.sock');
    this.server = createServer((request, response) => void this.answer(request, response));
    this.server.on('upgrade', (request, socket) => this.answerExec(request, socket as never));
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.server.listen(this.socketPath, resolve));
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Puts a document there, as a reconciler or a person would, and tells the watchers. */
  put(manifest: Given): Document {
    const name = `${manifest.kind}/${manifest.metadata.name}`;
    const before = this.documents.get(name);
    const kept = {
      uid: before?.metadata.uid ?? `uid-${name}`,
      generation: before?.metadata.generation ?? 1,
      creationTimestamp: '2026-01-01T00:00:00.000Z',
    };
    const document = {
      apiVersion: 'holdfast.dev/v1',
      spec: {},
      ...manifest,
      metadata: { ...kept, ...manifest.metadata, resourceVersion: String(++this.version) },
    } as Document;
    this.documents.set(name, document);
    this.tell(before === undefined ? 'ADDED' : 'MODIFIED', document);
    return document;
  }

  drop(kind: string, name: string): void {
    const document = this.documents.get(`${kind}/${name}`);
    this.documents.delete(`${kind}/${name}`);
    if (document !== undefined) this.tell('DELETED', document);
  }

  /** Runs `holdfast` with these words. */
  async run(words: string[], input?: string): Promise<Ran> {
    const ran = { code: 0, out: '', err: '' };
    const stdin = new PassThrough();
    stdin.end(input ?? '');
    const collect = (key: 'out' | 'err') => ({
      write: (text: string | Uint8Array) => {
        ran[key] += Buffer.from(text as never).toString();
      },
    });
    ran.code = await main(words, {
      stdin: stdin as never,
      stdout: collect('out'),
      stderr: collect('err'),
      env: { HOLDFAST_SOCKET: this.socketPath, ...this.env },
      now: () => Date.parse('2026-01-01T01:00:00.000Z'),
      signal: this.signal,
      version: '1.2.3',
    });
    return ran;
  }

  env: Record<string, string> = {};
  signal: AbortSignal = new AbortController().signal;

  /** True once somebody watches the kind. */
  isWatched(kind: string): boolean {
    return [...this.watchers].some((watcher) => watcher.kind === kind);
  }

  private tell(type: string, object: Document): void {
    for (const { kind, response } of this.watchers)
      if (kind === object.kind) response.write(`${JSON.stringify({ type, object })}\n`);
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://holdfast');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const asked = { method: request.method ?? 'GET', url, body: text === '' ? undefined : JSON.parse(text) };
    this.asked.push(asked);
    const send = (status: number, body: unknown) => {
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(typeof body === 'string' ? body : JSON.stringify(body));
    };
    if (url.searchParams.get('watch') === '1') return this.watch(url, response);
    try {
      send(200, this.route(asked));
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      send(error.code, error.status());
    }
  }

  private watch(url: URL, response: ServerResponse): void {
    const kind = kindOf(url.pathname.slice(BASE.length))?.kind ?? '';
    const watcher = { kind, response };
    this.watchers.add(watcher);
    response.on('close', () => this.watchers.delete(watcher));
    response.writeHead(200);
    response.write(`${JSON.stringify({ type: 'BOOKMARK', object: {} })}\n`);
  }

  private route({ method, url, body }: Asked): unknown {
    const input = isRecord(body) ? body : {};
    if (url.pathname === '/version') return { gitVersion: 'v9.9.9' };
    if (url.pathname === '/holdfast/v1/doctor')
      return { checks: [{ name: 'docker', ok: false, message: 'is not there' }] };
    if (url.pathname === '/holdfast/v1/plan') return this.plan;
    if (url.pathname === '/holdfast/v1/apply') return { results: this.apply(input) };
    const [plural = '', name, sub] = url.pathname.slice(BASE.length).split('/');
    const kind = kindOf(plural)?.kind ?? '';
    if (name === undefined) return this.list(kind, url);
    const document = this.documents.get(`${kind}/${name}`);
    if (document === undefined) throw new Refusal(404, 'NotFound', `${plural} "${name}" not found`);
    if (sub === 'history') return { items: this.history };
    if (sub === 'log') return this.log;
    if (sub === 'rollback') return { ...document, spec: { image: 'old', port: 80 } };
    if (method === 'GET') return document;
    if (method === 'PATCH') return this.put(merge(document, input) as Document);
    if (method === 'PUT') return this.replace(document, input);
    this.drop(kind, name);
    return document;
  }

  private list(kind: string, url: URL): unknown {
    const limit = Number(url.searchParams.get('limit') ?? '500');
    const from = Number(url.searchParams.get('continue') ?? '0');
    const selected = [...this.documents.values()].filter((document) => document.kind === kind);
    const name = /metadata.name=([^,]+)/.exec(url.searchParams.get('fieldSelector') ?? '')?.[1];
    const items = selected.filter((document) => name === undefined || document.metadata.name === name);
    const page = items.slice(from, from + limit);
    const next = from + limit < items.length ? { continue: String(from + limit) } : {};
    return {
      kind: `${kind}List`,
      apiVersion: 'holdfast.dev/v1',
      metadata: { resourceVersion: String(this.version), ...next },
      items: page,
    };
  }

  private apply(input: Record<string, unknown>): unknown[] {
    return (input['documents'] as Manifest[]).map((manifest) => {
      const { kind } = manifest;
      const { name } = manifest.metadata;
      const before = this.documents.get(`${kind}/${name}`);
      const isSame = JSON.stringify(before?.spec) === JSON.stringify(manifest.spec);
      const outcome = before === undefined ? 'created' : isSame ? 'unchanged' : 'configured';
      const after = { ...(before ?? { metadata: { name } }), ...manifest } as Document;
      const document = input['dryRun'] === true || isSame ? after : this.put(after);
      return { kind, name, outcome, document };
    });
  }

  private replace(document: Document, input: Record<string, unknown>): Document {
    const given = (input['metadata'] as { resourceVersion?: string }).resourceVersion;
    if (given !== document.metadata.resourceVersion)
      throw new Refusal(409, 'Conflict', 'somebody else changed it');
    return this.put(input as never);
  }

  private answerExec(request: IncomingMessage, socket: import('node:net').Socket): void {
    const url = new URL(request.url ?? '/', 'http://holdfast');
    this.asked.push({ method: 'UPGRADE', url, body: undefined });
    if (!this.documents.has(`App/${url.pathname.split('/')[5]}`)) {
      socket.end(`HTTP/1.1 404 Not Found\r\nContent-Length: 27\r\n\r\n{"message":"no such app"}  `);
      return;
    }
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: holdfast-stream\r\n\r\n',
    );
    const decoder = new FrameDecoder();
    let input = '';
    socket.on('data', (bytes: Buffer) => {
      for (const { channel, payload } of decoder.push(bytes)) {
        if (channel === CHANNEL.stdin) input += payload.toString();
        if (channel !== CHANNEL.stdinClosed) continue;
        const { stdout, stderr, end } = this.exec(input, url.searchParams.getAll('command'));
        socket.write(encodeFrame(CHANNEL.stdout, stdout));
        socket.write(encodeFrame(CHANNEL.stderr, stderr));
        socket.end(encodeFrame(CHANNEL.exit, JSON.stringify(end)));
      }
    });
  }
}

class Refusal extends Error {
  readonly code: number;
  private readonly reason: string;
  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
  status(): object {
    return { kind: 'Status', status: 'Failure', code: this.code, reason: this.reason, message: this.message };
  }
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

export function ready(
  status: Condition['status'],
  reason: string,
  message = '',
): Document['status'] & object {
  const condition: Condition = {
    type: 'Ready',
    status,
    reason,
    message,
    lastTransitionTime: '2026-01-01T00:00:00.000Z',
    observedGeneration: 1,
  };
  return { observedGeneration: 1, conditions: [condition] };
}

/** Runs a test with a controller of its own, which is closed whatever happens. */
export function withController(test: (controller: FakeController) => Promise<void>): () => Promise<void> {
  return async () => {
    const controller = new FakeController();
    await controller.listen();
    try {
      await test(controller);
    } finally {
      await controller.close();
    }
  };
}

/** Asks again and again until it is so; fails after five seconds. */
export async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + 5000;
  while (!isSo()) {
    if (performance.now() > end) throw new Error(`not within five seconds: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}
