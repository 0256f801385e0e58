/** The real driver on a real MariaDB. */
import mysql from 'mysql2/promise';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RealServer, serverImage, startServer } from './database-parts.ts';
import { refuses, type ServerUnderTest, sharedServerSuite } from './databases.suite.ts';

type Login = { name: string; password: string; database?: string };

async function as<T>(
  real: RealServer,
  login: Login,
  work: (client: mysql.Connection) => Promise<T>,
): Promise<T> {
  const { address: host, port } = real.server;
  const { name: user, password, database } = login;
  const client = await mysql.createConnection({
    host,
    port,
    user,
    password,
    ...(database ? { database } : {}),
  });
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function begin(real: RealServer): ServerUnderTest {
  const { server, databases } = real;
  const administrator = { name: 'root', password: server.password };
  return {
    databases,
    server,
    asApp: {
      enter: (login) => as(real, login, async (client) => void (await client.query('SELECT 1'))),
      remember: (login, word) =>
        as(real, login, async (client) => {
          await client.query('CREATE TABLE IF NOT EXISTS words (word varchar(50))');
          await client.query('INSERT INTO words VALUES (?)', [word]);
          const [rows] = await client.query('SELECT word FROM words ORDER BY word');
          return (rows as { word: string }[]).map((row) => row.word);
        }),
    },
    changePassword: (name, password) =>
      as(real, administrator, async (client) => {
        await client.query('ALTER USER ? IDENTIFIED BY ?', [name, password]);
      }),
    makeForeign: (name) =>
      as(real, administrator, async (client) => void (await client.query('CREATE DATABASE ??', [name]))),
    connections: () =>
      as(real, administrator, async (client) => {
        const [rows] = await client.query(
          "SELECT COUNT(*) AS count FROM information_schema.processlist WHERE user = 'root'",
        );
        // Without the one that asks.
        return Number((rows as { count: number }[])[0]?.count) - 1;
      }),
  };
}

const image = await serverImage('mariadb:10.11');
if ('reason' in image) console.log(`SKIP: ${image.reason}`);
else {
  let real: RealServer | undefined;
  sharedServerSuite(
    'MariaDB 10.11',
    async () => {
      real = await startServer('mysql', image.image);
      return begin(real);
    },
    async () => undefined,
  );

  const test = suite('databases driver: many databases of one App');
  test.after(async () => real?.remove());

  test('an App makes databases under its prefix, and none elsewhere', async () => {
    if (!real) throw new Error('no server');
    const { databases, server } = real;
    const account = {
      name: 'dbs_0123_',
      app: 'wiki',
      password: 'pw',
      many: true,
      now: '2026-01-01T00:00:00.000Z',
    };
    await databases.provision(server, account);
    await databases.provision(server, account);
    await as(real, { name: 'dbs_0123_', password: 'pw' }, async (client) => {
      await client.query('CREATE DATABASE dbs_0123_one');
      await client.query('CREATE TABLE dbs_0123_one.t (a int)');
      await refuses(client.query('CREATE DATABASE dbs_0123x'));
      await refuses(client.query('CREATE DATABASE dbsx0123_two'));
    });
    const [found] = (await databases.accounts(server)).filter(({ app }) => app === 'wiki');
    assert.is(found?.state, 'bound');
    assert.ok(found?.credential);
    await databases.drop(server, 'dbs_0123_');
    assert.not((await databases.databases(server)).includes('dbs_0123_one'));
  });

  test.run();
}
