import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { settingsDifference } from '../../reconcilers/drivers/docker/difference.ts';
import type { ContainerSpec, Deviation } from '../../reconcilers/drivers/docker/index.ts';
import {
  type InspectedContainer,
  readContainer,
  readImage,
  readNetwork,
  readSummary,
} from '../../reconcilers/drivers/docker/read.ts';
import { renderContainer, renderNetwork } from '../../reconcilers/drivers/docker/render.ts';
import { exampleSpec } from './docker-spec.ts';

/** What an engine would answer for a spec, with what it fills in by itself. */
function inspected(spec: ContainerSpec, host: object = {}, config: object = {}): InspectedContainer {
  const rendered = renderContainer(spec);
  return {
    Id: 'a'.repeat(64),
    Name: `/${spec.name}`,
    Created: '2026-11-23T10:00:00.987654321Z',
    Image: 'sha256:1',
    State: { Status: 'running', StartedAt: '2026-11-23T10:00:01Z', FinishedAt: '0001-01-01T00:00:00Z' },
    Config: {
      Image: spec.image,
      Cmd: spec.command ?? ['image-command'],
      Env: ['PATH=/bin', ...(rendered.Env ?? [])],
      Labels: spec.labels,
      Tty: spec.tty,
      ...config,
    },
    HostConfig: {
      ...rendered.HostConfig,
      CapAdd: null,
      Devices: [],
      PidMode: '',
      Privileged: false,
      ...host,
    } as NonNullable<InspectedContainer['HostConfig']>,
    NetworkSettings: {
      Networks: {
        [spec.network.name]: {
          IPAddress: spec.network.address,
          IPAMConfig: spec.network.address ? { IPv4Address: spec.network.address } : null,
        },
      },
    },
  };
}

const { memoryWithSwap: _none, ...unlimited } = exampleSpec();

const converged: { name: string; spec: ContainerSpec; host?: object }[] = [
  { name: 'the example', spec: exampleSpec() },
  { name: 'no limit of memory', spec: unlimited },
  { name: 'an image command of its own', spec: (({ command: _c, ...rest }) => rest)(exampleSpec()) },
  {
    name: 'capabilities that the engine answers in its newer form',
    spec: exampleSpec({ dropCapabilities: ['NET_RAW', 'mknod'] }),
    host: { CapDrop: ['CAP_MKNOD', 'CAP_NET_RAW'] },
  },
  {
    name: 'an engine that answers null for empty lists',
    spec: exampleSpec({ dns: [], dnsSearch: [], dropCapabilities: [] }),
    host: { Dns: null, DnsSearch: null, CapDrop: null, Mounts: null, Binds: null, PortBindings: null },
  },
  {
    name: 'an engine without swap accounting',
    spec: exampleSpec({ memoryWithSwap: 256 * 1024 * 1024 + 1 }),
    host: { MemorySwap: -1 },
  },
  {
    name: 'mounts and ports in another order',
    spec: exampleSpec({
      mounts: [
        { type: 'volume', source: 'v', target: '/tmp' },
        { type: 'bind', source: '/data', target: '/app/data', readOnly: false },
      ],
      ports: [
        { containerPort: 2, protocol: 'tcp', hostPort: 9002 },
        { containerPort: 1, protocol: 'udp', hostPort: 9001, hostAddress: '127.0.0.1' },
        { containerPort: 2, protocol: 'tcp', hostPort: 9000, hostAddress: '127.0.0.1' },
      ],
    }),
  },
  { name: 'a profile of AppArmor', spec: exampleSpec({ apparmorProfile: 'holdfast-app' }) },
  {
    name: 'an address that the engine chose',
    spec: exampleSpec({ network: { name: 'holdfast', address: '' } }),
  },
  {
    name: 'the older way to say no-new-privileges',
    spec: exampleSpec(),
    host: { SecurityOpt: ['no-new-privileges'] },
  },
];
for (const row of converged) {
  test(`no difference for ${row.name}`, () => {
    assert.equal(settingsDifference(row.spec, readContainer(inspected(row.spec, row.host))), []);
  });
}

const volume = { type: 'volume', source: 'v', target: '/tmp' } as const;
const port = { containerPort: 22, protocol: 'tcp', hostPort: 2222 } as const;

const differing: {
  name: string;
  spec?: ContainerSpec;
  host?: object;
  config?: object;
  expected: Deviation[];
}[] = [
  {
    name: 'a variable has another value',
    config: { Env: ['TOKEN=other'] },
    expected: [{ field: 'env.TOKEN' }],
  },
  { name: 'a variable is missing', config: { Env: ['PATH=/bin'] }, expected: [{ field: 'env.TOKEN' }] },
  {
    name: 'another command',
    config: { Cmd: ['sh'] },
    expected: [{ field: 'command', found: ['sh'], wanted: ['sleep', 'infinity'] }],
  },
  {
    name: 'another network',
    host: { NetworkMode: 'bridge' },
    expected: [
      { field: 'network.name', found: 'bridge', wanted: 'holdfast' },
      { field: 'network.address', found: '', wanted: '10.99.0.10' },
    ],
  },
  {
    name: 'other DNS',
    host: { Dns: ['8.8.8.8'] },
    expected: [{ field: 'dns', found: ['8.8.8.8'], wanted: ['10.99.0.1'] }],
  },
  {
    name: 'memory without limit',
    host: { Memory: 0, MemorySwap: 0 },
    expected: [{ field: 'memoryWithSwap', found: 0, wanted: 268435456 }],
  },
  {
    name: 'memory alone was changed',
    host: { Memory: 1000 },
    expected: [{ field: 'memory', found: 1000, wanted: 134217728 }],
  },
  {
    name: 'a restart policy that we never set',
    host: { RestartPolicy: { Name: 'unless-stopped' } },
    expected: [{ field: 'restartPolicy', found: 'unless-stopped', wanted: 'always' }],
  },
  {
    name: 'a restart policy taken off',
    host: { RestartPolicy: { Name: '' } },
    expected: [{ field: 'restartPolicy', found: 'no', wanted: 'always' }],
  },
  {
    name: 'no limit of processes',
    host: { PidsLimit: null },
    expected: [{ field: 'pidsLimit', found: 0, wanted: 1024 }],
  },
  {
    name: 'a mount that is missing and one too many',
    spec: exampleSpec({ mounts: [volume] }),
    host: { Mounts: [], Binds: ['/etc:/host:ro'] },
    expected: [
      { field: 'mounts./host', found: 'bind /etc (read only)' },
      { field: 'mounts./tmp', wanted: 'volume v' },
    ],
  },
  {
    name: 'a port on another address',
    spec: exampleSpec({ ports: [port] }),
    host: { PortBindings: { '22/tcp': [{ HostIp: '127.0.0.1', HostPort: '2222' }] } },
    expected: [{ field: 'ports.22/tcp', found: '127.0.0.1:2222', wanted: '0.0.0.0:2222' }],
  },
  {
    name: 'more rights than any spec gives',
    host: { Privileged: true, CapAdd: ['SYS_ADMIN'], PidMode: 'host', SecurityOpt: ['seccomp=unconfined'] },
    expected: [
      { field: 'privileged', found: true, wanted: false },
      { field: 'addCapabilities', found: ['SYS_ADMIN'], wanted: [] },
      { field: 'pidMode', found: 'host', wanted: '' },
      { field: 'security', found: ['seccomp=unconfined'], wanted: ['no-new-privileges:true'] },
    ],
  },
  {
    name: 'another log driver',
    host: { LogConfig: { Type: 'journald', Config: {} } },
    expected: [
      { field: 'log.maxSize', found: '', wanted: '10m' },
      { field: 'log.maxFiles', found: 0, wanted: 3 },
      { field: 'log.driver', found: 'journald', wanted: 'json-file' },
    ],
  },
  {
    name: 'a profile of AppArmor that is missing',
    spec: exampleSpec({ apparmorProfile: 'holdfast-app' }),
    host: { SecurityOpt: ['no-new-privileges:true'] },
    expected: [{ field: 'apparmorProfile', found: '', wanted: 'holdfast-app' }],
  },
];
for (const row of differing) {
  test(`a difference where there is ${row.name}`, () => {
    const spec = row.spec ?? exampleSpec();
    const found = settingsDifference(spec, readContainer(inspected(spec, row.host, row.config)));
    assert.equal(found, row.expected);
    assert.not.match(JSON.stringify(found), /secret-value/);
  });
}

test('a second network is a difference', () => {
  const spec = exampleSpec();
  const container = inspected(spec);
  const networks = container.NetworkSettings?.Networks ?? {};
  networks['bridge'] = { IPAddress: '172.17.0.5' };
  assert.equal(settingsDifference(spec, readContainer(container)), [
    { field: 'networks', found: ['bridge', 'holdfast'], wanted: ['holdfast'] },
  ]);
});

test('a container is rendered as the engine wants it', () => {
  const rendered = renderContainer(
    exampleSpec({
      mounts: [volume],
      ports: [port],
      apparmorProfile: 'p',
      hosts: { postgresql: '10.99.0.7' },
    }),
  );
  assert.equal(rendered.HostConfig, {
    Memory: 134217728,
    MemorySwap: 268435456,
    ReadonlyRootfs: true,
    RestartPolicy: { Name: 'always' },
    LogConfig: { Type: 'json-file', Config: { 'max-size': '10m', 'max-file': '3' } },
    PidsLimit: 1024,
    CpuShares: 512,
    CapDrop: ['NET_RAW'],
    SecurityOpt: ['no-new-privileges:true', 'apparmor=p'],
    Dns: ['10.99.0.1'],
    DnsSearch: ['.'],
    ExtraHosts: ['postgresql:10.99.0.7'],
    Mounts: [
      {
        Source: 'v',
        Target: '/tmp',
        ReadOnly: false,
        Type: 'volume',
        VolumeOptions: {
          NoCopy: false,
          Labels: exampleSpec().labels,
          DriverConfig: { Name: 'local', Options: {} },
        },
      },
    ],
    PortBindings: { '22/tcp': [{ HostIp: '0.0.0.0', HostPort: '2222' }] },
    PublishAllPorts: false,
    NetworkMode: 'holdfast',
  });
  assert.equal(rendered.NetworkingConfig, {
    EndpointsConfig: { holdfast: { IPAMConfig: { IPv4Address: '10.99.0.10' } } },
  });
  assert.equal(rendered.ExposedPorts, { '22/tcp': {} });
  assert.is(rendered.StopTimeout, 10);
  assert.not.ok('Cmd' in renderContainer(unlimitedCommand()));
});

function unlimitedCommand(): ContainerSpec {
  const { command: _command, ...spec } = exampleSpec();
  return spec;
}

test('how a container runs is read', () => {
  const details = readContainer({
    ...inspected(exampleSpec()),
    RestartCount: 4,
    State: {
      Status: 'exited',
      ExitCode: 137,
      OOMKilled: true,
      Error: 'no space',
      StartedAt: '2026-11-23T10:00:01Z',
      FinishedAt: '2026-11-23T10:00:02Z',
    },
  });
  const { state, exitCode, oomKilled, restartCount, error, startedAt, finishedAt, createdAt } = details;
  assert.equal(
    { state, exitCode, oomKilled, restartCount, error, startedAt, finishedAt, createdAt },
    {
      state: 'exited',
      exitCode: 137,
      oomKilled: true,
      restartCount: 4,
      error: 'no space',
      startedAt: '2026-11-23T10:00:01Z',
      finishedAt: '2026-11-23T10:00:02Z',
      createdAt: Date.parse('2026-11-23T10:00:00Z'),
    },
  );
  const { finishedAt: never } = readContainer(inspected(exampleSpec()));
  assert.is(never, undefined);
});

test('a list entry is read, with links, without names, without networks', () => {
  const summary = readSummary({ Id: 'x', Names: ['/other/alias', '/wiki'], State: 'running', Created: 12 });
  assert.equal(summary, {
    id: 'x',
    name: 'wiki',
    image: '',
    imageId: '',
    state: 'running',
    labels: {},
    addresses: {},
    createdAt: 12_000,
  });
  assert.is(readSummary({ Id: 'x', Names: null, State: 'something new' }).state, 'dead');
});

test('networks and images are read, whatever is left out', () => {
  assert.equal(readNetwork({ Id: 'n', Name: 'none', IPAM: { Config: null }, Labels: null }), {
    id: 'n',
    name: 'none',
    driver: '',
    labels: {},
    subnets: [],
    options: {},
  });
  const ipam = { Config: [{ Subnet: '10.0.0.0/24', Gateway: '10.0.0.1/24' }] };
  assert.is(readNetwork({ Id: 'n', Name: 'n', IPAM: ipam }).gateway, '10.0.0.1');
  const image = { Id: 'sha256:1', RepoTags: ['<none>:<none>'], RepoDigests: null, Config: null };
  assert.equal(readImage(image), { id: 'sha256:1', tags: [], digests: [], volumes: [], hasCommand: false });
  assert.is(readImage({ Id: 'i', Config: { Cmd: null, Entrypoint: ['/run'] } }).hasCommand, true);
  const spec = {
    name: 'n',
    subnet: '10.0.0.0/24',
    gateway: '10.0.0.1',
    labels: { a: 'b' },
    options: { c: 'd' },
  };
  assert.equal(renderNetwork(spec).IPAM?.Config, [{ Subnet: '10.0.0.0/24', Gateway: '10.0.0.1' }]);
});

test.run();
