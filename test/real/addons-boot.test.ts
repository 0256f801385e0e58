/**
 * A host with four databases boots: they are started one after another, each when the one before answers, and Apps say what they wait for.
 * The same after a power cut; and at a boot at which there is no controller they come all the same. When a database answered is taken from
 * its own log.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { condition, type Document } from '../../resources/document.ts';
import { telling } from '../support/before.ts';
import { Apps } from './apps.ts';
import { docker } from './docker.ts';
import { type Host, startHost } from './host.ts';
import { succeeded } from './product.ts';
import { bringImages } from './server-images.ts';
import { until } from './until.ts';

const IMAGES = {
  postgresql: 'holdfast.local/postgresql:15',
  mysql: 'holdfast.local/mariadb:10.11',
  redis: 'holdfast.local/redis:7',
};
type Type = keyof typeof IMAGES;

const all: readonly (readonly [app: string, type: Type, addon: string])[] = [
  ['till', 'postgresql', 'postgresql'],
  ['menu', 'mysql', 'mysql'],
  ['bar', 'redis', 'redis-bar'],
  ['kitchen', 'redis', 'redis-kitchen'],
];

let host: Host;
let apps: Apps;
let skip: string | undefined;

const app = ([name, type]: (typeof all)[number]) => ({
  apiVersion: 'holdfast.dev/v1',
  kind: 'App',
  metadata: { name },
  spec: { image: IMAGES[type], port: 80, command: ['sleep', 'infinity'], addons: { [type]: {} } },
});

test.before(
  telling(async () => {
    host = await startHost({ name: 'addons-boot', init: 'systemd' });
    apps = new Apps(host);
    skip = await bringImages(host, ['postgresql:15', 'mariadb:10.11', 'redis:7']);
    if (skip !== undefined) return console.log(`SKIP: ${skip}`);
    succeeded(await host.holdfast(['up'], { timeoutSeconds: 240 }));
  }),
);
test.after(async () => {
  await host?.remove();
});

const unlessSkipped = (name: string, run: () => Promise<void>) =>
  test(name, async () => {
    if (skip === undefined) await run();
  });

async function list(kind: string): Promise<Document[]> {
  const { code, stdout } = await host.holdfast(['get', kind, '-o', 'json']);
  return code === 0 ? (JSON.parse(stdout) as { items: Document[] }).items : [];
}

const running = async () =>
  Number(
    await host.sh('docker ps -q --filter label=dev.holdfast.kind=Addon --filter status=running | wc -l'),
  );

const addonsReady = (seconds: number, look: () => Promise<unknown> = async () => undefined) =>
  until(
    'all databases answer',
    async () => {
      await look();
      // A status from before the boot says that all is well.
      if ((await running()) < all.length) return false;
      const addons = await list('addons');
      return (
        addons.length === all.length && addons.every((one) => condition(one, 'Ready')?.status === 'True')
      );
    },
    { seconds, everyMilliseconds: 200 },
  );

const containers = all.map(([, , addon]) => `holdfast-addon-${addon}`);
const ids = () => host.sh(`docker inspect -f '{{.Id}}' ${containers.join(' ')}`);
interface Start {
  name: string;
  startedAt: number;
  answeredAt: number;
}

/** In the order in which they were started: when, and when each said itself that it takes connections. */
async function starts(): Promise<Start[]> {
  const found: Start[] = [];
  for (const name of containers) {
    const startedAt = await host.sh(`docker inspect -f '{{.State.StartedAt}}' ${name}`);
    const ready = 'ready to accept connections|ready for connections|Ready to accept connections';
    const line = await host.sh(
      `docker logs --timestamps --since ${startedAt} ${name} 2>&1 | grep -E '${ready}' | tail -n 1`,
    );
    const [answeredAt = ''] = line.split(' ');
    found.push({ name, startedAt: Date.parse(startedAt), answeredAt: Date.parse(answeredAt) });
  }
  return found.sort((one, other) => one.startedAt - other.startedAt);
}

async function oneAfterAnother(): Promise<void> {
  const found = await starts();
  const first = found[0]?.startedAt ?? 0;
  const told = found.map((one) => `${one.name} ${one.startedAt - first} to ${one.answeredAt - first} ms`);
  console.log(told.join('\n'));
  for (const [index, { name, startedAt, answeredAt }] of found.entries()) {
    const before = found[index - 1];
    assert.ok(answeredAt >= startedAt, `${name} has not said that it answers`);
    assert.ok((before?.answeredAt ?? 0) <= startedAt, `${name} was started before ${before?.name} answered`);
  }
}

unlessSkipped('four Apps with a database each', async () => {
  await apps.apply(...all.map(app));
  await addonsReady(300);
  await until('all Apps run', async () => (await host.sh('docker ps -q | wc -l')) === String(2 * all.length));
});

unlessSkipped('after a reboot they start one after another, and Apps say what they wait for', async () => {
  const before = await ids();
  await host.reboot();
  const waits = new Set<string>();
  await addonsReady(180, async () => {
    for (const { metadata, status } of await list('apps')) {
      const ready = status?.conditions?.find(({ type }) => type === 'Ready');
      if (ready?.reason === 'AddonNotReady') waits.add(`${metadata.name}: ${ready.message}`);
    }
  });
  await oneAfterAnother();
  assert.is(await ids(), before);
  console.log([...waits].join('\n'));
  assert.ok(
    [...waits].some((text) => /waits for binding\/\S+: .*addon\//.test(text)),
    'no App said what it waits for',
  );
});

const pidOf = (name: string) => host.sh(`docker inspect -f '{{.State.Pid}}' ${name}`);

/** Ends its process from outside, and comes back once Docker has seen that: what follows is of the next one. */
async function fail(name: string): Promise<void> {
  const pid = await pidOf(name);
  assert.ok(Number(pid) > 0, `${name} does not run`);
  await host.sh(`kill -9 ${pid}`);
  await until('Docker has seen the end', async () => (await pidOf(name)) !== pid, {
    everyMilliseconds: 100,
  });
}

unlessSkipped(
  'one that fails is started again at once, and without the controller after a while',
  async () => {
    await fail('holdfast-addon-redis-bar');
    await addonsReady(30);
    await host.sh('systemctl stop holdfast.socket holdfast.service');
    await fail('holdfast-addon-redis-bar');
    await until('it runs again', async () => (await running()) === all.length, { seconds: 150 });
    await host.sh('systemctl start holdfast.socket holdfast.service');
    await addonsReady(60);
  },
);

unlessSkipped('after a power cut the same', async () => {
  const before = await ids();
  await docker(['kill', host.name]);
  await docker(['start', host.name]);
  await until('dockerd answers', async () => (await host.exec(['docker', 'version'])).code === 0, {
    seconds: 90,
  });
  await addonsReady(180);
  await oneAfterAnother();
  assert.is(await ids(), before);
});

unlessSkipped('a boot without a controller has them, too', async () => {
  const before = await ids();
  await host.sh('systemctl disable holdfast.socket holdfast.service');
  await host.reboot();
  assert.is(await running(), 0, 'Docker starts them by itself');
  await until('all databases run', async () => (await running()) === all.length, { seconds: 180 });
  assert.not.ok((await host.exec(['systemctl', 'is-active', '--quiet', 'holdfast.service'])).code === 0);
  assert.match(
    await host.sh('journalctl -u holdfast-databases --no-pager'),
    /the controller is away: starting holdfast-addon-postgresql/,
  );
  await until('one answers its App', () =>
    host.sh(`docker exec holdfast-app-till sh -c 'psql -Atc "SELECT 1" "$POSTGRESQL_URL"'`),
  );
  await host.sh('systemctl enable --now holdfast.socket holdfast.service');
  await addonsReady(60);
  assert.is(await ids(), before);
});

unlessSkipped('one that does not start holds up no other', async () => {
  await host.sh('mv /var/lib/holdfast/addons/postgresql/data-15/PG_VERSION /root/PG_VERSION');
  await host.reboot();
  const ready = async () =>
    (await list('addons')).filter((one) => condition(one, 'Ready')?.status === 'True');
  await until('the three others answer', async () => (await ready()).length === all.length - 1, {
    seconds: 240,
  });
  await host.sh('mv /root/PG_VERSION /var/lib/holdfast/addons/postgresql/data-15/PG_VERSION');
  succeeded(await host.holdfast(['retry', 'addon/postgresql']));
  await addonsReady(120);
});

test.run();
