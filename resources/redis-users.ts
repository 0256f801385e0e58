/**
 * Who may do what in an App's own redis: the same words in the file that the server reads when it starts and in the commands by which a
 * running one is set. Pure. Packages log in with a password alone, which is the user `default`, or as `redisuser`.
 */
import { createHash } from 'node:crypto';

export const REDIS_ADMINISTRATOR = 'holdfast';
export const REDIS_USER = 'redisuser';
export const REDIS_APP_USERS = ['default', REDIS_USER] as const;

/** Everything with keys; of what belongs to the server only what clients ask when they connect. */
const APP_RIGHTS = ['~*', '&*', '+@all', '-@admin', '+config|get', '+client|list'];
const ADMINISTRATOR_RIGHTS = ['~*', '&*', '+@all'];

export function redisHash(password: string): string {
  return createHash('sha256').update(password).digest('hex');
}

/** Words of ACL SETUSER after the name. */
export function redisAppRules(password: string | undefined): string[] {
  if (password === undefined) return ['reset', 'off'];
  return ['reset', 'on', `#${redisHash(password)}`, ...APP_RIGHTS];
}

/** The file of users that the server reads. `app` is missing until there is an account. */
export function redisUsersFile(administrator: string, app: string | undefined): string {
  const rules = redisAppRules(app).filter((word) => word !== 'reset');
  const lines = [
    ['user', REDIS_ADMINISTRATOR, 'on', `#${redisHash(administrator)}`, ...ADMINISTRATOR_RIGHTS],
    ...REDIS_APP_USERS.map((name) => ['user', name, ...rules]),
  ];
  return `${lines.map((words) => words.join(' ')).join('\n')}\n`;
}
