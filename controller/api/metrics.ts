/**
 * /metrics in the text format of Prometheus: what the API counts itself, and what main.ts reads from queues, reconciles and the
 * store when it is asked. Labels come from the routes and the registry, never from a client, so that their number is bounded.
 */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Context, path } from './context.ts';
import type { Metric } from './dependencies.ts';

/** Upper bounds in seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Requests by method, kind and code; durations by method. One for all listeners. */
export class RequestMetrics {
  readonly #counts = new Map<string, number>();
  readonly #durations = new Map<string, { buckets: number[]; sum: number; count: number }>();

  observe(method: string, kind: string, code: number, seconds: number): void {
    const key = labelText({ method, kind, code: String(code) });
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    const duration = this.#durations.get(method) ?? { buckets: BUCKETS.map(() => 0), sum: 0, count: 0 };
    for (const [index, bound] of BUCKETS.entries()) {
      if (seconds <= bound) duration.buckets[index] = (duration.buckets[index] ?? 0) + 1;
    }
    duration.sum += seconds;
    duration.count += 1;
    this.#durations.set(method, duration);
  }

  lines(): string[] {
    const name = 'holdfast_api_request_duration_seconds';
    return [
      ...head('holdfast_api_requests_total', 'counter', 'Requests that were answered.'),
      ...[...this.#counts].map(([labels, count]) => `holdfast_api_requests_total${labels} ${count}`),
      ...head(name, 'histogram', 'Time to the end of the answer; watches are not counted.'),
      ...[...this.#durations].flatMap(([method, { buckets, sum, count }]) => [
        ...buckets.map(
          (value, index) => `${name}_bucket${labelText({ method, le: String(BUCKETS[index]) })} ${value}`,
        ),
        `${name}_bucket${labelText({ method, le: '+Inf' })} ${count}`,
        `${name}_sum${labelText({ method })} ${sum}`,
        `${name}_count${labelText({ method })} ${count}`,
      ]),
    ];
  }
}

export function addMetrics(server: FastifyInstance, context: Context): void {
  const { requests } = context;
  server.addHook('onResponse', async (request: FastifyRequest, reply) => {
    const kind = request.is404 ? '' : (request.routeOptions.config.need?.kind?.kind ?? '');
    requests.observe(request.method, kind, reply.statusCode, reply.elapsedTime / 1000);
  });
  const text = () => {
    const open = {
      name: 'holdfast_api_streams',
      help: 'Watches, logs and exec sessions that are open.',
      type: 'gauge',
    } as const;
    const own: Metric = { ...open, samples: [{ labels: {}, value: context.streams.size }] };
    return `${[...requests.lines(), ...[own, ...context.metrics()].flatMap(metricLines)].join('\n')}\n`;
  };
  path(server, '/metrics', { GET: (_request, reply) => reply.type(TYPE).send(text()) }, { access: 'host' });
}

function metricLines({ name, help, type, samples }: Metric): string[] {
  return [
    ...head(name, type, help),
    ...samples.map(({ labels, value }) => `${name}${labelText(labels)} ${value}`),
  ];
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const words = Object.entries(labels).map(
    ([name, value]) =>
      `${name}="${value.replace(/[\\"\n]/g, (sign) => (sign === '\n' ? '\\n' : `\\${sign}`))}"`,
  );
  return words.length === 0 ? '' : `{${words.join(',')}}`;
}
