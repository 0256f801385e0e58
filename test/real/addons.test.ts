/**
 * Apps with databases on a whole host: PostgreSQL, MariaDB and Redis, built from Debian's packages. Each App works as its package would,
 * by the variables that it was given. What it stored is there after containers are removed, the controller is killed and the host boots.
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

const IMAGES = {
  postgresql: 'holdfast.local/postgresql:15',
  mysql: 'holdfast.local/mariadb:10.11',
  redis: 'holdfast.local/redis:7',
};
type Type = keyof typeof IMAGES;

let host: Host;
let apps: Apps;
let skip: string | undefined;

/** A plain image that has the client of its database, and an account. */
const app = (name: string, type: Type, more: object = {}) => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'App',
  metadata: { name },
  spec: { image: IMAGES[type], port: 80, command: ['sleep', 'infinity'], addons: { [type]: {} }, ...more },
});

test.before(
  telling(async () => {
    host = await startHost({ name: 'addons' });
    apps = new Apps(host);
    skip = await bringImages(host, ['postgresql:15', 'mariadb:10.11', 'redis:7']);
    if (skip !== undefined) return console.log(`SKIP: ${skip}`);
    await host.sh('useradd -m nobody-else || true');
    await up();
  }),
);
test.after(async () => {
  await host?.remove();
});

const up = async () => succeeded(await host.holdfast(['up'], { timeoutSeconds: 120 }));

const unlessSkipped = (name: string, run: () => Promise<void>) =>
  test(name, async () => {
    if (skip === undefined) await run();
  });

async function ready(kind: string, name: string, seconds = 240): Promise<Document> {
  let last: Document | undefined;
  try {
    return await until(
      `${kind}/${name} is Ready`,
      async () => {
        last = await apps.get(name, kind);
        return last && condition(last, 'Ready')?.status === 'True' ? last : undefined;
      },
      { seconds },
    );
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${JSON.stringify(last?.status, undefined, 1)}`);
  }
}

/** In the App's own container, with what it was given. */
const inApp = (name: string, script: string) =>
  host.sh(`docker exec -i holdfast-app-${name} sh -ec '${script}'`);

const PROGRAMS: Record<Type, (sql: string) => string> = {
  postgresql: (sql) => `psql -v ON_ERROR_STOP=1 -qAtc "${sql}" "$POSTGRESQL_URL"`,
  mysql: (sql) =>
    `MYSQL_PWD=$MYSQL_PASSWORD mariadb -N -h "$MYSQL_HOST" -P "$MYSQL_PORT" -u "$MYSQL_USERNAME" "$MYSQL_DATABASE" -e "${sql}"`,
  redis: (command) => `redis-cli --no-auth-warning -u "$REDIS_URL" ${command}`,
};

async function remember(name: string, type: Type, word: string): Promise<void> {
  if (type === 'redis') await inApp(name, PROGRAMS.redis(`sadd words ${word}`));
  else {
    await inApp(name, PROGRAMS[type]('CREATE TABLE IF NOT EXISTS words (word varchar(50))'));
    await inApp(
      name,
      PROGRAMS[type](
        `INSERT INTO words VALUES (\\$\\$${word}\\$\\$)`.replaceAll(
          '\\$\\$',
          type === 'mysql' ? '\\"' : '\\$\\$',
        ),
      ),
    );
  }
}

async function words(name: string, type: Type): Promise<string[]> {
  const ask = type === 'redis' ? 'smembers words' : 'SELECT word FROM words';
  return (await inApp(name, PROGRAMS[type](ask))).split('\n').sort();
}

const all: [string, Type][] = [
  ['shop', 'postgresql'],
  ['blog', 'mysql'],
  ['chat', 'redis'],
];

/** The containers of these Apps run, and their databases answer them. */
async function remembered(expected: string[]): Promise<void> {
  for (const [name, type] of all) {
    await until(
      `${name} has its words`,
      async () => (await words(name, type).catch(() => [])).join() === [...expected].sort().join(),
      { seconds: 240 },
    );
  }
}

unlessSkipped('an App that needs a database is given one, and stores', async () => {
  await apps.apply(...all.map(([name, type]) => app(name, type)));
  for (const [name, type] of all) {
    await ready('bindings', `${name}-${type}`);
    await until(`${name} runs`, async () => (await inApp(name, 'echo up').catch(() => '')) === 'up');
    await remember(name, type, 'first');
  }
  await remembered(['first']);
  const addon = await ready('addons', 'postgresql');
  assert.match(String((addon.status as { version?: string }).version), /^15/);
  assert.match(
    await host.sh('holdfast get addons 2>/dev/null || /opt/holdfast/bin/holdfast get addons'),
    /redis-chat/,
  );
});

unlessSkipped("extensions of its own database are its owner's to make", async () => {
  await inApp('shop', PROGRAMS.postgresql('CREATE EXTENSION hstore; CREATE EXTENSION pg_trgm'));
});

unlessSkipped('the data is in a folder that only root reaches, owned by the server at its top', async () => {
  const state = '/var/lib/holdfast/addons';
  assert.is(await host.sh(`stat -c %a ${state}/postgresql`), '700');
  assert.is.not(await host.sh(`stat -c %u ${state}/postgresql/data-15`), '0');
  const seen = await host.exec(['su', 'nobody-else', '-c', `cat ${state}/postgresql/secret/password`]);
  assert.is.not(seen.code, 0);
});

unlessSkipped(
  'another App with the right password does not get in, and none reaches what it is not bound to',
  async () => {
    await apps.apply(app('thief', 'postgresql', { addons: { postgresql: {} } }));
    await ready('bindings', 'thief-postgresql');
    await until('thief runs', async () => (await inApp('thief', 'echo up').catch(() => '')) === 'up');
    await inApp('thief', PROGRAMS.postgresql('SELECT 1'));
    // Its own login, and the database of the other.
    const other = await host.exec([
      ...['docker', 'exec', 'holdfast-app-thief', 'sh', '-c'],
      'psql -c "SELECT 1" "postgres://$POSTGRESQL_USERNAME:$POSTGRESQL_PASSWORD@$POSTGRESQL_HOST/app_shop"',
    ]);
    assert.is.not(other.code, 0);
    assert.match(other.stderr, /permission denied for database/);
    // Not bound to the redis of another, so that not even a connection is made.
    const address = (await ready('addons', 'redis-chat')).status as { address?: string };
    const closed = await host.exec([
      ...['docker', 'exec', 'holdfast-app-thief', 'bash', '-c'],
      `timeout 5 bash -c "</dev/tcp/${address.address}/6379"`,
    ]);
    assert.is.not(closed.code, 0);
  },
);

unlessSkipped('a second run of everything changes nothing', async () => {
  const before = await apps.now();
  succeeded(await host.holdfast(['wait', 'addon/postgresql', 'addon/mysql', 'addon/redis-chat']));
  const { stdout } = succeeded(await host.holdfast(['plan']));
  assert.match(stdout, /0 to create, 0 to change, 0 to delete/);
  assert.equal(
    (await apps.events(before)).filter(({ kind }) => kind === 'Addon' || kind === 'Binding'),
    [],
  );
});

unlessSkipped('a new password takes the place of the old one without loss', async () => {
  const before = await inApp('shop', 'echo $POSTGRESQL_PASSWORD');
  succeeded(await host.holdfast(['rotate', 'binding/shop-postgresql', '--wait']));
  await until('the App has the new password', async () => {
    const now = await inApp('shop', 'echo $POSTGRESQL_PASSWORD').catch(() => before);
    return now !== before && now !== '';
  });
  assert.equal(await words('shop', 'postgresql'), ['first']);
  const old = await host.exec(
    [
      ...['docker', 'exec', 'holdfast-app-shop', 'sh', '-c'],
      `psql -c "SELECT 1" "postgres://$POSTGRESQL_USERNAME:${before}@$POSTGRESQL_HOST/$POSTGRESQL_DATABASE"`,
    ].map((word) =>
      word
        .replace('$POSTGRESQL_USERNAME', 'app_shop')
        .replace('$POSTGRESQL_HOST', 'postgresql')
        .replace('$POSTGRESQL_DATABASE', 'app_shop'),
    ),
  );
  assert.match(old.stderr, /password authentication failed/);
});

unlessSkipped(
  'credentials are in no document, event, plan or log, but where they are asked for',
  async () => {
    const secrets: string[] = [];
    for (const [name, type] of all) {
      const variable = { postgresql: 'POSTGRESQL', mysql: 'MYSQL', redis: 'REDIS' }[type];
      secrets.push(await inApp(name, `echo $${variable}_PASSWORD`));
    }
    for (const addon of ['postgresql', 'mysql', 'redis-chat'])
      secrets.push(await host.sh(`cat /var/lib/holdfast/addons/${addon}/secret/password`));
    for (const secret of secrets) assert.match(secret, /^[0-9a-f]{64}$/);
    const shown = await host.sh(`
    cd /opt/holdfast && for kind in apps addons bindings secrets events platforms; do bin/holdfast get $kind -o yaml; done
    bin/holdfast plan; bin/holdfast export 2>&1; bin/holdfast describe app/shop addon/postgresql binding/shop-postgresql 2>&1 || true
    bin/holdfast history secret/binding-shop-postgresql 2>&1 || true
    find /var/log /run/holdfast -type f -size -20M -exec cat {} + 2>/dev/null || true
    for id in $(docker ps -aq --filter label=dev.holdfast.kind=Addon); do docker logs $id 2>&1; docker inspect $id; done`);
    for (const secret of secrets) assert.not.ok(shown.includes(secret), 'a password is shown');
    const asked = succeeded(
      await host.holdfast(['get', 'secret/binding-shop-postgresql', '-o', 'yaml', '--show-secrets']),
    );
    assert.ok(asked.stdout.includes(secrets[0] ?? ''));
  },
);

unlessSkipped('an Addon that is in use is not deleted, and the Apps are named', async () => {
  const refused = await host.holdfast(['delete', 'addon/postgresql']);
  assert.is.not(refused.code, 0);
  assert.match(refused.stderr, /in use by app\/shop, app\/thief|in use by app\/thief, app\/shop/);
});

unlessSkipped('rows are there after the containers of App and database were removed', async () => {
  await host.sh('docker rm -f $(docker ps -aq --filter label=dev.holdfast.managed=true) >/dev/null');
  await remembered(['first']);
});

unlessSkipped('rows are there after the controller was killed in the middle of a start', async () => {
  await host.sh('docker rm -f holdfast-addon-postgresql holdfast-addon-mysql holdfast-app-shop >/dev/null');
  await host.kill('holdfast/bin/holdfast serve');
  await host.kill('controller/cli/main');
  await up();
  await remembered(['first']);
});

unlessSkipped('rows are there after a reboot', async () => {
  await host.reboot();
  await up();
  await remembered(['first']);
  for (const [name, type] of all) await remember(name, type, 'second');
  await remembered(['first', 'second']);
});

unlessSkipped('the database of a deleted App is kept and comes back with it', async () => {
  succeeded(await host.holdfast(['delete', 'app/shop', '--wait']));
  await until(
    'the Binding is gone',
    async () => (await apps.get('shop-postgresql', 'bindings')) === undefined,
  );
  const kept = await until(
    'the database is kept',
    async () => {
      const { status } = await ready('addons', 'postgresql');
      await host.holdfast(['restart', 'addon/none']);
      const found = (status as { kept?: { app: string }[] }).kept;
      return found?.some(({ app: name }) => name === 'shop') ? found : undefined;
    },
    { seconds: 120 },
  );
  assert.is(kept.length, 1);
  await apps.apply(app('shop', 'postgresql'));
  await ready('bindings', 'shop-postgresql');
  await until('shop runs', async () => (await inApp('shop', 'echo up').catch(() => '')) === 'up');
  assert.equal(await words('shop', 'postgresql'), ['first', 'second']);
});

unlessSkipped('data goes only where a deletion says so', async () => {
  succeeded(await host.holdfast(['delete', 'app/thief', '--delete-data', '--wait']));
  await until(
    'the Binding is gone',
    async () => (await apps.get('thief-postgresql', 'bindings')) === undefined,
  );
  const list = await host.sh(
    'docker exec -e PGPASSWORD=$(cat /var/lib/holdfast/addons/postgresql/secret/password) holdfast-addon-postgresql psql -h 127.0.0.1 -U postgres -Atc "SELECT datname FROM pg_database"',
  );
  assert.match(list, /app_shop/);
  assert.not.match(list, /app_thief/);
});

test.run();
