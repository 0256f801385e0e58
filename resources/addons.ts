/**
 * What a package may ask for in manifest.addons: who serves it, by which name the App finds it, and which variables it brings. Pure; used
 * by the checks of App, by the reconcilers of App, Binding and Addon, and by whoever explains them. Names and forms of the variables are
 * those of the older platform, so that its packages run unchanged; each comes a second time with CLOUDRON_ in front.
 */

/** Types with a server that Addons run. */
export const SERVER_TYPES = ['postgresql', 'mysql', 'mongodb', 'redis'] as const;
export type ServerType = (typeof SERVER_TYPES)[number];

export type AddonServing =
  /** A server, which an Addon runs and a Binding gives an account in. */
  | 'server'
  /** The App's own reconciler, with nothing beside it. */
  | 'app'
  /** Nobody yet. */
  | 'later';

export interface AddonFacts {
  serving: AddonServing;
  /** Names of the variables that an App gets, without the twins, in the order of the documentation. */
  variables: readonly string[];
  /** Why an App that needs it does not get it. Only where nobody serves it. */
  missing?: string;
}

const MAIL = 'mail comes with a later version of Holdfast';
const LOGIN = 'single sign-on comes with a later version of Holdfast';

export const ADDONS: Readonly<Record<string, AddonFacts>> = {
  localstorage: { serving: 'app', variables: [] },
  scheduler: { serving: 'app', variables: [] },
  tls: { serving: 'app', variables: [] },
  postgresql: { serving: 'server', variables: databaseVariables('POSTGRESQL') },
  mysql: { serving: 'server', variables: databaseVariables('MYSQL') },
  mongodb: { serving: 'server', variables: databaseVariables('MONGODB') },
  redis: {
    serving: 'server',
    variables: ['REDIS_URL', 'REDIS_PASSWORD', 'REDIS_HOST', 'REDIS_PORT'],
  },
  sendmail: {
    serving: 'later',
    variables: [
      ...['MAIL_SMTP_SERVER', 'MAIL_SMTP_PORT', 'MAIL_SMTP_USERNAME', 'MAIL_SMTP_PASSWORD'],
      ...['MAIL_FROM', 'MAIL_DOMAIN'],
    ],
    missing: MAIL,
  },
  recvmail: {
    serving: 'later',
    variables: [
      ...['MAIL_IMAP_SERVER', 'MAIL_IMAP_PORT', 'MAIL_IMAP_USERNAME', 'MAIL_IMAP_PASSWORD'],
      ...['MAIL_TO', 'MAIL_DOMAIN'],
    ],
    missing: MAIL,
  },
  email: {
    serving: 'later',
    variables: [
      ...['MAIL_SMTP_SERVER', 'MAIL_SMTP_PORT', 'MAIL_IMAP_SERVER', 'MAIL_IMAP_PORT'],
      ...['MAIL_SIEVE_SERVER', 'MAIL_SIEVE_PORT', 'MAIL_DOMAIN'],
    ],
    missing: MAIL,
  },
  ldap: {
    serving: 'later',
    variables: [
      ...['LDAP_SERVER', 'LDAP_PORT', 'LDAP_URL', 'LDAP_USERS_BASE_DN', 'LDAP_GROUPS_BASE_DN'],
      ...['LDAP_BIND_DN', 'LDAP_BIND_PASSWORD'],
    ],
    missing: LOGIN,
  },
  oauth: {
    serving: 'later',
    variables: ['OAUTH_CLIENT_ID', 'OAUTH_CLIENT_SECRET', 'OAUTH_ORIGIN'],
    missing: LOGIN,
  },
  oidc: {
    serving: 'later',
    variables: [
      ...['OIDC_PROVIDER_NAME', 'OIDC_DISCOVERY_URL', 'OIDC_ISSUER', 'OIDC_AUTH_ENDPOINT'],
      ...['OIDC_TOKEN_ENDPOINT', 'OIDC_KEYS_ENDPOINT', 'OIDC_PROFILE_ENDPOINT'],
      ...['OIDC_CLIENT_ID', 'OIDC_CLIENT_SECRET'],
    ],
    missing: LOGIN,
  },
  simpleauth: {
    serving: 'later',
    variables: [
      ...['SIMPLE_AUTH_SERVER', 'SIMPLE_AUTH_PORT', 'SIMPLE_AUTH_URL', 'SIMPLE_AUTH_ORIGIN'],
      'SIMPLE_AUTH_CLIENT_ID',
    ],
    missing: 'the older platform gave it up in 2017; the package needs a newer version',
  },
};

function databaseVariables(prefix: string): string[] {
  return ['URL', 'USERNAME', 'PASSWORD', 'HOST', 'PORT', 'DATABASE'].map((name) => `${prefix}_${name}`);
}

export function isServerType(name: string): name is ServerType {
  return (SERVER_TYPES as readonly string[]).includes(name);
}

export const SERVER_PORT: Readonly<Record<ServerType, number>> = {
  postgresql: 5432,
  mysql: 3306,
  mongodb: 27017,
  redis: 6379,
};

/** By which name the App finds its server. */
export function serverHost(type: ServerType, app: string): string {
  return type === 'redis' ? `redis-${app}` : type;
}

/** What an App knows of its account. */
export interface AccountAccess {
  host: string;
  port: number;
  username: string;
  password: string;
  /** One of the two; redis has neither. */
  database?: string;
  prefix?: string;
}

/** The variables of one server addon, with their twins. */
export function serverVariables(type: ServerType, access: AccountAccess): Record<string, string> {
  return withTwins(type === 'redis' ? redisVariables(access) : databaseValues(type, access));
}

function databaseValues(type: Exclude<ServerType, 'redis'>, access: AccountAccess): Record<string, string> {
  const { host, port, username, password, database, prefix } = access;
  const name = type.toUpperCase();
  const account = {
    [`${name}_USERNAME`]: username,
    [`${name}_PASSWORD`]: password,
    [`${name}_HOST`]: host,
    [`${name}_PORT`]: String(port),
  };
  if (prefix !== undefined) return { ...account, [`${name}_DATABASE_PREFIX`]: prefix };
  const scheme = { postgresql: 'postgres', mysql: 'mysql', mongodb: 'mongodb' }[type];
  const place = type === 'mongodb' ? `${host}:${port}` : host;
  const url = `${scheme}://${username}:${password}@${place}/${database ?? ''}`;
  return { [`${name}_URL`]: url, ...account, [`${name}_DATABASE`]: database ?? '' };
}

function redisVariables({ host, port, username, password }: AccountAccess): Record<string, string> {
  return {
    REDIS_URL: `redis://${username}:${password}@${host}`,
    REDIS_PASSWORD: password,
    REDIS_HOST: host,
    REDIS_PORT: String(port),
  };
}

/** The same variables a second time, with the prefix that newer packages read. */
export function withTwins(variables: Record<string, string>): Record<string, string> {
  const twins = Object.entries(variables).map(([name, value]) => [`CLOUDRON_${name}`, value]);
  return { ...variables, ...Object.fromEntries(twins) };
}
