/** The databases driver in memory, held to what the real ones promise. */
import { createFakeDatabases } from '../../reconcilers/drivers/database/fake.ts';
import type { DatabaseServer } from '../../reconcilers/drivers/database/index.ts';
import { sharedServerSuite } from './databases.suite.ts';

const server: DatabaseServer = {
  type: 'postgresql',
  name: 'addon/postgresql',
  address: '10.213.0.9',
  port: 5432,
  password: 'administrator',
};

sharedServerSuite(
  'fake',
  async () => {
    const databases = createFakeDatabases({
      locate: ({ port }) => (port === server.port ? { data: '/data', version: '15.8' } : undefined),
    });
    await databases.version(server);
    return {
      databases,
      server,
      asApp: {
        enter: async (login) => void databases.enter(server, login),
        async remember(login, word) {
          const words = databases.enter(server, login);
          words.push(word);
          return [...words].sort();
        },
      },
      async changePassword(name, password) {
        const account = databases.data.get('/data')?.accounts.get(name);
        if (account) account.password = password;
      },
      async makeForeign(name) {
        databases.data.get('/data')?.databases.set(name, []);
      },
      connections: async () => 1,
    };
  },
  async () => undefined,
);
