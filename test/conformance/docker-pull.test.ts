/**
 * Pulling from a real registry: the one that HOLDFAST_TEST_REGISTRY names (host:port, writable, without a password), or
 * Debian's docker-registry on a loopback port. A registry that hangs is played by a server in here. Without an engine, a
 * registry or a busybox it prints why it is skipped.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type Dockerode from 'dockerode';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createDocker } from '../../reconcilers/drivers/docker/dockerode.ts';
import type { PullProgress } from '../../reconcilers/drivers/docker/index.ts';
import { telling } from '../support/before.ts';
import { rejects } from './docker.suite.ts';
import { freePort, importImage, realParts } from './docker-parts.ts';
import { until } from './until.ts';

const USER = { username: 'ali', password: 'opensesame' };
/** bcrypt of the password above. */
const HTPASSWD = 'ali:$2b$04$loU1sD2/RYDr0sbUWCALtOHnB/h1nxfDvDdGdQL3gzRWySzKyuGf2\n';

interface Registry {
  address: string;
  stop(): Promise<void>;
}

async function startRegistry(withPassword: boolean): Promise<Registry> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-registry-'));
  const port = await freePort();
  await writeFile(join(folder, 'htpasswd'), HTPASSWD);
  const auth = `auth: {htpasswd: {realm: test, path: ${join(folder, 'htpasswd')}}}\n`;
  const config = `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${join(folder, 'data')}}}
http: {addr: "127.0.0.1:${port}"}
${withPassword ? auth : ''}`;
  await writeFile(join(folder, 'config.yml'), config);
  const child: ChildProcess = spawn('docker-registry', ['serve', join(folder, 'config.yml')], {
    stdio: 'ignore',
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async () => {
    child.kill('SIGKILL');
    await ended;
    await rm(folder, { recursive: true, force: true });
  };
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error('docker-registry ended at once');
      const answer = await fetch(`http://127.0.0.1:${port}/v2/`).catch(() => undefined);
      return answer !== undefined;
    }, 'the registry answers');
  } catch (caught) {
    await stop();
    throw caught;
  }
  return { address: `127.0.0.1:${port}`, stop };
}

/** Says that it is a registry, and nothing more. */
function startSilentRegistry(): Promise<{ server: Server; address: string }> {
  const server = createServer((request, response) => {
    if (request.url === '/v2/') response.end('{}');
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve({ server, address: `127.0.0.1:${(server.address() as AddressInfo).port}` });
    });
  });
}

async function push(engine: Dockerode, image: string, authconfig?: object): Promise<void> {
  const stream = await engine.getImage(image).push({ authconfig: authconfig ?? {} });
  for await (const chunk of stream as Readable) {
    const text = String(chunk);
    if (text.includes('"error"')) throw new Error(text);
  }
}

function pulling(engine: Dockerode, busybox: string): void {
  const test = suite('Docker driver: pulling from a real registry');
  const docker = createDocker({ clock: systemClock });
  const given = process.env['HOLDFAST_TEST_REGISTRY'];
  const run = `hfpull${process.pid}`;
  const registries: Registry[] = [];
  const local = `${run}-local:1`;
  let address = given ?? '';
  let digest = '';

  const remove = (image: string) =>
    engine
      .getImage(image)
      .remove({ force: true })
      .catch(() => {});

  test.before(
    telling(async () => {
      if (given === undefined) {
        const registry = await startRegistry(false);
        registries.push(registry);
        address = registry.address;
      }
      await importImage(engine, local, busybox);
      for (const tag of ['1', 'latest']) {
        await engine.getImage(local).tag({ repo: `${address}/${run}/app`, tag });
        await push(engine, `${address}/${run}/app:${tag}`);
      }
      const { RepoDigests } = await engine.getImage(`${address}/${run}/app:1`).inspect();
      digest = RepoDigests.find((one) => one.startsWith(`${address}/`)) ?? '';
    }),
  );
  test.before.each(async () => {
    for (const one of [`${address}/${run}/app:1`, `${address}/${run}/app:latest`, digest, local])
      await remove(one);
  });
  test.after(async () => {
    for (const one of [`${address}/${run}/app:1`, `${address}/${run}/app:latest`, digest, local])
      await remove(one);
    for (const registry of registries) await registry.stop();
  });

  test('by tag: the image is there, and progress ended at 100', async () => {
    const progress: PullProgress[] = [];
    const image = await docker.pull(`${address}/${run}/app:1`, { onProgress: (now) => progress.push(now) });
    assert.ok(image.tags.includes(`${address}/${run}/app:1`));
    assert.ok(image.digests.includes(digest));
    assert.is(progress.at(-1)?.percent, 100);
    const percents = progress.flatMap(({ percent }) => (percent === undefined ? [] : [percent]));
    assert.equal(
      percents,
      [...percents].sort((left, right) => left - right),
    );
    assert.is((await docker.image(`${address}/${run}/app:1`))?.id, image.id);
  });

  test('by digest, and again when it is there already', async () => {
    const image = await docker.pull(digest, {});
    assert.ok(image.digests.includes(digest));
    assert.is((await docker.pull(digest, {})).id, image.id);
  });

  test('without a tag it is latest', async () => {
    const image = await docker.pull(`${address}/${run}/app`, {});
    assert.equal(image.tags, [`${address}/${run}/app:latest`]);
  });

  test('an image that the registry lacks is notFound, by tag, by name and by digest', async () => {
    await rejects('notFound', docker.pull(`${address}/${run}/app:9`, {}), /app:9.*manifest unknown/s);
    await rejects('notFound', docker.pull(`${address}/${run}/none:1`, {}), /none:1/);
    const other = `${address}/${run}/app@sha256:${'0'.repeat(64)}`;
    await rejects('notFound', docker.pull(other, {}), /manifest/);
  });

  test('what cannot be a reference is invalid', async () => {
    await rejects('invalid', docker.pull('Not An Image', {}), /invalid reference format/);
    await rejects('invalid', docker.pull(`${address}/UPPER:1`, {}), /UPPER/);
  });

  test('a registry that is not there is an error with the real text, and not taken for a missing engine', async () => {
    const port = await freePort();
    await rejects('failed', docker.pull(`127.0.0.1:${port}/app:1`, {}), /connection refused/);
  });

  test('a registry that hangs ends with timeout, and a cancelled pull with aborted', async () => {
    const { server, address: silent } = await startSilentRegistry();
    try {
      await rejects('timeout', docker.pull(`${silent}/app:1`, { stallSeconds: 1 }), /nothing moved for 1 s/);
      const stop = new AbortController();
      const pull = docker.pull(`${silent}/app:1`, { signal: stop.signal });
      setTimeout(() => stop.abort(), 50);
      await rejects('aborted', pull, /app:1/);
      await rejects('aborted', docker.pull(`${silent}/app:1`, { signal: stop.signal }));
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  test('a registry that hangs holds up no pull from another', async () => {
    const { server, address: silent } = await startSilentRegistry();
    const stop = new AbortController();
    const hung = [1, 2, 3, 4, 5].map((tag) => docker.pull(`${silent}/app:${tag}`, { signal: stop.signal }));
    const ended = Promise.allSettled(hung);
    try {
      const began = performance.now();
      await rejects('notFound', docker.pull(`${address}/${run}/none:1`, {}), /none:1/);
      assert.ok(performance.now() - began < 10_000, 'it did not wait for those that hang');
    } finally {
      stop.abort();
      await ended;
      server.closeAllConnections();
      server.close();
    }
  });

  if (given === undefined) {
    test('with a password: denied without it or with a wrong one, pulled with the right one', async () => {
      const registry = await startRegistry(true);
      registries.push(registry);
      const image = `${registry.address}/${run}/secret:1`;
      await importImage(engine, local, busybox);
      await engine.getImage(local).tag({ repo: `${registry.address}/${run}/secret`, tag: '1' });
      await push(engine, image, { ...USER, serveraddress: registry.address });
      await remove(image);
      await rejects('denied', docker.pull(image, {}));
      await rejects('denied', docker.pull(image, { auth: { ...USER, password: 'wrong' } }), /secret:1/);
      const pulled = await docker.pull(image, { auth: USER });
      await remove(image);
      assert.ok(pulled.tags.includes(image));
    });
  } else console.log('SKIP: docker-pull: credentials (the registry that was given has none)');

  test.run();
}

const parts = await realParts();
const hasRegistry =
  process.env['HOLDFAST_TEST_REGISTRY'] !== undefined ||
  spawnSync('docker-registry', ['--version'], { stdio: 'ignore' }).status === 0;
if ('reason' in parts) console.log(`SKIP: docker-pull: ${parts.reason}`);
else if (!hasRegistry)
  console.log('SKIP: docker-pull: no docker-registry on PATH, and HOLDFAST_TEST_REGISTRY is not set');
else pulling(parts.engine, parts.busybox);
