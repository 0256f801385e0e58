/**
 * What every container driver must do, whatever is behind it. The suite is a function: the fake and the real engine each
 * call it in a test file of their own. Every thing that it makes carries the uid of its run, and the maker of the driver
 * removes what is left in `cleanup`, also after a failure.
 */
import { text as readAll } from 'node:stream/consumers';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { settingsDifference } from '../../reconcilers/drivers/docker/difference.ts';
import {
  type ContainerDetails,
  type ContainerSpec,
  type Docker,
  type DockerEvent,
  LABEL,
} from '../../reconcilers/drivers/docker/index.ts';
import { DriverError, type DriverErrorCode } from '../../reconcilers/drivers/error.ts';
import { telling } from '../support/before.ts';
import { until } from './until.ts';

export interface DockerUnderTest {
  docker: Docker;
  /** Unique to this run: in the uid label and at the front of every name. */
  run: string;
  /** An image that the engine has, with busybox's `sh`, and /scratch declared as a volume. */
  image: string;
  /** The first three numbers of a free /24 subnet. */
  subnet: string;
  /** A host folder that exists. */
  folder: string;
  /** A container and a volume without our mark, running, whose names these are. */
  foreign: { container: string; volume: string };
  /** Makes it fail as if somebody else had stopped and changed things behind the driver's back. */
  behind: {
    kill(id: string): Promise<void>;
    pause(id: string): Promise<void>;
    setMemory(id: string, memory: number, withSwap: number): Promise<void>;
    disconnect(id: string, network: string): Promise<void>;
  };
  /** Unused TCP ports of the host. */
  port(): Promise<number>;
  /** Names of all volumes of the engine. */
  volumes(): Promise<string[]>;
  /** Names of those that a container has, anonymous ones too. */
  volumesOf(id: string): Promise<string[]>;
  cleanup(): Promise<void>;
}

const SLEEP = ['sh', '-c', 'sleep 1000'];

export function dockerConformance(name: string, makeDocker: () => Promise<DockerUnderTest>): void {
  const test = suite(`Docker driver: ${name}`);
  let under: DockerUnderTest;
  let docker: Docker;
  let count = 0;

  test.before(
    telling(async () => {
      under = await makeDocker();
      docker = under.docker;
      await docker.createNetwork(network());
    }),
  );
  test.after(() => under?.cleanup());

  const labels = (): Record<string, string> => ({
    [LABEL.managed]: 'true',
    [LABEL.kind]: 'App',
    [LABEL.name]: under.run,
    [LABEL.uid]: under.run,
  });
  const network = () => ({
    name: `${under.run}-net`,
    subnet: `${under.subnet}.0/24`,
    gateway: `${under.subnet}.1`,
    labels: labels(),
    options: { 'com.docker.network.bridge.enable_icc': 'false' },
  });

  function spec(changes: Partial<ContainerSpec> = {}): ContainerSpec {
    count += 1;
    return {
      name: `${under.run}-${count}`,
      image: under.image,
      command: SLEEP,
      env: { GREETING: 'hello = world' },
      labels: { ...labels(), [LABEL.hash]: `hash-${count}` },
      tty: false,
      network: { name: `${under.run}-net`, address: `${under.subnet}.${count + 10}` },
      dns: [`${under.subnet}.1`],
      dnsSearch: ['.'],
      hosts: { database: `${under.subnet}.200` },
      mounts: [],
      ports: [],
      readOnlyRoot: true,
      memoryWithSwap: 64 * 1024 * 1024,
      cpuShares: 512,
      pidsLimit: 100,
      restartPolicy: 'no',
      dropCapabilities: ['NET_RAW'],
      log: { maxSize: '1m', maxFiles: 2 },
      stopSeconds: 1,
      ...changes,
    };
  }

  async function started(changes: Partial<ContainerSpec> = {}): Promise<{ id: string; spec: ContainerSpec }> {
    const wanted = spec(changes);
    const id = await docker.createContainer(wanted);
    await docker.start(id);
    return { id, spec: wanted };
  }

  async function details(id: string): Promise<ContainerDetails> {
    const found = await docker.container(id);
    assert.ok(found, `container ${id} exists`);
    return found;
  }

  const summary = async (id: string) => (await docker.containers()).find((container) => container.id === id);

  test('the engine says its version and what API is spoken', async () => {
    const info = await docker.info();
    assert.match(info.version, /^\d+\.\d+/);
    assert.match(info.apiVersion, /^1\.\d+$/);
    assert.ok(Array.isArray(info.security));
  });

  test('a network is listed as it was made, and making it twice answers the same one', async () => {
    const id = await docker.createNetwork(network());
    const found = (await docker.networks()).find((one) => one.id === id);
    assert.equal(found?.name, network().name);
    assert.equal(found?.driver, 'bridge');
    assert.equal(found?.subnets, [network().subnet]);
    assert.equal(found?.gateway, network().gateway);
    assert.equal(found?.labels, labels());
    assert.equal(found?.options['com.docker.network.bridge.enable_icc'], 'false');
  });

  test('images are told with those that containers are made of, and one in use is not removed', async () => {
    const image = await docker.image(under.image);
    assert.ok(image && (await docker.imageIds()).has(image.id));
    assert.ok((await docker.imagesInUse()).has(image.id), 'the foreign container is made of it');
    assert.is(await docker.removeImage(image.id, under.image), 'kept');
    assert.equal((await docker.image(under.image))?.tags, image.tags);
    assert.is(await docker.removeImage(`sha256:${'0'.repeat(64)}`, 'none:1'), 'gone');
  });

  test('a port that a container publishes is known with who has it', async () => {
    const port = await under.port();
    assert.is(await docker.publisherOf(port), undefined);
    const { spec: made } = await started({
      ports: [{ containerPort: 80, protocol: 'tcp', hostPort: port }],
    });
    assert.is(await docker.publisherOf(port), made.name);
    assert.is(await docker.publisherOf(80), undefined);
  });

  test('what takes room is told', async () => {
    const usage = await docker.usage();
    assert.ok(usage.buildCacheBytes >= 0);
    for (const list of [usage.images, usage.containers, usage.volumes])
      assert.ok(list.every(({ bytes }) => bytes >= 0));
  });

  test('networks of others are listed too, and not removed', async () => {
    const bridge = (await docker.networks()).find((one) => one.name === 'bridge');
    assert.ok(bridge);
    await rejects('foreign', docker.removeNetwork(bridge.id), /bridge/);
  });

  test('a network whose addresses another one has is a conflict', async () => {
    const other = { ...network(), name: `${under.run}-other` };
    await rejects('conflict', docker.createNetwork(other), new RegExp(other.name));
  });

  test('a network in use is not removed, and one that is gone is success', async () => {
    await started();
    const id = await docker.createNetwork(network());
    await rejects('conflict', docker.removeNetwork(id), /endpoint/);
    await docker.removeNetwork('0'.repeat(64));
  });

  const rows: { name: string; changes: () => Partial<ContainerSpec> }[] = [
    { name: 'plain settings', changes: () => ({}) },
    {
      name: 'no memory limit',
      changes: () => ({ memoryWithSwap: undefined }) as unknown as Partial<ContainerSpec>,
    },
    { name: 'an odd number of bytes', changes: () => ({ memoryWithSwap: 64 * 1024 * 1024 + 1 }) },
    { name: 'a terminal', changes: () => ({ tty: true }) },
    {
      name: 'a writable root and a restart policy',
      changes: () => ({ readOnlyRoot: false, restartPolicy: 'always' }),
    },
    { name: 'no lists', changes: () => ({ dns: [], dnsSearch: [], dropCapabilities: [], env: {} }) },
    {
      name: 'capabilities in any form and order',
      changes: () => ({ dropCapabilities: ['SYS_CHROOT', 'cap_mknod', 'NET_RAW'] }),
    },
    {
      name: 'mounts',
      changes: () => ({
        mounts: [
          { type: 'volume', source: `${under.run}-run-${count}`, target: '/run' },
          { type: 'bind', source: under.folder, target: '/app/data' },
          { type: 'bind', source: under.folder, target: '/app/code', readOnly: true },
        ],
      }),
    },
  ];
  for (const row of rows) {
    test(`what was made with ${row.name} reads back without a difference, before and after its start`, async () => {
      const wanted = spec(row.changes());
      const id = await docker.createContainer(wanted);
      assert.equal(settingsDifference(wanted, await details(id)), []);
      await docker.start(id);
      const found = await details(id);
      assert.equal(settingsDifference(wanted, found), []);
      assert.equal(found.name, wanted.name);
      assert.equal(found.image, wanted.image);
      assert.equal(found.tty, wanted.tty);
      for (const [key, value] of Object.entries(wanted.labels)) assert.is(found.labels[key], value);
    });
  }

  test('ports read back without a difference', async () => {
    const [tcp, udp] = [await under.port(), await under.port()];
    const wanted = spec({
      ports: [
        { containerPort: 22, protocol: 'tcp', hostPort: tcp, hostAddress: '127.0.0.1' },
        { containerPort: 53, protocol: 'udp', hostPort: udp },
      ],
    });
    const id = await docker.createContainer(wanted);
    await docker.start(id);
    assert.equal(settingsDifference(wanted, await details(id)), []);
  });

  test('a list and an inspect say the same, also of one that does not run', async () => {
    const { id, spec: wanted } = await started();
    const inspected = await details(id);
    assert.equal(await summary(id), summaryOf(inspected));
    assert.is(inspected.addresses[wanted.network.name], wanted.network.address);
    assert.is(inspected.state, 'running');
    assert.ok(inspected.startedAt);
    await docker.stop(id, 0);
    const stopped = await details(id);
    assert.equal(await summary(id), summaryOf(stopped));
    assert.is(stopped.addresses[wanted.network.name], '');
    assert.is(stopped.state, 'exited');
    assert.ok(stopped.finishedAt);
  });

  test('a container is found by name, by the start of its id, and not where there is none', async () => {
    const { id, spec: wanted } = await started();
    assert.is((await docker.container(wanted.name))?.id, id);
    assert.is((await docker.container(id.slice(0, 12)))?.id, id);
    assert.is(await docker.container(`${under.run}-none`), undefined);
  });

  test('a container of others is seen when asked for, not listed, and not changed', async () => {
    const other = await docker.container(under.foreign.container);
    assert.is(other?.name, under.foreign.container);
    const { id = '' } = other ?? {};
    assert.is(await summary(id), undefined);
    await rejects('foreign', docker.stop(id, 0), /mark|label/);
    await rejects('foreign', docker.remove(id));
    await rejects('foreign', docker.rename(id, `${under.run}-stolen`));
    await rejects('foreign', docker.setRestartPolicy(id, 'always'));
    await rejects('foreign', docker.exec(id, { command: ['true'], tty: false }));
    assert.is((await docker.container(id))?.state, 'running');
  });

  test('a container without our mark is not made', async () => {
    await rejects('foreign', docker.createContainer(spec({ labels: {} })));
  });

  test('making the same container twice answers the first; another of its name is a conflict', async () => {
    const wanted = spec();
    const id = await docker.createContainer(wanted);
    assert.is(await docker.createContainer(wanted), id);
    const other = { ...wanted, labels: { ...wanted.labels, [LABEL.hash]: 'other' } };
    await rejects('conflict', docker.createContainer(other), new RegExp(wanted.name));
  });

  test('an image that is not there, and a folder that is not there, are told', async () => {
    await rejects('notFound', docker.createContainer(spec({ image: `${under.run}-none:1` })), /none:1/);
    const mounts = [{ type: 'bind', source: `${under.folder}/none`, target: '/data' }] as const;
    await rejects('invalid', docker.createContainer(spec({ mounts: [...mounts] })), /none/);
  });

  test('a network that is not there is told at the latest at the start', async () => {
    const wanted = spec({ network: { name: `${under.run}-nonet`, address: '' } });
    await rejects(
      'notFound',
      docker.createContainer(wanted).then((id) => docker.start(id)),
      /nonet/,
    );
  });

  test('an address that runs already is a conflict at the start', async () => {
    const { spec: first } = await started();
    const id = await docker.createContainer(spec({ network: first.network }));
    await rejects('conflict', docker.start(id), /address already in use/i);
    assert.is((await summary(id))?.state, 'created');
  });

  test('a port that is taken is a conflict at the start, with the real text kept, and works when it is free', async () => {
    const hostPort = await under.port();
    const ports = [{ containerPort: 80, protocol: 'tcp', hostPort, hostAddress: '127.0.0.1' }] as const;
    const { id: first } = await started({ ports: [...ports] });
    const second = await docker.createContainer(spec({ ports: [...ports] }));
    await rejects('conflict', docker.start(second), /already/);
    assert.match((await details(second)).error, /already/);
    await docker.stop(first, 0);
    await docker.start(second);
    assert.is((await details(second)).state, 'running');
  });

  test('a command that the image lacks is invalid, with the real text', async () => {
    const id = await docker.createContainer(spec({ command: ['/no/such/program'] }));
    await rejects('invalid', docker.start(id), /no such file/i);
  });

  test('starting what runs and stopping what stands still is success', async () => {
    const { id } = await started();
    const { startedAt } = await details(id);
    await docker.start(id);
    assert.is((await details(id)).startedAt, startedAt);
    await docker.stop(id, 0);
    await docker.stop(id, 0);
    await rejects('notFound', docker.start('0'.repeat(64)));
    await docker.stop('0'.repeat(64), 0);
  });

  test('a restart starts it anew', async () => {
    const { id } = await started();
    const before = await details(id);
    await docker.restart(id, 0);
    const after = await details(id);
    assert.is(after.state, 'running');
    assert.is.not(after.startedAt, before.startedAt);
  });

  test('an exit is seen with its code', async () => {
    const { id } = await started({ command: ['sh', '-c', 'exit 3'] });
    await until(async () => (await summary(id))?.state === 'exited', 'it has exited');
    const found = await details(id);
    assert.is(found.exitCode, 3);
    assert.is(found.restartCount, 0);
  });

  test('with the policy always a process that ends comes back, until the policy is taken off', async () => {
    const { id } = await started({ restartPolicy: 'always', command: ['sh', '-c', 'exit 1'] });
    await until(async () => (await details(id)).restartCount > 0, 'it was started again');
    await docker.setRestartPolicy(id, 'no');
    await docker.setRestartPolicy(id, 'no');
    assert.is((await details(id)).settings.restartPolicy, 'no');
    await until(async () => (await details(id)).state === 'exited', 'it stays down');
  });

  test('what was killed on purpose stays down, also with the policy always, until it is started', async () => {
    const { id } = await started({ restartPolicy: 'always' });
    await under.behind.kill(id);
    await until(async () => (await details(id)).state === 'exited', 'it is down');
    assert.is((await details(id)).exitCode, 137);
    await docker.start(id);
    assert.is((await details(id)).state, 'running');
  });

  test('a rename is seen, twice is success, a taken name is a conflict', async () => {
    const { id, spec: first } = await started();
    const { id: other } = await started();
    const name = `${under.run}-renamed`;
    await docker.rename(other, name);
    await docker.rename(other, name);
    assert.is((await summary(other))?.name, name);
    await rejects('conflict', docker.rename(other, first.name), new RegExp(first.name));
    assert.is((await summary(id))?.name, first.name);
  });

  test('what is paused goes on; going on twice is success', async () => {
    const { id } = await started();
    await under.behind.pause(id);
    assert.is((await details(id)).state, 'paused');
    await docker.unpause(id);
    await docker.unpause(id);
    assert.is((await details(id)).state, 'running');
  });

  test('what somebody changed behind our back is a difference that names the field', async () => {
    const { id, spec: wanted } = await started();
    await under.behind.setMemory(id, 16 * 1024 * 1024, 48 * 1024 * 1024);
    const fields = settingsDifference(wanted, await details(id)).map(({ field }) => field);
    assert.equal(fields, ['memoryWithSwap', 'memory']);
    await under.behind.disconnect(id, wanted.network.name);
    const network = settingsDifference(wanted, await details(id)).find(
      ({ field }) => field === 'network.address',
    );
    assert.equal(network, { field: 'network.address', found: '', wanted: wanted.network.address });
  });

  test('removing takes the container and its volumes, of ours only, and twice is success', async () => {
    const volume = `${under.run}-tmp`;
    const { id } = await started({ mounts: [{ type: 'volume', source: volume, target: '/tmp' }] });
    const had = await under.volumesOf(id);
    assert.is(had.length, 2, 'the named one, and an anonymous one for what the image declares');
    assert.ok(had.includes(volume));
    await docker.remove(id);
    await docker.remove(id);
    assert.is(await docker.container(id), undefined);
    const left = await under.volumes();
    assert.equal(
      had.filter((name) => left.includes(name)),
      [],
    );
  });

  test('a volume that another container uses stays until the last one goes', async () => {
    const mounts = [{ type: 'volume', source: `${under.run}-shared`, target: '/tmp' }] as const;
    const { id: first } = await started({ mounts: [...mounts] });
    const { id: second } = await started({ mounts: [...mounts] });
    await docker.remove(first);
    assert.ok((await under.volumes()).includes(`${under.run}-shared`));
    await docker.remove(second);
    assert.not.ok((await under.volumes()).includes(`${under.run}-shared`));
  });

  test("a container is not made with somebody else's volume", async () => {
    const mounts = [{ type: 'volume', source: under.foreign.volume, target: '/tmp' }] as const;
    await rejects(
      'foreign',
      docker.createContainer(spec({ mounts: [...mounts] })),
      new RegExp(under.foreign.volume),
    );
    assert.ok((await under.volumes()).includes(under.foreign.volume));
  });

  test('a volume is listed with the labels of its container, and removed only when none uses it', async () => {
    const name = `${under.run}-left`;
    const mine = { ...labels(), [LABEL.hash]: 'one' };
    const { id } = await started({
      labels: mine,
      mounts: [{ type: 'volume', source: name, target: '/tmp' }],
    });
    const listed = await docker.volumes();
    assert.is(listed.find((volume) => volume.name === name)?.labels[LABEL.hash], 'one');
    assert.not.ok(listed.some((volume) => volume.name === under.foreign.volume));
    await rejects('conflict', docker.removeVolume(name), /still uses/);
    await rejects('foreign', docker.removeVolume(under.foreign.volume));
    await docker.remove(id);
    await docker.removeVolume(name);
    assert.not.ok((await docker.volumes()).some((volume) => volume.name === name));
  });

  test('an image tells what it declares, and none is undefined', async () => {
    const image = await docker.image(under.image);
    assert.match(image?.id ?? '', /^sha256:/);
    assert.ok(image?.tags.includes(under.image));
    assert.equal(image?.volumes, ['/scratch']);
    assert.is(image?.hasCommand, true);
    assert.is((await docker.image(image?.id ?? ''))?.id, image?.id);
    assert.is(await docker.image(`${under.run}-none:1`), undefined);
  });

  test('logs come as lines of two streams', async () => {
    const { id } = await started({ command: ['sh', '-c', 'echo one; echo two; echo bad >&2; sleep 1000'] });
    await until(async () => (await lines(docker.logs(id))).length === 3, 'three lines were said');
    const all = await lines(docker.logs(id));
    assert.equal(
      all.filter((line) => line.stream === 'stdout').map((line) => line.text),
      ['one', 'two'],
    );
    assert.equal(
      all.filter((line) => line.stream === 'stderr').map((line) => line.text),
      ['bad'],
    );
    assert.is((await lines(docker.logs(id, { tail: 1 }))).length, 1);
    const [stamped] = await lines(docker.logs(id, { timestamps: true, tail: 1 }));
    assert.match(stamped?.text ?? '', /^\d{4}-\d\d-\d\dT\S+Z \w+$/);
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    assert.equal(await lines(docker.logs(id, { since: tomorrow })), []);
    const yesterday = new Date(Date.now() - 86_400_000).toISOString();
    assert.equal(await lines(docker.logs(id, { until: yesterday })), []);
    assert.is((await lines(docker.logs(id, { until: tomorrow }))).length, 3);
  });

  test('with a terminal all lines are stdout, without carriage returns', async () => {
    const { id } = await started({ tty: true, command: ['sh', '-c', 'echo one; echo bad >&2; sleep 1000'] });
    await until(async () => (await lines(docker.logs(id))).length === 2, 'two lines were said');
    assert.equal(await lines(docker.logs(id)), [
      { stream: 'stdout', text: 'one' },
      { stream: 'stdout', text: 'bad' },
    ]);
  });

  test('followed logs end with the container, or quietly at the signal', async () => {
    const { id } = await started({ command: ['sh', '-c', 'echo one; sleep 1000'] });
    const stop = new AbortController();
    const seen: string[] = [];
    for await (const line of docker.logs(id, { follow: true, signal: stop.signal })) {
      seen.push(line.text);
      stop.abort();
    }
    assert.equal(seen, ['one']);
    const ending = lines(docker.logs(id, { follow: true }));
    await docker.stop(id, 0);
    assert.is((await ending)[0]?.text, 'one');
  });

  test('logs of a container that is not there are told', async () => {
    await rejects('notFound', lines(docker.logs('0'.repeat(64))));
  });

  test('a command in a container gives both streams and its exit code', async () => {
    const { id } = await started();
    const session = await docker.exec(id, {
      command: ['sh', '-c', 'echo out; echo err >&2; exit 4'],
      tty: false,
    });
    const [out, err] = await Promise.all([readAll(session.stdout), readAll(session.stderr)]);
    assert.is(out, 'out\n');
    assert.is(err, 'err\n');
    assert.is(await session.exitCode, 4);
  });

  test('a command reads what is typed until the input ends', async () => {
    const { id } = await started();
    const session = await docker.exec(id, { command: ['cat'], tty: false });
    session.stdin.write('first\n');
    session.stdin.end('second\n');
    session.stderr.resume();
    assert.is(await readAll(session.stdout), 'first\nsecond\n');
    assert.is(await session.exitCode, 0);
  });

  test('a command with a terminal is one stream, and can be resized', async () => {
    const { id } = await started();
    const session = await docker.exec(id, {
      command: ['sh', '-c', 'echo out; echo err >&2; sleep 1'],
      tty: true,
    });
    await session.resize(120, 40);
    session.stderr.resume();
    assert.is(await readAll(session.stdout), 'out\r\nerr\r\n');
    assert.is(await session.exitCode, 0);
  });

  test('a command in a container that does not run is told', async () => {
    const id = await docker.createContainer(spec());
    await rejects('failed', docker.exec(id, { command: ['true'], tty: false }), /not running/);
  });

  test('events tell of ours and of networks, with labels and exit codes, and not of others', async () => {
    const events: DockerEvent[] = [];
    const stop = new AbortController();
    let ups = 0;
    const following = docker.follow(
      {
        onEvent: (event) => events.push(event),
        onUp: () => {
          ups += 1;
        },
        onDown: () => {},
      },
      stop.signal,
    );
    try {
      await until(async () => ups === 1, 'the stream is up');
      const { id, spec: wanted } = await started();
      await docker.rename(id, `${wanted.name}-b`);
      await under.behind.setMemory(id, 16 * 1024 * 1024, 32 * 1024 * 1024);
      await under.behind.kill(id);
      await until(async () => (await summary(id))?.state === 'exited', 'it has exited');
      await docker.remove(id);
      const actions = () => events.filter((event) => event.id === id).map(({ action }) => action);
      await until(async () => actions().includes('destroy'), 'the last event came');
      for (const action of ['create', 'start', 'rename', 'update', 'die', 'destroy']) {
        assert.ok(actions().includes(action), `${action} was told: ${actions()}`);
      }
      const died = events.find((event) => event.id === id && event.action === 'die');
      assert.is(died?.exitCode, 137);
      assert.is(died?.labels[LABEL.uid], under.run);
      const connected = events.find((event) => event.action === 'connect' && event.containerId === id);
      assert.is(connected?.type, 'network');
      assert.is(connected?.name, wanted.network.name);
      const foreignOnes = events.filter((event) => event.name === under.foreign.container);
      assert.equal(foreignOnes, []);
    } finally {
      stop.abort();
      await following;
    }
  });

  test('many at once are all made', async () => {
    const made = await Promise.all(Array.from({ length: 8 }, () => started()));
    const states = await Promise.all(made.map(async ({ id }) => (await details(id)).state));
    assert.equal(new Set(states), new Set(['running']));
    await Promise.all(made.map(({ id }) => docker.remove(id)));
  });

  test.run();
}

async function lines<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const line of source) all.push(line);
  return all;
}

function summaryOf(details: ContainerDetails) {
  const { id, name, image, imageId, state, labels, addresses, createdAt } = details;
  return { id, name, image, imageId, state, labels, addresses, createdAt };
}

/** The promise must reject with a DriverError of this code whose message has these words. */
export async function rejects(code: DriverErrorCode, answer: Promise<unknown>, words = /./): Promise<void> {
  const caught = await answer.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.instance(caught, DriverError, `expected ${code}, got ${String(caught)}`);
  const error = caught as DriverError;
  assert.is(error.code, code, `${error.code} is not ${code}: ${error.message}`);
  assert.match(error.message, words);
}
