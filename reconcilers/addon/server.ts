/**
 * How the server of each type is started: what it is told by environment and command, where its data is, and which of its settings follow
 * from its memory. Pure. Official images and those built on the machine are told the same.
 */
import type { ServerType } from '../../resources/addons.ts';
import type { AddonSpec } from '../../resources/generated.ts';
import { parseMemory } from '../../resources/memory.ts';

/** Where the container finds the administrator's password and, of redis, the file of users. */
export const SECRET_PATH = '/etc/holdfast';
export const PASSWORD_FILE = 'password';
export const USERS_FILE = 'users.acl';

const MEBIBYTE = 2 ** 20;

/** With swap; memory alone is half of it. */
const DEFAULT_MEMORY: Readonly<Record<ServerType, number>> = {
  postgresql: 512 * MEBIBYTE,
  mysql: 512 * MEBIBYTE,
  mongodb: 400 * MEBIBYTE,
  redis: 150 * MEBIBYTE,
};

/** Where the data is if the image does not say. */
const DATA_PATH: Readonly<Record<ServerType, string>> = {
  postgresql: '/var/lib/postgresql/data',
  mysql: '/var/lib/mysql',
  mongodb: '/data/db',
  redis: '/data',
};

/** Seconds to write everything out at the end. */
export const SERVER_STOP_SECONDS = 60;

/** Bytes with swap; undefined: no limit. */
export function serverMemory({ type, memory = 0 }: AddonSpec): number | undefined {
  const bytes = parseMemory(memory) ?? 0;
  if (bytes < 0) return undefined;
  return bytes === 0 ? DEFAULT_MEMORY[type] : bytes;
}

/** Of the volumes that the image declares, the one that is its data. */
export function dataPath(type: ServerType, volumes: readonly string[]): string {
  const usual = DATA_PATH[type];
  if (volumes.includes(usual)) return usual;
  // Newer images declare the folder above.
  return volumes.find((path) => usual.startsWith(`${path}/`)) ?? volumes[0] ?? usual;
}

/**
 * Which versions read each other's data: PostgreSQL within a major version, MySQL, MariaDB and MongoDB within a series. Redis reads
 * what any older one wrote. Empty: all of them.
 */
export function seriesOf(type: ServerType, version: string): string {
  const parts = version.split('.');
  if (type === 'redis') return '';
  return type === 'postgresql' ? (parts[0] ?? '') : parts.slice(0, 2).join('.');
}

export function serverEnv(type: ServerType): Record<string, string> {
  const file = `${SECRET_PATH}/${PASSWORD_FILE}`;
  switch (type) {
    case 'postgresql':
      return { POSTGRES_PASSWORD_FILE: file };
    case 'mysql':
      return { MYSQL_ROOT_PASSWORD_FILE: file };
    case 'mongodb':
      return { MONGO_INITDB_ROOT_USERNAME: 'root', MONGO_INITDB_ROOT_PASSWORD_FILE: file };
    case 'redis':
      return {};
  }
}

/** Arguments of the server: those that follow from its memory, then those that people set. */
export function serverCommand(spec: AddonSpec): string[] {
  const memoryWithSwap = serverMemory(spec);
  const settings = {
    ...(memoryWithSwap === undefined ? {} : memorySettings(spec.type, Math.floor(memoryWithSwap / 2))),
    ...spec.settings,
  };
  const entries = Object.entries(settings);
  switch (spec.type) {
    case 'postgresql':
      return ['postgres', ...entries.flatMap(([name, value]) => ['-c', `${name}=${onOff(value)}`])];
    case 'mysql':
      // Without the program's name, which differs between MySQL and MariaDB: the image knows it.
      return entries.map(([name, value]) => `--${name.replaceAll('_', '-')}=${onOff(value)}`);
    case 'mongodb':
      return ['mongod', ...entries.flatMap(([name, value]) => [`--${name}`, String(value)])];
    case 'redis':
      return [
        ...['redis-server', '--aclfile', `${SECRET_PATH}/${USERS_FILE}`],
        ...['--dir', DATA_PATH.redis, '--appendonly', 'yes'],
        ...entries.flatMap(([name, value]) => [
          `--${name}`,
          typeof value === 'boolean' ? (value ? 'yes' : 'no') : String(value),
        ]),
      ];
  }
}

function onOff(value: string | number | boolean): string {
  return typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
}

/** Shares of the memory alone; what connections need beside is left. */
function memorySettings(type: ServerType, memory: number): Record<string, string | number> {
  const share = (part: number, least: number) => Math.max(least, Math.floor((memory * part) / MEBIBYTE));
  switch (type) {
    case 'postgresql':
      return {
        shared_buffers: `${share(1 / 4, 8)}MB`,
        effective_cache_size: `${share(3 / 4, 16)}MB`,
        maintenance_work_mem: `${share(1 / 16, 4)}MB`,
      };
    case 'mysql':
      return { 'innodb-buffer-pool-size': `${share(3 / 8, 8)}M` };
    case 'mongodb':
      return { wiredTigerCacheSizeGB: Math.max(0.25, Math.round((memory / 2 ** 30) * 50) / 100) };
    case 'redis':
      return { maxmemory: `${share(3 / 4, 4)}mb`, 'maxmemory-policy': 'noeviction' };
  }
}
