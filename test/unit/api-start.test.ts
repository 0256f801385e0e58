import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { startApi } from '../../controller/api/start.ts';
import { openStream, testDependencies, testKinds } from './api-client.ts';
import { memoryStore } from './api-memory-store.ts';

const dependencies = testDependencies(memoryStore(testKinds));

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-socket-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function fails(socketPath: string, message: RegExp): Promise<void> {
  try {
    await (await startApi({ ...dependencies, socketPath })).close();
  } catch (error) {
    assert.match((error as Error).message, message);
    return;
  }
  assert.unreachable('it started');
}

test('the socket and its folder are for their owner alone', () =>
  withFolder(async (folder) => {
    await mkdir(join(folder, 'run'), { mode: 0o755 });
    const socketPath = join(folder, 'run', 'api.sock');
    const api = await startApi({ ...dependencies, socketPath });
    try {
      assert.is((await stat(socketPath)).mode & 0o777, 0o600);
      assert.is((await stat(join(folder, 'run'))).mode & 0o777, 0o700);
      assert.is((await openStream(socketPath, '/healthz')).code, 200);
    } finally {
      await api.close();
    }
  }));

test('a socket whose process is gone is replaced', () =>
  withFolder(async (folder) => {
    const socketPath = join(folder, 'api.sock');
    await leaveSocket(socketPath);
    assert.ok((await stat(socketPath)).isSocket());
    const api = await startApi({ ...dependencies, socketPath });
    try {
      assert.is((await openStream(socketPath, '/healthz')).code, 200);
    } finally {
      await api.close();
    }
  }));

test('a socket that somebody answers on is left alone', () =>
  withFolder(async (folder) => {
    const socketPath = join(folder, 'api.sock');
    const api = await startApi({ ...dependencies, socketPath });
    try {
      await fails(socketPath, /Another controller answers/);
      assert.is((await openStream(socketPath, '/healthz')).code, 200);
    } finally {
      await api.close();
    }
  }));

test('what is no socket is not removed', () =>
  withFolder(async (folder) => {
    const socketPath = join(folder, 'api.sock');
    await writeFile(socketPath, 'precious');
    await fails(socketPath, /is no socket/);
    assert.ok((await stat(socketPath)).isFile());
  }));

test('a folder that others use is not closed to them', async () => {
  const before = (await stat('/tmp')).mode;
  await fails('/tmp/holdfast-test.sock', /a folder of its own/);
  assert.is((await stat('/tmp')).mode, before);
});

test('a path longer than the kernel takes is refused with words', () =>
  withFolder((folder) => fails(join(folder, 'x'.repeat(120)), /longer than 107 bytes/)));

/** Binds a socket and goes without removing it, as a killed process does: its file is moved out of the way of the close. */
async function leaveSocket(socketPath: string): Promise<void> {
  const { link } = await import('node:fs/promises');
  const first = `${socketPath}.first`;
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(first, resolve));
  await link(first, socketPath);
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

test.run();
