/**
 * The images that `holdfast images build` makes, against what the official ones promise: settings from the environment or from
 * files, a first start that can be cut off, data that outlives the container, a clean end, and no root. They run in the engine of
 * this machine under names of the test's own, on no network but the bridge, with nothing published.
 */
import { randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { telling } from '../support/before.ts';
import { docker, type Result, run } from './docker.ts';
import { until } from './until.ts';

const holdfast = fileURLToPath(new URL('../../bin/holdfast', import.meta.url));
const mark = `holdfast-test-images-${randomBytes(4).toString('hex')}`;

interface Server {
  recipe: string;
  image: string;
  /** Where its data is. */
  data: string;
  /** Variable with the password. redis takes an argument instead. */
  variable?: string;
  arguments?: string[];
  /** Runs one statement over the network, with the password, and answers what it says. */
  ask(container: string, statement: string): Promise<Result>;
  write: string;
  read: string;
  /** Said by the client while nothing listens, or it is not let in: anything else would be a half-made server that answers. */
  notYet: RegExp;
  /** Settings of a first start that is cut off when this is there. */
  underway?: string;
}

const password = 'p"w\'d $x';
const exec = (container: string, words: string[], env: string[] = []) =>
  run('docker', ['exec', ...env.flatMap((one) => ['-e', one]), container, ...words]);

const servers: Server[] = [
  {
    recipe: 'postgresql',
    image: 'holdfast.local/postgresql:15',
    data: '/var/lib/postgresql/data',
    variable: 'POSTGRES_PASSWORD',
    ask: (container, statement) =>
      exec(
        container,
        ['psql', '-h', '127.0.0.1', '-U', 'postgres', '-w', '-tAc', statement],
        [`PGPASSWORD=${password}`],
      ),
    write: "CREATE TABLE kept AS SELECT 'rows' AS word",
    read: 'SELECT word FROM kept',
    notYet: /Connection refused|starting up|No such file/,
    underway: '/var/lib/postgresql/data/.new/base',
  },
  {
    recipe: 'mariadb',
    image: 'holdfast.local/mariadb:10.11',
    data: '/var/lib/mysql',
    variable: 'MARIADB_ROOT_PASSWORD',
    ask: (container, statement) =>
      exec(
        container,
        ['mariadb', '--no-defaults', '-h', '127.0.0.1', '-u', 'root', '-BNe', statement],
        [`MYSQL_PWD=${password}`],
      ),
    write: "CREATE DATABASE app; CREATE TABLE app.kept AS SELECT 'rows' AS word",
    read: 'SELECT word FROM app.kept',
    notYet: /ERROR 2002|ERROR 2003|ERROR 2013/,
    underway: '/var/lib/mysql/mysql',
  },
  {
    recipe: 'redis',
    image: 'holdfast.local/redis:7',
    data: '/data',
    arguments: ['--requirepass', password],
    ask: (container, statement) =>
      exec(
        container,
        ['redis-cli', '-h', '127.0.0.1', '--no-auth-warning', ...statement.split(' ')],
        [`REDISCLI_AUTH=${password}`],
      ),
    write: 'SET kept rows',
    read: 'GET kept',
    notYet: /Could not connect|LOADING/,
  },
];

/** As an Addon's container: nothing but /run, /tmp and the data can be written. */
function start(
  server: Server,
  name: string,
  words: string[],
  args = server.arguments ?? [],
): Promise<string> {
  const scratch = ['--read-only', '--tmpfs', '/run', '--tmpfs', '/tmp', '--cap-drop', 'NET_RAW'];
  const given = ['--label', mark, '--name', name, ...scratch, ...words];
  return docker(['run', '-d', ...given, '-v', `${name}:${server.data}`, server.image, ...args]);
}

async function ended(name: string): Promise<{ code: number; log: string }> {
  const code = Number((await run('docker', ['wait', name], { timeoutSeconds: 60 })).stdout);
  const { stdout, stderr } = await run('docker', ['logs', name]);
  return { code, log: stdout + stderr };
}

for (const server of servers) {
  const test = suite<{ folder: string; name: string }>(`image of ${server.recipe}`);
  const { recipe, variable } = server;

  test.before(
    telling(async (context) => {
      context.folder = await mkdtemp(path.join(tmpdir(), 'holdfast-images-'));
      context.name = `${mark}-${recipe}`;
      await writeFile(path.join(context.folder, 'password'), `${password}\n`);
      await chmod(path.join(context.folder, 'password'), 0o600);
    }),
  );
  test.after(async ({ folder, name }) => {
    await run('docker', ['rm', '-fv', name]);
    await run('docker', ['volume', 'rm', name]);
    await rm(folder, { recursive: true, force: true });
  });

  test('it is built once, and then is there already', async () => {
    const [, version = ''] = server.image.split(':');
    const build = ['images', 'build', `${recipe}:${version}`];
    const first = await run(holdfast, build, { timeoutSeconds: 500 });
    assert.is(first.code, 0, first.stderr);
    assert.is(first.stdout.trim(), server.image);
    const inspect = ['image', 'inspect', '--format', '{{.Id}} {{.Created}}', server.image];
    const before = await docker(inspect);
    const second = await run(holdfast, build, { timeoutSeconds: 500 });
    assert.match(second.stderr, /is there already/);
    assert.is(await docker(inspect), before);
  });

  const settings = (folder: string): string[] =>
    variable === undefined ? [] : ['-v', `${folder}:/secrets:ro`, '-e', `${variable}_FILE=/secrets/password`];

  if (variable !== undefined) {
    test('without a password the first start says which variable it needs', async ({ name }) => {
      await start(server, name, []);
      const { code, log } = await ended(name);
      assert.is(code, 1);
      assert.match(log, new RegExp(`set ${variable}`));
      await docker(['rm', '-fv', name]);
      await docker(['volume', 'rm', name]);
    });
  }

  if (server.underway !== undefined) {
    test('a first start that is cut off begins anew', async ({ name, folder }) => {
      await start(server, name, settings(folder));
      const underway = ['test', '-e', server.underway ?? ''];
      await until('the first start is under way', async () => (await exec(name, underway)).code === 0, {
        everyMilliseconds: 20,
      });
      await docker(['kill', name]);
      await docker(['start', name]);
      await until('it begins anew', async () => {
        const { stdout, stderr } = await run('docker', ['logs', name]);
        return /was cut off; begins anew/.test(stdout + stderr);
      });
    });
  } else {
    test('it starts', async ({ name, folder }) => {
      await start(server, name, settings(folder));
    });
  }

  test('nothing answers before the first start is done, and then all of it is there', async ({ name }) => {
    await until(
      'it answers',
      async () => {
        const { code, stdout, stderr } = await server.ask(name, server.write);
        const said = stdout + stderr;
        const isReady = code === 0 && !server.notYet.test(said);
        if (!isReady) assert.match(said, server.notYet);
        return isReady;
      },
      { seconds: 120 },
    );
    assert.is((await server.ask(name, server.read)).stdout.trim(), 'rows');
  });

  test('it runs as a user of its own, with the number that the official image has', async ({ name }) => {
    const { stdout } = await exec(name, ['stat', '-c', '%u', '/proc/1']);
    assert.is(stdout.trim(), '999');
  });

  test('the server does not have the password in its environment', async ({ name }) => {
    const pid = await docker(['inspect', '--format', '{{.State.Pid}}', name]);
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    // Redis writes its title over what it was given; there is something to read all the same.
    assert.ok(environment.length > 0, 'it can be read');
    assert.not.ok(environment.includes(password));
  });

  test('it ends cleanly when it is told to, and has its rows when it starts again', async ({ name }) => {
    await docker(['stop', '-t', '60', name]);
    assert.is(await docker(['inspect', '--format', '{{.State.ExitCode}}', name]), '0');
    await docker(['start', name]);
    await until(
      'it answers again',
      async () => (await server.ask(name, server.read)).stdout.trim() === 'rows',
    );
  });

  test('its rows outlive its container', async ({ name, folder }) => {
    if (recipe === 'redis') await server.ask(name, 'SAVE');
    await docker(['rm', '-f', name]);
    await start(server, name, settings(folder));
    await until(
      'it answers again',
      async () => (await server.ask(name, server.read)).stdout.trim() === 'rows',
    );
  });

  test('an image in use is not removed, nor one that was not built here', async () => {
    const inUse = await run(holdfast, ['images', 'rm', server.image]);
    assert.is(inUse.code, 1);
    assert.match(inUse.stderr, new RegExp(`in use by ${mark}`));
    const foreign = await run(holdfast, ['images', 'rm', 'debian:12']);
    assert.match(foreign.stderr, /no image that was built here/);
    assert.match((await run(holdfast, ['images', 'list'])).stdout, new RegExp(server.image));
  });

  test.run();
}
