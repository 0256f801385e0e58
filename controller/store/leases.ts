/**
 * Leases in memory, as they are on disk, and the requests for them, which go through the same commits as documents.
 * What `lease` answers is on disk: an address is never given to two owners, whatever crashes.
 */
import type { CommitQueue } from './commit-queue.ts';
import type { LeaseRow } from './tables.ts';
import type { LeaseChange, Mark, Transaction } from './transaction.ts';
import type { Store } from './types.ts';

export class Leases {
  private readonly queue: CommitQueue<Mark, Transaction>;
  /** Pool, then owner, then value. */
  private readonly pools = new Map<string, Map<string, string>>();

  constructor(queue: CommitQueue<Mark, Transaction>, rows: readonly LeaseRow[]) {
    this.queue = queue;
    this.committed(rows);
  }

  committed(changes: readonly LeaseChange[]): void {
    for (const { pool, owner, value } of changes) {
      const owners = this.pools.get(pool) ?? new Map<string, string>();
      this.pools.set(pool, owners);
      if (value === undefined) owners.delete(owner);
      else owners.set(owner, value);
    }
  }

  readonly api: Store['leases'] = {
    of: (pool, owner) => this.pools.get(pool)?.get(owner),
    all: (pool) => new Map(this.pools.get(pool)),
    lease: (pool, owner, candidates) => {
      const again = repeatable(candidates);
      return this.queue.submit((transaction) => transaction.lease(pool, owner, again));
    },
    release: (pool, owner) => this.queue.submit((transaction) => transaction.release(pool, owner)),
  };
}

/** A generator gives its values once, but a commit may be tried twice. Reads no further than asked. */
function repeatable<T>(source: Iterable<T>): Iterable<T> {
  const seen: T[] = [];
  let rest: Iterator<T> | undefined;
  return {
    *[Symbol.iterator]() {
      yield* seen;
      rest ??= source[Symbol.iterator]();
      for (let next = rest.next(); !next.done; next = rest.next()) {
        seen.push(next.value);
        yield next.value;
      }
    },
  };
}
