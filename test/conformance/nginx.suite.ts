/**
 * What every Nginx must do, the fake as the real one. A driver's test gives a maker of a fresh harness; the suite does to it
 * what people and accidents do.
 */
import type { suite, test as uvuTest } from 'uvu';
import * as assert from 'uvu/assert';
import { DriverError } from '../../reconcilers/drivers/error.ts';
import type { ConfigFiles, Nginx } from '../../reconcilers/drivers/nginx/index.ts';

export interface NginxHarness {
  nginx: Nginx;
  /** A loopback port that is free, and its own for this harness. */
  port: number;
  /** Kills the master as `kill -9` does. */
  kill(): Promise<void>;
  /** Another program lies where the one that runs came from; a bad one does not start. */
  replaceProgram(kind: 'good' | 'bad'): Promise<void>;
  /** Edits a published file by hand; undefined deletes it. */
  edit(path: string, text: string | undefined): Promise<void>;
  /** Lets another program listen on 127.0.0.1 at this port; the answer lets go of it. */
  takePort(port: number): Promise<() => Promise<void>>;
  close(): Promise<void>;
}

type Test = ReturnType<typeof suite>;

export function nginxSuite(test: Test | typeof uvuTest, make: () => Promise<NginxHarness>): void {
  const check = (name: string, run: (harness: NginxHarness) => Promise<void>) =>
    test(name, async () => {
      const harness = await make();
      try {
        await run(harness);
      } finally {
        await harness.close();
      }
    });

  check('before the first set there is nothing, and it cannot start', async ({ nginx }) => {
    const state = await nginx.state();
    assert.is(state.generation, 0);
    assert.is(state.running, false);
    assert.is(state.loaded, false);
    assert.is(state.files.size, 0);
    assert.match(state.version ?? '', /^\d+\.\d+\.\d+$/);
    assert.is(await codeOf(nginx.start()), 'invalid');
  });

  check('a set is published, started, and started again without effect', async ({ nginx, port }) => {
    assert.equal(await nginx.publish(config(port)), { ok: true, generation: 1 });
    const before = await nginx.state();
    assert.equal([...before.files].sort(), [...config(port)].sort());
    assert.is(before.running, false);
    await nginx.start();
    const first = await nginx.state();
    assert.is(first.running, true);
    assert.is(first.loaded, true);
    await nginx.start();
    assert.is((await nginx.state()).pid, first.pid);
  });

  check(
    'a changed set is loaded without a restart, an identical one is not written again',
    async ({ nginx, port }) => {
      await nginx.publish(config(port));
      await nginx.start();
      const { pid } = await nginx.state();
      assert.equal(await nginx.publish(config(port, 'two')), { ok: true, generation: 2 });
      assert.equal(await nginx.publish(config(port, 'two')), { ok: true, generation: 2 });
      const state = await nginx.state();
      assert.is(state.pid, pid);
      assert.is(state.loaded, true);
      assert.match(state.files.get('sites/a.conf') ?? '', /two/);
    },
  );

  check('what is refused names the file, and the set before stays loaded', async ({ nginx, port }) => {
    await nginx.publish(config(port));
    await nginx.start();
    const bad = new Map(config(port, 'two')).set('sites/b.conf', 'holdfast_nonsense on;\n');
    const result = await nginx.publish(bad);
    assert.is(result.ok, false);
    if (result.ok) return;
    assert.is(result.refused.file, 'sites/b.conf');
    assert.is(result.refused.line, 1);
    assert.match(result.refused.message, /holdfast_nonsense/);
    const state = await nginx.state();
    assert.is(state.generation, 1);
    assert.is(state.loaded, true);
    assert.not.ok(state.files.has('sites/b.conf'));
  });

  check('a new program takes over with the sockets of the one before, once', async (harness) => {
    const { nginx, port } = harness;
    await nginx.publish(config(port));
    assert.equal(await nginx.upgrade(), { ok: true }, 'nothing runs');
    await nginx.start();
    const before = await nginx.state();
    assert.is(before.outdated, undefined);
    assert.equal(await nginx.upgrade(), { ok: true });
    assert.is((await nginx.state()).pid, before.pid, 'it is up to date');
    await harness.replaceProgram('good');
    assert.is((await nginx.state()).outdated, true);
    assert.equal(await nginx.upgrade(), { ok: true });
    const after = await nginx.state();
    assert.is.not(after.pid, before.pid);
    assert.equal([after.running, after.loaded, after.outdated], [true, true, undefined]);
    assert.ok((await nginx.publish(config(port, 'two'))).ok);
    assert.is((await nginx.state()).pid, after.pid);
  });

  check('a new program that does not start leaves the one before in its place', async (harness) => {
    const { nginx, port } = harness;
    await nginx.publish(config(port));
    await nginx.start();
    const { pid } = await nginx.state();
    await harness.replaceProgram('bad');
    const result = await nginx.upgrade();
    assert.is(result.ok, false);
    const state = await nginx.state();
    assert.equal([state.running, state.loaded, state.pid], [true, true, pid]);
    assert.is(state.outdated, undefined, 'it is not tried again at once');
    assert.ok((await nginx.publish(config(port, 'two'))).ok);
    assert.is((await nginx.state()).pid, pid);
  });

  check('edits by hand are seen and put back', async ({ nginx, port, edit }) => {
    await nginx.publish(config(port));
    await nginx.start();
    await edit('sites/a.conf', '# mine\n');
    await edit('sites/extra.conf', '# more\n');
    const edited = await nginx.state();
    assert.is(edited.files.get('sites/a.conf'), '# mine\n');
    assert.ok(edited.files.has('sites/extra.conf'));
    assert.ok((await nginx.publish(config(port))).ok);
    const state = await nginx.state();
    assert.equal([...state.files].sort(), [...config(port)].sort());
    assert.is(state.loaded, true);
    await edit('sites/a.conf', undefined);
    assert.not.ok((await nginx.state()).files.has('sites/a.conf'));
  });

  check('killed, it is seen as not running, and starts again', async ({ nginx, port, kill }) => {
    await nginx.publish(config(port));
    await nginx.start();
    const { pid } = await nginx.state();
    await kill();
    const dead = await nginx.state();
    assert.is(dead.running, false);
    assert.is(dead.loaded, false);
    await nginx.start();
    const state = await nginx.state();
    assert.is(state.running, true);
    assert.is(state.loaded, true);
    assert.is.not(state.pid, pid);
  });

  check(
    'a port that is taken is a conflict that names it, at the start',
    async ({ nginx, port, takePort }) => {
      const free = await takePort(port);
      try {
        await nginx.publish(config(port));
        const error = await errorOf(nginx.start());
        assert.is(error.code, 'conflict');
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port}`));
        assert.is((await nginx.state()).running, false);
      } finally {
        await free();
      }
      await nginx.start();
      assert.is((await nginx.state()).running, true);
    },
  );

  check(
    'a port that is taken when it reloads leaves the set before serving',
    async ({ nginx, port, takePort }) => {
      await nginx.publish(config(port));
      await nginx.start();
      const { pid } = await nginx.state();
      const free = await takePort(port + 1);
      try {
        assert.is(await codeOf(nginx.publish(config(port + 1))), 'conflict');
        const state = await nginx.state();
        assert.is(state.pid, pid);
        assert.is(state.loaded, true);
        assert.equal([...state.files].sort(), [...config(port)].sort());
      } finally {
        await free();
      }
      assert.ok((await nginx.publish(config(port + 1))).ok);
    },
  );

  check('it stops, twice too', async ({ nginx, port }) => {
    await nginx.publish(config(port));
    await nginx.start();
    await nginx.stop();
    assert.is((await nginx.state()).running, false);
    await nginx.stop();
  });

  check('a certificate that is written again has to be loaded', async ({ nginx, port }) => {
    const paths = await nginx.writeCertificate('a.example', { certificate: 'one', key: 'k' });
    assert.is(paths.certificate, `${nginx.certificates}/a.example.pem`);
    assert.is(paths.key, `${nginx.certificates}/a.example.key`);
    await nginx.publish(config(port));
    await nginx.start();
    assert.is((await nginx.state()).loaded, true);
    await nginx.writeCertificate('a.example', { certificate: 'two', key: 'k' });
    assert.is((await nginx.state()).loaded, false);
    assert.ok((await nginx.publish(config(port))).ok);
    assert.is((await nginx.state()).loaded, true);
    assert.equal((await nginx.state()).certificates, ['a.example']);
  });

  check(
    'a certificate is removed as it was found, and not the one that took its place',
    async ({ nginx }) => {
      const one = { certificate: 'one', key: 'k' };
      const two = { certificate: 'two', key: 'k' };
      await nginx.writeCertificate('a.example', one);
      const found = await nginx.certificate('a.example');
      assert.equal(found, one);
      await nginx.writeCertificate('a.example', two);
      await nginx.removeCertificate('a.example', found);
      await nginx.removeCertificate('a.example', undefined);
      assert.equal(await nginx.certificate('a.example'), two);
      await nginx.removeCertificate('a.example', two);
      await nginx.removeCertificate('a.example', two);
      assert.equal((await nginx.state()).certificates, []);
    },
  );

  check('names of certificates that leave the folder are refused', async ({ nginx }) => {
    assert.is(await codeOf(nginx.removeCertificate('../x', undefined)), 'invalid');
    assert.is(await codeOf(nginx.writeCertificate('../x', { certificate: '', key: '' })), 'invalid');
  });

  check('paths that leave the folder are refused', async ({ nginx, port }) => {
    const files = new Map(config(port)).set('../escape.conf', '');
    assert.is(await codeOf(nginx.publish(files)), 'invalid');
    assert.is((await nginx.state()).generation, 0);
  });

  check(
    'who follows is called for an edit and for a death, until it stops',
    async ({ nginx, port, edit, kill }) => {
      await nginx.publish(config(port));
      await nginx.start();
      const stop = new AbortController();
      let calls = 0;
      const following = nginx.follow(() => {
        calls += 1;
      }, stop.signal);
      await settled(() => calls);
      const quiet = calls;
      await edit('sites/a.conf', '# mine\n');
      await until(() => calls > quiet, 'no call after an edit');
      await settled(() => calls);
      const before = calls;
      await kill();
      await until(() => calls > before, 'no call after a death');
      stop.abort();
      await following;
    },
  );
}

export function config(port: number, name = 'one'): ConfigFiles {
  return new Map([
    [
      'nginx.conf',
      [
        'pid run/nginx.pid;',
        'error_log logs/error.log notice;',
        'events {}',
        'http {',
        '  access_log off;',
        '  client_body_temp_path run/body;',
        '  proxy_temp_path run/proxy;',
        '  fastcgi_temp_path run/fastcgi;',
        '  uwsgi_temp_path run/uwsgi;',
        '  scgi_temp_path run/scgi;',
        '  include sites/*.conf;',
        '}',
        '',
      ].join('\n'),
    ],
    ['sites/a.conf', `server {\n  listen 127.0.0.1:${port};\n  return 200 "${name}";\n}\n`],
  ]);
}

async function errorOf(promise: Promise<unknown>): Promise<DriverError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof DriverError) return error;
    throw error;
  }
  throw new Error('it should have been refused');
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await errorOf(promise)).code;
}

export async function until(
  done: () => boolean | Promise<boolean>,
  otherwise: string,
  seconds = 15,
): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await done())) {
    if (performance.now() > deadline) throw new Error(otherwise);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until a number has not moved for half a second. */
async function settled(read: () => number): Promise<void> {
  let last = read();
  let since = performance.now();
  await until(() => {
    if (read() !== last) {
      last = read();
      since = performance.now();
    }
    return performance.now() - since > 500;
  }, 'it never became quiet');
}
