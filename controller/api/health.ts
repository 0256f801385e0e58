/**
 * Whether the controller lives and is ready, for probes: 200 with `ok`, or 500 with the checks that failed. Needs no
 * rights and tells no secrets.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Context, path } from './context.ts';
import type { Check } from './dependencies.ts';
import { Query } from './query.ts';

export function addHealthRoutes(server: FastifyInstance, context: Context): void {
  const alive = (): Check[] => [{ name: 'ping', ok: true, message: 'ok' }];
  const ready = (): Check[] => [...alive(), ...context.ready()];
  const checks = { livez: alive, healthz: alive, readyz: ready };
  for (const [name, look] of Object.entries(checks)) {
    const get = (request: FastifyRequest, reply: FastifyReply) => answer(name, look(), request, reply);
    path(server, `/${name}`, { GET: get }, { access: 'public' });
  }
}

function answer(name: string, checks: Check[], request: FastifyRequest, reply: FastifyReply): string {
  const query = new Query(request.url);
  const excluded = new Set(query.all('exclude'));
  const asked = checks.filter((check) => !excluded.has(check.name));
  const failed = asked.some((check) => !check.ok);
  reply.code(failed ? 500 : 200).type('text/plain; charset=utf-8');
  if (!failed && !query.flag('verbose')) return 'ok';
  const lines = asked.map((check) =>
    check.ok ? `[+]${check.name} ok` : `[-]${check.name} failed: ${check.message}`,
  );
  return [...lines, `${name} check ${failed ? 'failed' : 'passed'}`, ''].join('\n');
}
