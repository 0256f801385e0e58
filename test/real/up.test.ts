/**
 * `holdfast up`, `down` and `purge` as a person uses them, on a host without systemd and on one with it: the first App is
 * served by the very line of curl that is printed, nothing changes the second time, data outlives down and a reboot, and purge
 * leaves what is not Holdfast's.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import type { Result } from './docker.ts';
import { type Host, startHost } from './host.ts';
import { until } from './until.ts';

function succeeded(result: Result): Result {
  if (result.code !== 0) throw new Error(`exit ${result.code}\n${result.stdout}${result.stderr}`);
  return result;
}

const up = async (host: Host, ...more: string[]) =>
  succeeded(await host.holdfast(['up', '--examples', ...more], { timeoutSeconds: 240 }));

/** The line that `up` printed, as it is. */
function curlOf(result: Result): string {
  const line = result.stdout.split('\n').find((one) => one.startsWith('curl '));
  if (line === undefined) throw new Error(`no curl line in:\n${result.stdout}${result.stderr}`);
  return line;
}

async function visits(host: Host, curl: string): Promise<number> {
  const page = await host.sh(curl.replace(/^curl /, 'curl -sS --fail '));
  const count = /id="visits">(\d+) visits?/.exec(page)?.[1];
  if (count === undefined) throw new Error(`no count of visits in:\n${page}`);
  return Number(count);
}

const ours = 'docker ps -aq --no-trunc --filter label=dev.holdfast.managed=true | sort';

/** What is somebody else's: it must be the same after purge. */
const makeForeign = `
  mkdir -p /tmp/root/bin && cp /bin/busybox /tmp/root/bin/
  tar -C /tmp/root -c . | docker import - foreign:1 >/dev/null
  docker network create foreign >/dev/null
  docker volume create foreign >/dev/null
  docker run -d --restart always --name foreign --network foreign -v foreign:/data foreign:1 /bin/busybox sleep 100000 >/dev/null
`;
const lookForeign = `
  docker ps --filter name=^foreign$ --format '{{.Names}} {{.State}}'
  docker network ls --filter name=^foreign$ --format '{{.Name}}'
  docker volume ls --filter name=^foreign$ --format '{{.Name}}'
  docker image ls foreign --format '{{.Repository}}'
`;
const foreign = 'foreign running\nforeign\nforeign\nforeign';

/** The supervisor has the same words in its command line, so not by those. */
const killController = {
  none: `kill -9 "$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' /var/lib/holdfast/run/controller.json)"`,
  systemd: 'kill -9 "$(systemctl show --property MainPID --value holdfast.service)"',
};

for (const init of ['none', 'systemd'] as const) {
  const test = suite<{ host: Host; curl: string; containers: string }>(`up with init ${init}`);

  test.before(
    telling(async (context) => {
      context.host = await startHost({ name: `up-${init}`, init });
      await context.host.sh(makeForeign);
    }),
  );
  test.after(async ({ host }) => {
    await host?.remove();
  });

  test('up serves the example, and the line of curl that it prints gets the page', async (context) => {
    const result = await up(context.host);
    context.curl = curlOf(result);
    const page = await context.host.sh(context.curl);
    assert.match(page, /Hello from Holdfast/);
    assert.match(result.stdout, /^https:\/\/hello\.localhost\/$/m);
    context.containers = await context.host.sh(ours);
    assert.is(context.containers.split('\n').length, 1);
  });

  test('the second up changes nothing and says so', async ({ host, curl, containers }) => {
    const result = await up(host);
    assert.match(result.stderr, /Nothing to change/);
    assert.is(curlOf(result), curl);
    assert.is(await host.sh(ours), containers);
  });

  test('the controller comes back when it is killed, and the site is served meanwhile', async ({
    host,
    curl,
  }) => {
    await host.sh(killController[init]);
    await visits(host, curl);
    const answers = 'curl -sf --unix-socket /run/holdfast/holdfast.sock http://localhost/readyz';
    await until(
      'the controller answers again',
      async () => (await host.exec(['sh', '-c', answers])).code === 0,
    );
  });

  test('down stops all of it, also past a reboot, and leaves the data', async ({ host, curl }) => {
    succeeded(await host.holdfast(['down']));
    const nothingRuns = async () => {
      assert.is(await host.sh('docker ps -q --filter label=dev.holdfast.managed=true'), '');
      assert.is((await host.exec(['pgrep', '-f', '[h]oldfast serve'])).code, 1);
      assert.is((await host.exec(['pgrep', '-x', 'nginx'])).code, 1);
      assert.ok((await host.exec(['sh', '-c', curl])).code !== 0);
    };
    await nothingRuns();
    assert.match(succeeded(await host.holdfast(['down'])).stderr, /Nothing to stop/);
    await host.reboot();
    await nothingRuns();
  });

  test('up again goes on with the data', async ({ host, curl }) => {
    const result = await up(host);
    const first = await visits(host, curlOf(result));
    assert.ok(first >= 3, `${first} visits are fewer than there were before`);
    assert.is(await visits(host, curl), first + 1);
  });

  test('up finds other ports where 80 is taken, and keeps to them', async ({ host }) => {
    succeeded(await host.holdfast(['purge', '--yes']));
    host.spawn(['busybox', 'httpd', '-f', '-p', '80', '-h', '/tmp']);
    await until(
      'port 80 is taken',
      async () => (await host.exec(['curl', '-s', 'http://127.0.0.1/'])).code === 0,
    );
    const result = await up(host);
    assert.match(result.stdout, /^https:\/\/hello\.localhost:8443\/$/m);
    assert.match(result.stderr, /80 or 443 belongs to another program/);
    assert.is(await visits(host, curlOf(result)), 1);
    await host.kill('busybox httpd -f -p 80');
    assert.match((await up(host)).stdout, /^https:\/\/hello\.localhost:8443\/$/m);
  });

  test('purge asks, and removes nothing without the word', async ({ host, curl }) => {
    const result = await host.holdfast(['purge'], { input: 'no\n' });
    assert.is(result.code, 1);
    assert.match(result.stdout, /container .+\n(.*\n)*folder \/var\/lib\/holdfast/);
    assert.match(result.stderr, /Nothing was removed/);
    await visits(
      host,
      curl.replaceAll(':443:', ':8443:').replace('hello.localhost/', 'hello.localhost:8443/'),
    );
  });

  test('purge leaves nothing of Holdfast and all that is not', async ({ host }) => {
    const result = await host.holdfast(['purge'], { input: 'purge\n' });
    succeeded(result);
    for (const list of ['ps -aq', 'network ls -q', 'volume ls -q']) {
      assert.is(await host.sh(`docker ${list} --filter label=dev.holdfast.managed=true`), '');
    }
    assert.is(await host.sh('docker image ls -q holdfast.local/hello'), '');
    assert.not.match(await host.sh('iptables-save'), /HOLDFAST/);
    const left =
      'ls -d /var/lib/holdfast /etc/holdfast /run/holdfast /etc/systemd/system/holdfast* 2>/dev/null || true';
    assert.is(await host.sh(left), '');
    assert.is((await host.exec(['pgrep', '-f', '[h]oldfast'])).code, 1);
    assert.is(await host.sh(lookForeign), foreign);
    assert.match(succeeded(await host.holdfast(['purge', '--yes'])).stderr, /Nothing to remove/);
  });

  test.run();
}
