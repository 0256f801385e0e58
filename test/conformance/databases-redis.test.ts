/** The real driver on a real Redis, which belongs to one App. */
import { Redis } from 'ioredis';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { credentialDigest } from '../../resources/credential.ts';
import { telling } from '../support/before.ts';
import { type RealServer, serverImage, startServer } from './database-parts.ts';
import { refuses } from './databases.suite.ts';

const test = suite('databases driver: Redis');
let real: RealServer;

async function as<T>(
  login: { username?: string; password?: string },
  work: (client: Redis) => Promise<T>,
): Promise<T> {
  const { address: host, port } = real.server;
  const client = new Redis({ host, port, ...login, lazyConnect: true, retryStrategy: () => null });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return await work(client);
  } finally {
    client.disconnect();
  }
}

const account = (password: string) => ({ name: 'redisuser', app: 'wiki', password, many: false, now: '' });

test('nobody comes in before there is an account', async () => {
  assert.match(await real.databases.version(real.server), /^\d+\.\d+/);
  assert.equal(await real.databases.accounts(real.server), []);
  await refuses(as({}, (client) => client.get('a')));
});

test('the App comes in by its password alone, and by its user', async () => {
  await real.databases.provision(real.server, account('pw'));
  await real.databases.provision(real.server, account('pw'));
  await as({ password: 'pw' }, (client) => client.set('a', '1'));
  assert.is(await as({ username: 'redisuser', password: 'pw' }, (client) => client.get('a')), '1');
  const [found] = await real.databases.accounts(real.server);
  assert.is(found?.credential, credentialDigest('pw'));
});

test('it has all rights on keys and none on the server', async () => {
  await as({ password: 'pw' }, async (client) => {
    await client.call('INFO');
    await client.call('KEYS', '*');
    await client.call('CONFIG', 'GET', 'maxmemory');
    for (const command of [
      ['CONFIG', 'SET', 'dir', '/tmp'],
      ['ACL', 'LIST'],
      ['SHUTDOWN'],
      ['REPLICAOF', 'a', '1'],
    ])
      assert.match((await refuses(client.call(...(command as [string, ...string[]])))).message, /NOPERM/);
  });
});

test('a new password closes the old one, and what was changed behind its back is seen', async () => {
  await real.databases.provision(real.server, account('new'));
  await refuses(as({ password: 'pw' }, (client) => client.get('a')));
  assert.is(await as({ password: 'new' }, (client) => client.get('a')), '1');
  const { password } = real.server;
  await as({ username: 'holdfast', password }, (client) => client.call('ACL', 'SETUSER', 'default', '>more'));
  await real.databases.disconnect(real.server);
  assert.equal(await real.databases.accounts(real.server), []);
  await real.databases.provision(real.server, account('new'));
  assert.is((await real.databases.accounts(real.server)).length, 1);
});

test('a kept account lets nobody in, and its data is there when it comes back', async () => {
  await real.databases.keep(real.server, { name: 'redisuser', now: '' });
  await refuses(as({ password: 'new' }, (client) => client.get('a')));
  await real.databases.provision(real.server, account('back'));
  assert.is(await as({ password: 'back' }, (client) => client.get('a')), '1');
});

test('the administrator with a wrong password is refused, and a server that is away is told from that', async () => {
  await refuses(real.databases.version({ ...real.server, password: 'wrong' }), 'denied');
  await refuses(real.databases.version({ ...real.server, port: 1 }), 'unavailable');
});

const image = await serverImage('redis:7');
if ('reason' in image) console.log(`SKIP: ${image.reason}`);
else {
  test.before(
    telling(async () => {
      real = await startServer('redis', image.image);
    }),
  );
  test.after(() => real?.remove());
  test.run();
}
