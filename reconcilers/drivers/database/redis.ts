/**
 * Redis 6 and newer, and Valkey. A server belongs to one App, so that there is one account: the server's default user and `redisuser`, with
 * the same password and all rights on keys but none on the server. What is set here is in the running server; the file of users, from
 * which it is there again after a start, is the Addon's.
 */
import { Redis } from 'ioredis';
import { digestOfHash } from '../../../resources/credential.ts';
import {
  REDIS_ADMINISTRATOR,
  REDIS_APP_USERS,
  REDIS_USER,
  redisAppRules,
} from '../../../resources/redis-users.ts';
import { DriverError } from '../error.ts';
import type { DatabaseEngine } from './engine.ts';
import type { Account, AccountSpec, DatabaseServer } from './index.ts';
import { CONNECT_MILLISECONDS, QUERY_MILLISECONDS } from './limits.ts';

export function connectRedis(server: DatabaseServer): DatabaseEngine {
  const client = new Redis({
    host: server.address,
    port: server.port,
    username: REDIS_ADMINISTRATOR,
    password: server.password,
    lazyConnect: true,
    connectTimeout: CONNECT_MILLISECONDS,
    commandTimeout: QUERY_MILLISECONDS,
    connectionName: 'holdfast',
    // Who asks is told that it is away, and asks again.
    retryStrategy: () => null,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
  });
  // Why it does not connect is only told here.
  let lastError: Error | undefined;
  client.on('error', (error: Error) => {
    lastError = error;
  });

  async function call(...command: [string, ...string[]]): Promise<unknown> {
    if (client.status === 'wait' || client.status === 'end' || client.status === 'close') {
      lastError = undefined;
      await client.connect().catch((error: unknown) => {
        throw lastError ?? error;
      });
    }
    return client.call(...command);
  }

  /** Hash of the password of the account, where both of its users are as they were made. */
  async function hashOfAccount(): Promise<string | undefined> {
    const lines = ((await call('ACL', 'LIST')) as string[]).map((line) => line.split(' '));
    const hashes = REDIS_APP_USERS.map((name) => {
      const words = lines.find(([, user]) => user === name) ?? [];
      const passwords = words.filter((word) => word.startsWith('#'));
      const isLimited = words.includes('-@admin') && words.includes('~*');
      const isOpen = words.includes('nopass') || !words.includes('on');
      return isOpen || !isLimited || passwords.length !== 1 ? undefined : passwords[0]?.slice(1);
    });
    return hashes.every((hash) => hash === hashes[0]) ? hashes[0] : undefined;
  }

  const set = async (password: string | undefined) => {
    for (const name of REDIS_APP_USERS) await call('ACL', 'SETUSER', name, ...redisAppRules(password));
  };

  const none = (what: string) => async (): Promise<never> => {
    throw new DriverError('invalid', `${server.name}: ${what} is not done for redis`);
  };

  return {
    async version() {
      const info = String(await call('INFO', 'server'));
      const found = /^valkey_version:(\S+)/m.exec(info) ?? /^redis_version:(\S+)/m.exec(info);
      return found?.[1] ?? '';
    },
    async accounts() {
      const hash = await hashOfAccount();
      if (hash === undefined) return [];
      const account: Account = {
        name: REDIS_USER,
        app: '',
        state: 'bound',
        since: '',
        credential: digestOfHash(hash),
      };
      return [account];
    },
    databases: async () => [],
    contents: none('a comparison'),
    provision: ({ password }: AccountSpec) => set(password),
    async keep() {
      await set(undefined);
      for (const name of REDIS_APP_USERS) await call('CLIENT', 'KILL', 'USER', name);
    },
    async drop() {
      await this.keep({ name: REDIS_USER, now: '' });
      await call('FLUSHALL');
    },
    exportAccounts: async () => [],
    exportSettings: async () => [],
    run: async () => undefined,
    dump: none('a dump'),
    restore: none('a restore'),
    async close() {
      client.disconnect();
    },
  };
}
