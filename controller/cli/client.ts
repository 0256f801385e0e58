/**
 * The controller as verbs see it: its HTTP API over the Unix socket, typed. It decides nothing and prints nothing; what the
 * controller refuses becomes an ApiError with its own words.
 */

import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { userInfo } from 'node:os';
import type { Document, Json, Manifest, Reference } from '../../resources/document.ts';
import { kindOf } from '../../resources/registry.ts';
import type { Plan, RunningOperation, Why } from '../engine/contract.ts';
import { UPGRADE_PROTOCOL } from '../frames.ts';
import type { FieldCause, Revision, WriteResult } from '../store/types.ts';
import type { SavedPlan } from './saved-plan.ts';
import { CliError } from './verb.ts';

/** A Kubernetes Status object, as an error. */
export class ApiError extends CliError {
  readonly code: number;
  readonly reason: string;
  readonly causes: FieldCause[];
  constructor(code: number, reason: string, message: string, causes: FieldCause[] = []) {
    super(message);
    this.name = 'ApiError';
    this.code = code;
    this.reason = reason;
    this.causes = causes;
  }
}

export interface DocumentList {
  kind: string;
  apiVersion: string;
  metadata: { resourceVersion: string; continue?: string; remainingItemCount?: number };
  items: Document[];
}

export interface ListQuery {
  labelSelector?: string | undefined;
  fieldSelector?: string | undefined;
  showSecrets?: boolean;
}

export interface WatchEvent {
  type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK' | 'ERROR';
  object: Document;
}

export interface ApplyResult {
  kind: string;
  name: string;
  outcome: WriteResult['outcome'];
  document: Document;
}

/** Where the API serves HTTPS. */
export interface HttpsState {
  wanted: boolean;
  listening: { address: string; port: number }[];
  problem?: string;
  /** PEM. */
  ca: string;
}

export interface DoctorCheck {
  name: string;
  ok: boolean;
  message: string;
}

type Query = Record<string, string | number | boolean | undefined>;

interface Call {
  method?: string;
  query?: Query;
  body?: unknown;
  contentType?: string;
  signal?: AbortSignal | undefined;
}

const BASE = '/apis/holdfast.dev/v1';
const PAGE = 500;

export class Client {
  readonly socketPath: string;

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  get(reference: Reference, query: { showSecrets?: boolean } = {}): Promise<Document> {
    return this.json(path(reference), { query });
  }

  /** All of a kind, page by page. */
  async list(kind: string, query: ListQuery = {}, signal?: AbortSignal): Promise<DocumentList> {
    const whole: DocumentList = await this.json(path({ kind }), { query: { ...query, limit: PAGE }, signal });
    let next = whole.metadata.continue;
    while (next) {
      const page: DocumentList = await this.json(path({ kind }), {
        query: { ...query, limit: PAGE, continue: next },
        signal,
      });
      whole.items.push(...page.items);
      next = page.metadata.continue;
    }
    return whole;
  }

  /** Changes after this version, until the signal aborts or the controller ends it. */
  async *watch(
    kind: string,
    resourceVersion: string,
    query: ListQuery,
    signal: AbortSignal,
  ): AsyncGenerator<WatchEvent> {
    const response = await this.open(path({ kind }), {
      query: { ...query, watch: 1, resourceVersion },
      signal,
    });
    for await (const line of lines(response)) {
      if (line === '') continue;
      const event = JSON.parse(line) as WatchEvent;
      if (event.type === 'ERROR') throw errorOf(event.object, 0);
      if (event.type !== 'BOOKMARK') yield event;
    }
  }

  create(document: Manifest): Promise<Document> {
    return this.json(path({ kind: document.kind }), { method: 'POST', body: document });
  }

  https(): Promise<HttpsState> {
    return this.json('/holdfast/v1/https');
  }

  replace(document: Manifest, query: { reason?: string | undefined } = {}): Promise<Document> {
    return this.json(path(referenceOf(document)), { method: 'PUT', body: document, query });
  }

  mergePatch(
    reference: Reference,
    patch: Json,
    query: { reason?: string | undefined } = {},
  ): Promise<Document> {
    const contentType = 'application/merge-patch+json';
    return this.json(path(reference), { method: 'PATCH', body: patch, contentType, query });
  }

  /** The document as it is while it is torn down, or as it last was. */
  delete(
    reference: Reference,
    query: { deleteData?: boolean; dryRun?: 'All'; reason?: string | undefined } = {},
  ): Promise<Document> {
    return this.json(path(reference), { method: 'DELETE', query });
  }

  async history(reference: Reference, query: { showSecrets?: boolean } = {}): Promise<Revision[]> {
    const { items } = await this.json<{ items: Revision[] }>(`${path(reference)}/history`, { query });
    return items;
  }

  rollback(
    reference: Reference,
    to: number,
    options: { dryRun: boolean; reason?: string | undefined },
  ): Promise<Document> {
    const { dryRun, reason } = options;
    return this.json(`${path(reference)}/rollback`, {
      method: 'POST',
      body: { to, dryRun },
      query: { reason },
    });
  }

  async apply(
    documents: readonly Manifest[],
    options: { manager: string; dryRun: boolean; reason?: string | undefined },
  ): Promise<ApplyResult[]> {
    const { manager, dryRun, reason } = options;
    const call = { method: 'POST', body: { documents, manager, dryRun }, query: { reason } };
    const { results } = await this.json<{ results: ApplyResult[] }>('/holdfast/v1/apply', call);
    return results;
  }

  /** What a saved plan was made for, when things are as it found them; else a Conflict with the reasons. */
  async applyPlan(
    saved: Pick<SavedPlan, 'documents' | 'delete' | 'basis' | 'steps'>,
    options: { manager: string; dryRun: boolean; reason?: string | undefined },
  ): Promise<ApplyResult[]> {
    const { documents, delete: deletions, basis, steps } = saved;
    const { manager, dryRun, reason } = options;
    const body = { documents, delete: deletions, basis, steps, manager, dryRun };
    const call = { method: 'POST', body, query: { reason } };
    const { results } = await this.json<{ results: ApplyResult[] }>('/holdfast/v1/apply-plan', call);
    return results;
  }

  async operations(): Promise<RunningOperation[]> {
    const { items } = await this.json<{ items: RunningOperation[] }>('/holdfast/v1/operations');
    return items;
  }

  why({ kind, name }: Reference): Promise<Why> {
    return this.json('/holdfast/v1/why', { query: { kind, name } });
  }

  cancel(reference: Reference): Promise<{ cancelled: boolean; operation?: RunningOperation }> {
    return this.json('/holdfast/v1/cancel', { method: 'POST', body: reference });
  }

  retry(reference: Reference): Promise<unknown> {
    return this.json('/holdfast/v1/retry', { method: 'POST', body: reference });
  }

  plan(
    request: { documents?: readonly Manifest[]; delete?: readonly Reference[]; basis?: boolean },
    signal?: AbortSignal,
  ): Promise<Plan> {
    return this.json('/holdfast/v1/plan', { method: 'POST', body: request, signal });
  }

  async doctor(): Promise<DoctorCheck[]> {
    const { checks } = await this.json<{ checks: DoctorCheck[] }>('/holdfast/v1/doctor');
    return checks;
  }

  version(): Promise<Record<string, unknown>> {
    return this.json('/version');
  }

  log(name: string, query: Query, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    return this.open(`${path({ kind: 'App', name })}/log`, { query, signal });
  }

  /** A connection that speaks frames (controller/frames.ts), and the bytes that came with the answer. */
  exec(
    name: string,
    options: { command: readonly string[]; tty: boolean; columns?: number; rows?: number },
    signal: AbortSignal,
  ): Promise<{ socket: Socket; head: Uint8Array }> {
    const query = new URLSearchParams();
    for (const word of options.command) query.append('command', word);
    query.set('tty', String(options.tty));
    if (options.columns !== undefined) query.set('columns', String(options.columns));
    if (options.rows !== undefined) query.set('rows', String(options.rows));
    const target = `${path({ kind: 'App', name })}/exec?${query}`;
    return new Promise((resolve, reject) => {
      const headers = { Connection: 'Upgrade', Upgrade: UPGRADE_PROTOCOL };
      const request = httpRequest({ socketPath: this.socketPath, path: target, headers, signal });
      request.on('upgrade', (_response, socket, head) => resolve({ socket: socket as Socket, head }));
      request.on('response', (response) => failureOf(response).then(reject, reject));
      request.on('error', (error) => reject(connectionError(error, this.socketPath)));
      request.end();
    });
  }

  private async json<T>(target: string, call: Call = {}): Promise<T> {
    const response = await this.open(target, call);
    const text = await textOf(response);
    try {
      return JSON.parse(text) as T;
    } catch (cause) {
      throw new CliError(`${this.socketPath} answers something that is not Holdfast: ${text.slice(0, 200)}`, {
        cause,
      });
    }
  }

  /** The response once its head says that it went well. */
  private open(target: string, call: Call): Promise<IncomingMessage> {
    const query = queryText(call.query ?? {});
    const body = call.body === undefined ? undefined : JSON.stringify(call.body);
    return new Promise((resolve, reject) => {
      const request = httpRequest({
        socketPath: this.socketPath,
        path: target + query,
        method: call.method ?? 'GET',
        headers: headersFor(body, call.contentType),
        ...(call.signal === undefined ? {} : { signal: call.signal }),
      });
      request.on('error', (error) => reject(connectionError(error, this.socketPath)));
      request.on('response', (response) => {
        if ((response.statusCode ?? 500) < 300) resolve(response);
        else failureOf(response).then(reject, reject);
      });
      request.end(body);
    });
  }
}

function headersFor(body: string | undefined, contentType = 'application/json'): Record<string, string> {
  // Only root reaches the socket; who became root by sudo is what history should tell.
  const author = { 'X-Holdfast-Via': 'cli', 'X-Holdfast-User': loginName() };
  if (body === undefined) return { ...author, Accept: 'application/json' };
  return { ...author, 'Content-Type': contentType, 'Content-Length': String(Buffer.byteLength(body)) };
}

/** Who is at the keyboard, also behind sudo. */
export function loginName(): string {
  const name = process.env['SUDO_USER'] ?? userInfo().username;
  return /^[\x21-\x7e]{1,64}$/.test(name) ? name : 'root';
}

function path(reference: { kind: string; name?: string }): string {
  const plural = kindOf(reference.kind)?.plural ?? reference.kind.toLowerCase();
  const name = reference.name === undefined ? '' : `/${encodeURIComponent(reference.name)}`;
  return `${BASE}/${plural}${name}`;
}

function referenceOf(document: Manifest): Reference {
  return { kind: document.kind, name: document.metadata.name };
}

function queryText(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== false);
  if (given.length === 0) return '';
  return `?${new URLSearchParams(given.map(([key, value]): [string, string] => [key, String(value)]))}`;
}

async function textOf(response: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function* lines(response: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of response) {
    const parts = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = parts.pop() ?? '';
    yield* parts;
  }
  yield rest;
}

async function failureOf(response: IncomingMessage): Promise<Error> {
  const text = await textOf(response);
  const code = response.statusCode ?? 500;
  try {
    return errorOf(JSON.parse(text), code);
  } catch {
    return new ApiError(code, 'Unknown', text.trim() || `the controller answered with status ${code}`);
  }
}

interface StatusObject {
  code?: number;
  reason?: string;
  message?: string;
  details?: { causes?: { field?: string; message?: string }[] };
}

function errorOf(value: unknown, code: number): ApiError {
  const status = (typeof value === 'object' && value !== null ? value : {}) as StatusObject;
  const causes = (status.details?.causes ?? []).map((cause) => ({
    field: cause.field ?? '',
    message: cause.message ?? '',
  }));
  const message = status.message ?? `the controller answered with status ${code}`;
  return new ApiError(status.code ?? code, status.reason ?? 'Unknown', message, causes);
}

function connectionError(error: NodeJS.ErrnoException, socketPath: string): Error {
  if (error.name === 'AbortError') return error;
  const isDown = error.code === 'ENOENT' || error.code === 'ECONNREFUSED';
  if (isDown) return new NotRunningError(socketPath, error);
  if (error.code === 'EACCES' || error.code === 'EPERM')
    return new CliError(`no permission to use ${socketPath}: run as root, as with sudo holdfast`, {
      cause: error,
    });
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE')
    return new CliError('the controller ended the connection; it may be restarting. Try again', {
      cause: error,
    });
  return new CliError(`the controller at ${socketPath} does not answer: ${error.message}`, { cause: error });
}

export class NotRunningError extends CliError {
  constructor(socketPath: string, cause: unknown) {
    const remedy = 'Start it with systemctl start holdfast, or holdfast up where there is no systemd';
    super(`Holdfast is not running (nothing listens at ${socketPath}). ${remedy}`, { cause });
    this.name = 'NotRunningError';
  }
}
