import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  atLeast,
  givenUp,
  listensOn,
  refusedIn,
  takenIn,
  versionIn,
} from '../../reconcilers/drivers/nginx/words.ts';
import { builtinDomain, fqdn, hostProblems } from '../../resources/domain.ts';

const FOLDER = '/state/nginx/generations/000008';
const FILES = new Map([
  ['nginx.conf', 'include sites/*.conf;'],
  ['sites/wiki.conf', 'ssl_certificate "/state/nginx/certificates/wiki.pem";'],
]);

const refusals: { name: string; output: string; file?: string; line?: number; message: string }[] = [
  {
    name: 'an unknown directive',
    output: `nginx: [emerg] unknown directive "nonsense" in ${FOLDER}/sites/wiki.conf:3\nnginx: configuration file ${FOLDER}/nginx.conf test failed\n`,
    file: 'sites/wiki.conf',
    line: 3,
    message: 'unknown directive "nonsense" in sites/wiki.conf:3',
  },
  {
    name: 'a warning before it',
    output: `nginx: [warn] conflicting server name "a" on 0.0.0.0:80, ignored\nnginx: [emerg] host not found in upstream "x" in ${FOLDER}/sites/wiki.conf:9\n`,
    file: 'sites/wiki.conf',
    line: 9,
    message: 'host not found in upstream "x" in sites/wiki.conf:9',
  },
  {
    name: 'a certificate, of which nginx tells only the path',
    output:
      'nginx: [emerg] cannot load certificate "/state/nginx/certificates/wiki.pem": BIO_new_file() failed\n',
    file: 'sites/wiki.conf',
    message: 'cannot load certificate "/state/nginx/certificates/wiki.pem": BIO_new_file() failed',
  },
  {
    name: 'an address that the machine has not',
    output: 'nginx: [emerg] bind() to 10.9.9.9:80 failed (99: Cannot assign requested address)\n',
    message: 'bind() to 10.9.9.9:80 failed (99: Cannot assign requested address)',
  },
  {
    name: 'a file that is not of the set',
    output: 'nginx: [emerg] unexpected "}" in /etc/nginx/mime.types:4\n',
    message: 'unexpected "}" in /etc/nginx/mime.types:4',
  },
  { name: 'nothing', output: '', message: 'nginx said nothing' },
];

for (const row of refusals) {
  test(`what nginx -t says is understood: ${row.name}`, () => {
    const { name: _name, output, ...expected } = row;
    assert.equal(refusedIn(output, FOLDER, FILES), expected);
  });
}

const bindings: [string, { address: string; port: number } | undefined][] = [
  [
    'nginx: [emerg] bind() to 127.0.0.1:443 failed (98: Address already in use)',
    { address: '127.0.0.1', port: 443 },
  ],
  ['nginx: [emerg] bind() to [::1]:443 failed (98: Address already in use)', { address: '::1', port: 443 }],
  ['nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)', undefined],
];

for (const [output, expected] of bindings) {
  test(`a taken port is read from: ${output}`, () => assert.equal(takenIn(output), expected));
}

test('a reload counts as failed only when nginx has stopped trying', () => {
  const bind = '2026/01/01 00:00:00 [emerg] 9#9: bind() to 127.0.0.1:80 failed (98: Address already in use)';
  assert.is(givenUp([]), false);
  assert.is(givenUp([bind, bind]), false);
  assert.is(givenUp([bind, '2026/01/01 00:00:02 [emerg] 9#9: still could not bind()']), true);
  assert.is(
    givenUp(['2026/01/01 00:00:00 [emerg] 9#9: open() "/x" failed (2: No such file or directory)']),
    true,
  );
});

test('versions are read and compared by number', () => {
  assert.is(versionIn('nginx version: nginx/1.22.1 (Ubuntu)\n'), '1.22.1');
  assert.is(versionIn('hello'), undefined);
  assert.is(atLeast('1.25.1', '1.25.1'), true);
  assert.is(atLeast('1.9.15', '1.19.4'), false);
  assert.is(atLeast('1.100.0', '1.25.1'), true);
});

test('the ports that a set listens on are found whatever the address', () => {
  const files = new Map([['a', '  listen 127.0.0.1:8443 ssl;\n  listen [::1]:80;\n']]);
  assert.equal(
    [8443, 80, 443].map((port) => listensOn(files, port)),
    [true, true, false],
  );
});

const hosts: [host: string, good: boolean][] = [
  ['wiki.localhost', true],
  ['localhost', true],
  ['xn--mnchen-3ya.de', true],
  ['', false],
  ['Wiki.localhost', false],
  ['a..b', false],
  ['-a.b', false],
  ['a b', false],
  ['a;b', false],
  ['192.0.2.1', false],
  [`${'a'.repeat(64)}.b`, false],
  [`${'a.'.repeat(127)}ab`, false],
];

for (const [host, good] of hosts) {
  test(`"${host.slice(0, 30)}" is ${good ? 'a' : 'no'} host name`, () => {
    assert.is(hostProblems(host).length === 0, good, hostProblems(host).join(' '));
  });
}

test('a location and a domain make a host name', () => {
  assert.is(fqdn('wiki', 'localhost'), 'wiki.localhost');
  assert.is(fqdn('', 'example.com'), 'example.com');
  assert.is(builtinDomain('localhost')?.certificate, 'internal');
  assert.is(builtinDomain('example.com'), undefined);
});

test.run();
