/** The whole controller on fakes, asked as a person asks it: plans that are kept, why, what runs, pauses, windows, the way out. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { API_VERSION, type Manifest } from '../../resources/document.ts';
import { appManifest, type RunningController, serveApps, startController } from '../support/controller.ts';

interface Context {
  controller: RunningController;
  folder: string;
}

const test = suite<Context>('trust');
test.before.each(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'holdfast-trust-'));
  context.controller = await startController();
  await context.controller.pass(3_000);
});
test.after.each(async ({ controller, folder }) => {
  await controller.close();
  rmSync(folder, { recursive: true, force: true });
});

const json = (...manifests: Manifest[]) => manifests.map((one) => JSON.stringify(one)).join('\n---\n');

const secret = (name: string, stringData: Record<string, string>): Manifest => ({
  apiVersion: API_VERSION,
  kind: 'Secret',
  metadata: { name },
  spec: { stringData },
});

/** Until the Apps serve: answers begin a moment after their containers run. */
async function serve(controller: RunningController, ...manifests: Manifest[]): Promise<void> {
  await controller.apply(...manifests);
  for (let second = 0; second < 20; second += 1) {
    await controller.pass(1_000);
    serveApps(controller);
  }
  for (const { kind, metadata } of manifests)
    if (kind === 'App')
      assert.is(controller.ready('App', metadata.name).message, `https://${metadata.name}.localhost answers`);
}

async function ok(controller: RunningController, words: string[], input?: string): Promise<string> {
  const { code, out, err } = await controller.holdfast(words, input);
  assert.is(code, 0, `${words.join(' ')}: ${out}${err}`);
  return out;
}

test('a plan that is kept is applied as it was shown', async ({ controller, folder }) => {
  await serve(controller, appManifest('old'));
  const file = join(folder, 'wiki.plan');
  const documents = json(
    appManifest('wiki', { env: [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'key', key: 'a' } } }] }),
    secret('key', { a: 'swordfish' }),
  );
  const { version } = controller.store;
  const shown = await ok(controller, ['plan', '-f', '-', '--delete', 'app/old', '--out', file], documents);
  assert.match(shown, 'Plan: 3 to create');
  assert.not.match(shown, 'swordfish');
  assert.is(controller.store.version, version);
  assert.is(statSync(file).mode & 0o777, 0o600, 'it holds what Secrets hold');
  // Statuses may be written meanwhile; that is no move.
  await controller.pass(400_000);
  const done = await ok(controller, ['apply', file]);
  assert.equal(done.trim().split('\n').sort(), [
    'app/old deleting',
    'app/wiki created',
    'secret/key created',
  ]);
  await controller.pass(20_000);
  assert.is(controller.get('App', 'old'), undefined);
  const steps = JSON.parse(readFileSync(file, 'utf8')).steps as {
    document: { name: string };
    step: { type: string };
  }[];
  const planned = new Set(steps.map(({ document, step }) => `${document.name} ${step.type}`));
  for (const step of ['wiki CreateContainer', 'wiki StartContainer', 'wiki ApplySite', 'old RemoveContainer'])
    assert.ok(planned.has(step), `${step} was planned: ${[...planned].join(', ')}`);
  const happened = controller.events().map(({ name, reason }) => `${name} ${reason}`);
  for (const step of planned) assert.ok(happened.includes(step), `${step} happened: ${happened.join(', ')}`);
});

const moves: {
  what: string;
  move(controller: RunningController): Promise<unknown> | undefined;
  words: RegExp;
}[] = [
  {
    what: 'the document was changed',
    move: (controller) => controller.apply(appManifest('wiki', { memory: '64Mi' })),
    words: /app\/wiki was changed since: it is at generation 2, the plan was made for 1/,
  },
  {
    what: 'a label was set',
    move: (controller) => controller.apply(appManifest('wiki', {}, { labels: { tier: 'web' } })),
    words: /labels or annotations of app\/wiki were changed/,
  },
  {
    what: 'the Secret that it names was changed',
    move: (controller) => controller.apply(secret('key', { a: 'another' })),
    words: /secret\/key was changed since/,
  },
  {
    what: 'what is new was made by somebody else',
    move: (controller) => controller.apply(appManifest('fresh')),
    words: /app\/fresh was created since/,
  },
  {
    what: 'the container was removed',
    async move({ world }) {
      const { engine } = world.docker;
      const container = engine.find('holdfast-app-wiki');
      if (container) engine.remove(container);
    },
    words: /would be done now and was not planned so|was planned and is not needed so any more/,
  },
];
for (const { what, move, words } of moves) {
  test(`a plan that is kept is refused where ${what}, and nothing is stored`, async ({
    controller,
    folder,
  }) => {
    const env = [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'key', key: 'a' } } }];
    await serve(controller, secret('key', { a: 'one' }), appManifest('wiki'));
    const file = join(folder, 'kept.plan');
    await ok(
      controller,
      ['plan', '-f', '-', '--out', file],
      json(appManifest('wiki', { env }), appManifest('fresh')),
    );
    await move(controller);
    await controller.core.docker.refresh();
    const { version } = controller.store;
    const { code, err } = await controller.holdfast(['apply', file]);
    assert.is(code, 1);
    assert.match(err, 'things have moved since the plan was made, and nothing was applied');
    assert.match(err, words);
    assert.is(controller.get('App', 'wiki')?.spec['env'], undefined);
    assert.ok(controller.store.version <= version + 40, 'no write of a person');
  });
}

test('a kept plan that was changed by hand, is no plan, or would overwrite a file is refused', async ({
  controller,
  folder,
}) => {
  const file = join(folder, 'kept.plan');
  await ok(controller, ['plan', '-f', '-', '--out', file], json(appManifest('wiki')));
  assert.match(
    (await controller.holdfast(['plan', '-f', '-', '--out', file], json(appManifest('wiki')))).err,
    'is there already',
  );
  writeFileSync(file, readFileSync(file, 'utf8').replace('8080', '8081'));
  assert.match(
    (await controller.holdfast(['apply', file])).err,
    'was changed since holdfast plan --out wrote it',
  );
  const manifest = join(folder, 'wiki.yaml');
  writeFileSync(manifest, json(appManifest('wiki')));
  assert.match((await controller.holdfast(['apply', manifest])).err, `holdfast apply -f ${manifest}`);
  assert.match(
    (await controller.holdfast(['plan', '--out', join(folder, 'x')])).err,
    'name it with -f or --delete',
  );
  assert.not.ok(existsSync(join(folder, 'x')));
  assert.is(controller.get('App', 'wiki'), undefined);
});

test('why follows what an App waits for to the root, and says what would change', async ({ controller }) => {
  const env = [{ name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'key', key: 'a' } } }];
  await controller.apply(appManifest('wiki', { env }));
  await controller.pass(2_000);
  const text = await ok(controller, ['why', 'wiki']);
  assert.match(text, /^app\/wiki is not Ready for \d+s: ReferenceNotFound\n/);
  assert.match(text, /\n {2}because secret\/key does not exist\n.*apply it\n {6}this is the root of it\n/);
  const parsed = JSON.parse(await ok(controller, ['why', 'app/wiki', '-o', 'json']));
  assert.equal(
    parsed.chain.map((link: { document: object; status: string; isRoot: boolean }) => [
      link.document,
      link.status,
      link.isRoot,
    ]),
    [
      [{ kind: 'App', name: 'wiki' }, 'False', false],
      [{ kind: 'Secret', name: 'key' }, 'Missing', true],
    ],
  );
  await serve(controller, secret('key', { a: 'one' }));
  assert.match(
    await ok(controller, ['why', 'wiki']),
    /^app\/wiki is Ready for .*: Serving\n[\s\S]*Would change now\n {2}nothing\n$/,
  );
});

test('why names the program that has the port of nginx', async ({ controller }) => {
  await serve(controller, appManifest('wiki'));
  const { nginx, host } = controller.world;
  host.state.listeners.push({ protocol: 'tcp', address: '0.0.0.0', port: 443, program: 'caddy', pid: 77 });
  nginx.takePort(443, 'caddy');
  nginx.kill();
  await controller.pass(5_000);
  const { chain } = JSON.parse(await ok(controller, ['why', 'wiki', '-o', 'json']));
  const root = chain.find((link: { isRoot: boolean }) => link.isRoot);
  assert.equal([root.document, root.reason], [{ kind: 'Site', name: 'wiki' }, 'PortTaken']);
  assert.match(root.message, /caddy/);
  assert.is(controller.ready('App', 'wiki').status, 'False');
  host.state.listeners.length = 0;
  nginx.freePort(443);
  await controller.pass(16_000);
  assert.is(controller.ready('App', 'wiki').status, 'True', 'by itself, within a quarter of a minute');
});

test('why tells when and for which reason a container was replaced last', async ({ controller }) => {
  await serve(controller, appManifest('wiki'));
  await serve(controller, appManifest('wiki', { memory: '64Mi' }));
  await controller.pass(60_000);
  const text = await ok(controller, ['why', 'app/wiki']);
  assert.match(
    text,
    /Last restarted or replaced\n {2}\dm\d*s? ago: SwitchContainer: .*\n {6}because memory.*generation 2 by root through cli/,
  );
  const log = controller.log.filter(
    ({ message, fields }) => message === 'step done' && fields['type'] === 'SwitchContainer',
  );
  assert.is(log.length, 1);
  assert.match(
    JSON.stringify(log[0]?.fields),
    /"because":\[\{"field":"memory.*generation 2 by root through cli/,
  );
});

test('an image that is never pulled is among the operations, ends by cancel at once, and comes with retry', async ({
  controller,
}) => {
  const { docker } = controller.world;
  const image = 'registry.example/slow:1';
  docker.registry.set(image, { image: {}, milliseconds: 10_000_000 });
  await controller.apply(appManifest('slow', { image }), appManifest('quick'));
  await controller.pass(5_000);
  const table = await ok(controller, ['get', 'operations']);
  assert.match(
    table,
    /^FOR +STATE +STEP +SINCE +ENDS IN +CAUSE +MESSAGE\napp\/slow +Running +PullImage +\d+s +\d+m +generation 1 by root through cli/,
  );
  await serve(controller, appManifest('quick'));
  assert.match(
    await ok(controller, ['cancel', 'app/slow']),
    'app/slow cancelled (PullImage on image/registry.example/slow:1)',
  );
  assert.is(controller.ready('App', 'slow').reason, 'Cancelled');
  assert.match((await controller.holdfast(['get', 'operations'])).err, 'nothing runs and nothing waits');
  assert.match((await controller.holdfast(['cancel', 'app/slow'])).err, 'nothing runs for app/slow');
  docker.registry.set(image, { image: {} });
  await controller.pass(1_300_000);
  assert.is(controller.ready('App', 'slow').reason, 'Cancelled', 'left alone until it is asked for');
  await ok(controller, ['retry', 'app/slow']);
  await serve(controller, appManifest('slow', { image }));
  assert.ok(
    controller.events('slow').some(({ reason, message }) => reason === 'RetryAsked' && /root/.test(message)),
  );
});

test('cancel and retry of what never runs, or is not there, say so', async ({ controller }) => {
  await controller.apply(secret('key', { a: 'one' }));
  assert.match((await controller.holdfast(['cancel', 'secret/key'])).err, 'nothing ever runs for a secret');
  assert.match((await controller.holdfast(['retry', 'app/nobody'])).err, 'not found');
});

const containerOf = (controller: RunningController) => {
  const found = [...controller.world.docker.engine.containers.values()].find(
    ({ name }) => name === 'holdfast-app-wiki',
  );
  if (!found) throw new Error('no container');
  return found;
};

/** docker update, by somebody else. */
function setMemory(controller: RunningController, bytes: number): void {
  controller.world.docker.engine.update(containerOf(controller), { Memory: bytes / 2, MemorySwap: bytes });
}

function memorySet(controller: RunningController): number | undefined {
  return containerOf(controller).rendered.HostConfig?.MemorySwap;
}

test('suspend of a kind, of all and of one holds repairs back, and resume repairs', async ({
  controller,
}) => {
  await serve(controller, appManifest('wiki'));
  for (const [suspend, resume] of [
    [
      ['suspend', 'apps'],
      ['resume', 'apps'],
    ],
    [
      ['suspend', '--all'],
      ['resume', '--all'],
    ],
    [
      ['suspend', 'app/wiki'],
      ['resume', 'app/wiki'],
    ],
  ] as const) {
    await ok(controller, [...suspend]);
    await controller.core.docker.stop(containerOf(controller).id, 1);
    await controller.pass(400_000);
    assert.is(containerOf(controller).state, 'exited', suspend.join(' '));
    assert.is(controller.ready('App', 'wiki').status, 'False');
    assert.match(await ok(controller, ['why', 'wiki']), /Would change now\n {2}StartContainer/);
    await ok(controller, [...resume]);
    await controller.pass(20_000);
    assert.is(containerOf(controller).state, 'running', resume.join(' '));
    assert.is(controller.ready('App', 'wiki').status, 'True');
  }
  assert.is(controller.get('Platform', 'platform')?.spec['suspendKinds'], undefined);
});

test('export gives back what people wrote, and applying it changes nothing', async ({
  controller,
  folder,
}) => {
  await serve(
    controller,
    secret('key', { a: 'swordfish' }),
    appManifest('wiki', {}, { labels: { tier: 'web' } }),
    appManifest('blog'),
  );
  const text = await ok(controller, ['export']);
  assert.not.match(text, 'swordfish');
  assert.not.match(text, /kind: (Site|Event|Certificate|DNSRecord|Binding)/);
  const applied = await ok(controller, ['apply', '-f', '-', '--dry-run=server'], text);
  const lines = applied.trim().split('\n');
  assert.ok(lines.length >= 4, applied);
  for (const line of lines) assert.match(line, / unchanged \(dry run\)$/);
  const files = (await ok(controller, ['export', '-o', join(folder, 'out'), '--show-secrets']))
    .trim()
    .split('\n');
  assert.is(files.length, lines.length);
  assert.is(statSync(join(folder, 'out', 'secret-key.yaml')).mode & 0o777, 0o600);
  assert.match(readFileSync(join(folder, 'out', 'secret-key.yaml'), 'utf8'), 'swordfish');
  const again = await ok(controller, ['apply', '-f', join(folder, 'out'), '--dry-run=server']);
  for (const line of again.trim().split('\n')) assert.match(line, / unchanged \(dry run\)$/);
});

test('get tells when the world was looked at last, and Docker that is gone makes Ready Unknown since then', async ({
  controller,
}) => {
  await serve(controller, appManifest('wiki'));
  const observed = async () =>
    JSON.parse(await ok(controller, ['get', 'app/wiki', '-o', 'json'])).status.observedAt as string;
  const before = await observed();
  const { version } = controller.store;
  await controller.pass(301_000);
  const after = await observed();
  assert.ok(Date.parse(after) > Date.parse(before), `${before} to ${after}`);
  assert.is(controller.store.version, version, 'nothing was written for it');
  controller.world.docker.goDown({ containersLive: true });
  await controller.pass(3_000);
  const { status, message } = controller.ready('App', 'wiki');
  assert.is(status, 'Unknown');
  assert.match(message, `last seen ${after}`);
  controller.world.docker.comeUp();
  await controller.pass(30_000);
  assert.is(controller.ready('App', 'wiki').status, 'True');
});

test('an App whose site does not answer through nginx is not Ready, says why, and comes back by itself', async ({
  controller,
}) => {
  await serve(controller, appManifest('wiki'));
  const { probe } = controller.world;
  const asked = probe.asked.filter(({ tls }) => tls).at(-1);
  assert.equal(
    [asked?.address, asked?.port, asked?.host, asked?.path],
    ['127.0.0.1', 443, 'wiki.localhost', '/'],
  );
  const before = probe.asked.length;
  await controller.pass(90_000);
  const questions = probe.asked.slice(before);
  assert.ok(questions.length <= 12, `${questions.length} questions in a minute and a half`);
  assert.ok(questions.filter(({ tls }) => tls).length <= 4, 'TLS is asked for rarely while all is well');
  probe.answers.set('127.0.0.1:443', 502);
  await controller.pass(45_000);
  const { status, reason, message } = controller.ready('App', 'wiki');
  assert.equal([status, reason], ['False', 'EdgeNotAnswering']);
  assert.match(message, 'https://wiki.localhost does not answer through nginx: status 502');
  assert.is(controller.ready('Site', 'wiki').status, 'True', 'nginx has it');
  probe.answers.delete('127.0.0.1:443');
  await controller.pass(5_000);
  assert.is(controller.ready('App', 'wiki').status, 'True');
  probe.answers.set('127.0.0.1:443', 401);
  await controller.pass(90_000);
  assert.is(controller.ready('App', 'wiki').status, 'True', 'a page that asks who one is, is an answer');
});

test('an App is said to be stopped when its page says so, too', async ({ controller }) => {
  await serve(controller, appManifest('wiki'));
  const { nginx, docker } = controller.world;
  nginx.refuse((path) => (path.includes('wiki') ? 'it does not like it' : undefined));
  await controller.apply(appManifest('wiki', { state: 'stopped' }));
  await controller.pass(5_000);
  assert.is((await docker.containers()).find(({ name }) => name === 'holdfast-app-wiki')?.state, 'exited');
  const { status, reason, message } = controller.ready('App', 'wiki');
  assert.equal([status, reason], ['False', 'SiteNotReady']);
  assert.match(message, /^it is stopped; .*it does not like it/);
  nginx.refuse(() => undefined);
  await controller.pass(400_000);
  assert.is(controller.ready('App', 'wiki').reason, 'Stopped');
});

test('drift that would replace what serves waits for the window, unless it is approved or does not serve', async ({
  controller,
}) => {
  await serve(controller, appManifest('wiki'));
  const windows = [{ schedule: '0 3 * * *', duration: '1h' }];
  await controller.apply({
    apiVersion: API_VERSION,
    kind: 'Platform',
    metadata: { name: 'platform' },
    spec: { maintenance: { windows } },
  });
  const wanted = memorySet(controller);
  setMemory(controller, 64 * 2 ** 20);
  await controller.pass(3_000);
  assert.is(memorySet(controller), 64 * 2 ** 20);
  assert.is(controller.ready('App', 'wiki').status, 'True');
  assert.match(
    await ok(controller, ['get', 'operations']),
    /app\/wiki +Waiting .*2026-01-01T03:00:00.000Z.*memoryWithSwap, because of drift/,
  );
  assert.match(await ok(controller, ['approve', '--all']), 'app/wiki approved');
  await controller.pass(20_000);
  assert.is(memorySet(controller), wanted);
  assert.match((await controller.holdfast(['approve', 'app/wiki'])).err, 'nothing waits for app/wiki');

  setMemory(controller, 64 * 2 ** 20);
  await controller.pass(3_000);
  assert.is(memorySet(controller), 64 * 2 ** 20);
  controller.world.clock.advance(Date.parse('2026-01-01T03:00:00Z') - controller.world.clock.now());
  await controller.pass(20_000);
  assert.is(memorySet(controller), wanted, 'the window is open');
  controller.world.clock.advance(3_600_000);

  const { id } = containerOf(controller);
  await controller.core.docker.stop(id, 1);
  await controller.pass(10_000);
  assert.is(containerOf(controller).state, 'running', 'what does not run is started, whatever the window');
});

test('a window that is none is refused with what is wrong', async ({ controller }) => {
  const platform = (window: object) => ({
    apiVersion: API_VERSION,
    kind: 'Platform',
    metadata: { name: 'platform' },
    spec: { maintenance: { windows: [window] } },
  });
  for (const [window, words] of [
    [{ schedule: '0 3 * *', duration: '1h' }, /schedule.*five fields/],
    [{ schedule: '0 0 31 2 *', duration: '1h' }, /schedule.*some day fits/],
    [{ schedule: '0 3 * * *', duration: '1h', timezone: 'Mars/Base' }, /timezone.*time zone such as/],
    [{ schedule: '0 3 * * *', duration: '0m' }, /duration.*longer than nothing/],
    [{ schedule: '0 3 * * *', duration: 'long' }, /duration.*hours and minutes/],
  ] as const)
    assert.match((await controller.holdfast(['apply', '-f', '-'], json(platform(window)))).err, words);
});

test('a kind suspended by a name that is none is refused', async ({ controller }) => {
  assert.match((await controller.holdfast(['suspend', 'sprockets'])).err, 'no kind is called "sprockets"');
  assert.match((await controller.holdfast(['suspend'])).err, '--all');
});

test.run();
