/**
 * Real servers for the tests of the databases driver: built on this machine from Debian's packages, run by its Docker engine, removed when
 * the test ends. The images stay for the next test.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Dockerode from 'dockerode';
import { systemClock } from '../../controller/clock.ts';
import { hasDebootstrap } from '../../controller/supervise/images/base.ts';
import { buildImage } from '../../controller/supervise/images/build.ts';
import { chosenImages } from '../../controller/supervise/images/catalogue.ts';
import { createDatabases } from '../../reconcilers/drivers/database/databases.ts';
import type { Databases, RunningServer } from '../../reconcilers/drivers/database/index.ts';
import { createDocker } from '../../reconcilers/drivers/docker/dockerode.ts';
import { SERVER_PORT, type ServerType } from '../../resources/addons.ts';
import { redisUsersFile } from '../../resources/redis-users.ts';
import { madeOnce } from '../support/lock.ts';
import { until } from './until.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The image, built where it is missing; or why it cannot be had. */
export async function serverImage(name: string): Promise<{ image: string } | { reason: string }> {
  const docker = new Dockerode();
  try {
    await docker.ping();
  } catch (error) {
    return { reason: `no Docker engine answers: ${String(error)}` };
  }
  const [wanted] = chosenImages([name], 'bookworm');
  if (!wanted) return { reason: `${name} cannot be built` };
  const isThere = () =>
    docker
      .getImage(wanted.image)
      .inspect()
      .then(
        () => true,
        () => false,
      );
  if (await isThere()) return { image: wanted.image };
  if (!hasDebootstrap()) return { reason: 'no mmdebstrap (Debian: mmdebstrap) to build images with' };
  const { signal } = new AbortController();
  // The engine's stream alone does not keep a process awake.
  const awake = setInterval(() => undefined, 1_000);
  try {
    const say = (line: string) => console.log(line);
    await madeOnce('images', isThere, () =>
      buildImage(wanted, { docker, root, say, signal, refresh: false }),
    );
  } finally {
    clearInterval(awake);
  }
  return { image: wanted.image };
}

export interface RealServer {
  databases: Databases;
  server: RunningServer;
  /** Runs a program in the container and answers what it said. */
  run(command: string[], env?: string[]): Promise<string>;
  remove(): Promise<void>;
}

const ENVIRONMENT: Readonly<Record<ServerType, (password: string) => string[]>> = {
  postgresql: (password) => [`POSTGRES_PASSWORD=${password}`],
  mysql: (password) => [`MARIADB_ROOT_PASSWORD=${password}`],
  mongodb: (password) => ['MONGO_INITDB_ROOT_USERNAME=root', `MONGO_INITDB_ROOT_PASSWORD=${password}`],
  redis: () => [],
};

export async function startServer(type: ServerType, image: string): Promise<RealServer> {
  const engine = new Dockerode();
  const password = randomBytes(12).toString('hex');
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-redis-'));
  chmodSync(folder, 0o755);
  writeFileSync(join(folder, 'users.acl'), redisUsersFile(password, undefined), { mode: 0o644 });
  const container = await engine.createContainer({
    Image: image,
    name: `holdfast-test-${type}-${randomBytes(4).toString('hex')}`,
    Labels: { 'dev.holdfast.test': String(process.pid) },
    Env: ENVIRONMENT[type](password),
    ...(type === 'redis' ? { Cmd: ['redis-server', '--aclfile', '/etc/holdfast/users.acl'] } : {}),
    HostConfig: {
      Memory: 512 * 2 ** 20,
      ...(type === 'redis' ? { Binds: [`${folder}:/etc/holdfast:ro`] } : {}),
    },
  });
  const remove = async () => {
    await container.remove({ force: true, v: true }).catch(() => undefined);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await engine.getContainer(container.id).start();
    const { NetworkSettings } = await container.inspect();
    const docker = createDocker({ clock: systemClock, log: { warn: () => undefined } as never });
    const databases = createDatabases({ clock: systemClock, exec: docker.exec });
    const server: RunningServer = {
      type,
      name: `addon/${type}`,
      address: Object.values(NetworkSettings.Networks)[0]?.IPAddress ?? '',
      port: SERVER_PORT[type],
      password,
      container: container.id,
    };
    const answers = () =>
      databases.version(server).then(
        () => true,
        () => false,
      );
    await until(answers, `${type} answers`, 120);
    return {
      databases,
      server,
      async run(command, env = []) {
        const exec = await container.exec({
          Cmd: command,
          Env: env,
          AttachStdout: true,
          AttachStderr: true,
          Tty: true,
        });
        const stream = await exec.start({ Tty: true });
        let words = '';
        for await (const chunk of stream) words += String(chunk);
        const { ExitCode } = await exec.inspect();
        if (ExitCode !== 0) throw new Error(`${command.join(' ')}: exit ${ExitCode}: ${words}`);
        return words.trim();
      },
      async remove() {
        await databases.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
