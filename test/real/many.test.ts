/**
 * A hundred Apps at once, or as many as MANY says: applied, applied again, left alone, deleted. What it costs is counted at the engine's
 * socket and at nginx's workers, and the time is held against plain `docker run` of the same containers on the same host. Docker's own pools of
 * addresses are used up before.
 */
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { type Host, project, startHost } from './host.ts';
import {
  appManifest,
  apps,
  buildHello,
  headings,
  IMAGE,
  isReady,
  platformIsReady,
  stream,
  succeeded,
  unready,
} from './product.ts';
import { until } from './until.ts';

const COUNT = Number(process.env['MANY'] ?? 100);
const RESYNC_SECONDS = 4;
/** Of nginx, while so many come or go. Changes that come together are one reload; what takes a minute are some. */
const MOST_RELOADS = Math.max(3, Math.ceil(COUNT / 50));
const names = Array.from({ length: COUNT }, (_, index) => `app-${String(index + 1).padStart(3, '0')}`);
const manifests = stream(names.map((name) => appManifest(name)));
const log = '/root/recorded';
const seconds = (milliseconds: number) => (milliseconds / 1000).toFixed(1);

let host: Host;
let plainMilliseconds = 0;

/** Lines that the recorder wrote, from this number on. */
async function recorded(from = 0): Promise<string[]> {
  return (await host.readFile(log)).split('\n').filter(Boolean).slice(from);
}
const reloads = (lines: readonly string[]) => lines.filter((line) => line.endsWith(' reload nginx')).length;
/** Whether the engine lives is asked after each quarter of a minute of silence, whatever the number of Apps. */
const calls = (lines: readonly string[]) =>
  lines.filter((line) => line.includes(' call ') && !line.includes('/_ping'));
const isResync = (line: string) => /call GET \/v[\d.]+\/containers\/json/.test(line);

const generation = async () =>
  Number((await host.sh('readlink /var/lib/holdfast/nginx/current || echo 0')).replace('generations/', ''));
const ours = (what: string) => host.sh(`docker ${what} --filter label=dev.holdfast.managed=true`);

/** The same settings by hand. */
const runPlain = `seq ${COUNT} | xargs -P 6 -I NUMBER docker run -d --name plain-NUMBER --network plain --read-only -t \
  -v plain-NUMBER-run:/run -v plain-NUMBER-tmp:/tmp -v plain-NUMBER-data:/data --restart always --pids-limit 4096 \
  --memory 128m --memory-swap 256m --cpu-shares 512 --cap-drop NET_RAW --security-opt no-new-privileges \
  --dns-search . --log-opt max-size=10m --log-opt max-file=3 ${IMAGE} >/dev/null`;

test.before(
  telling(async () => {
    host = await startHost({ name: 'many' });
    await buildHello(host);
    await host.sh('docker network create --subnet 10.99.0.0/16 plain >/dev/null');
    const began = performance.now();
    await host.sh(runPlain);
    plainMilliseconds = performance.now() - began;
    await host.sh('docker rm -fv $(docker ps -aq) >/dev/null; docker volume prune -f >/dev/null');
    // Docker has addresses for some thirty networks, and then for none.
    await host.sh(
      'for one in $(seq 60); do docker network create full-$one >/dev/null 2>/root/full || break; done',
    );
    assert.match(await host.readFile('/root/full'), /non-overlapping|fully subnetted/);
    await host.copyIn(
      fileURLToPath(new URL('../support/recorder.mjs', import.meta.url)),
      '/root/recorder.mjs',
    );
    host.spawn([
      'node',
      '/root/recorder.mjs',
      '/run/recorder.sock',
      '/var/run/docker.sock',
      log,
      '/var/lib/holdfast/nginx/run/nginx.pid',
    ]);
    await until(
      'the recorder listens',
      async () => (await host.exec(['test', '-S', '/run/recorder.sock'])).code === 0,
    );
    const serve = `exec ${project}/bin/holdfast serve --resync ${RESYNC_SECONDS}s --docker /run/recorder.sock >/root/controller.log 2>&1`;
    host.spawn(['sh', '-c', serve]);
    await until('the controller is ready', () => platformIsReady(host));
  }),
);
test.after(async () => {
  await host?.remove();
});

test('a hundred Apps of one apply are Ready, with a few reloads', async () => {
  const before = { generation: await generation(), lines: (await recorded()).length };
  const began = performance.now();
  succeeded(await host.holdfast(['apply', '-f', '-'], { input: manifests }));
  const applied = performance.now() - began;
  const ready = await host.holdfast(
    ['wait', 'app', ...names, '--for', 'condition=Ready', '--timeout', `${Math.max(120, COUNT)}s`],
    {
      timeoutSeconds: Math.max(150, COUNT + 30),
    },
  );
  const took = performance.now() - began;
  if (ready.code !== 0) throw new Error(`${unready(await apps(host))}\n${ready.stderr.slice(-2000)}`);
  const lines = await recorded(before.lines);
  const ratio = took / plainMilliseconds;
  console.log(
    `${COUNT} Apps Ready in ${seconds(took)} s (apply ${seconds(applied)} s), docker run of the same in ${seconds(plainMilliseconds)} s: ratio ${ratio.toFixed(2)}; ${(calls(lines).length / COUNT).toFixed(1)} calls each, ${reloads(lines)} reloads`,
  );
  // The ratio depends on what else the machine does; the number of calls behind it does not.
  assert.ok(calls(lines).length <= 6 * COUNT, `${calls(lines).length} calls`);
  assert.ok(reloads(lines) <= MOST_RELOADS, `${reloads(lines)} reloads`);
  const published = (await generation()) - before.generation;
  assert.ok(published <= MOST_RELOADS, `${published} generations were published`);
});

test('each of them answers over HTTPS', async () => {
  const pages = await headings(host, names);
  const silent = names.filter((name) => pages.get(name) !== 'Hello from Holdfast');
  assert.equal(silent, []);
  assert.is((await ours('network ls -q')).split('\n').length, 1);
});

const identities = async () =>
  host.sh(
    "docker inspect --format '{{.Name}} {{.Id}} {{.State.StartedAt}}' $(docker ps -q --no-trunc) | sort",
  );

test('the second apply changes nothing and restarts nothing', async () => {
  const before = {
    containers: await identities(),
    versions: await versions(),
    generation: await generation(),
  };
  const result = succeeded(await host.holdfast(['apply', '-f', '-'], { input: manifests }));
  const lines = result.stdout.trim().split('\n');
  assert.equal(
    lines,
    names.map((name) => `app/${name} unchanged`),
  );
  const from = (await recorded()).length;
  await until('one more resync', async () => (await recorded(from)).filter(isResync).length > 1);
  assert.equal(
    { containers: await identities(), versions: await versions(), generation: await generation() },
    before,
  );
});

/** Of all documents, and of the store itself: nothing was written. */
async function versions(): Promise<string> {
  const { stdout } = succeeded(await host.holdfast(['get', 'apps,sites,platforms', '-o', 'json']));
  const list = JSON.parse(stdout) as {
    metadata?: { resourceVersion?: string };
    items: { metadata: object }[];
  };
  return JSON.stringify([list.metadata?.resourceVersion, list.items.map(({ metadata }) => metadata)]);
}

test('a resync of the healthy hundred makes two Docker calls at most', async () => {
  const from = (await recorded()).length;
  const lines = await until(
    'three resyncs',
    async () => {
      const found = calls(await recorded(from));
      return found.filter(isResync).length >= 4 ? found : undefined;
    },
    { seconds: RESYNC_SECONDS * 6 },
  );
  const begins = lines.flatMap((line, index) => (isResync(line) ? [index] : []));
  for (const [index, begin] of begins.slice(0, 3).entries()) {
    const one = lines.slice(begin, begins[index + 1]);
    assert.ok(one.length <= 2, one.join('\n'));
  }
});

test('one delete of them all leaves nothing, with a few reloads', async () => {
  assert.ok((await apps(host)).every(isReady));
  const before = { generation: await generation(), lines: (await recorded()).length };
  const began = performance.now();
  const deleted = await host.holdfast(['delete', '-f', '-', '--wait'], {
    input: manifests,
    timeoutSeconds: 150,
  });
  succeeded(deleted);
  console.log(`${COUNT} Apps deleted in ${seconds(performance.now() - began)} s`);
  assert.is(await ours('ps -aq'), '');
  assert.is(await ours('volume ls -q'), '');
  assert.is(await host.sh('ls /var/lib/holdfast/nginx/current/sites 2>/dev/null || true'), '');
  assert.is((await host.holdfast(['get', 'sites', '-o', 'name'])).stdout, '');
  const lines = await recorded(before.lines);
  assert.ok(reloads(lines) <= MOST_RELOADS, `${reloads(lines)} reloads`);
  assert.ok((await generation()) - before.generation <= 3);
});

test.run();
