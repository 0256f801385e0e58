/**
 * The controller's API over its Unix socket, as little of it as `up` needs. A person's commands have a client of their own;
 * this one works before anything is known to work, so it is small and tells exactly what did not answer.
 */
import { type IncomingMessage, request } from 'node:http';
import { API_VERSION, type Document, type Manifest } from '../../resources/document.ts';

export interface Answer {
  status: number;
  body: string;
}

export interface LocalApi {
  /** True when the controller has started wholly. */
  isReady(): Promise<boolean>;
  get(kind: string, name: string): Promise<Document | undefined>;
  list(kind: string): Promise<Document[]>;
  /** Of the controller that answers; undefined where none does. */
  version(): Promise<string | undefined>;
  /** Server-side apply. The answer tells whether the document was made, changed, or already so. */
  apply(manifest: Manifest, manager: string): Promise<'created' | 'configured' | 'unchanged'>;
}

export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
  }
}

function read(response: IncomingMessage): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      text += chunk;
    });
    response.on('end', () => resolve(text));
    response.on('error', reject);
  });
}

function call(socket: string, method: string, path: string, body?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    // Kept in the history: that a person at this machine did it.
    const type = body === undefined ? {} : { 'content-type': 'application/apply-patch+yaml' };
    const headers = { ...type, 'x-holdfast-via': 'cli' };
    const options = { socketPath: socket, method, path, headers, timeout: 30_000 };
    const sent = request(options, (response) => {
      read(response).then((text) => resolve({ status: response.statusCode ?? 0, body: text }), reject);
    });
    sent.on('timeout', () =>
      sent.destroy(new Error(`the controller did not answer within 30 s at ${socket}`)),
    );
    sent.on('error', reject);
    sent.end(body);
  });
}

function pathOf(kind: string, name: string): string {
  const folder = `/apis/${API_VERSION}/${kind.toLowerCase()}s`;
  return name === '' ? folder : `${folder}/${encodeURIComponent(name)}`;
}

/** The message of a Status object, or the text as it is. */
function wordsOf(answer: Answer): string {
  try {
    const { message } = JSON.parse(answer.body) as { message?: unknown };
    if (typeof message === 'string') return message;
  } catch {
    // Not JSON: the text itself is what there is.
  }
  return answer.body.trim() || `HTTP ${answer.status}`;
}

export function localApi(socket: string): LocalApi {
  async function get(kind: string, name: string): Promise<Document | undefined> {
    const answer = await call(socket, 'GET', pathOf(kind, name));
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw new ApiError(answer.status, wordsOf(answer));
    return JSON.parse(answer.body) as Document;
  }

  return {
    get,
    async list(kind) {
      const answer = await call(socket, 'GET', pathOf(kind, ''));
      if (answer.status !== 200) throw new ApiError(answer.status, wordsOf(answer));
      return (JSON.parse(answer.body) as { items: Document[] }).items;
    },
    async version() {
      const answer = await call(socket, 'GET', '/version').catch(() => undefined);
      if (answer?.status !== 200) return undefined;
      const { gitVersion } = JSON.parse(answer.body) as { gitVersion?: unknown };
      return typeof gitVersion === 'string' ? gitVersion.replace(/^v/, '') : undefined;
    },
    async isReady() {
      return call(socket, 'GET', '/readyz').then(
        (answer) => answer.status === 200,
        () => false,
      );
    },
    async apply(manifest, manager) {
      const before = await get(manifest.kind, manifest.metadata.name);
      const path = `${pathOf(manifest.kind, manifest.metadata.name)}?fieldManager=${manager}`;
      const answer = await call(socket, 'PATCH', path, JSON.stringify(manifest));
      if (answer.status !== 200 && answer.status !== 201) throw new ApiError(answer.status, wordsOf(answer));
      if (before === undefined) return 'created';
      // A status that was written meanwhile moves resourceVersion, but only a new spec moves generation.
      const after = JSON.parse(answer.body) as Document;
      return after.metadata.generation === before.metadata.generation ? 'unchanged' : 'configured';
    },
  };
}
