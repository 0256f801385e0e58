/** The real nginx in a folder of its own, for tests: high loopback ports, everything ended and removed by `close`. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../controller/clock.ts';
import type { Nginx } from '../../reconcilers/drivers/nginx/index.ts';
import { createNginx } from '../../reconcilers/drivers/nginx/process.ts';
import { type NginxHarness, until } from './nginx.suite.ts';

export interface RealNginx extends NginxHarness {
  nginx: Nginx;
  prefix: string;
  program: string;
}

/** undefined with a reason when there is no nginx here. */
export function missingNginx(): string | undefined {
  const found = spawnSync('nginx', ['-v'], {
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/usr/local/sbin` },
  });
  return found.error ? 'nginx is not installed (apt-get install nginx-light)' : undefined;
}

function installedNginx(): string {
  const folders = [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  const found = folders.map((folder) => join(folder, 'nginx')).find((file) => existsSync(file));
  if (found === undefined) throw new Error('nginx is not installed');
  return found;
}

export async function realNginx(): Promise<RealNginx> {
  const root = await mkdtemp(join(tmpdir(), 'holdfast-nginx-'));
  const prefix = join(root, 'nginx');
  // A copy, which a test may replace.
  const program = join(root, 'nginx-program');
  const installed = installedNginx();
  await copyFile(installed, program);
  const nginx = createNginx({ folder: prefix, program, clock: systemClock });
  return {
    nginx,
    prefix,
    program,
    port: await freePorts(3),
    async kill() {
      const { pid } = await nginx.state();
      if (pid === undefined) throw new Error('nginx does not run');
      process.kill(pid, 'SIGKILL');
      await until(async () => (await nginx.state()).pid !== pid, 'nginx does not die');
    },
    async replaceProgram(kind) {
      const next = `${program}.next`;
      const script = `#!/bin/sh\ncase " $* " in *" -t "*|*" -v "*) exec ${installed} "$@" ;; esac\nexit 1\n`;
      if (kind === 'good') await copyFile(installed, next);
      else await writeFile(next, script, { mode: 0o755 });
      await rename(next, program);
    },
    async edit(path, text) {
      if (text === undefined) await rm(join(nginx.folder, path));
      else await writeFile(join(nginx.folder, path), text);
    },
    async takePort(port) {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port, '127.0.0.1', resolve);
      });
      return () => new Promise<void>((resolve) => server.close(() => resolve()));
    },
    async close() {
      await nginx.stop();
      await rm(root, { recursive: true, force: true });
    },
  };
}

let next = 20_000 + (process.pid % 400) * 20;

/** The first of so many neighbouring loopback ports that are free now. */
export async function freePorts(count: number): Promise<number> {
  for (let tries = 0; tries < 200; tries += 1) {
    const first = next;
    next += count;
    const free = await Promise.all(Array.from({ length: count }, (_, index) => isFree(first + index)));
    if (free.every(Boolean)) return first;
  }
  throw new Error('no free ports on 127.0.0.1');
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
