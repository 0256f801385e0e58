/**
 * PostgreSQL 15 to 17 on a whole host, with rows, sequences, extensions, settings and an account of an App that is gone. Once it fails, as
 * with a view that the new version does not take; once the controller is killed in the middle of it.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { condition, type Document } from '../../resources/document.ts';
import { telling } from '../support/before.ts';
import { Apps } from './apps.ts';
import { type Host, startHost } from './host.ts';
import { succeeded } from './product.ts';
import { bringImages } from './server-images.ts';
import { until } from './until.ts';

const FOLDER = '/var/lib/holdfast/addons/postgresql';

let host: Host;
let apps: Apps;
let skip: string | undefined;

const addon = (version: string) => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'Addon',
  metadata: { name: 'postgresql' },
  spec: { type: 'postgresql', version },
});
const app = (name: string) => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'App',
  metadata: { name },
  spec: {
    image: 'holdfast.local/postgresql:15',
    port: 80,
    command: ['sleep', 'infinity'],
    addons: { postgresql: {} },
  },
});

const up = async () => succeeded(await host.holdfast(['up'], { timeoutSeconds: 120 }));

test.before(
  telling(async () => {
    host = await startHost({ name: 'upgrade' });
    apps = new Apps(host);
    skip = await bringImages(host, ['postgresql:15', 'postgresql:17']);
    if (skip !== undefined) return console.log(`SKIP: ${skip}`);
    await up();
  }),
);
test.after(async () => {
  await host?.remove();
});

const unlessSkipped = (name: string, run: () => Promise<void>) =>
  test(name, async () => {
    if (skip === undefined) await run();
  });

interface Status {
  version?: string;
  upgrade?: { state: string; message?: string };
  previous?: { folder: string };
  kept?: { app: string }[];
}

async function addonIs(
  what: string,
  holds: (status: Status, document: Document) => boolean,
): Promise<Status> {
  let last: Document | undefined;
  try {
    return await until(
      `addon/postgresql ${what}`,
      async () => {
        last = await apps.get('postgresql', 'addons');
        const status = (last?.status ?? {}) as Status;
        return last && holds(status, last) ? status : undefined;
      },
      { seconds: 240 },
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(last?.status, undefined, 1)}`);
  }
}

const serves = (version: string) => (status: Status, document: Document) =>
  condition(document, 'Ready')?.status === 'True' && (status.version ?? '').startsWith(version);

/** As the App, in its own container. */
async function sql(name: string, text: string): Promise<string> {
  const { code, stdout, stderr } = await host.exec(
    [
      'docker',
      'exec',
      '-i',
      `holdfast-app-${name}`,
      'sh',
      '-c',
      'psql -v ON_ERROR_STOP=1 -qAt "$POSTGRESQL_URL"',
    ],
    { input: text },
  );
  if (code !== 0) throw new Error(stderr);
  return stdout.trim();
}

const eventually = (name: string, text: string) =>
  until(`${name} is answered`, () => sql(name, text).catch(() => undefined), { seconds: 120 });

unlessSkipped('a database with much in it serves', async () => {
  await apps.apply(addon('15'), app('shop'), app('gone'));
  await addonIs('serves', serves('15'));
  await eventually('shop', 'SELECT 1');
  await eventually('gone', 'CREATE TABLE old (a int); INSERT INTO old VALUES (7)');
  await sql(
    'shop',
    `CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm;
     CREATE TABLE goods (id serial PRIMARY KEY, name text NOT NULL UNIQUE, more hstore, at timestamptz DEFAULT now(), bytes bytea);
     INSERT INTO goods (name, more, bytes) SELECT 'thing ' || n, 'a=>1', decode(md5(n::text), 'hex') FROM generate_series(1, 20000) n;
     CREATE INDEX ON goods USING gin (name gin_trgm_ops);
     CREATE FUNCTION twice(a int) RETURNS int LANGUAGE sql AS 'SELECT a * 2';
     CREATE VIEW dear AS SELECT id, twice(id) AS price FROM goods;
     CREATE TABLE sales (id bigint GENERATED ALWAYS AS IDENTITY, good int REFERENCES goods);
     INSERT INTO sales (good) SELECT id FROM goods LIMIT 100;
     ALTER DATABASE app_shop SET search_path TO public, pg_catalog; ALTER ROLE app_shop SET statement_timeout TO '90s'`,
  );
  succeeded(await host.holdfast(['delete', 'app/gone']));
  await addonIs('keeps the database of the App that is gone', ({ kept }) => kept?.length === 1);
});

unlessSkipped(
  'what the new version does not take is told, and the old serves on with every row',
  async () => {
    // A column that version 17 has no more.
    await sql('shop', 'CREATE VIEW old_figures AS SELECT buffers_backend FROM pg_stat_bgwriter');
    await apps.apply(addon('17'));
    const { upgrade } = await addonIs('has failed', ({ upgrade }) => upgrade?.state === 'failed');
    assert.match(upgrade?.message ?? '', /stays with postgresql 15.*app_shop.*buffers_backend/s);
    await addonIs('serves again', serves('15'));
    assert.is(await eventually('shop', 'SELECT count(*) FROM goods'), '20000');
    assert.not.match(await host.sh(`ls ${FOLDER}`), /next|verified|kept|data-17/);
    const document = await apps.get('postgresql', 'addons');
    assert.is(document && condition(document, 'Stalled')?.reason, 'UpgradeFailed');
  },
);

unlessSkipped('asked again it goes through, although the controller is killed in the middle', async () => {
  await sql('shop', 'DROP VIEW old_figures');
  const before = await sql('shop', 'SELECT md5(string_agg(goods::text, chr(10) ORDER BY id)) FROM goods');
  succeeded(await host.holdfast(['retry', 'addon/postgresql']));
  await until('both servers run beside each other', async () =>
    /holdfast-addon-postgresql-new/.test(await host.sh('docker ps --format "{{.Names}}"')),
  );
  assert.ok((await host.kill('cli/main')) + (await host.kill('holdfast serve')) > 0, 'nothing was killed');
  await up();
  const status = await addonIs('serves', serves('17'));
  assert.is(status.upgrade?.state, 'done');
  await eventually('shop', 'SELECT 1');
  assert.is(await sql('shop', 'SELECT md5(string_agg(goods::text, chr(10) ORDER BY id)) FROM goods'), before);
  assert.is(await sql('shop', 'SELECT count(*) FROM sales'), '100');
  assert.is(await sql('shop', 'SELECT max(price) FROM dear'), '40000');
  assert.is(await sql('shop', "INSERT INTO goods (name) VALUES ('new') RETURNING id"), '20001');
  assert.is(await sql('shop', 'SHOW statement_timeout'), '90s');
  assert.match(await sql('shop', 'SHOW server_version'), /^17/);
});

unlessSkipped(
  'the old data is there, nothing else is left over, and the kept database came along',
  async () => {
    const list = (await host.sh(`ls ${FOLDER}`)).split('\n');
    assert.equal(
      list.map((name) => name.replace(/\d{8}T\d{6}Z/, 'TIME')),
      ['data-17', 'kept-15-TIME', 'secret'],
    );
    const { previous } = await addonIs('tells of the old data', (status) => status.previous !== undefined);
    assert.is(await host.sh(`cat ${previous?.folder}/PG_VERSION`), '15');
    const containers = await host.sh(
      'docker ps -a --format "{{.Names}}" --filter label=dev.holdfast.kind=Addon',
    );
    assert.is(containers, 'holdfast-addon-postgresql');
    await apps.apply(app('gone'));
    assert.is(await eventually('gone', 'SELECT a FROM old'), '7');
  },
);

test.run();
