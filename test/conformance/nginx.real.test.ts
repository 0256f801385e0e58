import { appendFile, lstat, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { systemClock } from '../../controller/clock.ts';
import { createNginx } from '../../reconcilers/drivers/nginx/process.ts';
import { missingNginx, type RealNginx, realNginx } from './nginx.real.ts';
import { codeOf, config, nginxSuite, until } from './nginx.suite.ts';

const missing = missingNginx();
if (missing !== undefined) {
  console.log(`SKIP: nginx: real: ${missing}`);
} else {
  const real = suite('nginx: real');
  nginxSuite(real, realNginx);

  const check = (name: string, run: (harness: RealNginx) => Promise<void>) =>
    real(name, async () => {
      const harness = await realNginx();
      try {
        await run(harness);
      } finally {
        await harness.close();
      }
    });

  check(
    'a new controller finds the nginx of the one before, and starts no second',
    async ({ nginx, prefix, program, port }) => {
      await nginx.publish(config(port));
      await nginx.start();
      const { pid } = await nginx.state();
      const second = createNginx({ folder: prefix, program, clock: systemClock });
      assert.is((await second.state()).pid, pid);
      assert.is((await second.state()).loaded, true);
      await rm(join(prefix, 'run/nginx.pid'));
      const third = createNginx({ folder: prefix, program, clock: systemClock });
      assert.is((await third.state()).pid, pid, 'also without a pid file');
      await third.start();
      assert.ok((await third.publish(config(port, 'two'))).ok);
      assert.is(await get(port), 'two');
      assert.is((await readFile(join(prefix, 'run/nginx.pid'), 'utf8')).trim(), String(pid));
    },
  );

  check(
    'the workers of a killed master let go of the ports, and serve until then',
    async ({ nginx, port, kill }) => {
      await nginx.publish(config(port));
      await nginx.start();
      await kill();
      assert.is(await get(port), 'one', 'orphans still answer');
      await nginx.publish(config(port, 'two'));
      await nginx.start();
      await until(async () => (await get(port)) === 'two', 'the old workers still answer');
    },
  );

  check(
    'a reload that fails is told as such also where no worker was there when it was asked for',
    async ({ nginx, port, takePort }) => {
      await nginx.publish(config(port));
      await nginx.start();
      const { pid = 0 } = await nginx.state();
      const free = await takePort(port + 1);
      const workers = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
      // As in the moment between the start of a master and that of its workers.
      process.kill(pid, 'SIGSTOP');
      try {
        for (const worker of workers.trim().split(' ')) process.kill(Number(worker), 'SIGKILL');
        const answer = codeOf(nginx.publish(config(port + 1)));
        await new Promise((resolve) => setTimeout(resolve, 500));
        process.kill(pid, 'SIGCONT');
        assert.is(await answer, 'conflict');
        assert.is(await get(port), 'one');
      } finally {
        process.kill(pid, 'SIGCONT');
        await free();
      }
    },
  );

  check(
    'a crash between swap and reload shows as not loaded, and publishing again loads',
    async ({ nginx, prefix, port }) => {
      await nginx.publish(config(port));
      await nginx.start();
      await nginx.publish(config(port, 'two'));
      // What such a crash leaves: the new set is current, the note is of the one before.
      const note = join(prefix, 'run/loaded');
      const text = await readFile(note, 'utf8');
      await writeFile(note, text.replace('"generation":2', '"generation":1'));
      assert.is((await nginx.state()).loaded, false);
      assert.equal(await nginx.publish(config(port, 'two')), { ok: true, generation: 2 });
      assert.is((await nginx.state()).loaded, true);
    },
  );

  check(
    'from one address to all addresses on the same port, nginx is started again',
    async ({ nginx, port }) => {
      await nginx.publish(config(port));
      await nginx.start();
      const all = new Map(config(port, 'all'));
      all.set('sites/a.conf', (all.get('sites/a.conf') ?? '').replace('127.0.0.1:', '0.0.0.0:'));
      assert.ok((await nginx.publish(all)).ok);
      assert.is(await get(port), 'all');
      assert.is((await nginx.state()).loaded, true);
    },
  );

  check('three sets are kept, and keys are readable by root alone', async ({ nginx, prefix, port }) => {
    for (const name of ['one', 'two', 'three', 'four', 'five']) await nginx.publish(config(port, name));
    assert.equal((await readdir(join(prefix, 'generations'))).sort(), ['000003', '000004', '000005']);
    const paths = await nginx.writeCertificate('a', { certificate: 'c', key: 'k' });
    assert.is((await lstat(paths.key)).mode & 0o777, 0o600);
    assert.is((await lstat(nginx.certificates)).mode & 0o777, 0o700);
  });

  check(
    'the error log is cut when it is full, and nginx goes on writing to it',
    async ({ nginx, prefix, port }) => {
      await nginx.publish(config(port));
      await nginx.start();
      const log = join(prefix, 'logs/error.log');
      await appendFile(log, Buffer.alloc(17 * 1024 * 1024, 'x'));
      const stop = new AbortController();
      const following = nginx.follow(() => undefined, stop.signal);
      await until(async () => (await lstat(log)).size < 1000, 'the log is not cut');
      stop.abort();
      await following;
      assert.ok((await nginx.publish(config(port, 'two'))).ok);
      assert.match(await readFile(log, 'utf8'), /reconfiguring/);
      assert.ok((await lstat(`${log}.1`)).size > 16 * 1024 * 1024);
    },
  );

  check('looking writes nothing', async ({ nginx, prefix }) => {
    await nginx.state();
    assert.is(await lstat(prefix).catch(() => undefined), undefined);
  });

  real.run();
}

async function get(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/`, { headers: { connection: 'close' } });
  return answer.text();
}
