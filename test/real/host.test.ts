/** Proves the harness itself: what other tests take for granted about a host in a container. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { docker, run } from './docker.ts';
import { type Host, project, startHost } from './host.ts';

const hosts: Host[] = [];
const start = async (init: 'none' | 'systemd') => {
  const host = await startHost({ name: `harness-${init}`, init });
  hosts.push(host);
  return host;
};

test.after(async () => {
  for (const host of hosts) await host.remove();
  for (const host of hosts) {
    assert.is((await run('docker', ['inspect', host.name])).code, 1, `${host.name} is left behind`);
  }
});

/** A tiny image, and a container from it that comes back by itself, with a limit and a published port. */
async function runInner(host: Host): Promise<void> {
  await host.sh(`
    mkdir -p /tmp/root/bin /tmp/root/www
    cp /bin/busybox /tmp/root/bin/
    echo inner >/tmp/root/www/index.html
    tar -C /tmp/root -c . | docker import - inner:1 >/dev/null
    docker run -d --name inner --restart always --memory 64m -p 8080:80 inner:1 /bin/busybox httpd -f -h /www
  `);
}

const page = 'curl -sf --retry 20 --retry-delay 1 --retry-all-errors http://127.0.0.1:8080/';

for (const init of ['none', 'systemd'] as const) {
  test(`a host with init ${init} runs containers of its own and has them back after a reboot`, async () => {
    const host = await start(init);
    await runInner(host);
    assert.is(await host.sh(page), 'inner');
    await host.sh('echo kept >/root/note; echo lost >/run/note; sync');
    await host.reboot();
    assert.is(await host.sh(page), 'inner');
    assert.is(await host.readFile('/root/note'), 'kept\n');
    assert.is(await host.readFile('/run/note'), '');
  });

  test(`a host with init ${init} has node and the project, which it cannot write to`, async () => {
    const host = hosts[init === 'none' ? 0 : 1];
    if (host === undefined) throw new Error('the test before did not start the host');
    assert.is(await host.sh('node --version'), process.version);
    assert.match(await host.sh(`cat ${project}/package.json`), /"holdfast"/);
    assert.is((await host.exec(['sh', '-c', `echo x >${project}/resources/x`])).code !== 0, true);
    await host.sh(`cd ${project} && node -e "import('better-sqlite3').then(m => new m.default(':memory:'))"`);
  });
}

test('kill ends processes inside by their command line and says how many', async () => {
  const host = hosts[0];
  if (host === undefined) throw new Error('the first test did not start the host');
  const child = host.spawn(['sleep', '12345']);
  const gone = new Promise<number | null>((resolve) => child.once('close', resolve));
  await host.sh('until pgrep -f "[s]leep 12345" >/dev/null; do sleep 0.1; done');
  assert.is(await host.kill('sleep 12345'), 1);
  assert.is(await gone, 137);
  assert.is(await host.kill('sleep 12345'), 0);
});

test('what a test that was killed left behind is removed by the next one', async () => {
  const label = 'dev.holdfast.test.owner=999999999:1';
  const image = await docker(['inspect', '--format', '{{.Config.Image}}', hosts[0]?.name ?? '']);
  const left = await docker(['create', '--label', label, image, 'true']);
  await start('none');
  assert.is((await run('docker', ['inspect', left])).code, 1);
});

test.run();
