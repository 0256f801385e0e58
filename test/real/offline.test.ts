/**
 * What does not depend on anybody else: a boot with no network and no registry, after which every App serves from the image and the
 * container that it had; and other people's images, containers, networks and volumes, which are as before whatever Holdfast cleans up.
 */
import { existsSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { Apps, app, IMAGE, makeImage, makeImageRoot } from './apps.ts';
import { docker } from './docker.ts';
import { type Host, startHost } from './host.ts';
import { succeeded } from './product.ts';
import { until } from './until.ts';

/** Where Debian's package has it; with nothing but libc, it runs on a host of the same release. */
const registryProgram = '/usr/bin/docker-registry';
const registryConfig = `version: 0.1
log: {level: error}
storage: {filesystem: {rootdirectory: /root/registry}}
http: {addr: 127.0.0.1:5000}
`;
const TEAM = '127.0.0.1:5000/team/site';
const releases = [1, 2, 3] as const;
const names = ['one', 'two', 'pinned'];

let host: Host;
let apps: Apps;
const hasRegistry = existsSync(registryProgram);

/** Of a person, by every name that they are known by: pulled from the same registry, without a name, stopped, unused. */
const makeForeign = `
  docker tag ${IMAGE} foreign:1
  docker pull -q 127.0.0.1:5000/foreign/site:1 >/dev/null
  echo nameless >/root/nameless; tar -C /root -c nameless | docker import - >/dev/null
  docker network create foreign >/dev/null
  docker volume create foreign >/dev/null
  docker volume create unused >/dev/null
  docker run -d --restart always --name runs --network foreign -v foreign:/data foreign:1 sleep 100000 >/dev/null
  docker create --name never-ran -v /anonymous foreign:1 >/dev/null
  docker run --name ended foreign:1 /bin/busybox true
`;

/** Everything in the engine but what has a mark or a name of ours, and the bridge that Docker makes anew at each boot. */
const lookForeign = `
  docker images -a --no-trunc --format 'image {{.Repository}}:{{.Tag}} {{.ID}}' | grep -v ' ${TEAM}:' | sort
  docker ps -a --no-trunc --format 'container {{.Names}} {{.ID}} {{.State}} {{.Image}} {{.Label "dev.holdfast.managed"}}' | grep -v ' true$' | sort
  docker network ls --no-trunc --format 'network {{.Name}} {{.ID}} {{.Label "dev.holdfast.managed"}}' | grep -v -e ' true$' -e '^network bridge ' | sort
  docker volume ls --format 'volume {{.Name}} {{.Label "dev.holdfast.managed"}}' | grep -v ' true$' | sort
`;

test.before(
  telling(async () => {
    if (!hasRegistry)
      return console.log(
        `SKIP: pulls from a registry: there is no ${registryProgram} (package docker-registry)`,
      );
    host = await startHost({ name: 'offline', init: 'systemd' });
    apps = new Apps(host);
    await makeImageRoot(host);
    await makeImage(host, IMAGE, 'ENV RELEASE=0', 'USER 1000');
    await host.copyIn(registryProgram, '/usr/local/bin/docker-registry');
    await host.sh('cat >/root/registry.yml', { input: registryConfig });
    host.spawn(['docker-registry', 'serve', '/root/registry.yml']);
    await until('the registry answers', async () => (await host.sh('ss -Hltn')).includes(':5000 '));
    for (const image of [
      '127.0.0.1:5000/foreign/site:1',
      ...releases.map((release) => `${TEAM}:${release}`),
    ]) {
      await makeImage(host, image, `ENV RELEASE=${image.slice(-1)} OF=${image}`, 'USER 1000');
      await host.sh(`docker push -q ${image} >/dev/null; docker rmi ${image} >/dev/null`);
    }
    await host.sh(makeForeign);
    succeeded(await host.holdfast(['up'], { timeoutSeconds: 240 }));
  }),
);
test.after(async () => {
  await host?.remove();
});

const unlessSkipped = (name: string, run: () => Promise<void>) =>
  test(name, async () => {
    if (hasRegistry) await run();
  });

const isThere = async (image: string) => (await host.exec(['docker', 'image', 'inspect', image])).code === 0;

const platform = {
  apiVersion: 'holdfast.dev/v1',
  kind: 'Platform',
  metadata: { name: 'platform' },
  spec: { disk: { keepImages: 1 } },
};

unlessSkipped('what a cleanup removes was pulled for an App; all that is not ours is as before', async () => {
  const before = await host.sh(lookForeign);
  for (const word of ['foreign:1', 'foreign/site:1', '<none>:<none>', 'runs', 'never-ran', 'ended', 'unused'])
    assert.ok(before.includes(word), `${word} is not in ${before}`);
  await apps.apply(platform, app('one', { image: `${TEAM}:1`, volumes: [{ path: '/data' }] }));
  await apps.serve('one');
  // From now on a person needs this one, too.
  await host.sh(`docker tag ${TEAM}:1 keep:1`);
  const withKept = await host.sh(lookForeign);

  for (const release of [2, 3]) {
    await apps.apply(app('one', { image: `${TEAM}:${release}`, volumes: [{ path: '/data' }] }));
    await apps.shows('one', `release=${release}`);
  }
  await until('the release between is gone', async () => !(await isThere(`${TEAM}:2`)), { seconds: 120 });
  assert.ok(await isThere('keep:1'), 'what a person named stays');
  assert.ok(await isThere(`${TEAM}:3`), 'what runs stays');
  assert.is(await host.sh(lookForeign), withKept);

  await apps.holdfast(['delete', 'app/one', '--wait']);
  await until('the last release is gone', async () => !(await isThere(`${TEAM}:3`)), { seconds: 120 });
  assert.is(await host.sh(lookForeign), withKept);
  await host.sh('docker rmi keep:1 >/dev/null');
});

unlessSkipped('after a boot with no network and no registry all Apps serve', async () => {
  const digest = await host.sh(
    `docker pull -q ${TEAM}:2 >/dev/null; docker inspect --format '{{index .RepoDigests 0}}' ${TEAM}:2; docker rmi ${TEAM}:2 >/dev/null`,
  );
  await apps.apply(
    app('one', { image: `${TEAM}:1`, volumes: [{ path: '/data' }] }),
    app('two', { image: `${TEAM}:3` }),
    app('pinned', { image: digest.split('\n')[0] }),
  );
  await apps.serve(...names);
  await apps.keep('one', '/data/kept', 'words');
  const ids = () =>
    host.sh(`docker inspect -f '{{.Id}} {{.Image}}' ${names.map((name) => apps.container(name)).join(' ')}`);
  const before = { ids: await ids(), foreign: await host.sh(lookForeign), event: await apps.now() };

  await docker(['network', 'disconnect', 'bridge', host.name]);
  await host.reboot();
  assert.is(await host.sh('ip -o route show default'), '', 'no way leads out');
  assert.ok(!(await host.sh('ss -Hltn')).includes(':5000 '), 'no registry answers');

  await apps.shows('one', '/data/kept=words');
  await apps.shows('two', 'release=3');
  await apps.shows('pinned', 'release=2');
  await until('the controller answers', async () => (await apps.get('one')) !== undefined, { seconds: 60 });
  await apps.serve(...names);
  assert.is(await ids(), before.ids);
  assert.is(await host.sh(lookForeign), before.foreign);
  const did = (await apps.events(before.event)).flatMap(({ step }) => step?.type ?? []);
  assert.not.match(did.join(), /Pull|CreateContainer|RemoveContainer/);
});

test.run();
