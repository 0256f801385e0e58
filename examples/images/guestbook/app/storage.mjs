/** Entries in PostgreSQL, visits in Redis. Where they are is told by the environment, as every package on Holdfast is told. */
import Redis from 'ioredis';
import pg from 'pg';

const { POSTGRESQL_URL, REDIS_URL } = process.env;
/** A page that waits longer is worse than one that says that it cannot. */
const PATIENCE = 4_000;

export function openStorage(log = console.log) {
  const pool = new pg.Pool({
    connectionString: POSTGRESQL_URL,
    max: 5,
    connectionTimeoutMillis: PATIENCE,
    query_timeout: PATIENCE,
    statement_timeout: PATIENCE,
  });
  // A connection that breaks while nobody uses it is made anew by the next who needs one.
  pool.on('error', (error) => log(`postgresql: ${error.message}`));
  const redis = new Redis(REDIS_URL ?? '', {
    commandTimeout: PATIENCE,
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    lazyConnect: true,
    retryStrategy: (times) => Math.min(times * 200, 3_000),
  });
  redis.on('error', (error) => log(`redis: ${error.message}`));
  redis.connect().catch(() => {});

  let hasTable;
  const table = () => {
    hasTable ??= pool
      .query(
        `CREATE TABLE IF NOT EXISTS entries (
           id bigserial PRIMARY KEY,
           name text NOT NULL,
           words text NOT NULL,
           written timestamptz NOT NULL DEFAULT now()
         )`,
      )
      .catch((error) => {
        hasTable = undefined;
        throw error;
      });
    return hasTable;
  };

  return {
    /** Newest first. */
    async entries(limit = 50) {
      await table();
      const { rows } = await pool.query(
        'SELECT id, name, words, written FROM entries ORDER BY id DESC LIMIT $1',
        [limit],
      );
      return rows;
    },
    async count() {
      await table();
      const { rows } = await pool.query('SELECT count(*)::int AS number FROM entries');
      return rows[0].number;
    },
    async write(name, words) {
      await table();
      await pool.query('INSERT INTO entries (name, words) VALUES ($1, $2)', [name, words]);
    },
    /** Removes what has no words; answers how many. */
    async tidy() {
      await table();
      const { rowCount } = await pool.query("DELETE FROM entries WHERE btrim(words) = ''");
      return rowCount;
    },
    visit: () => redis.incr('visits'),
    async check() {
      await Promise.all([pool.query('SELECT 1'), redis.ping()]);
    },
    async close() {
      redis.disconnect();
      await pool.end();
    },
  };
}
