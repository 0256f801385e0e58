import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { freeAddresses } from '../../reconcilers/container/address.ts';
import {
  type ContainerInputs,
  canonicalSettings,
  containerSpec,
  settingsDifferences,
  settingsHash,
} from '../../reconcilers/container/description.ts';

const plain: ContainerInputs = {
  owner: { kind: 'App', name: 'wiki', uid: 'uid', generation: 1 },
  imageId: 'sha256:one',
  env: { B: '2', A: '1' },
  network: 'holdfast',
  address: '10.213.0.2',
  dns: [],
  data: [{ path: '/data', folder: '/state/apps/wiki/volumes/data' }],
  ports: [{ containerPort: 22, hostPort: 2222 }],
  readOnlyRoot: true,
  memoryWithSwap: 268_435_456,
  pidsLimit: 4096,
};

const hashOf = (inputs: ContainerInputs) => settingsHash(canonicalSettings(inputs));

/** Hashes that containers in the world carry. One that changes here would replace every container at an upgrade. */
const fixtures: [string, ContainerInputs, string][] = [
  ['a plain container', plain, 'a91b382e7be6ab0908a73f7d'],
  [
    'no limit, a command, a name server',
    { ...plain, command: ['sh'], dns: ['10.213.0.1'], readOnlyRoot: false },
    '3c71aba51075ab5d1aa26c9a',
  ],
];

/** Of 0.1.0: everything that can be said of a container at once. */
const whole: ContainerInputs = {
  ...plain,
  command: ['serve', '--all'],
  dns: ['10.213.0.1', '1.1.1.1'],
  data: [...plain.data, { path: '/srv/more', folder: '/state/apps/wiki/volumes/srv-more' }],
  ports: [...plain.ports, { containerPort: 25, hostPort: 2525 }],
  pidsLimit: 64,
  apparmorProfile: 'docker-holdfast-app',
  maker: { stateFolder: '/state', version: '0.1.0' },
};
fixtures.push(['everything at once', whole, 'f84dfa735ad35d79e3c3bb5b']);

for (const [name, inputs, hash] of fixtures) {
  test(`the same wanted state keeps its label: ${name}`, () => assert.is(hashOf(inputs), hash));
}

const same: [string, Partial<ContainerInputs>][] = [
  ['the order of variables', { env: { A: '1', B: '2' } }],
  ['another version of Holdfast', { maker: { stateFolder: '/state', version: '9.0.0' } }],
  ['the generation alone', { owner: { kind: 'App', name: 'wiki', uid: 'uid', generation: 7 } }],
];
for (const [name, change] of same) {
  test(`${name} is no reason for another container`, () =>
    assert.is(hashOf({ ...plain, ...change }), hashOf(plain)));
}

const other: [string, Partial<ContainerInputs>][] = [
  ['image', { imageId: 'sha256:two' }],
  ['env.A', { env: { A: '9', B: '2' } }],
  ['memory', { memoryWithSwap: 1 }],
  ['address', { address: '10.213.0.3' }],
  ['readOnlyRoot', { readOnlyRoot: false }],
  ['pidsLimit', { pidsLimit: 64 }],
  ['ports.2222', { ports: [{ containerPort: 23, hostPort: 2222 }] }],
  ['mounts./data', { data: [{ path: '/data', folder: '/elsewhere' }] }],
  ['command', { command: ['sh'] }],
  ['dns', { dns: ['1.1.1.1'] }],
];
for (const [field, change] of other) {
  test(`another ${field} is another container, and the difference names it`, () => {
    const wanted = canonicalSettings({ ...plain, ...change });
    assert.is.not(settingsHash(wanted), hashOf(plain));
    const differences = settingsDifferences(JSON.stringify(canonicalSettings(plain)), wanted);
    assert.equal(
      differences.map((entry) => entry.field),
      [field],
    );
  });
}

test('a label that cannot be read is a difference, not an error', () => {
  for (const label of [undefined, '', 'x', '[]', 'null']) {
    assert.is(settingsDifferences(label, canonicalSettings(plain)).length, 1);
  }
});

test('values of variables are in no label', () => {
  const spec = containerSpec({ ...plain, env: { TOKEN: 'swordfish' } });
  assert.not.ok(JSON.stringify(spec.labels).includes('swordfish'));
});

test('every volume of a container carries the start of its hash, so that two containers share none', () => {
  const one = containerSpec(plain);
  const two = containerSpec({ ...plain, imageId: 'sha256:two' });
  const names = new Set([...one.mounts, ...two.mounts].map(({ source }) => source));
  assert.is(names.size, one.mounts.length + two.mounts.length);
  assert.equal(
    one.mounts.map(({ target }) => target),
    ['/run', '/tmp', '/data'],
  );
});

test('addresses are given out from the lowest, without the network, the gateway and the broadcast address', () => {
  const taken = new Map([['a', '10.0.0.2']]);
  const free = [...freeAddresses({ subnet: '10.0.0.0/29', gateway: '10.0.0.1' }, taken)];
  assert.equal(free, ['10.0.0.3', '10.0.0.4', '10.0.0.5', '10.0.0.6']);
});

test.run();
