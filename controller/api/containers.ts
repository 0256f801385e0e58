/**
 * What runs behind a document: its log as lines of text. The command line's `logs` asks here; `exec` is in exec.ts.
 * Nothing is kept: lines go through at the speed at which the client reads.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { KindDefinition } from '../../resources/kind.ts';
import { type Context, found, nameOf, path } from './context.ts';
import type { LogLine, LogRequest } from './dependencies.ts';
import { Query } from './query.ts';
import { GROUP_PATH } from './resources.ts';

/** The kind that has containers. */
export const CONTAINER_KIND = 'App';

/** So long is an error waited for before the answer begins, in milliseconds: afterwards it cannot be told any more. */
const FIRST_LINE = 250;

export function addLogRoutes(server: FastifyInstance, context: Context, definition: KindDefinition): void {
  path(
    server,
    `${GROUP_PATH}/${definition.plural}/:name/log`,
    {
      GET: (request, reply) => log(context, definition, request, reply),
    },
    { kind: definition },
  );
}

function log(
  context: Context,
  definition: KindDefinition,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<unknown> {
  const app = found(context, definition, nameOf(request, definition));
  const options = logRequest(new Query(request.url), context);
  const open = (signal: AbortSignal) => context.containers.logs(app, { ...options, signal });
  return serveLog(context, reply, { about: app.metadata.name, open });
}

interface OpenLog {
  /** For our own log. */
  about: string;
  open(signal: AbortSignal): AsyncIterable<LogLine>;
  /** The answer ends after so many. */
  limitBytes?: number;
}

/** Answers with the lines; what goes wrong before the first one is a Status. */
export async function serveLog(context: Context, reply: FastifyReply, log: OpenLog): Promise<unknown> {
  const gone = new AbortController();
  const done = context.streams.add(() => gone.abort());
  const out = reply.raw;
  out.once('close', () => gone.abort());
  try {
    const lines = log.open(gone.signal)[Symbol.asyncIterator]();
    const first = lines.next();
    await Promise.race([first, new Promise<void>((resolve) => context.clock.after(FIRST_LINE, resolve))]);
    reply.hijack();
    out.writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-cache' });
    out.flushHeaders();
    await send(first, lines, { out, signal: gone.signal, left: log.limitBytes ?? Number.POSITIVE_INFINITY });
  } catch (error) {
    if (!reply.sent) throw error;
    // The client sees a broken answer, not a log that looks complete.
    if (!gone.signal.aborted) context.log.warn('a log ended early', { app: log.about, error });
    if (!gone.signal.aborted) out.destroy();
  } finally {
    done();
    gone.abort();
    if (reply.sent) out.end();
  }
  return reply;
}

async function send(
  first: Promise<IteratorResult<LogLine>>,
  lines: AsyncIterator<LogLine>,
  to: { out: ServerResponse; signal: AbortSignal; left: number },
): Promise<void> {
  const { out, signal } = to;
  const aborted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
  try {
    for (let next = first; ; next = lines.next()) {
      const result = await Promise.race([next, aborted]);
      if (!result || result.done) return;
      const line = Buffer.from(`${result.value.text}\n`).subarray(0, to.left);
      to.left -= line.length;
      if (!out.write(line)) await Promise.race([once(out, 'drain'), aborted]);
      if (signal.aborted || to.left <= 0) return;
    }
  } finally {
    if (signal.aborted || to.left <= 0) void lines.return?.().catch(() => {});
  }
}

/** What Kubernetes asks a log for: tailLines, sinceSeconds or sinceTime, follow, timestamps. */
export function logRequest(query: Query, context: Context): LogRequest {
  const tail = query.count('tailLines');
  const task = query.text('task');
  const seconds = query.count('sinceSeconds');
  const since =
    query.time('sinceTime') ??
    (seconds === undefined ? undefined : new Date(context.clock.now() - seconds * 1000).toISOString());
  return {
    follow: query.flag('follow'),
    timestamps: query.flag('timestamps'),
    ...(tail !== undefined && { tail }),
    ...(since !== undefined && { since }),
    ...(task !== undefined && { task }),
  };
}
