/**
 * What others on the machine and in the network do to the edge, for real: a program that takes nginx's port, a route that overlaps the pool,
 * name servers that swallow every question. Each is told with who it is, holds up nobody else, and is over by itself.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { Apps, app, IMAGE, makeImage, makeImageRoot, secret } from './apps.ts';
import { type Host, project, startHost } from './host.ts';
import { until } from './until.ts';

/** Looked at again every ten seconds while a port is taken, and at once when nginx ends. */
const TOLD_SECONDS = 30;
const BACK_SECONDS = 45;
const SILENT_RESOLVER = '127.0.0.1:5353';
const SILENT_SERVER = '127.0.0.1:5354';

let host: Host;
let apps: Apps;

/** Takes what comes by UDP and TCP, and says nothing. */
const swallow = (port: number) => `
  require('dgram').createSocket('udp4').on('message', () => {}).bind(${port}, '127.0.0.1');
  require('net').createServer((socket) => socket.on('error', () => {}).resume()).listen(${port}, '127.0.0.1');
`;

test.before(
  telling(async () => {
    host = await startHost({ name: 'edge' });
    apps = new Apps(host);
    await makeImageRoot(host);
    await makeImage(host, IMAGE, 'ENV RELEASE=1', 'USER 1000');
    // A VPN that was there first, in the middle of the pool's first subnet.
    await host.sh('ip link add vpn0 type bridge; ip addr add 10.213.7.1/24 dev vpn0; ip link set vpn0 up');
    host.spawn(['sh', '-c', `exec ${project}/bin/holdfast serve >/root/controller.log 2>&1`]);
    await until('the controller answers', async () => (await host.holdfast(['get', 'apps'])).code === 0);
    await apps.apply(app('one'), app('two'));
    await apps.serve('one', 'two');
  }),
);
test.after(async () => {
  await host?.remove();
});

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return (performance.now() - began) / 1000;
}

const platform = (spec: object) => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'Platform',
  metadata: { name: 'platform' },
  spec,
});

test('a route that overlaps the pool is gone round, and named in a plan', async () => {
  assert.not.match(await apps.address('one'), /^10\.213\./);
  const only = platform({ network: { pool: ['10.213.0.0/16'] } });
  const { stdout } = await host.holdfast(['plan', '-f', '-'], { input: JSON.stringify(only) });
  assert.match(stdout, /10\.213\.0\.0\/16 by route by vpn0 \(10\.213\.7\.0\/24\)/);
  assert.is((await apps.ready('one'))?.status, 'True');
});

test('an App is made all the same when Docker has no addresses left for networks', async () => {
  await host.sh(
    'for one in $(seq 60); do docker network create full-$one >/dev/null 2>/root/full || break; done',
  );
  assert.match(await host.readFile('/root/full'), /non-overlapping|fully subnetted/);
  await apps.apply(...['full-1', 'full-2', 'full-3'].map((name) => app(name)));
  await apps.serve('full-1', 'full-2', 'full-3');
  const ours = await host.sh('docker network ls -q --filter label=dev.holdfast.managed=true');
  assert.is(ours.split('\n').length, 1);
  await host.sh('docker network rm $(docker network ls -q --filter name=full-) >/dev/null');
});

for (const port of [443, 80])
  test(`nginx ends and somebody takes port ${port}: it is told who, and over by itself`, async () => {
    await host.holdfast(['suspend', 'sites']);
    await host.sh('kill -9 $(pgrep -x nginx)');
    host.spawn(['busybox', 'nc', '-ll', '-p', String(port), '-e', 'true']);
    await until('the port is taken', async () => (await host.sh('ss -Hltn')).includes(`:${port} `));
    await host.holdfast(['resume', 'sites']);
    let message = '';
    const told = await seconds(() =>
      until(
        'app/one says who has the port',
        async () => {
          const ready = await apps.ready('one');
          message = ready?.message ?? '';
          return ready?.status !== 'True' && /busybox \(pid \d+\)/.test(message);
        },
        { seconds: TOLD_SECONDS },
      ),
    );
    assert.match(message, new RegExp(`\\b${port}\\b`));
    await host.kill(`nc -ll -p ${port}`);
    const back = await seconds(() =>
      until('both are Ready', async () => (await apps.ready('one'))?.status === 'True', {
        seconds: BACK_SECONDS,
      }),
    );
    assert.match(await apps.page('one'), /release=1/);
    assert.match(await apps.page('two'), /release=1/);
    console.log(
      `\nport ${port} taken: told after ${told.toFixed(0)} s (${message}); free: Ready after ${back.toFixed(0)} s`,
    );
  });

test('name servers that swallow every question cost those who ask them, and nobody else', async () => {
  for (const address of [SILENT_RESOLVER, SILENT_SERVER])
    host.spawn(['node', '-e', swallow(Number(address.split(':')[1]))]);
  await until('both swallow', async () => /:5353 [\s\S]*:5354 /.test(await host.sh('ss -Hltn | sort -k4')));
  const key = secret('nameserver', {
    keyName: 'k',
    algorithm: 'hmac-sha256',
    key: 'c2VjcmV0',
    server: '127.0.0.1',
    port: '5354',
  });
  const domain = (name: string, spec: object) => ({ ...platform(spec), kind: 'Domain', metadata: { name } });
  await apps.apply(
    platform({ dns: { resolvers: [SILENT_RESOLVER] } }),
    key,
    domain('example.org', {
      provider: 'rfc2136',
      credentials: { secret: 'nameserver' },
      nameServers: [SILENT_SERVER],
    }),
    domain('example.net', { provider: 'manual' }),
    app('silent', { domain: 'example.org' }),
    app('unasked', { domain: 'example.net' }),
    app('alias', { aliases: ['www.elsewhere.com'] }),
  );
  const changed = await seconds(async () => {
    await apps.apply(app('one', { env: { TOKEN: 'new' } }), app('three'));
    await apps.shows('one', 'token=new');
    await apps.serve('one', 'three');
  });
  // An alias that cannot be followed is told, and the App serves.
  await apps.serve('alias');
  await host.sh('docker rm -f holdfast-app-two >/dev/null');
  const repaired = await seconds(() => apps.shows('two', 'release=1'));
  console.log(
    `\nname servers that are silent: another App changed and one made in ${changed.toFixed(0)} s, one repaired in ${repaired.toFixed(0)} s`,
  );
  const silent = await apps.ready('silent');
  assert.is(silent?.status, 'False');
  assert.match(silent?.message ?? '', /example\.org/);
});

test('what asks a silent name server is among the operations, and ends within a second of cancel', async () => {
  let found = '';
  await until(
    'it runs',
    async () => {
      found =
        (await host.sh(`${project}/bin/holdfast get operations`))
          .split('\n')
          .find((line) => /example\.org/.test(line)) ?? '';
      return /Looking|Running/.test(found);
    },
    { seconds: 120, everyMilliseconds: 100 },
  );
  const reference = /(\S+\/\S*example\.org\S*)/.exec(found)?.[1] ?? 'domain/example.org';
  let words = '';
  const took = await seconds(async () => {
    words = (await host.holdfast(['cancel', reference])).stdout;
  });
  const alone = await seconds(() => host.sh(`${project}/bin/holdfast version`));
  console.log(
    `\n${found.trim()}: ${words.trim()} after ${took.toFixed(2)} s, of which the command line alone takes ${alone.toFixed(2)}`,
  );
  assert.ok(took < 1 + 3 * alone, `${took} s`);
  assert.match(words, /cancelled/);
});

test.run();
