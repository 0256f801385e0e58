/**
 * The guestbook on a whole host: an App with PostgreSQL, Redis and a task, as examples/guestbook.yaml has it. What was written is there
 * after containers are removed, the controller is killed and the host boots. The firewall lets it reach just what it is bound to, and
 * nobody else, also after its rules were flushed and Docker was started again.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { condition } from '../../resources/document.ts';
import { telling } from '../support/before.ts';
import { Apps } from './apps.ts';
import { type Host, project, startHost } from './host.ts';
import { succeeded } from './product.ts';
import { bringImages } from './server-images.ts';
import { until } from './until.ts';

let host: Host;
let apps: Apps;
let skip: string | undefined;

test.before(
  telling(async () => {
    host = await startHost({ name: 'guestbook' });
    apps = new Apps(host);
    skip = await bringImages(host, ['postgresql:15', 'redis:7', 'guestbook']);
    if (skip !== undefined) console.log(`SKIP: ${skip}`);
  }),
);
test.after(async () => {
  await host?.remove();
});

const unlessSkipped = (name: string, run: () => Promise<void>) =>
  test(name, async () => {
    if (skip === undefined) await run();
  });

const sign = (name: string, words: string) =>
  host.sh(
    `${apps.curl('guestbook')} -o /dev/null -w '%{http_code}' --data-urlencode 'name=${name}' --data-urlencode 'words=${words}'`,
  );

const shows = (words: string | RegExp, seconds = 120) =>
  until(
    `the guestbook shows ${words}`,
    async () => {
      const page = await apps.page('guestbook').catch(() => '');
      return typeof words === 'string' ? page.includes(words) : words.test(page);
    },
    { seconds, everyMilliseconds: 500 },
  );

unlessSkipped('the example is served, as its file says', async () => {
  succeeded(await host.holdfast(['up', '--examples'], { timeoutSeconds: 240 }));
  succeeded(await host.holdfast(['apply', '-f', `${project}/examples/guestbook.yaml`]));
  await apps.becomes('guestbook', 'Serving', 240);
  assert.is(await sign('Ada', 'It keeps what it is told'), '303');
  await shows('It keeps what it is told');
  await shows(/id="visits">\d+ visits?/);
});

/** The controller itself; its supervisor, which starts it again, has the same words in its command line. */
const killController = () =>
  host.sh(`kill -9 "$(sed 's/.*"pid":\\([0-9]*\\).*/\\1/' /var/lib/holdfast/run/controller.json)"`);

/** Whether a TCP connection is taken, from inside the network of a container. */
async function reaches(container: string, address: string, port: number): Promise<boolean> {
  const pid = await host.sh(`docker inspect -f '{{.State.Pid}}' ${container}`);
  const connect = ['nsenter', `--net=/proc/${pid}/ns/net`, 'busybox', 'nc', '-w', '2', address, String(port)];
  return (await host.exec(connect)).code === 0;
}

const addressOf = async (kind: string, name: string): Promise<string> => {
  const { address } = ((await apps.get(name, kind))?.status ?? {}) as { address?: string };
  assert.ok(address, `${kind}/${name} has an address`);
  return address;
};

/** What is open, and what is not: the whole of it, each time. */
async function isolated(): Promise<void> {
  const postgresql = await addressOf('addons', 'postgresql');
  const redis = await addressOf('addons', 'redis-guestbook');
  const guestbook = await addressOf('apps', 'guestbook');
  const hello = await addressOf('apps', 'hello');
  const own = apps.container('guestbook');
  const other = apps.container('hello');
  const ways: [string, string, number, boolean][] = [
    [own, postgresql, 5432, true],
    [own, redis, 6379, true],
    // Ports that something listens on: the same servers by what is not bound, and the other App.
    [own, hello, 8080, false],
    [other, postgresql, 5432, false],
    [other, redis, 6379, false],
    [other, guestbook, 8000, false],
  ];
  for (const [container, address, port, expected] of ways)
    assert.is(await reaches(container, address, port), expected, `${container} to ${address}:${port}`);
}

const filtering = () =>
  until(
    'the firewall is as wanted',
    async () => {
      const platform = await apps.get('platform', 'platforms');
      const found = platform && condition(platform, 'FirewallReady');
      return found?.status === 'True' || found?.reason === 'DockerRulesMissing';
    },
    { seconds: 90 },
  );

unlessSkipped('an App reaches what it is bound to, and another App reaches nothing', async () => {
  await filtering();
  await isolated();
});

unlessSkipped('nothing but its port is open at a server', async () => {
  const postgresql = await addressOf('addons', 'postgresql');
  const pid = await host.sh("docker inspect -f '{{.State.Pid}}' holdfast-addon-postgresql");
  host.spawn(['nsenter', `--net=/proc/${pid}/ns/net`, 'busybox', 'nc', '-ll', '-p', '7777', '-e', 'cat']);
  const listens = async () =>
    (await host.exec(['busybox', 'nc', '-w', '2', postgresql, '7777'], { input: '' })).code === 0;
  await until('the other port listens, for the host', listens);
  assert.not.ok(await reaches(apps.container('guestbook'), postgresql, 7777));
});

unlessSkipped('a controller that looks again rewrites nothing', async () => {
  // A chain that is made anew counts from 0.
  const packets = async () => {
    const first = await host.sh("iptables -vnxL HOLDFAST-FORWARD | sed -n 3p | awk '{ print $1 }'");
    return Number(first);
  };
  await shows('It keeps what it is told');
  const before = await packets();
  assert.ok(before > 0, 'answers have passed');
  const version = await apps.now();
  await killController();
  await until('the controller answers again', async () => (await host.holdfast(['get', 'apps'])).code === 0);
  await apps.becomes('guestbook', 'Serving', 60);
  await filtering();
  assert.ok((await packets()) >= before);
  const written = (await apps.events(version)).filter(({ reason }) => reason === 'WriteFirewall');
  assert.equal(written, []);
});

unlessSkipped(
  'flushed rules come back by themselves, and with the policy DROP nothing is open meanwhile',
  async () => {
    const postgresql = await addressOf('addons', 'postgresql');
    // Docker leaves the policy ACCEPT where forwarding was on before it started, as in this host.
    await host.sh('iptables -P FORWARD DROP; iptables -F');
    assert.not.ok(await reaches(apps.container('hello'), postgresql, 5432), 'right after');
    const own = () => reaches(apps.container('guestbook'), postgresql, 5432);
    await until('the App reaches its database again', own, { seconds: 90 });
    await isolated();
    await host.sh('iptables -P FORWARD ACCEPT; iptables -F');
    const closed = async () => !(await reaches(apps.container('hello'), postgresql, 5432));
    await until('the other App is kept out again', closed, { seconds: 90 });
    await isolated();
  },
);

unlessSkipped('they are there when Docker was started again', async () => {
  await host.sh('kill $(cat /var/run/docker.pid)');
  // Its parent does not look after ended children, so the process stays in the list.
  const gone = async () => (await host.exec(['docker', 'version'])).code !== 0;
  await until('dockerd answers no more', gone, { seconds: 60 });
  await until(
    'containerd has ended',
    async () => (await host.exec(['pgrep', '-f', '[c]ontainerd.toml'])).code !== 0,
    {
      seconds: 60,
    },
  );
  await host.sh('rm -f /var/run/docker.pid; setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null & true');
  await until('dockerd answers', async () => (await host.exec(['docker', 'version'])).code === 0, {
    seconds: 60,
  });
  await shows('It keeps what it is told');
  await apps.becomes('hello', 'Serving', 120);
  await filtering();
  await isolated();
});

unlessSkipped('a task runs on its schedule, in the place of its App, and its words are kept', async () => {
  const tasks = { tick: { schedule: '* * * * *', command: 'node /app/tidy.mjs; id -u' } };
  const patch = JSON.stringify({ spec: { tasks } });
  const url = 'http://localhost/apis/holdfast.dev/v1/apps/guestbook';
  const curl = ['curl', '-s', '--unix-socket', '/run/holdfast/holdfast.sock', '-X', 'PATCH'];
  await host.exec([...curl, '-H', 'content-type: application/merge-patch+json', '-d', patch, url]);
  type Run = { lastRun?: { state?: string; exitCode?: number }; nextRunAt?: string };
  const status = async () => ((await apps.get('guestbook-tick', 'tasks'))?.status ?? {}) as Run;
  await until('it has run', async () => (await status()).lastRun?.state === 'succeeded', { seconds: 150 });
  const log = succeeded(await host.holdfast(['logs', 'app/guestbook', '--task', 'tick'])).stdout;
  assert.match(log, /=== tick, .*:00\.000Z ===\ntidy: removed 0, \d+ left\n1000\n/);
  const table = succeeded(await host.holdfast(['get', 'tasks'])).stdout;
  assert.match(table, /guestbook-tick +True +guestbook +\* \* \* \* \* .*succeeded/);
  assert.match(table, /guestbook-tidy +True +guestbook +30 3 \* \* \*/);
  // A controller that is killed runs no time twice: each has its own container.
  await killController();
  await until('it runs again', async () => (await status()).lastRun?.state === 'succeeded', { seconds: 90 });
  const times = await host.sh(
    `docker ps -a --filter label=dev.holdfast.task=tick --format '{{.Label "dev.holdfast.scheduled"}}'`,
  );
  const list = times.split('\n');
  assert.is(new Set(list).size, list.length);
  await host.exec([
    ...curl,
    '-H',
    'content-type: application/merge-patch+json',
    '-d',
    '{"spec":{"tasks":null}}',
    url,
  ]);
  await until('its runs are removed with it', async () => {
    const left = await host.sh('docker ps -aq --filter label=dev.holdfast.task=tick');
    return left === '';
  });
});

unlessSkipped('it says 503 while its database is away, and serves again by itself', async () => {
  await host.sh('docker pause holdfast-addon-postgresql');
  const code = await host.sh(
    `${apps.curl('guestbook').replace('--fail --max-time 5', '--max-time 15')} -o /dev/null -w '%{http_code}'`,
  );
  assert.match(code, /^50[234]$/);
  await host.exec(['docker', 'unpause', 'holdfast-addon-postgresql']);
  await shows('It keeps what it is told');
});

unlessSkipped('what was written is there after the containers of App and database were removed', async () => {
  await host.sh(
    'docker rm -f holdfast-app-guestbook holdfast-addon-postgresql holdfast-addon-redis-guestbook',
  );
  await shows('It keeps what it is told', 180);
});

unlessSkipped('it is there after the controller was killed, and after a reboot', async () => {
  await apps.becomes('guestbook', 'Serving', 120);
  await until(
    'an entry is taken',
    async () => (await sign('Grace', 'After all of that').catch(() => '')) === '303',
    {
      seconds: 60,
    },
  );
  await killController();
  await shows('After all of that');
  await host.reboot();
  succeeded(await host.holdfast(['up'], { timeoutSeconds: 240 }));
  await shows('After all of that', 180);
  await shows('It keeps what it is told');
  await filtering();
  await until(
    'all that is wanted is open again',
    () =>
      isolated().then(
        () => true,
        () => false,
      ),
    { seconds: 60 },
  );
});

test.run();
