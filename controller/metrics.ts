/** What /metrics tells of queues, reconciles, drivers and the store. Part of the wiring: called by main.ts, reads only. */
import type { DriverFigures, VerbFigures } from '../reconcilers/drivers/measure.ts';
import type { Metric } from './api/dependencies.ts';
import type { SqliteStore } from './store/sqlite-store.ts';

/** As much of the engine as is measured. */
interface Measured {
  queueDepths(): Map<string, number>;
  operations(): { kind: string }[];
  /** By `kind/outcome`. */
  readonly counts: ReadonlyMap<string, number>;
}

export function controllerMetrics(
  engine: Measured,
  store: SqliteStore,
  kinds: readonly string[],
  figures: DriverFigures,
): Metric[] {
  const { version, databaseBytes, walBytes, freeBytes, reserve } = store.health();
  const running = new Map<string, number>();
  for (const { kind } of engine.operations()) running.set(kind, (running.get(kind) ?? 0) + 1);
  return [
    gauge('holdfast_queue_depth', 'Keys that wait to be reconciled.', byKind(engine.queueDepths())),
    gauge('holdfast_reconciles_running', 'Keys that are reconciled now.', byKind(running)),
    {
      name: 'holdfast_reconciles_total',
      help: 'Reconciles that ended, by how.',
      type: 'counter',
      samples: [...engine.counts].map(([key, value]) => {
        const [kind = '', outcome = ''] = key.split('/');
        return { labels: { kind, outcome }, value };
      }),
    },
    ...driverMetrics(figures.all()),
    gauge(
      'holdfast_documents',
      'Documents in the store.',
      byKind(new Map(kinds.map((kind) => [kind, store.list(kind).items.length]))),
    ),
    gauge('holdfast_store_version', 'The newest resourceVersion.', one(version)),
    gauge('holdfast_store_database_bytes', 'Size of the database.', one(databaseBytes)),
    gauge('holdfast_store_wal_bytes', 'Size of the write-ahead log.', one(walBytes)),
    gauge('holdfast_store_free_bytes', 'Room on the disk of the store.', one(freeBytes)),
    gauge('holdfast_store_reserve', '1 while room is held for a full disk.', one(reserve ? 1 : 0)),
  ];
}

function driverMetrics(figures: readonly Readonly<VerbFigures>[]): Metric[] {
  const samples = (value: (of: Readonly<VerbFigures>) => number): Metric['samples'] =>
    figures.map((of) => ({ labels: { driver: of.driver, verb: of.verb }, value: value(of) }));
  const counter = (name: string, help: string, value: (of: Readonly<VerbFigures>) => number): Metric => ({
    name,
    help,
    type: 'counter',
    samples: samples(value),
  });
  return [
    counter('holdfast_driver_calls_total', 'Calls to the outside world.', ({ calls }) => calls),
    counter('holdfast_driver_errors_total', 'Calls that failed.', ({ errors }) => errors),
    counter('holdfast_driver_seconds_total', 'Time in calls that ended.', ({ seconds }) => seconds),
    counter('holdfast_driver_ended_total', 'Calls that the time is of.', ({ ended }) => ended),
    gauge(
      'holdfast_driver_running',
      'Calls that have not ended yet.',
      samples(({ running }) => running),
    ),
  ];
}

function gauge(name: string, help: string, samples: Metric['samples']): Metric {
  return { name, help, type: 'gauge', samples };
}

function one(value: number): Metric['samples'] {
  return [{ labels: {}, value }];
}

function byKind(values: ReadonlyMap<string, number>): Metric['samples'] {
  return [...values].map(([kind, value]) => ({ labels: { kind }, value }));
}
