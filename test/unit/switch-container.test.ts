/** What becomes of the old container and the new one where the new one does not come up, in the whole controller on fakes. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { API_VERSION } from '../../resources/document.ts';
import { appManifest, type RunningController, serveApps, startController } from '../support/controller.ts';
import { exampleSpec } from './docker-spec.ts';

/** It ends by itself, a second after each start. */
const ENDS = 'test.local/ends:1';

async function started(): Promise<RunningController> {
  const controller = await startController();
  controller.world.docker.addImage(ENDS, {
    program: () => ({
      lines: [{ stream: 'stderr', text: 'no database', after: 0 }],
      exit: { code: 3, after: 1_000 },
    }),
  });
  await controller.settle();
  return controller;
}

const ownContainers = ({ world }: RunningController) =>
  [...world.docker.engine.containers.values()].filter(({ name }) => name.startsWith('holdfast-app-shop'));

test('where the repaired container fails just as the drifted one would, it stays, and it is told what fails', async () => {
  const controller = await started();
  const { engine } = controller.world.docker;
  try {
    await controller.apply(appManifest('shop', { image: ENDS }));
    await controller.pass(100);
    const [before] = ownContainers(controller);
    assert.ok(before, 'no container was made');
    engine.disconnect(before, 'holdfast');
    await controller.pass(60_000);
    const [now, ...others] = ownContainers(controller);
    assert.equal(others, []);
    assert.is.not(now?.id, before.id);
    assert.is(now?.name, 'holdfast-app-shop');
    const made = now?.id;
    assert.is(
      controller.ready('App', 'shop').reason,
      'CrashLooping',
      controller.ready('App', 'shop').message,
    );
    await controller.pass(120_000);
    assert.is(ownContainers(controller)[0]?.id, made, 'it is made again and again');
  } finally {
    await controller.close();
  }
});

test('where another version fails, the one before comes back', async () => {
  const controller = await started();
  try {
    await controller.apply(appManifest('shop'));
    await controller.pass(500);
    serveApps(controller);
    await controller.pass(10_000);
    const [before] = ownContainers(controller);
    assert.is(controller.ready('App', 'shop').status, 'True');
    controller.world.probe.answers.clear();
    await controller.apply(appManifest('shop', { image: ENDS }));
    await controller.pass(20_000);
    assert.is(controller.ready('App', 'shop').reason, 'RolloutFailed');
    assert.equal(
      ownContainers(controller).map(({ id, state }) => [id, state]),
      [[before?.id, 'running']],
    );
  } finally {
    await controller.close();
  }
});

test('an App whose image nobody has goes on as soon as a person loads it', async () => {
  const controller = await started();
  try {
    await controller.apply(appManifest('shop', { image: 'test.local/away:1' }));
    await controller.pass(60_000);
    assert.is(controller.ready('App', 'shop').status, 'False');
    assert.equal(ownContainers(controller), []);
    controller.world.docker.addImage('test.local/away:1', {});
    await controller.pass(1_000);
    assert.is(ownContainers(controller).length, 1, controller.ready('App', 'shop').message);
  } finally {
    await controller.close();
  }
});

test('whoever sets one wrong secret after another is not told of a loop, and the right one is taken', async () => {
  const controller = await started();
  const image = 'test.local/signs-in:1';
  controller.world.docker.addImage(image, {
    program: ({ env }) =>
      env['PASSWORD'] === 'right'
        ? { lines: [] }
        : { lines: [{ stream: 'stderr', text: 'denied', after: 0 }], exit: { code: 1, after: 300 } },
  });
  const set = (password: string) =>
    controller.apply({
      apiVersion: API_VERSION,
      kind: 'Secret',
      metadata: { name: 'login' },
      spec: { stringData: { password } },
    });
  try {
    await set('none');
    await controller.apply(appManifest('shop'));
    await controller.pass(500);
    serveApps(controller);
    await controller.pass(10_000);
    controller.world.probe.answers.clear();
    const env = [{ name: 'PASSWORD', valueFrom: { secretKeyRef: { name: 'login', key: 'password' } } }];
    await controller.apply(appManifest('shop', { image, env }));
    for (const password of ['wrong', 'bad', 'no', 'never', 'also wrong']) {
      await controller.pass(10_000);
      assert.is(controller.ready('App', 'shop').reason, 'RolloutFailed', password);
      await set(password);
    }
    await set('right');
    await controller.pass(1_000);
    serveApps(controller);
    await controller.pass(20_000);
    assert.is(controller.ready('App', 'shop').status, 'True', controller.ready('App', 'shop').message);
  } finally {
    await controller.close();
  }
});

test('where the one before cannot come back either, both are told, the new one is not tried again, and the old one comes when it can', async () => {
  const controller = await started();
  const { docker } = controller.world;
  try {
    const port = { tcpPorts: { SSH_PORT: { title: 'Git', containerPort: 22 } }, ports: { SSH_PORT: 2222 } };
    await controller.apply(appManifest('shop', port));
    await controller.pass(500);
    serveApps(controller);
    await controller.pass(10_000);
    controller.world.probe.answers.clear();
    await controller.apply(appManifest('shop', { image: ENDS }));
    await controller.pass(300);
    const ports = [{ containerPort: 22, hostPort: 2222, protocol: 'tcp' as const }];
    docker.addImage('wiki:1', {});
    const network = { name: 'holdfast', address: '10.213.0.99' };
    const squatter = exampleSpec({ name: 'squatter', ports, labels: {}, network });
    docker.engine.start(docker.engine.create(squatter));
    await controller.pass(20_000);
    const { reason, message } = controller.ready('App', 'shop');
    assert.is(reason, 'RolloutFailed');
    assert.match(message, /ended with exit code 3.*does not start either: .*2222/s);
    const made = [...docker.engine.containers.keys()];
    await controller.pass(120_000);
    assert.equal([...docker.engine.containers.keys()], made);
    assert.match(controller.ready('App', 'shop').message, /2222/);
    const holder = docker.engine.find('squatter');
    if (holder) docker.engine.remove(holder);
    await controller.pass(300_000);
    assert.is(controller.ready('App', 'shop').reason, 'RolloutFailed');
    assert.equal(
      ownContainers(controller).map(({ state }) => state),
      ['running'],
    );
  } finally {
    await controller.close();
  }
});

test.run();
