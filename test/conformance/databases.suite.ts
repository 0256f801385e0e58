/**
 * What every databases driver promises for a type of server, real or fake. A test file gives it a server that is empty; `logIn` tries a
 * login as an App would.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DatabaseServer, Databases } from '../../reconcilers/drivers/database/index.ts';
import { DriverError, type DriverErrorCode } from '../../reconcilers/drivers/error.ts';
import { credentialDigest } from '../../resources/credential.ts';
import { telling } from '../support/before.ts';

export interface ServerUnderTest {
  databases: Databases;
  server: DatabaseServer;
  /** Logs in and does this; a refusal rejects. */
  asApp: {
    /** Answers when the login was taken, and the database opened. */
    enter(login: { name: string; password: string; database: string }): Promise<void>;
    /** Keeps a word in the database, and gives back all that were kept. */
    remember(login: { name: string; password: string; database: string }, word: string): Promise<string[]>;
  };
  /** Changes the password behind Holdfast's back. */
  changePassword(name: string, password: string): Promise<void>;
  /** Something of that name that Holdfast did not make. undefined: the type has nothing of the kind. */
  makeForeign?(name: string): Promise<void>;
  /** Open connections of the driver. */
  connections(): Promise<number>;
}

export async function refuses(answer: Promise<unknown>, code?: DriverErrorCode): Promise<Error> {
  try {
    await answer;
  } catch (error) {
    if (code !== undefined) {
      assert.instance(error, DriverError);
      assert.is((error as DriverError).code, code, (error as Error).message);
    }
    return error as Error;
  }
  throw new Error('it was not refused');
}

const NOW = '2026-01-01T00:00:00.000Z';
const LATER = '2026-02-01T00:00:00.000Z';
const account = (app: string, password: string, now = NOW) => ({
  name: `app_${app}`,
  app,
  password,
  many: false,
  now,
});
const login = (app: string, password: string) => ({ name: `app_${app}`, password, database: `app_${app}` });

/** For types where many Apps share a server. */
export function sharedServerSuite(
  name: string,
  start: () => Promise<ServerUnderTest>,
  stop: () => Promise<void>,
) {
  const test = suite(`databases driver: ${name}`);
  let under: ServerUnderTest;
  test.before(
    telling(async () => {
      under = await start();
    }),
  );
  test.after(stop);

  const find = async (app: string) =>
    (await under.databases.accounts(under.server)).find((each) => each.app === app);

  test('the server says its version', async () => {
    assert.match(await under.databases.version(under.server), /^\d+[.\d]*$/);
  });

  test('a server without accounts has none', async () => {
    assert.equal(await under.databases.accounts(under.server), []);
    assert.equal(await under.databases.databases(under.server), []);
  });

  test('an account opens its own database, and giving it twice changes nothing', async () => {
    const { databases, server } = under;
    await databases.provision(server, account('one', 'pw-one'));
    assert.equal(await under.asApp.remember(login('one', 'pw-one'), 'hello'), ['hello']);
    await databases.provision(server, account('one', 'pw-one', LATER));
    assert.equal(await under.asApp.remember(login('one', 'pw-one'), 'again'), ['again', 'hello']);
    assert.equal(await find('one'), {
      name: 'app_one',
      app: 'one',
      state: 'bound',
      since: NOW,
      credential: credentialDigest('pw-one'),
    });
    assert.equal(await databases.databases(server), ['app_one']);
  });

  test('no App opens the database of another, whatever its name looks like', async () => {
    const { databases, server } = under;
    await databases.provision(server, account('onex', 'pw-x'));
    // In the rights of some servers _ stands for any letter.
    await databases.provision(server, account('a_b', 'pw-a'));
    await databases.provision(server, account('axb', 'pw-b'));
    await refuses(under.asApp.enter({ ...login('a_b', 'pw-a'), database: 'app_axb' }));
    await refuses(under.asApp.enter({ ...login('onex', 'pw-x'), database: 'app_one' }));
    await refuses(under.asApp.enter({ ...login('one', 'pw-one'), database: 'app_onex' }));
    await refuses(under.asApp.enter({ ...login('one', 'pw-one'), database: 'holdfast' }));
    await under.asApp.enter(login('one', 'pw-one'));
  });

  test('a wrong password is refused, and of a new one only the new opens', async () => {
    const { databases, server } = under;
    await refuses(under.asApp.enter(login('one', 'wrong')));
    await databases.provision(server, account('one', 'pw-new'));
    await refuses(under.asApp.enter(login('one', 'pw-one')));
    assert.equal(await under.asApp.remember(login('one', 'pw-new'), 'more'), ['again', 'hello', 'more']);
    assert.is((await find('one'))?.credential, credentialDigest('pw-new'));
  });

  test('a password that was changed behind its back is seen, and set right again', async () => {
    const { databases, server } = under;
    await databases.disconnect(server);
    await under.changePassword('app_one', 'other');
    assert.is((await find('one'))?.credential, undefined);
    await databases.provision(server, account('one', 'pw-new'));
    assert.is((await find('one'))?.credential, credentialDigest('pw-new'));
    await under.asApp.enter(login('one', 'pw-new'));
  });

  test('a kept account opens nothing, keeps its data, and comes back', async () => {
    const { databases, server } = under;
    await databases.keep(server, { name: 'app_one', now: LATER });
    await databases.keep(server, { name: 'app_one', now: '2027-01-01T00:00:00.000Z' });
    const { state, since, credential } = (await find('one')) ?? {};
    assert.equal({ state, since, credential }, { state: 'kept', since: LATER, credential: undefined });
    await refuses(under.asApp.enter(login('one', 'pw-new')));
    await databases.provision(server, account('one', 'pw-back', LATER));
    assert.is((await find('one'))?.state, 'bound');
    assert.equal(await under.asApp.remember(login('one', 'pw-back'), 'z'), ['again', 'hello', 'more', 'z']);
  });

  test('what Holdfast did not make is not changed', async () => {
    const { databases, server, makeForeign } = under;
    if (!makeForeign) return;
    await makeForeign('app_theirs');
    const error = await refuses(databases.provision(server, account('theirs', 'pw')), 'foreign');
    assert.match(error.message, /app_theirs.*did not make/);
    await databases.keep(server, { name: 'app_theirs', now: NOW });
    await databases.drop(server, 'app_theirs');
    assert.is(await find('theirs'), undefined);
    assert.ok((await databases.databases(server)).includes('app_theirs'));
  });

  test('a dropped account is gone with its data, and dropping it again is success', async () => {
    const { databases, server } = under;
    await databases.drop(server, 'app_onex');
    await databases.drop(server, 'app_onex');
    assert.is(await find('onex'), undefined);
    assert.not((await databases.databases(server)).includes('app_onex'));
    await refuses(under.asApp.enter(login('onex', 'pw-x')));
  });

  test('names and passwords with anything in them are taken as they are', async () => {
    const { databases, server } = under;
    const password = `'"\\; DROP --%_$ü`;
    await databases.provision(server, { ...account('odd', password), app: `o'dd"` });
    await under.asApp.enter(login('odd', password));
    assert.is((await find(`o'dd"`))?.credential, credentialDigest(password));
    await databases.drop(server, 'app_odd');
  });

  test('fifty accounts are given over one pool, and all questions about them are one', async () => {
    const { databases, server } = under;
    const apps = Array.from({ length: 50 }, (_, index) => `many${index}`);
    const durations: number[] = [];
    for (const app of apps) {
      const began = performance.now();
      await databases.provision(server, account(app, `pw-${app}`));
      durations.push(performance.now() - began);
    }
    const sum = (list: number[]) => list.reduce((total, one) => total + one, 0);
    const [first, last] = [sum(durations.slice(0, 10)), sum(durations.slice(-10))];
    console.log(`${name}: first ten accounts ${Math.round(first)} ms, last ten ${Math.round(last)} ms`);
    // Linear: an account costs no more because there are others.
    assert.ok(last < first * 4 + 500, `${first} ms, then ${last} ms`);
    const answers = await Promise.all(apps.map((app) => find(app)));
    assert.ok(answers.every((answer) => answer?.credential !== undefined));
    assert.ok((await under.connections()) <= 4, `${await under.connections()} connections`);
    for (const app of apps) await databases.drop(server, `app_${app}`);
  });

  test('the administrator with a wrong password is refused, and a server that is away is told from that', async () => {
    const { databases, server } = under;
    const wrong = await refuses(databases.version({ ...server, password: 'wrong' }), 'denied');
    assert.not.match(wrong.message, /wrong'|pw-/);
    await refuses(databases.version({ ...server, port: 1 }), 'unavailable');
  });

  test.run();
}
