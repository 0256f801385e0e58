import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cell, duration, statusWord } from '../../resources/columns.ts';
import type { Document } from '../../resources/document.ts';
import { type EffectiveApp, effectiveApp } from '../../resources/effective.ts';
import type { AppSpec } from '../../resources/generated.ts';
import { formatMemory, parseMemory, parsePackageMemory } from '../../resources/memory.ts';
import { volumeFolder } from '../../resources/volume.ts';

const MI = 2 ** 20;
const PACKAGE = { dockerImage: 'example/wiki:1', httpPort: 8000 };
const PLAIN: AppSpec = { image: 'nginx:1', port: 80 };

test('a plain image gets every default', () => {
  assert.equal(effectiveApp(PLAIN, 'www'), {
    manifest: { dockerImage: 'nginx:1', httpPort: 80, healthCheckPath: '/' },
    image: 'nginx:1',
    httpPort: 80,
    healthCheckPath: '/',
    memoryWithSwap: 256 * MI,
    tcpPorts: [],
    mounts: [],
    readOnlyRoot: true,
    command: undefined,
    env: [],
    debug: false,
    state: 'running',
    location: 'www',
    domain: 'localhost',
    aliases: [],
    xFrameOptions: undefined,
    loginPaths: [],
    redirectAliases: false,
    adopt: false,
    dns: [],
    pidsLimit: 4096,
    addons: [],
    servers: [],
    imagePullSecret: undefined,
    tasks: [],
  });
});

const rows: [name: string, spec: AppSpec, expected: Partial<EffectiveApp>][] = [
  ['a package has 256 Mi of memory', { manifest: PACKAGE }, { memoryWithSwap: 256 * MI }],
  [
    'a package has what its manifest says',
    { manifest: { ...PACKAGE, memoryLimit: 512 * MI } },
    { memoryWithSwap: 512 * MI },
  ],
  [
    'a manifest may say it in words',
    { manifest: { ...PACKAGE, memoryLimit: '1.5 GB' } },
    { memoryWithSwap: 1536 * MI },
  ],
  [
    'a package never has less',
    { manifest: { ...PACKAGE, memoryLimit: 10 }, memory: '64Mi' },
    { memoryWithSwap: 256 * MI },
  ],
  [
    'the spec wins over the manifest',
    { manifest: { ...PACKAGE, memoryLimit: '1 GB' }, memory: '300Mi' },
    { memoryWithSwap: 300 * MI },
  ],
  [
    '0 is as the manifest says',
    { manifest: { ...PACKAGE, memoryLimit: 400 * MI }, memory: 0 },
    { memoryWithSwap: 400 * MI },
  ],
  [
    '"0" is as the manifest says',
    { manifest: { ...PACKAGE, memoryLimit: 400 * MI }, memory: '0' },
    { memoryWithSwap: 400 * MI },
  ],
  ['-1 is no limit', { manifest: PACKAGE, memory: -1 }, { memoryWithSwap: undefined }],
  ['a plain image has what is written', { ...PLAIN, memory: '64Mi' }, { memoryWithSwap: 64 * MI }],
  ['a plain image has what Docker takes', { ...PLAIN, memory: '1Mi' }, { memoryWithSwap: 12 * MI }],
  [
    'debug mode has no limit, a writable root and its own command',
    { ...PLAIN, command: ['a'], debug: { command: ['sleep', 'infinity'] } },
    { debug: true, memoryWithSwap: undefined, readOnlyRoot: false, command: ['sleep', 'infinity'] },
  ],
  [
    'debug mode keeps the command where it has none',
    { ...PLAIN, command: ['a'], debug: { readOnly: true } },
    { debug: true, readOnlyRoot: true, command: ['a'] },
  ],
  [
    'an empty location is the domain itself',
    { ...PLAIN, location: '', domain: 'example.com' },
    { location: '', domain: 'example.com' },
  ],
  [
    'a health path gets its slash',
    { manifest: { ...PACKAGE, healthCheckPath: 'healthz' } },
    { healthCheckPath: '/healthz' },
  ],
  [
    'localstorage is the data folder',
    { manifest: { ...PACKAGE, addons: { redis: {}, localstorage: {} } } },
    { mounts: [{ path: '/app/data', folder: 'data' }], addons: ['redis', 'localstorage'] },
  ],
  [
    'a package is given the default Addon of each type, and a redis of its own',
    { manifest: { ...PACKAGE, addons: { mysql: { multipleDatabases: true }, redis: {}, ldap: {} } } },
    {
      addons: ['mysql', 'redis', 'ldap'],
      servers: [
        { type: 'mysql', addon: 'mysql', options: { multipleDatabases: true } },
        { type: 'redis', addon: 'redis-wiki', options: {} },
      ],
    },
  ],
  [
    'a person chooses which Addon',
    {
      manifest: { ...PACKAGE, addons: { postgresql: {} } },
      addons: { postgresql: { addon: 'postgresql-16' } },
    },
    { servers: [{ type: 'postgresql', addon: 'postgresql-16', options: {} }] },
  ],
  [
    'a plain image is given what its addons say',
    { ...PLAIN, addons: { postgresql: {} } },
    {
      addons: ['postgresql'],
      servers: [{ type: 'postgresql', addon: 'postgresql', options: {} }],
    },
  ],
  [
    'sign-on that is optional can be left out',
    {
      manifest: { ...PACKAGE, optionalSso: true, addons: { ldap: {}, oauth: {}, sendmail: {} } },
      sso: false,
    },
    { addons: ['sendmail'] },
  ],
  [
    'volumes are folders of the data',
    { ...PLAIN, volumes: [{ path: '/data/' }] },
    { mounts: [{ path: '/data', folder: 'volumes/data' }], addons: ['localstorage'] },
  ],
  [
    'only bound ports are there',
    { ...PLAIN, tcpPorts: { A: { containerPort: 22 }, B: {}, C: {} }, ports: { B: 3000, A: 2222 } },
    {
      tcpPorts: [
        { name: 'A', containerPort: 22, hostPort: 2222 },
        { name: 'B', containerPort: 3000, hostPort: 3000 },
      ],
    },
  ],
  [
    'variables keep their order',
    { ...PLAIN, env: { B: '2', A: '1' } },
    {
      env: [
        { name: 'B', value: '2' },
        { name: 'A', value: '1' },
      ],
    },
  ],
  [
    'a variable may come from a Secret',
    { ...PLAIN, env: [{ name: 'A', valueFrom: { secretKeyRef: { name: 's', key: 'k' } } }] },
    { env: [{ name: 'A', secret: 's', key: 'k', optional: false }] },
  ],
];

for (const [name, spec, expected] of rows) {
  test(name, () => {
    const effective = effectiveApp(spec, 'wiki');
    for (const key of Object.keys(expected) as (keyof EffectiveApp)[])
      assert.equal(effective[key], expected[key], key);
  });
}

test('no two volume paths share a folder', () => {
  const paths = [
    '/data',
    '/Data',
    '/da-ta',
    '/da/ta',
    '/da_ta',
    '/ü',
    `/${'x'.repeat(60)}`,
    `/${'x'.repeat(61)}`,
  ];
  const folders = paths.map(volumeFolder);
  assert.is(new Set(folders).size, paths.length, folders.join(' '));
  for (const folder of folders) assert.match(folder, /^volumes\/[a-z0-9-]+$/);
  assert.is(volumeFolder('/var/lib/x'), 'volumes/var-lib-x-7bcd4034');
});

const memories: [number | string, number | undefined, number | undefined][] = [
  [0, 0, 0],
  [-1, -1, -1],
  ['256Mi', 256 * MI, undefined],
  ['1.5Gi', 1536 * MI, undefined],
  ['1G', 1e9, undefined],
  ['512 MB', undefined, 512 * MI],
  ['512mb', undefined, 512 * MI],
  ['1024', 1024, 1024],
  ['', undefined, undefined],
  ['1e9', undefined, undefined],
  ['99999999999999Ti', undefined, undefined],
  [0.5, undefined, undefined],
];

for (const [text, own, ofPackage] of memories) {
  test(`memory ${JSON.stringify(text)} is ${own} bytes in a spec and ${ofPackage} in a package`, () => {
    assert.is(parseMemory(text), own);
    assert.is(parsePackageMemory(text), ofPackage);
  });
}

test('memory is shown in the largest whole unit', () => {
  assert.is(formatMemory(256 * MI), '256Mi');
  assert.is(formatMemory(2 ** 30), '1Gi');
  assert.is(formatMemory(1000), '1000');
});

const document = (status: object): Document => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'App',
  metadata: {
    name: 'a',
    uid: 'u',
    generation: 1,
    resourceVersion: '1',
    creationTimestamp: '2026-01-01T00:00:00.000Z',
  },
  spec: {},
  status: status as NonNullable<Document['status']>,
});

test('status shows what runs with its percent, else the reason', () => {
  const conditions = [
    { type: 'Ready', status: 'False' as const, reason: 'Starting', message: '', lastTransitionTime: '' },
  ];
  assert.is(statusWord(document({ conditions })), 'Starting');
  assert.is(
    statusWord(
      document({ conditions, operation: { id: '1', type: 'PullImage', percent: 42.7, startedAt: '' } }),
    ),
    'PullImage 42%',
  );
});

test('a cell is empty where there is nothing, and an age where it is a time', () => {
  assert.is(cell({ name: 'X', value: 'status.no.such' }, document({}), 0), '');
  const now = Date.parse('2026-01-01T02:05:00.000Z');
  assert.is(
    cell({ name: 'AGE', value: 'metadata.creationTimestamp', type: 'age' }, document({}), now),
    '2h5m',
  );
});

for (const [milliseconds, text] of [
  [-5, '0s'],
  [59_000, '59s'],
  [90_000, '1m30s'],
  [600_000, '10m'],
  [3_600_000, '1h'],
  [200_000_000, '2d7h'],
  [900_000_000, '10d'],
] as const) {
  test(`${milliseconds} ms are ${text}`, () => assert.is(duration(milliseconds), text));
}

test('tasks of a package are as the App decides, and its own stand beside them', () => {
  const scheduler = {
    tidy: { schedule: '@daily', command: 'tidy' },
    report: { schedule: '@weekly', command: 'r' },
  };
  const manifest = { dockerImage: 'x:1', httpPort: 80, addons: { scheduler } };
  const tasks = {
    tidy: { schedule: '0 4 * * *', timeLimitSeconds: 60 },
    own: { schedule: '@hourly', command: 'own', suspend: true },
  };
  assert.equal(effectiveApp({ manifest, tasks } as AppSpec, 'wiki').tasks, [
    { name: 'tidy', schedule: '0 4 * * *', command: 'tidy', timeLimitSeconds: 60 },
    { name: 'report', schedule: '@weekly', command: 'r', timeLimitSeconds: 3600 },
    { name: 'own', schedule: '@hourly', command: 'own', timeLimitSeconds: 3600, suspend: true },
  ]);
});

test.run();
