/**
 * Thirty Apps, beside what a person would run instead: docker compose with the same thirty services and the same settings, on the
 * same host, in the same run. Compose knows no sites, health or certificates, so the times of Holdfast hold more than the peer's:
 * until each App is Ready, which means that its page answers through nginx.
 */
import { type Host, startHost } from '../real/host.ts';
import { appManifest, buildHello, IMAGE, stream, succeeded } from '../real/product.ts';
import { until } from '../real/until.ts';
import { report, secondsOf } from './report.ts';

const COUNT = 30;
const names = Array.from({ length: COUNT }, (_, index) => `app-${String(index + 1).padStart(2, '0')}`);
const PEER = 'docker compose';
const compose = ['docker-compose', '-p', 'peer', '-f', '/root/compose.json'];

interface Figures {
  up: number;
  again: number;
  change: number;
  repair: number;
  down: number;
}

function composeFile(changed = ''): string {
  const service = (name: string) => ({
    image: IMAGE,
    read_only: true,
    restart: 'always',
    mem_limit: '128m',
    memswap_limit: '256m',
    cpu_shares: 512,
    cap_drop: ['NET_RAW'],
    security_opt: ['no-new-privileges'],
    tmpfs: ['/run', '/tmp'],
    volumes: [`${name}:/data`],
    environment: name === names[0] ? { CHANGED: changed } : {},
    logging: { options: { 'max-size': '10m', 'max-file': '3' } },
  });
  return JSON.stringify({
    version: '2.4',
    services: Object.fromEntries(names.map((name) => [name, service(name)])),
    volumes: Object.fromEntries(names.map((name) => [name, {}])),
  });
}

async function measureCompose(host: Host): Promise<Figures> {
  const write = (text: string) =>
    host.exec(['sh', '-c', 'cat >/root/compose.json'], { input: text }).then(succeeded);
  const run = (...args: string[]) =>
    host.exec([...compose, ...args], { timeoutSeconds: 300 }).then(succeeded);
  await write(composeFile());
  const up = await secondsOf(() => run('up', '-d'));
  const again = await secondsOf(() => run('up', '-d'));
  await write(composeFile('yes'));
  const change = await secondsOf(() => run('up', '-d'));
  await host.sh(`docker rm -f peer_${names[1]}_1`);
  const repair = await secondsOf(() => run('up', '-d'));
  const down = await secondsOf(() => run('down', '-v', '-t', '1'));
  return { up, again, change, repair, down };
}

async function measureHoldfast(host: Host): Promise<Figures> {
  const all = stream(names.map((name) => appManifest(name)));
  const apply = (input: string) => host.holdfast(['apply', '-f', '-'], { input }).then(succeeded);
  const ready = (...apps: string[]) =>
    host
      .holdfast(['wait', 'app', ...apps, '--for', 'condition=Ready', '--timeout', '240s'], {
        timeoutSeconds: 250,
      })
      .then(succeeded);
  const container = (name: string) =>
    host.exec(['docker', 'inspect', '--format', '{{.Id}} {{.State.Running}}', `holdfast-app-${name}`]);
  const [first = '', second = ''] = names;
  const up = await secondsOf(async () => {
    await apply(all);
    await ready(...names);
  });
  const again = await secondsOf(async () => {
    await apply(all);
    await ready(...names);
  });
  const change = await secondsOf(async () => {
    await apply(appManifest(first, { env: { CHANGED: 'yes' } }));
    await ready(first);
  });
  const before = (await container(second)).stdout;
  // Nobody tells it: the time counts from the removal until the new container runs.
  const repair = await secondsOf(async () => {
    await host.sh(`docker rm -f holdfast-app-${second}`);
    await until(
      'the container is back',
      async () => {
        const { code, stdout } = await container(second);
        return code === 0 && stdout !== before && stdout.trim().endsWith('true');
      },
      { seconds: 120, everyMilliseconds: 50 },
    );
  });
  const down = await secondsOf(async () => {
    succeeded(await host.holdfast(['delete', 'app', ...names, '--delete-data'], { timeoutSeconds: 300 }));
    await until(
      'no container is left',
      async () => (await host.sh('docker ps -aq --filter label=dev.holdfast.kind=App')) === '',
      {
        seconds: 240,
      },
    );
  });
  return { up, again, change, repair, down };
}

/** MiB resident and processor seconds so far, of the controller. */
async function controllerCost(host: Host): Promise<{ mebibytes: number; seconds: number }> {
  const record = await host.readFile('/var/lib/holdfast/run/controller.json');
  const { pid } = JSON.parse(record) as { pid: number };
  const rss = await host.sh(`sed -n 's/^VmRSS:[[:space:]]*\\([0-9]*\\) kB/\\1/p' /proc/${pid}/status`);
  const ticks = await host.sh(`cut -d' ' -f14,15 /proc/${pid}/stat`);
  const seconds = ticks.split(' ').reduce((sum, part) => sum + Number(part), 0) / 100;
  return { mebibytes: Number(rss) / 1024, seconds };
}

const host = await startHost({ name: 'bench' });
try {
  await host.sh('apt-get -q update && apt-get -q install -y --no-install-recommends docker-compose', {
    timeoutSeconds: 300,
  });
  await buildHello(host);
  const peer = await measureCompose(host);
  succeeded(await host.holdfast(['up'], { timeoutSeconds: 120 }));
  const ours = await measureHoldfast(host);
  const lines: [keyof Figures, string][] = [
    ['up', `${COUNT} Apps, from nothing until Ready`],
    ['again', 'the same again, nothing changed'],
    ['change', 'a variable of one changed'],
    ['repair', 'one container removed behind its back'],
    ['down', 'all of them and their data deleted'],
  ];
  for (const [field, what] of lines) report(what, ours[field], 's', { what: PEER, figure: peer[field] });
  const before = await controllerCost(host);
  const IDLE_SECONDS = 20;
  await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1_000));
  const after = await controllerCost(host);
  report('controller, resident memory', after.mebibytes, 'MiB');
  report('controller, processor while idle', ((after.seconds - before.seconds) / IDLE_SECONDS) * 100, '%');
} finally {
  await host.remove();
}
