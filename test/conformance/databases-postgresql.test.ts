/** The real driver on a real PostgreSQL. */
import pg from 'pg';
import { type RealServer, serverImage, startServer } from './database-parts.ts';
import { type ServerUnderTest, sharedServerSuite } from './databases.suite.ts';

async function begin(real: RealServer): Promise<ServerUnderTest> {
  const { server } = real;
  async function as<T>(
    login: { name: string; password: string; database: string },
    work: (client: pg.Client) => Promise<T>,
  ): Promise<T> {
    const { name: user, password, database } = login;
    const client = new pg.Client({ host: server.address, port: server.port, user, password, database });
    client.on('error', () => undefined);
    await client.connect();
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }
  const administrator = { name: 'postgres', password: server.password, database: 'postgres' };
  return {
    databases: real.databases,
    server,
    asApp: {
      enter: (login) => as(login, async (client) => void (await client.query('SELECT 1'))),
      remember: (login, word) =>
        as(login, async (client) => {
          await client.query('CREATE EXTENSION IF NOT EXISTS hstore; CREATE EXTENSION IF NOT EXISTS pg_trgm');
          await client.query('CREATE TABLE IF NOT EXISTS words (word text)');
          await client.query('INSERT INTO words VALUES ($1)', [word]);
          return (await client.query('SELECT word FROM words ORDER BY word')).rows.map((row) => row.word);
        }),
    },
    changePassword: (name, password) =>
      as(
        administrator,
        async (client) => void (await client.query(`ALTER ROLE ${name} PASSWORD '${password}'`)),
      ),
    makeForeign: (name) =>
      as(administrator, async (client) => void (await client.query(`CREATE DATABASE ${name}`))),
    connections: () =>
      as(administrator, async (client) => {
        const sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'holdfast'";
        return Number((await client.query(sql)).rows[0].count);
      }),
  };
}

const image = await serverImage('postgresql:15');
if ('reason' in image) console.log(`SKIP: ${image.reason}`);
else {
  let real: RealServer | undefined;
  sharedServerSuite(
    'PostgreSQL 15',
    async () => {
      real = await startServer('postgresql', image.image);
      return begin(real);
    },
    async () => real?.remove(),
  );
}
