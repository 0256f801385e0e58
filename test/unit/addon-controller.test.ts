/** Addons and Bindings in the whole controller on fakes: what an App is given, what is kept, what an upgrade does, and what goes wrong. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { Drivers } from '../../controller/core.ts';
import type { DatabaseServer } from '../../reconcilers/drivers/database/index.ts';
import type { FakeDocker } from '../../reconcilers/drivers/docker/fake.ts';
import { DriverError } from '../../reconcilers/drivers/error.ts';
import { ANNOTATION, API_VERSION, type Manifest } from '../../resources/document.ts';
import { appManifest, type RunningController, serveApps, startController } from '../support/controller.ts';
import { over } from '../support/over.ts';

const PG = (version: string) => `holdfast.local/postgresql:${version}`;

async function started(options?: Parameters<typeof startController>[0]): Promise<RunningController> {
  const controller = await startController(options);
  for (const version of ['15', '17'])
    controller.world.docker.addImage(PG(version), { volumes: ['/var/lib/postgresql/data'] });
  controller.world.docker.addImage('holdfast.local/redis:7', { volumes: ['/data'] });
  await controller.settle();
  return controller;
}

const within = (name: string, run: (controller: RunningController) => Promise<void>) =>
  test(name, async () => {
    const controller = await started();
    try {
      await run(controller);
    } finally {
      await controller.close();
    }
  });

function addon(name: string, spec: Record<string, unknown>, annotations?: Record<string, string>): Manifest {
  const metadata = { name, ...(annotations ? { annotations } : {}) };
  return { apiVersion: API_VERSION, kind: 'Addon', metadata, spec };
}

const shop = (more: Record<string, unknown> = {}) =>
  appManifest('shop', { addons: { postgresql: {} }, ...more });

/** Lets Apps answer, and time pass, until this is Ready or as long as it takes. */
async function becomes(
  controller: RunningController,
  kind: string,
  name: string,
  reason: string,
): Promise<void> {
  for (let second = 0; second < 120; second += 1) {
    serveApps(controller);
    await controller.settle();
    if (controller.ready(kind, name).reason === reason) return;
    await controller.pass(1000);
  }
  throw new Error(
    `${kind}/${name} does not become ${reason}: ${JSON.stringify(controller.get(kind, name)?.status)}`,
  );
}

function spec<T>(controller: RunningController, kind: string, name: string): T {
  return controller.get(kind, name)?.spec as T;
}

function status<T>(controller: RunningController, kind: string, name: string): T {
  return (controller.get(kind, name)?.status ?? {}) as T;
}

function password(controller: RunningController, secret: string): string {
  return spec<{ stringData: { password: string } }>(controller, 'Secret', secret).stringData.password;
}

function server(controller: RunningController, name = 'postgresql'): DatabaseServer {
  const { address = '', port = 0 } = status<{ address?: string; port?: number }>(controller, 'Addon', name);
  return { type: 'postgresql', name, address, port, password: password(controller, `addon-${name}`) };
}

function enter(controller: RunningController): string[] {
  const login = {
    name: 'app_shop',
    database: 'app_shop',
    password: password(controller, 'binding-shop-postgresql'),
  };
  return controller.world.databases.enter(server(controller), login);
}

function envOf(controller: RunningController, container: string): Record<string, string> {
  return controller.world.docker.engine.find(container)?.spec.env ?? {};
}

within('the first App that needs a database has it made, and gets its account', async (controller) => {
  await controller.apply(shop());
  await controller.settle();
  await becomes(controller, 'App', 'shop', 'Serving');
  assert.is(spec<{ type: string }>(controller, 'Addon', 'postgresql').type, 'postgresql');
  const env = envOf(controller, 'holdfast-app-shop');
  const word = password(controller, 'binding-shop-postgresql');
  assert.is(env['POSTGRESQL_URL'], `postgres://app_shop:${word}@postgresql/app_shop`);
  const { address } = server(controller);
  assert.equal(controller.world.docker.engine.find('holdfast-app-shop')?.spec.hosts, { postgresql: address });
  assert.equal(enter(controller), []);
  const database = controller.world.docker.engine.find('holdfast-addon-postgresql');
  assert.not.ok(JSON.stringify(database?.spec).includes(server(controller).password), 'only in a file');
});

within('what has converged stays as it is', async (controller) => {
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  await controller.pass(130_000);
  const count = controller.events().length;
  const version = controller.store.version;
  await controller.pass(400_000);
  assert.is(controller.events().length, count);
  assert.is(controller.store.version, version);
});

within('an App waits for an Addon that nobody has written, and says so', async (controller) => {
  await controller.apply(shop({ addons: { postgresql: { addon: 'postgresql-17' } } }));
  await becomes(controller, 'App', 'shop', 'AddonNotReady');
  assert.match(controller.ready('App', 'shop').message, /addon\/postgresql-17, which does not exist/);
  await controller.apply(addon('postgresql-17', { type: 'postgresql', version: '17' }));
  await becomes(controller, 'App', 'shop', 'Serving');
  assert.is(status<{ version: string }>(controller, 'Addon', 'postgresql-17').version, '17');
});

within('an Addon of another type is not available', async (controller) => {
  await controller.apply(
    addon('cache', { type: 'redis' }),
    shop({ addons: { postgresql: { addon: 'cache' } } }),
  );
  await becomes(controller, 'App', 'shop', 'AddonNotAvailable');
  assert.match(controller.ready('App', 'shop').message, /is of type redis/);
});

within('an App that names another Addon leaves no open account behind, and its data', async (controller) => {
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  enter(controller).push('hello');
  const before = server(controller);
  const inFirst = () => controller.world.databases.accounts(before);
  await controller.apply(shop({ addons: { postgresql: { addon: 'second' } } }));
  await becomes(controller, 'App', 'shop', 'AddonNotReady');
  assert.equal(enter(controller), ['hello'], 'as long as there is no other, it goes on');
  const refused = await controller.holdfast(['delete', 'addon/postgresql']);
  assert.match(refused.err, /in use by app\/shop: .* wait until they have moved/);
  await controller.apply(addon('second', { type: 'postgresql', version: '15' }));
  await becomes(controller, 'App', 'shop', 'Serving');
  assert.is(envOf(controller, 'holdfast-app-shop')['POSTGRESQL_HOST'], 'postgresql');
  assert.equal(
    status<{ bindings: string[] }>(controller, 'Addon', 'postgresql').bindings,
    [],
    'with no resync',
  );
  assert.equal(
    (await inFirst()).map(({ name, state }) => [name, state]),
    [['app_shop', 'kept']],
  );
  assert.is(status<{ previous?: unknown }>(controller, 'Binding', 'shop-postgresql').previous, undefined);
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  assert.equal(enter(controller), ['hello']);
  assert.equal(
    (await controller.world.databases.accounts(server(controller, 'second'))).map(({ state }) => state),
    ['kept'],
  );
});

test('an App that goes closes also the account that it left in a server that is away', async () => {
  let isAway = false;
  const unless =
    <Args extends unknown[], Answer>(verb: (...args: Args) => Promise<Answer>) =>
    async (...args: Args): Promise<Answer> => {
      if (isAway) throw new DriverError('unavailable', 'connection refused');
      return verb(...args);
    };
  const controller = await started({
    wrap: ({ databases }) => ({
      databases: over(databases, {
        accounts: unless(databases.accounts.bind(databases)),
        version: unless(databases.version.bind(databases)),
      }),
    }),
  });
  try {
    await controller.apply(shop());
    await becomes(controller, 'App', 'shop', 'Serving');
    await controller.apply(shop({ addons: { postgresql: { addon: 'second' } } }));
    await becomes(controller, 'App', 'shop', 'AddonNotReady');
    const before = server(controller);
    isAway = true;
    await controller.pass(400_000);
    assert.is(controller.ready('Addon', 'postgresql').status, 'False');
    await controller.holdfast(['delete', 'app/shop']);
    await controller.pass(20_000);
    assert.ok(controller.get('Binding', 'shop-postgresql'), 'it stays until its account is closed');
    isAway = false;
    for (let second = 0; second < 400 && controller.get('Binding', 'shop-postgresql'); second += 1)
      await controller.pass(1_000);
    assert.is(controller.get('Binding', 'shop-postgresql'), undefined);
    const accounts = await controller.world.databases.accounts(before);
    assert.equal(
      accounts.map(({ state }) => state),
      ['kept'],
    );
  } finally {
    await controller.close();
  }
});

test('an Addon that fails is not tried again by what its Bindings say of it', async () => {
  let tries = 0;
  let isBroken = false;
  const controller = await started({
    wrap: ({ docker }) => {
      const start = async (id: string) => {
        const name = controller.world.docker.engine.containers.get(id)?.name;
        if (!isBroken || name !== 'holdfast-addon-postgresql') return docker.start(id);
        tries += 1;
        throw new DriverError('notFound', 'starting the container: network holdfast not found');
      };
      const get = (target: typeof docker, property: string | symbol) =>
        property === 'start' ? start : Reflect.get(target, property);
      return { docker: new Proxy(docker, { get }) };
    },
  });
  try {
    await controller.apply(shop());
    await becomes(controller, 'App', 'shop', 'Serving');
    isBroken = true;
    const { engine } = controller.world.docker;
    const found = engine.find('holdfast-addon-postgresql');
    if (found) engine.stop(found);
    await controller.pass(20_000);
    assert.ok(tries >= 1 && tries < 12, `${tries} tries in 20 s`);
    isBroken = false;
    await controller.pass(300_000);
    await becomes(controller, 'App', 'shop', 'Serving');
  } finally {
    await controller.close();
  }
});

within(
  'a server that is off the network is replaced, also after the clock was put back',
  async (controller) => {
    await controller.apply(shop());
    await becomes(controller, 'App', 'shop', 'Serving');
    enter(controller).push('hello');
    controller.world.clock.jump(-3_600_000);
    const { engine } = controller.world.docker;
    const before = engine.find('holdfast-addon-postgresql');
    if (before) engine.disconnect(before, 'holdfast');
    await controller.pass(30_000);
    await becomes(controller, 'App', 'shop', 'Serving');
    assert.is.not(engine.find('holdfast-addon-postgresql')?.id, before?.id);
    assert.equal(enter(controller), ['hello']);
  },
);

test('a new server that loses the network while it comes up is made again', async () => {
  let lost: string | undefined;
  const wrap = (drivers: Drivers) => {
    const docker = drivers.docker as FakeDocker;
    const start = async (id: string) => {
      await docker.start(id);
      const begun = docker.engine.find(id);
      if (lost !== undefined || !begun?.name.endsWith('-next')) return;
      lost = id;
      docker.engine.disconnect(begun, 'holdfast');
    };
    return { docker: { ...docker, start } };
  };
  const controller = await started({ wrap });
  try {
    await controller.apply(shop(), addon('postgresql', { type: 'postgresql' }));
    await becomes(controller, 'App', 'shop', 'Serving');
    const { engine } = controller.world.docker;
    const before = engine.find('holdfast-addon-postgresql')?.id;
    await controller.apply(addon('postgresql', { type: 'postgresql', memory: '768Mi' }));
    await controller.pass(900_000);
    await becomes(controller, 'Addon', 'postgresql', 'Serving');
    assert.ok(lost, 'no new server was started');
    assert.not.ok([before, lost].includes(engine.find('holdfast-addon-postgresql')?.id));
  } finally {
    await controller.close();
  }
});

within('a redis is the own of an App, goes with it, and its data stays', async (controller) => {
  await controller.apply(appManifest('chat', { addons: { redis: {} } }));
  await becomes(controller, 'App', 'chat', 'Serving');
  assert.is(envOf(controller, 'holdfast-app-chat')['REDIS_HOST'], 'redis-chat');
  const before = password(controller, 'addon-redis-chat');
  await controller.holdfast(['delete', 'app/chat']);
  await controller.pass(30_000);
  assert.is(controller.get('Addon', 'redis-chat'), undefined);
  assert.is(controller.get('Secret', 'addon-redis-chat'), undefined);
  assert.ok(controller.world.host.state.folders.has('/fake/state/addons/redis-chat/data'));
  await controller.apply(appManifest('chat', { addons: { redis: {} } }));
  await becomes(controller, 'App', 'chat', 'Serving');
  assert.is(password(controller, 'addon-redis-chat'), before, 'the password of the data is taken over');
});

within('a new password goes to the server first and then to the App, with the reason', async (controller) => {
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  enter(controller).push('hello');
  const before = password(controller, 'binding-shop-postgresql');
  assert.is((await controller.holdfast(['rotate', 'binding/shop-postgresql'])).code, 0);
  await becomes(controller, 'App', 'shop', 'Serving');
  const after = password(controller, 'binding-shop-postgresql');
  assert.is.not(after, before);
  assert.is(envOf(controller, 'holdfast-app-shop')['POSTGRESQL_PASSWORD'], after);
  assert.equal(enter(controller), ['hello']);
  const reasons = controller.events('shop').flatMap(({ step }) => step?.because ?? []);
  assert.ok(reasons.some(({ field }) => field === 'env.POSTGRESQL_PASSWORD'));
  const count = controller.events('shop-postgresql').length;
  await controller.pass(400_000);
  assert.is(controller.events('shop-postgresql').length, count, 'once asked is once done');
});

within(
  'a password that is changed in the server is set right without a new container',
  async (controller) => {
    await controller.apply(shop());
    await becomes(controller, 'App', 'shop', 'Serving');
    const container = controller.world.docker.engine.find('holdfast-app-shop')?.id;
    for (const { accounts } of controller.world.databases.data.values()) {
      const account = accounts.get('app_shop');
      if (account) account.password = 'other';
    }
    await controller.pass(400_000);
    assert.equal(enter(controller), []);
    assert.is(controller.world.docker.engine.find('holdfast-app-shop')?.id, container);
  },
);

within('a deleted App leaves its database, which is listed and comes back with it', async (controller) => {
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  enter(controller).push('hello');
  await controller.holdfast(['delete', 'app/shop']);
  await controller.pass(70_000);
  assert.is(controller.get('Binding', 'shop-postgresql'), undefined);
  const { kept = [] } = status<{ kept?: { app: string; account: string }[] }>(
    controller,
    'Addon',
    'postgresql',
  );
  assert.equal(
    kept.map(({ app, account }) => [app, account]),
    [['shop', 'app_shop']],
  );
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  assert.equal(enter(controller), ['hello']);
  assert.ok(controller.events('shop-postgresql').some(({ message }) => /kept since 2026/.test(message)));
});

within('with --delete-data the database goes, too, and the plan names the loss', async (controller) => {
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  enter(controller).push('hello');
  await controller.holdfast(['delete', 'app/shop', '--delete-data']);
  await controller.pass(70_000);
  assert.is(controller.get('Binding', 'shop-postgresql'), undefined);
  const [data] = [...controller.world.databases.data.values()];
  assert.equal([...(data?.databases.keys() ?? [])], []);
  assert.ok(controller.events().some(({ step }) => step?.impact === 'data-loss'));
});

within(
  'an Addon in use is not deleted; one that nobody uses keeps its data unless asked',
  async (controller) => {
    await controller.apply(shop());
    await becomes(controller, 'App', 'shop', 'Serving');
    const refused = await controller.holdfast(['delete', 'addon/postgresql']);
    assert.is(refused.code, 1);
    assert.match(refused.err, /in use by app\/shop/);
    await controller.holdfast(['delete', 'app/shop']);
    await controller.pass(10_000);
    assert.is((await controller.holdfast(['delete', 'addon/postgresql'])).code, 0);
    await controller.pass(30_000);
    assert.is(controller.get('Addon', 'postgresql'), undefined);
    assert.ok(controller.world.host.state.folders.has('/fake/state/addons/postgresql/data-17'));
    await controller.apply(addon('postgresql', { type: 'postgresql' }));
    await becomes(controller, 'Addon', 'postgresql', 'Serving');
    await controller.holdfast(['delete', 'addon/postgresql', '--delete-data']);
    await controller.pass(30_000);
    assert.not.ok(controller.world.host.state.folders.has('/fake/state/addons/postgresql'));
  },
);

within(
  'an App that did not come up without a database is given the one that it asks for then',
  async (controller) => {
    const image = 'test.local/needs-a-database:1';
    controller.world.docker.addImage(image, {
      program: ({ env }) =>
        env['POSTGRESQL_URL'] === undefined
          ? { lines: [{ stream: 'stderr', text: 'no database', after: 0 }], exit: { code: 3, after: 0 } }
          : { lines: [] },
    });
    await controller.apply(appManifest('shop'));
    await becomes(controller, 'App', 'shop', 'Serving');
    const { answers } = controller.world.probe;
    const { address = '' } = status<{ address?: string }>(controller, 'App', 'shop');
    answers.set(`${address}:8080`, 503);
    await controller.apply(appManifest('shop', { image }));
    await becomes(controller, 'App', 'shop', 'RolloutFailed');
    answers.set(`${address}:8080`, 200);
    await controller.apply(shop({ image }));
    await becomes(controller, 'App', 'shop', 'Serving');
    assert.ok(envOf(controller, 'holdfast-app-shop')['POSTGRESQL_URL']);
  },
);

within('a database that is broken for good goes with its data, and then its Apps', async (controller) => {
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  const broken = new Map();
  broken[Symbol.iterator] = () => {
    throw new DriverError('unavailable', 'the table of accounts cannot be read');
  };
  for (const data of controller.world.databases.data.values()) data.accounts = broken;
  await controller.holdfast(['delete', 'app/shop']);
  await controller.pass(10_000);
  assert.ok(controller.get('Binding', 'shop-postgresql'), 'its account cannot be closed');
  const remove = ['delete', 'addon/postgresql'];
  assert.match((await controller.holdfast(remove)).err, /in use by app\/shop/);
  assert.is((await controller.holdfast([...remove, '--delete-data'])).code, 0);
  await controller.pass(120_000);
  assert.equal(
    [controller.get('Addon', 'postgresql'), controller.get('App', 'shop')],
    [undefined, undefined],
  );
});

within('a setting that the server does not start with is taken back, and Apps go on', async (controller) => {
  await controller.apply(shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  const { docker } = controller.world;
  docker.addImage('test.local/bad:17', {
    volumes: ['/var/lib/postgresql/data'],
    program: () => ({ lines: [], exit: { code: 1, after: 10 } }),
  });
  await controller.apply(addon('postgresql', { type: 'postgresql', image: 'test.local/bad:17' }));
  await controller.pass(30_000);
  const { rollout } = status<{ rollout?: { state: string } }>(controller, 'Addon', 'postgresql');
  assert.is(rollout?.state, 'failed');
  await becomes(controller, 'App', 'shop', 'Serving');
  assert.equal(enter(controller), []);
});

within(
  'after a boot they are started in turn, and one that does not answer holds up no other',
  async (controller) => {
    const { docker, databases } = controller.world;
    const names = ['alpha', 'beta', 'gamma'];
    await controller.apply(...names.map((name) => addon(name, { type: 'postgresql' })));
    for (const name of names) await becomes(controller, 'Addon', name, 'Serving');
    const version = databases.version;
    databases.version = async (of) => {
      if (of.name === 'addon/beta') throw new DriverError('unavailable', 'it does not answer');
      return version(of);
    };
    const containers = () => names.map((name) => docker.engine.find(`holdfast-addon-${name}`));
    docker.goDown();
    await controller.settle();
    docker.comeUp();
    assert.equal(
      containers().map((container) => container?.state),
      ['exited', 'exited', 'exited'],
      'Docker starts none',
    );
    await controller.pass(100_000);
    const starts = containers()
      .map((container) => ({ name: container?.name ?? '', at: container?.startedAt ?? 0 }))
      .sort((one, other) => one.at - other.at);
    for (const [index, { at }] of starts.slice(1).entries()) {
      const before = starts[index];
      const turn = before?.name.endsWith('beta') ? 60_000 : 1_000;
      assert.ok(at - (before?.at ?? 0) >= turn, JSON.stringify(starts));
    }
    for (const name of ['alpha', 'gamma']) assert.is(controller.ready('Addon', name).reason, 'Serving');
    assert.is(controller.ready('Addon', 'beta').status, 'False');
  },
);

const upgraded = async (controller: RunningController) => {
  await controller.apply(addon('postgresql', { type: 'postgresql', version: '15' }), shop());
  await becomes(controller, 'App', 'shop', 'Serving');
  enter(controller).push('hello', 'world');
};

within('an upgrade copies, compares, and keeps the old data until its time is over', async (controller) => {
  await upgraded(controller);
  await controller.apply(addon('postgresql', { type: 'postgresql', version: '17', keepOldData: 2 }));
  await controller.pass(20_000);
  await becomes(controller, 'App', 'shop', 'Serving');
  assert.is(status<{ version: string }>(controller, 'Addon', 'postgresql').version, '17');
  assert.equal(enter(controller), ['hello', 'world']);
  const folders = () =>
    [...controller.world.host.state.folders.keys()].filter((path) =>
      /postgresql\/(data|kept|next|verified)/.test(path),
    );
  assert.is(folders().length, 2, folders().join());
  assert.ok(folders().some((path) => path.endsWith('/data-17')));
  assert.ok(folders().some((path) => /kept-15-\d{8}T\d{6}Z$/.test(path)));
  const { previous, upgrade } = status<{ previous?: { series: string }; upgrade?: { state: string } }>(
    controller,
    'Addon',
    'postgresql',
  );
  assert.is(previous?.series, '15');
  assert.is(upgrade?.state, 'done');
  controller.world.clock.advance(3 * 86_400_000);
  await controller.pass(400_000);
  assert.equal(folders(), ['/fake/state/addons/postgresql/data-17']);
  assert.equal(enter(controller), ['hello', 'world']);
});

within(
  'an upgrade whose copy is not as the original goes back, and is tried again when asked',
  async (controller) => {
    await upgraded(controller);
    const { databases } = controller.world;
    const restore = databases.restore;
    databases.restore = async (to, name, from, signal) => {
      await restore(to, name, from, signal);
      for (const [folder, data] of databases.data)
        if (folder.includes('next-')) data.databases.set(name, ['hello']);
    };
    await controller.apply(addon('postgresql', { type: 'postgresql', version: '17' }));
    await controller.pass(60_000);
    await becomes(controller, 'App', 'shop', 'Serving');
    const { upgrade, version } = status<{ upgrade?: { state: string; message: string }; version: string }>(
      controller,
      'Addon',
      'postgresql',
    );
    assert.is(upgrade?.state, 'failed');
    assert.match(upgrade?.message ?? '', /app_shop is not as the original: words has 1 rows, and had 2 rows/);
    assert.is(version, '15');
    assert.equal(enter(controller), ['hello', 'world']);
    databases.restore = restore;
    await controller.pass(30_000);
    assert.is(status<{ version: string }>(controller, 'Addon', 'postgresql').version, '15', 'not by itself');
    const now = new Date(controller.world.clock.now()).toISOString();
    await controller.apply(
      addon('postgresql', { type: 'postgresql', version: '17' }, { [ANNOTATION.retriedAt]: now }),
    );
    await controller.pass(60_000);
    await becomes(controller, 'App', 'shop', 'Serving');
    assert.is(status<{ version: string }>(controller, 'Addon', 'postgresql').version, '17');
    assert.equal(enter(controller), ['hello', 'world']);
  },
);

test.run();
