import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { PATTERN_WORDS } from '../../resources/patterns.ts';
import { kindOf, kinds, nearestKind, unknownKindMessage } from '../../resources/registry.ts';
import { validate } from '../../resources/validation.ts';

const PLAIN = { image: 'nginx:1.27', port: 80 };

function app(spec: unknown, metadata: unknown = { name: 'wiki' }): unknown {
  return { apiVersion: 'holdfast.dev/v1', kind: 'App', metadata, spec };
}

function secret(spec: unknown): unknown {
  return { apiVersion: 'holdfast.dev/v1', kind: 'Secret', metadata: { name: 'keys' }, spec };
}

function platform(spec: unknown, name = 'platform'): unknown {
  return { apiVersion: 'holdfast.dev/v1', kind: 'Platform', metadata: { name }, spec };
}

function domain(name: string, spec: unknown): unknown {
  return { apiVersion: 'holdfast.dev/v1', kind: 'Domain', metadata: { name }, spec };
}

const MANUAL = { provider: 'manual' };

const PACKAGE = { dockerImage: 'example/wiki:1', httpPort: 8000 };

const valid: [string, unknown][] = [
  ['a plain image', app(PLAIN)],
  ['a package', app({ manifest: PACKAGE })],
  ['a digest', app({ ...PLAIN, image: `ghcr.io/a/b@sha256:${'0'.repeat(64)}` })],
  ['an image id', app({ ...PLAIN, image: `sha256:${'0'.repeat(64)}` })],
  ['a registry with a port', app({ ...PLAIN, image: '127.0.0.1:5000/a/b:1.0-RC1' })],
  ['a registry named without a dot', app({ ...PLAIN, image: 'registry:5000/a' })],
  ['the naked domain', app({ ...PLAIN, location: '', domain: 'example.com' })],
  [
    'variables from a Secret',
    app({ ...PLAIN, env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }),
  ],
  ['memory without a limit', app({ ...PLAIN, memory: -1 })],
  ['memory as the manifest says', app({ manifest: PACKAGE, memory: 0 })],
  ['what the store adds', app(PLAIN, { name: 'wiki', uid: 'u', generation: 2, resourceVersion: '7' })],
  ['hidden values of a Secret', secret({ data: { a: '(hidden)' }, stringData: { b: '(hidden)' } })],
  [
    'a Platform without a spec',
    { apiVersion: 'holdfast.dev/v1', kind: 'Platform', metadata: { name: 'platform' } },
  ],
  ['a domain', domain('example.com', MANUAL)],
  ['a domain under a suffix of two parts', domain('example.co.uk', MANUAL)],
  ['a domain of an ending that nobody sells', domain('home.internal', MANUAL)],
  ['a domain under a private suffix', domain('me.github.io', MANUAL)],
  ['a subdomain in the zone above it', domain('apps.example.com', { ...MANUAL, zone: 'example.com' })],
  [
    'a domain with credentials',
    domain('example.com', { provider: 'route53', credentials: { secret: 'aws' } }),
  ],
  ['subnets', platform({ network: { pool: ['10.86.0.0/16', '172.31.0.0/20'] } })],
];

for (const [name, manifest] of valid) {
  test(`${name} is valid`, () => assert.equal(validate(manifest), []));
}

const invalid: [name: string, manifest: unknown, pointer: string, message: RegExp, suggestion?: string][] = [
  ['a public suffix as a domain', domain('co.uk', MANUAL), '/metadata/name', /such as example\.co\.uk/],
  ['a private suffix as a domain', domain('github.io', MANUAL), '/metadata/name', /nobody's own/],
  ['a top level as a domain', domain('com', MANUAL), '/metadata/name', /can be registered/],
  ['the built-in domain', domain('localhost', MANUAL), '/metadata/name', /built in/],
  ['an address as a domain', domain('192.0.2.1', MANUAL), '/metadata/name', /IP address/],
  ['a domain in capitals', domain('Example.com', MANUAL), '/metadata/name', /must be a host name/],
  [
    'a zone that does not cover the domain',
    domain('example.com', { ...MANUAL, zone: 'example.org' }),
    '/spec/zone',
    /must be example\.com or a domain above it/,
  ],
  [
    'a zone that is a public suffix',
    domain('example.co.uk', { ...MANUAL, zone: 'co.uk' }),
    '/spec/zone',
    /can be registered/,
  ],
  [
    'a provider without its credentials',
    domain('example.com', { provider: 'cloudflare' }),
    '/spec/credentials',
    /is required for cloudflare/,
  ],
  [
    'credentials where there are none',
    domain('example.com', { ...MANUAL, credentials: { secret: 'x' } }),
    '/spec/credentials',
    /does not belong to manual/,
  ],
  [
    'a misspelt provider',
    domain('example.com', { provider: 'cloudfare', credentials: { secret: 'x' } }),
    '/spec/provider',
    /must be/,
    'cloudflare',
  ],
  [
    'a custom certificate that is not named',
    domain('example.com', { ...MANUAL, tls: { issuer: 'custom' } }),
    '/spec/tls/certificate',
    /is required with issuer custom/,
  ],
  [
    'a wildcard over port 80',
    domain('example.com', { ...MANUAL, tls: { wildcard: true, acme: { challenge: 'http-01' } } }),
    '/spec/tls/acme/challenge',
    /must be dns-01/,
  ],
  ['text instead of a document', 'x', '', /must be an object with apiVersion/],
  [
    'another API version',
    { apiVersion: 'v1', kind: 'App' },
    '/apiVersion',
    /must be holdfast.dev\/v1, found "v1"/,
  ],
  [
    'a misspelt kind',
    { apiVersion: 'holdfast.dev/v1', kind: 'Apps' },
    '/kind',
    /must be one of Platform, App/,
    'App',
  ],
  ['a missing kind', { apiVersion: 'holdfast.dev/v1' }, '/kind', /is required/],
  ['a misspelt field', app({ ...PLAIN, imge: 'x' }), '/spec/imge', /unknown field/, 'image'],
  ['a field of a package', app({ ...PLAIN, memoryLimit: 1 }), '/spec/memoryLimit', /unknown field/, 'memory'],
  ['an unknown field without a near one', app({ ...PLAIN, zzzzzz: 1 }), '/spec/zzzzzz', /^unknown field$/],
  ['neither package nor image', app({}), '/spec', /must have either manifest .*, or image and port/],
  ['an image without its port', app({ image: 'x' }), '/spec/port', /is required beside image/],
  [
    'an image beside a package',
    app({ manifest: PACKAGE, image: 'x' }),
    '/spec/image',
    /cannot stand beside manifest/,
  ],
  [
    'a package without an image',
    app({ manifest: { httpPort: 1 } }),
    '/spec/manifest/dockerImage',
    /is required: image to run$/,
  ],
  ['text for a number', app({ ...PLAIN, port: '80' }), '/spec/port', /must be a whole number, found "80"/],
  ['a number out of range', app({ ...PLAIN, port: 0 }), '/spec/port', /must be from 1 to 65535, found 0/],
  [
    'a number for text',
    app({ ...PLAIN, env: { A: 8080 } }),
    '/spec/env/A',
    /must be text, found the number 8080/,
    '"8080"',
  ],
  ['true for text', app({ ...PLAIN, env: { A: true } }), '/spec/env/A', /must be text, found true/, '"true"'],
  ['nothing for text', app({ ...PLAIN, env: { A: null } }), '/spec/env/A', /must be text, found nothing/],
  [
    'a variable that begins with a digit',
    app({ ...PLAIN, env: { '1A': 'x' } }),
    '/spec/env/1A',
    /has a name that must be letters/,
  ],
  ['env as text', app({ ...PLAIN, env: 'A=b' }), '/spec/env', /must be an object or a list, found "A=b"/],
  [
    'a variable twice',
    app({
      ...PLAIN,
      env: [
        { name: 'A', value: 'x' },
        { name: 'A', value: 'y' },
      ],
    }),
    '/spec/env/1/name',
    /must differ from entry 0/,
  ],
  [
    'a variable without a value',
    app({ ...PLAIN, env: [{ name: 'A' }] }),
    '/spec/env/0',
    /either value or valueFrom$/,
  ],
  [
    'a variable with two values',
    app({ ...PLAIN, env: [{ name: 'A', value: 'x', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] }),
    '/spec/env/0',
    /not both/,
  ],
  [
    'memory in a unit of its own',
    app({ ...PLAIN, memory: '12Mb' }),
    '/spec/memory',
    /such as 512Mi, found "12Mb"/,
  ],
  ['memory of a few bytes', app({ ...PLAIN, memory: 512 }), '/spec/memory', /is 512 bytes/, '512Mi'],
  ['memory as truth', app({ ...PLAIN, memory: true }), '/spec/memory', /must be a whole number or text/],
  [
    'a name server by name',
    app({ ...PLAIN, dns: ['one.one'] }),
    '/spec/dns/0',
    /must be an IPv4 or IPv6 address, found "one.one"/,
  ],
  [
    'a misspelt state',
    app({ ...PLAIN, state: 'runing' }),
    '/spec/state',
    /must be running or stopped/,
    'running',
  ],
  [
    'a name that is a path',
    app(PLAIN, { name: '../etc' }),
    '/metadata/name',
    /lower-case letters, digits and dashes.*found "..\/etc"/,
  ],
  ['a name too long', app(PLAIN, { name: 'a'.repeat(64) }), '/metadata/name', /at most 63/],
  ['a location in upper case', app({ ...PLAIN, location: 'Wiki' }), '/spec/location', /lower-case letters/],
  [
    'a port that is not declared',
    app({ ...PLAIN, tcpPorts: { SSH_PORT: {} }, ports: { SSH_PROT: 2222 } }),
    '/spec/ports/SSH_PROT',
    /must be one of tcpPorts: SSH_PORT/,
    'SSH_PORT',
  ],
  ['a port where there are none', app({ ...PLAIN, ports: { A: 2222 } }), '/spec/ports/A', /declares none/],
  [
    'a public port twice',
    app({ ...PLAIN, tcpPorts: { A: {}, B: {} }, ports: { A: 2222, B: 2222 } }),
    '/spec/ports/B',
    /A has 2222 already/,
  ],
  [
    'a volume over the root',
    app({ ...PLAIN, volumes: [{ path: '/' }] }),
    '/spec/volumes/0/path',
    /cannot be \//,
  ],
  [
    'a volume over /tmp',
    app({ ...PLAIN, volumes: [{ path: '/tmp/' }] }),
    '/spec/volumes/0/path',
    /cannot be \/tmp/,
  ],
  [
    'a volume that climbs',
    app({ ...PLAIN, volumes: [{ path: '/a/../b' }] }),
    '/spec/volumes/0/path',
    /must not contain/,
  ],
  [
    'a volume twice',
    app({ ...PLAIN, volumes: [{ path: '/a' }, { path: '/a/' }] }),
    '/spec/volumes/1/path',
    /stands twice/,
  ],
  ['an image in upper case', app({ ...PLAIN, image: 'Nginx:1' }), '/spec/image', /in lower case/, 'nginx:1'],
  [
    'an alias that is the host itself',
    app({ ...PLAIN, aliases: ['wiki.localhost'] }),
    '/spec/aliases/0',
    /main host name/,
  ],
  ['a field of a document', { ...(app(PLAIN) as object), statuss: 1 }, '/statuss', /unknown field/, 'status'],
  ['text that is not base64', secret({ data: { a: 'p@ss' } }), '/spec/data/a', /must be base64/],
  [
    'credentials without a password',
    secret({ type: 'RegistryCredentials', stringData: { username: 'u' } }),
    '/spec/stringData',
    /must hold password/,
  ],
  ['another Platform', platform({}, 'other'), '/metadata/name', /must be "platform"/],
  ['one port for both', platform({ http: { port: 443 } }), '/spec/http/httpsPort', /must differ/],
  [
    'a subnet from its middle',
    platform({ network: { pool: ['10.86.1.0/16'] } }),
    '/spec/network/pool/0',
    /10.86.0.0\/16/,
  ],
];

for (const [name, manifest, pointer, message, suggestion] of invalid) {
  test(`${name} is refused at ${pointer || 'the document'}`, () => {
    const problem = validate(manifest).find((entry) => entry.pointer === pointer);
    assert.ok(problem, `no problem at ${pointer}: ${JSON.stringify(validate(manifest))}`);
    assert.match(problem.message, message);
    assert.is(problem.suggestion, suggestion);
  });
}

test('what is wrong in one place is told once', () => {
  assert.is(validate(app({ ...PLAIN, env: [{ name: 'A', value: 1 }] })).length, 1);
  assert.is(validate(app({ ...PLAIN, image: 'a b' })).length, 1);
});

test('a value of a Secret is in no message', () => {
  const text = JSON.stringify(validate(secret({ stringData: { password: 31337 }, data: { a: 'p@ssw0rd' } })));
  assert.not.match(text, /31337|p@ssw0rd/);
});

test('a field called like one of Object is unknown, not found', () => {
  assert.match(validate(app({ ...PLAIN, constructor: 1 }))[0]?.message ?? '', /unknown field/);
});

test('every pattern of the schemas has words', () => {
  const patterns = new Set<string>();
  const collect = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    const { pattern } = node as { pattern?: unknown };
    if (typeof pattern === 'string') patterns.add(pattern);
    Object.values(node).forEach(collect);
  };
  for (const file of readdirSync('schemas')) collect(JSON.parse(readFileSync(`schemas/${file}`, 'utf8')));
  assert.equal(
    [...patterns].filter((pattern) => PATTERN_WORDS[pattern] === undefined),
    [],
  );
  assert.equal(
    Object.keys(PATTERN_WORDS).filter((pattern) => !patterns.has(pattern)),
    [],
  );
});

test('a kind is found by each of its names in any case', () => {
  for (const name of ['App', 'app', 'APPS', 'a']) assert.is(kindOf(name)?.kind, 'App');
  assert.is(kindOf('constructor'), undefined);
  assert.is(nearestKind('secrt')?.kind, 'Secret');
  assert.match(unknownKindMessage('secrt'), /did you mean secrets/);
});

test('the schema of every kind compiles, and refuses what it does not know', () => {
  for (const { kind } of kinds) {
    const problems = validate({
      apiVersion: 'holdfast.dev/v1',
      kind,
      metadata: { name: 'x' },
      spec: { nonsense: 1 },
    });
    assert.ok(
      problems.some((problem) => problem.pointer === '/spec/nonsense'),
      kind,
    );
  }
});

test('no two kinds share a name', () => {
  const names = kinds.flatMap((kind) => [
    ...new Set([kind.kind.toLowerCase(), kind.plural, kind.singular, ...kind.shortNames]),
  ]);
  assert.is(new Set(names).size, names.length);
});

test.run();
