/** The driver before an engine that has dropped old API versions, as Docker 29 did: it must speak a newer one at once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createDocker } from '../../reconcilers/drivers/docker/dockerode.ts';
import { type NewEngine, startNewEngine } from '../support/new-engine.ts';
import { dockerConformance } from './docker.suite.ts';
import { makeReal } from './docker-made.ts';
import { realParts } from './docker-parts.ts';

const SOCKET = '/var/run/docker.sock';
const parts = await realParts();
if ('reason' in parts) console.log(`SKIP: docker-29: ${parts.reason}`);
else {
  const { engine, busybox } = parts;
  const { ApiVersion: known } = await engine.version();
  const place = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-engine-'));
    const socketPath = join(folder, 'docker.sock');
    const door = await startNewEngine(socketPath, SOCKET, known);
    const close = async () => {
      await door.close();
      await rm(folder, { recursive: true, force: true });
    };
    return { socketPath, door, close };
  };

  dockerConformance('an engine that refuses old API versions', async () => {
    const { socketPath, door, close } = await place();
    const made = await makeReal(engine, busybox, 'new', socketPath);
    return {
      ...made,
      async cleanup() {
        await made.cleanup();
        await close();
        assert.equal(door.refused, [], 'no request was in a version that it refuses');
      },
    };
  });

  const test = suite('Docker driver: an engine that is upgraded meanwhile');

  test('speaks the newest version that both know', async () => {
    const { socketPath, close } = await place();
    try {
      const info = await createDocker({ clock: systemClock, socketPath }).info();
      assert.equal([info.version, info.apiVersion], ['29.0.0', '1.51']);
    } finally {
      await close();
    }
  });

  test('asks again for the version when it is refused, and goes on', async () => {
    const { socketPath, door, close } = await place();
    await door.close();
    // The same socket leads to the old engine first.
    let before: NewEngine | undefined = await startNewEngine(socketPath, SOCKET, known, {
      oldest: 24,
      newest: known,
    });
    const docker = createDocker({ clock: systemClock, socketPath });
    try {
      assert.is((await docker.info()).apiVersion, known);
      await before.close();
      before = undefined;
      const after = await startNewEngine(socketPath, SOCKET, known);
      assert.ok(Array.isArray(await docker.containers()));
      assert.is(after.refused.length, 1);
      assert.is((await docker.info()).apiVersion, '1.51');
      await after.close();
    } finally {
      await before?.close();
      await close();
    }
  });

  test.run();
}
