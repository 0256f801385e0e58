/** The real host on this machine, in a temporary state folder. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createHost } from '../../reconcilers/drivers/host/linux.ts';
import { hostConformance } from './host.suite.ts';

hostConformance('linux', async () => {
  const base = await mkdtemp(join(tmpdir(), 'holdfast-host-'));
  const outside = join(base, 'outside');
  await mkdir(join(outside, 'inner'), { recursive: true });
  await writeFile(join(outside, 'inner', 'precious'), 'kept');
  const stateFolder = join(base, 'state');
  await mkdir(stateFolder);
  return {
    host: createHost({ stateFolder }),
    stateFolder,
    modeOf: async (path) => (await stat(path)).mode & 0o7777,
    putFile: (path) => writeFile(path, ''),
    putLink: (path) => symlink(outside, path),
    outsideIsWhole: async () => (await readFile(join(outside, 'inner', 'precious'), 'utf8')) === 'kept',
    cleanup: () => rm(base, { recursive: true, force: true }),
  };
});

const test = suite('Host driver: what this machine says');
const host = createHost({ stateFolder: '/nonexistent' });

test('a state folder that is a link is followed, since whoever runs the machine made it', async () => {
  const base = await mkdtemp(join(tmpdir(), 'holdfast-host-'));
  try {
    await mkdir(join(base, 'disk'));
    await symlink(join(base, 'disk'), join(base, 'state'));
    await createHost({ stateFolder: join(base, 'state') }).ensureFolder(join(base, 'state', 'apps'), {
      mode: 0o755,
    });
    assert.ok((await stat(join(base, 'disk', 'apps'))).isDirectory());
  } finally {
    await rm(base, { recursive: true, force: true });
  }
});

test('a TCP port of this process is listed with its program', async () => {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const found = (await host.listeners()).find((one) => one.protocol === 'tcp' && one.port === port);
    assert.is(found?.address, '127.0.0.1');
    assert.is(found?.pid, process.pid);
    assert.ok(found?.program);
  } finally {
    server.close();
  }
});

test('a UDP port of this process is listed', async () => {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  try {
    const { port } = socket.address();
    const found = (await host.listeners()).find((one) => one.protocol === 'udp' && one.port === port);
    assert.is(found?.address, '127.0.0.1');
    assert.is(found?.pid, process.pid);
  } finally {
    socket.close();
  }
});

test('routes are networks with an interface, without the default route', async () => {
  for (const route of await host.routes()) {
    assert.match(route.destination, /^\d+\.\d+\.\d+\.\d+\/\d+$/);
    assert.is.not(route.destination, '0.0.0.0/0');
    assert.ok(route.interface);
  }
});

test('IPv6 is there exactly when a server can listen on ::1', async () => {
  const server = createServer();
  const can = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(0, '::1', () => server.close(() => resolve(true)));
  });
  assert.is(await host.hasIpv6(), can);
});

test('a profile of AppArmor that nobody loaded is not there', async () => {
  assert.is(await host.hasAppArmorProfile('holdfast-no-such-profile'), false);
});

test.run();
