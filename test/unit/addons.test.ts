/** Variables of addons against the list of the older platform, and the names of accounts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ADDONS,
  SERVER_PORT,
  SERVER_TYPES,
  type ServerType,
  serverHost,
  serverVariables,
} from '../../resources/addons.ts';
import { bindingName, bindingSecretName } from '../../resources/binding.ts';
import { accountName, boundedName } from '../../resources/names.ts';
import { loadSchema } from '../../resources/schemas.ts';

/** As its packaging documentation has them. */
const OF_THE_REFERENCE: Record<string, string> = {
  localstorage: '',
  scheduler: '',
  tls: '',
  mysql: 'MYSQL_URL MYSQL_USERNAME MYSQL_PASSWORD MYSQL_HOST MYSQL_PORT MYSQL_DATABASE',
  postgresql:
    'POSTGRESQL_URL POSTGRESQL_USERNAME POSTGRESQL_PASSWORD POSTGRESQL_HOST POSTGRESQL_PORT POSTGRESQL_DATABASE',
  mongodb: 'MONGODB_URL MONGODB_USERNAME MONGODB_PASSWORD MONGODB_HOST MONGODB_PORT MONGODB_DATABASE',
  redis: 'REDIS_URL REDIS_PASSWORD REDIS_HOST REDIS_PORT',
  sendmail: 'MAIL_SMTP_SERVER MAIL_SMTP_PORT MAIL_SMTP_USERNAME MAIL_SMTP_PASSWORD MAIL_FROM MAIL_DOMAIN',
  recvmail: 'MAIL_IMAP_SERVER MAIL_IMAP_PORT MAIL_IMAP_USERNAME MAIL_IMAP_PASSWORD MAIL_TO MAIL_DOMAIN',
  email:
    'MAIL_SMTP_SERVER MAIL_SMTP_PORT MAIL_IMAP_SERVER MAIL_IMAP_PORT MAIL_SIEVE_SERVER MAIL_SIEVE_PORT MAIL_DOMAIN',
  ldap: 'LDAP_SERVER LDAP_PORT LDAP_URL LDAP_USERS_BASE_DN LDAP_GROUPS_BASE_DN LDAP_BIND_DN LDAP_BIND_PASSWORD',
  oauth: 'OAUTH_CLIENT_ID OAUTH_CLIENT_SECRET OAUTH_ORIGIN',
  oidc: 'OIDC_PROVIDER_NAME OIDC_DISCOVERY_URL OIDC_ISSUER OIDC_AUTH_ENDPOINT OIDC_TOKEN_ENDPOINT OIDC_KEYS_ENDPOINT OIDC_PROFILE_ENDPOINT OIDC_CLIENT_ID OIDC_CLIENT_SECRET',
  simpleauth: 'SIMPLE_AUTH_SERVER SIMPLE_AUTH_PORT SIMPLE_AUTH_URL SIMPLE_AUTH_ORIGIN SIMPLE_AUTH_CLIENT_ID',
};

test('the variables of each addon are those of the reference', () => {
  for (const [name, list] of Object.entries(OF_THE_REFERENCE)) {
    assert.equal([...(ADDONS[name]?.variables ?? [])].sort(), list.split(' ').filter(Boolean).sort(), name);
  }
});

test('every addon that a manifest may have is known, and no other', () => {
  const spec = loadSchema('app.v1.json').properties?.['spec']?.properties;
  const inManifest = spec?.['manifest']?.properties?.['addons']?.properties ?? {};
  assert.equal(Object.keys(ADDONS).sort(), Object.keys(inManifest).sort());
  assert.equal(Object.keys(spec?.['addons']?.properties ?? {}).sort(), [...SERVER_TYPES, 'tls'].sort());
});

const ACCESS = { username: 'app_wiki', password: 'pw', database: 'app_wiki' };

const values: [ServerType, Record<string, string>][] = [
  [
    'postgresql',
    {
      POSTGRESQL_URL: 'postgres://app_wiki:pw@postgresql/app_wiki',
      POSTGRESQL_USERNAME: 'app_wiki',
      POSTGRESQL_PASSWORD: 'pw',
      POSTGRESQL_HOST: 'postgresql',
      POSTGRESQL_PORT: '5432',
      POSTGRESQL_DATABASE: 'app_wiki',
    },
  ],
  [
    'mysql',
    {
      MYSQL_URL: 'mysql://app_wiki:pw@mysql/app_wiki',
      MYSQL_USERNAME: 'app_wiki',
      MYSQL_PASSWORD: 'pw',
      MYSQL_HOST: 'mysql',
      MYSQL_PORT: '3306',
      MYSQL_DATABASE: 'app_wiki',
    },
  ],
  [
    'mongodb',
    {
      MONGODB_URL: 'mongodb://app_wiki:pw@mongodb:27017/app_wiki',
      MONGODB_USERNAME: 'app_wiki',
      MONGODB_PASSWORD: 'pw',
      MONGODB_HOST: 'mongodb',
      MONGODB_PORT: '27017',
      MONGODB_DATABASE: 'app_wiki',
    },
  ],
  [
    'redis',
    {
      REDIS_URL: 'redis://app_wiki:pw@redis-wiki',
      REDIS_PASSWORD: 'pw',
      REDIS_HOST: 'redis-wiki',
      REDIS_PORT: '6379',
    },
  ],
];

for (const [type, expected] of values) {
  test(`${type} gives exactly its variables, each with a twin`, () => {
    const port = SERVER_PORT[type];
    const found = serverVariables(type, { ...ACCESS, host: serverHost(type, 'wiki'), port });
    const twins = Object.entries(expected).map(([name, value]) => [`CLOUDRON_${name}`, value]);
    assert.equal(found, { ...expected, ...Object.fromEntries(twins) });
    assert.equal(Object.keys(expected).sort(), [...(ADDONS[type]?.variables ?? [])].sort());
  });
}

test('mysql with many databases gives a prefix, and neither URL nor database', () => {
  const { password, username } = ACCESS;
  const found = serverVariables('mysql', {
    username,
    password,
    host: 'mysql',
    port: 3306,
    prefix: 'app_wiki_',
  });
  const names = Object.keys(found).filter((name) => !name.startsWith('CLOUDRON_'));
  assert.equal(names.sort(), [
    'MYSQL_DATABASE_PREFIX',
    'MYSQL_HOST',
    'MYSQL_PASSWORD',
    'MYSQL_PORT',
    'MYSQL_USERNAME',
  ]);
});

const LONG = 'a'.repeat(60);

test('account names are safe everywhere, short, and differ where Apps do', () => {
  const apps = ['wiki', 'my-wiki', 'my--wiki', '0', LONG, `${LONG}b`, 'x'.repeat(28), 'x'.repeat(29)];
  const names = apps.map(accountName);
  for (const name of names) assert.match(name, /^[a-z][a-z0-9_]{0,31}$/);
  assert.is(new Set(names).size, apps.length);
  assert.is(accountName('my-wiki'), 'app_my_wiki');
});

test('no App can be named so that it gets the account of one with a long name', () => {
  const cut = accountName(LONG);
  assert.match(cut, /^app__/);
  // What would have to be the name of that App begins with a dash.
  assert.is(cut.slice('app_'.length).replaceAll('_', '-').startsWith('-'), true);
});

test('names made from names fit into a DNS label', () => {
  assert.is(bindingName('wiki', 'postgresql'), 'wiki-postgresql');
  assert.is(bindingSecretName('wiki-postgresql'), 'binding-wiki-postgresql');
  for (const app of [LONG, `${LONG}b`]) {
    assert.match(bindingSecretName(bindingName(app, 'postgresql')), /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])$/);
  }
  assert.is.not(boundedName(`${LONG}-postgresql`), boundedName(`${LONG}b-postgresql`));
});

test.run();
