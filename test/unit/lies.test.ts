/**
 * Worlds that hand back another value than was set: an engine that answers one field of a container otherwise, a folder of nginx with other
 * text in it, a provider with its own time to live. Whatever the field is, the document stalls after a few tries, names the field, and is
 * Ready by itself when the world tells the truth again.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { delay } from '../../controller/clock.ts';
import { createFakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import { type InspectedContainer, readContainer } from '../../reconcilers/drivers/docker/read.ts';
import { VirtualClock } from '../support/clock.ts';
import { appManifest, type RunningController, serveApps, startController } from '../support/controller.ts';

/** What the controller makes at most: the first, and three that were to do better. */
const MOST_CONTAINERS = 4;

/** What the engine answers instead, over what is there. A function is asked. */
interface Lie {
  [field: string]: unknown;
}

const config = (field: string, value: unknown): Lie => ({ Config: { [field]: value } });
const host = (field: string, value: unknown): Lie => ({ HostConfig: { [field]: value } });
const endpoint = (field: string, value: unknown): Lie => ({
  NetworkSettings: { Networks: { holdfast: { [field]: value } } },
});
const label = (name: string, value: string): Lie => config('Labels', { [`dev.holdfast.${name}`]: value });

const recolored = (env: readonly string[]) => env.map((line) => line.replace(/^COLOR=.*/, 'COLOR=other'));

const lies: [what: string, field: RegExp, lie: Lie][] = [
  ['memory', /memory/, host('Memory', 7)],
  ['memory with swap', /memory/, host('MemorySwap', 1_000_000)],
  ['shares of the processor', /cpuShares: found 2, wanted 512/, host('CpuShares', 2)],
  ['the number of processes', /pidsLimit: found 0, wanted 4096/, host('PidsLimit', null)],
  ['a variable', /env\.COLOR: found another value than is wanted/, config('Env', recolored)],
  ['all variables', /env\./, config('Env', null)],
  ['the command', /command: found \["other"\], wanted \["serve"\]/, config('Cmd', ['other'])],
  ['the image', /image/, { Image: 'sha256:other' }],
  ['the time to end', /stopSeconds: found 1, wanted 10/, config('StopTimeout', 1)],
  ['a terminal', /tty/, config('Tty', false)],
  ['a root that can be written', /readOnlyRoot/, host('ReadonlyRootfs', false)],
  ['a privilege', /privileged/, host('Privileged', true)],
  ['a capability more', /addCapabilities/, host('CapAdd', ['SYS_ADMIN'])],
  ['a capability that was not dropped', /dropCapabilities/, host('CapDrop', [])],
  ['security options', /security/, host('SecurityOpt', [])],
  ['the restart policy', /restartPolicy/, host('RestartPolicy', { Name: 'no' })],
  [
    'another restart policy',
    /restartPolicy: found "on-failure"/,
    host('RestartPolicy', { Name: 'on-failure' }),
  ],
  ['all mounts', /mounts\./, host('Mounts', [])],
  ['a mount more', /mounts\.\/etc/, host('Binds', ['/etc:/etc'])],
  ['published ports', /ports\.22\/tcp/, host('PortBindings', { '22/tcp': null })],
  ['the host port', /ports\.22\/tcp/, host('PortBindings', { '22/tcp': [{ HostPort: '2223' }] })],
  ['servers for names', /dns/, host('Dns', ['192.0.2.9'])],
  ['a search domain', /dnsSearch/, host('DnsSearch', ['example.com'])],
  ['names of hosts', /hosts\.evil/, host('ExtraHosts', ['evil:192.0.2.9'])],
  ['the size of logs', /log\.maxSize/, host('LogConfig', { Config: { 'max-size': '1m' } })],
  ['the driver of logs', /log\.driver/, host('LogConfig', { Type: 'none' })],
  ['the network', /network\.name/, host('NetworkMode', 'bridge')],
  ['the address that was asked for', /network\.address/, endpoint('IPAMConfig', null)],
  ['the address that it has', /network\.holdfast/, endpoint('IPAddress', '192.0.2.77')],
  ['a network more', /networks/, { NetworkSettings: { Networks: { other: {} } } }],
  ['the label with the hash', /labels\.dev\.holdfast\.hash/, label('hash', 'other')],
  ['the label that makes it ours', /container/, label('managed', 'no')],
  ['a state', /container\.state: found "exited"/, { State: { Status: 'exited' } }],
  ['a frozen state', /container\.state: found "paused"/, { State: { Status: 'paused' } }],
  ['the name', /container\.name: found "other"/, { Name: '/other' }],
];

function tell(truth: unknown, lie: unknown): unknown {
  if (typeof lie === 'function') return lie(truth);
  if (!isObject(truth) || !isObject(lie)) return lie;
  const fields = Object.entries(lie).map(([field, value]) => [field, tell(truth[field], value)]);
  return { ...truth, ...Object.fromEntries(fields) };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const manifest = () =>
  appManifest('blog', {
    env: { COLOR: 'red' },
    command: ['serve'],
    memory: '64Mi',
    volumes: [{ path: '/data' }],
    tcpPorts: { SSH_PORT: { title: 'Git', containerPort: 22 } },
    ports: { SSH_PORT: 2222 },
  });

interface Lying {
  controller: RunningController;
  lie: Lie | undefined;
  made: number;
  /** Lets Docker tell of something that changes nothing. */
  wake(): void;
}

/** `stopMilliseconds`: how long a container takes to end. */
async function lying(stopMilliseconds: number): Promise<Lying> {
  const clock = new VirtualClock();
  const docker = createFakeDocker({ clock, pathExists: () => true });
  const { engine } = docker;
  const wake = () => {
    for (const found of engine.containers.values()) engine.update(found, {});
  };
  const liar: Omit<Lying, 'controller'> = { lie: undefined, made: 0, wake };
  const container: typeof docker.container = async (id) => {
    const found = engine.find(id);
    if (!liar.lie || !found) return docker.container(id);
    return readContainer(tell(engine.inspect(found), liar.lie) as InspectedContainer);
  };
  const createContainer: typeof docker.createContainer = async (spec) => {
    const before = engine.containers.size;
    const id = await docker.createContainer(spec);
    liar.made += engine.containers.size - before;
    return id;
  };
  const stop: typeof docker.stop = async (id, grace) => {
    await delay(clock, stopMilliseconds);
    return docker.stop(id, grace);
  };
  const wrap = () => ({ docker: { ...docker, container, createContainer, stop } });
  const controller = await startController({ world: { clock, docker }, wrap });
  return Object.assign(liar, { controller });
}

const condition = ({ controller }: Lying, type: string) =>
  controller.get('App', 'blog')?.status?.conditions?.find((entry) => entry.type === type);

async function pass({ controller }: Lying, seconds: number): Promise<void> {
  for (let left = seconds; left > 0; left -= 5) {
    await controller.pass(5_000);
    serveApps(controller);
  }
}

/** Where a container takes long to end, no field is another matter than the next. */
const slowly = lies.filter(([what]) => ['memory', 'the command', 'the name'].includes(what));

for (const [stopMilliseconds, some] of [
  [0, lies],
  [25_000, slowly],
] as const)
  for (const [what, field, lie] of some)
    test(`an engine that lies about ${what}, where a stop takes ${stopMilliseconds / 1000} s`, async () => {
      const liar = await lying(stopMilliseconds);
      try {
        await liar.controller.apply(manifest());
        await pass(liar, 60);
        assert.is(condition(liar, 'Ready')?.status, 'True', condition(liar, 'Ready')?.message);
        liar.lie = lie;
        liar.wake();
        await pass(liar, 300);
        const stalled = condition(liar, 'Stalled');
        assert.is(stalled?.reason, 'Looping', JSON.stringify(liar.controller.get('App', 'blog')?.status));
        assert.match(stalled?.message ?? '', field);
        assert.ok(liar.made <= MOST_CONTAINERS, `${liar.made} containers made`);
        const made = liar.made;
        await pass(liar, 200);
        assert.is(liar.made, made);
        liar.lie = undefined;
        await pass(liar, 120);
        assert.is(condition(liar, 'Ready')?.status, 'True', condition(liar, 'Ready')?.message);
        assert.is(condition(liar, 'Stalled'), undefined);
        assert.is(liar.made, made);
      } finally {
        await liar.controller.close();
      }
    });

test.run();
