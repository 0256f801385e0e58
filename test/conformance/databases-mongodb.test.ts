/**
 * The real driver on a real MongoDB. Neither Debian nor npm has a server, so it runs where somebody names an image of one:
 * HOLDFAST_TEST_MONGODB=mongo:7 npm test -- databases-mongodb
 */
import { MongoClient } from 'mongodb';
import { type RealServer, startServer } from './database-parts.ts';
import { type ServerUnderTest, sharedServerSuite } from './databases.suite.ts';

interface Login {
  name: string;
  password: string;
  database: string;
}

function begin(real: RealServer): ServerUnderTest {
  const { server } = real;
  async function as<T>(
    { name: username, password, database }: Login,
    work: (client: MongoClient) => Promise<T>,
    authSource = username,
  ): Promise<T> {
    const client = new MongoClient(`mongodb://${server.address}:${server.port}/${database}`, {
      auth: { username, password },
      authSource,
      directConnection: true,
      serverSelectionTimeoutMS: 5_000,
    });
    try {
      return await work(await client.connect());
    } finally {
      await client.close();
    }
  }
  const asRoot = <T>(work: (client: MongoClient) => Promise<T>) =>
    as({ name: 'root', password: server.password, database: 'admin' }, work, 'admin');
  return {
    databases: real.databases,
    server,
    asApp: {
      enter: (login) =>
        as(login, async (client) => void (await client.db(login.database).listCollections().toArray())),
      remember: (login, word) =>
        as(login, async (client) => {
          const words = client.db(login.database).collection<{ word: string }>('words');
          await words.insertOne({ word });
          return (await words.find().sort({ word: 1 }).toArray()).map((row) => row.word);
        }),
    },
    changePassword: (name, password) =>
      asRoot(async (client) => void (await client.db(name).command({ updateUser: name, pwd: password }))),
    makeForeign: (name) =>
      asRoot(async (client) => void (await client.db(name).collection('theirs').insertOne({ kept: true }))),
    connections: () =>
      asRoot(async (client) => {
        const pipeline = [
          { $currentOp: { allUsers: true, idleConnections: true } },
          { $match: { appName: 'holdfast' } },
        ];
        return (await client.db('admin').aggregate(pipeline).toArray()).length;
      }),
  };
}

const image = process.env['HOLDFAST_TEST_MONGODB'];
if (image === undefined || image === '')
  console.log('SKIP: no MongoDB server can be had here: name an image of one in HOLDFAST_TEST_MONGODB');
else {
  let real: RealServer | undefined;
  sharedServerSuite(
    `MongoDB of ${image}`,
    async () => {
      real = await startServer('mongodb', image);
      return begin(real);
    },
    async () => real?.remove(),
  );
}
