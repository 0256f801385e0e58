/** What every authority that speaks ACME must do. The real client (against pebble) and the fake each call this in a test file of their own. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Acme,
  type AcmeAccount,
  AcmeError,
  type AcmeOrder,
  type AcmeServer,
  type ChallengeType,
} from '../../reconcilers/drivers/acme/index.ts';
import { thumbprint } from '../../reconcilers/drivers/acme/response.ts';
import { telling } from '../support/before.ts';
import { until } from './until.ts';

export interface AcmeUnderTest {
  acme: Acme;
  server: AcmeServer;
  /** A name that it refuses to issue for. */
  blocked: string;
  /** Lets a challenge find what it looks for. */
  publish(host: string, type: ChallengeType, value: string): Promise<void>;
  /** Orders made so far. */
  orders(): number;
  /** PEM of what it signs with. */
  root(): Promise<string>;
  /** It answers nothing any more. */
  halt(): Promise<void>;
  cleanup(): Promise<void>;
}

export type AcmeMaker = (options: { bindings?: Record<string, string> }) => Promise<AcmeUnderTest>;

const BINDING = { kid: 'kid-1', hmacKey: 'zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W' };

export function acmeConformance(name: string, make: AcmeMaker): void {
  const test = suite(`ACME driver: ${name}`);
  let under: AcmeUnderTest;
  let account: AcmeAccount;
  let serial = 0;
  const fresh = (label = 'wiki') => {
    serial += 1;
    return `${label}-${serial}.example.com`;
  };

  test.before(
    telling(async () => {
      under = await make({});
      account = await newAccount(under);
    }),
  );
  test.after(() => under?.cleanup());

  const order = (hosts: readonly string[], find = false) => under.acme.placeOrder(account, hosts, { find });
  const settled = async (url: string, ...waiting: AcmeOrder['status'][]) => {
    let found: AcmeOrder | undefined;
    await until(async () => {
      found = await under.acme.order(account, url);
      return found === undefined || !waiting.includes(found.status);
    }, `the order is not ${waiting} any more`);
    return found as AcmeOrder;
  };
  const challenge = (placed: AcmeOrder, host: string, type: ChallengeType) => {
    const found = placed.authorizations
      .find((entry) => entry.host === host)
      ?.challenges.find((entry) => entry.type === type);
    if (!found) throw new Error(`no ${type} for ${host} in ${JSON.stringify(placed)}`);
    return found;
  };
  const show = async (placed: AcmeOrder, type: ChallengeType) => {
    for (const { host } of placed.authorizations) {
      const name = host.replace(/^\*\./, '');
      await under.publish(name, type, challenge(placed, host, type).value);
    }
    const urls = placed.authorizations.map(({ host }) => challenge(placed, host, type).url);
    await under.acme.answer(account, urls);
    return settled(placed.url, 'pending');
  };
  const refusedWith = async (work: Promise<unknown>): Promise<string> => {
    try {
      await work;
    } catch (error) {
      assert.instance(error, AcmeError, String(error));
      return `${(error as AcmeError).code} ${(error as AcmeError).type}`.trim();
    }
    throw new Error('it was not refused');
  };

  test('each new key is another one', async () => {
    const keys = await Promise.all([under.acme.newKey(), under.acme.newKey()]);
    const prints = keys.map(thumbprint);
    assert.is.not(prints[0], prints[1]);
    assert.is(createPrivateKey(keys[0] ?? '').asymmetricKeyDetails?.namedCurve, 'prime256v1');
  });

  test('a key has one account, however often it is registered', async () => {
    const placed = await order([fresh()]);
    await under.acme.register(account, {});
    await under.acme.register(account, { email: 'admin@example.com' });
    assert.is((await under.acme.order(account, placed.url))?.url, placed.url);
    const other = { server: under.server, key: await under.acme.newKey() };
    assert.is(await under.acme.isRegistered(other), false);
    await under.acme.register(other, {});
    assert.is(await under.acme.isRegistered(other), true);
    assert.is(await under.acme.isRegistered(account), true);
  });

  test('what it asks for accounts is told', async () => {
    assert.is((await under.acme.terms(under.server)).needsBinding, false);
  });

  test('an order has a challenge of each type for each name, and only DNS for a wildcard', async () => {
    const [plain, parent] = [fresh(), fresh('parent')];
    const placed = await order([plain, `*.${parent}`, parent]);
    assert.is(placed.status, 'pending');
    const types = placed.authorizations.map(({ host, status, challenges }) => [
      host,
      status,
      challenges
        .map(({ type }) => type)
        .sort()
        .join(),
    ]);
    assert.equal(
      types.sort(),
      [
        [`*.${parent}`, 'pending', 'dns-01'],
        [parent, 'pending', 'dns-01,http-01'],
        [plain, 'pending', 'dns-01,http-01'],
      ].sort(),
    );
    const http = challenge(placed, plain, 'http-01').value;
    assert.match(http, new RegExp(`^[-_A-Za-z0-9]{16,}[.]${thumbprint(account.key)}$`));
    assert.match(challenge(placed, plain, 'dns-01').value, /^[-_A-Za-z0-9]{43}$/);
  });

  test('an order that is there is found again, among others, and only for the same names', async () => {
    const hosts = [fresh(), fresh()];
    const others = await Promise.all([order([fresh()]), order([fresh()]), order([hosts[0] ?? ''])]);
    const placed = await order(hosts);
    others.push(await order([fresh()]), await order([fresh()]));
    const made = under.orders();
    assert.is((await order([...hosts].reverse(), true)).url, placed.url);
    assert.is(under.orders(), made);
    const another = await order([...hosts, fresh()], true);
    assert.not.ok([placed, ...others].some(({ url }) => url === another.url));
    assert.is(under.orders(), made + 1);
  });

  for (const type of ['http-01', 'dns-01'] as const) {
    test(`what is found by ${type} becomes a certificate that fits its key and verifies`, async () => {
      const parent = fresh('parent');
      const hosts = type === 'dns-01' ? [`*.${parent}`, parent] : [fresh(), fresh()];
      const placed = await order(hosts);
      assert.is((await show(placed, type)).status, 'ready');
      const key = await under.acme.newKey();
      await under.acme.finalize(account, placed.url, { hosts, key });
      assert.is((await settled(placed.url, 'ready', 'processing')).status, 'valid');
      const pems =
        (await under.acme.download(account, placed.url)).match(/-----BEGIN[\s\S]+?-----END[^\n]+/g) ?? [];
      const chain = pems.map((pem) => new X509Certificate(pem));
      const [leaf, issuer] = chain;
      assert.ok(leaf && issuer, 'leaf and issuer');
      assert.ok(leaf.checkPrivateKey(createPrivateKey(key)));
      assert.ok(leaf.verify(issuer.publicKey));
      const root = new X509Certificate(await under.root());
      assert.ok(
        chain.some((each) => each.verify(root.publicKey)),
        'the chain leads to the root',
      );
      const names = leaf.subjectAltName?.split(', ').map((entry) => entry.replace('DNS:', ''));
      assert.equal(names?.sort(), [...hosts].sort());
      // After a crash: what was done is not done again.
      await under.acme.finalize(account, placed.url, { hosts, key });
      await under.acme.answer(
        account,
        placed.authorizations.map(({ host }) => challenge(placed, host, type).url),
      );
      assert.is((await under.acme.order(account, placed.url))?.status, 'valid');
    });
  }

  test('one name of two that is not found ends the order, and which one it was is told', async () => {
    const [good, bad] = [fresh('good'), fresh('bad')];
    const placed = await order([good, bad]);
    await under.publish(good, 'http-01', challenge(placed, good, 'http-01').value);
    const urls = [good, bad].map((host) => challenge(placed, host, 'http-01').url);
    await under.acme.answer(account, urls);
    const ended = await settled(placed.url, 'pending', 'processing');
    assert.is(ended.status, 'invalid');
    const problems = ended.authorizations.flatMap(({ host, challenges }) =>
      challenges.filter(({ problem }) => problem).map(({ status, problem }) => [host, status, problem?.type]),
    );
    assert.equal(problems, [[bad, 'invalid', 'unauthorized']]);
    assert.is.not((await order([good, bad], true)).url, placed.url, 'a dead order is not found again');
  });

  test('what is not there is not there', async () => {
    assert.is(await under.acme.order(account, `${(await order([fresh()])).url}x`), undefined);
    const unknown = { server: under.server, key: await under.acme.newKey() };
    assert.is(await under.acme.order(unknown, `${account.server.directory}x`), undefined);
    assert.is(await refusedWith(under.acme.placeOrder(unknown, [fresh()])), 'invalid accountDoesNotExist');
  });

  test('a certificate cannot be had before its order is valid', async () => {
    const placed = await order([fresh()]);
    await under.acme.finalize(account, placed.url, { hosts: placed.hosts, key: await under.acme.newKey() });
    assert.is(await refusedWith(under.acme.download(account, placed.url)), 'failed');
  });

  test('a name that it refuses is a refusal of that kind', async () => {
    assert.is(await refusedWith(order([under.blocked])), 'invalid rejectedIdentifier');
  });

  test('an account that needs a binding is made with the right one only', async () => {
    const other = await make({ bindings: { [BINDING.kid]: BINDING.hmacKey } });
    try {
      const { acme, server } = other;
      assert.is((await acme.terms(server)).needsBinding, true);
      const own = { server, key: await acme.newKey() };
      assert.is(await refusedWith(acme.register(own, {})), 'denied externalAccountRequired');
      const wrong = { ...BINDING, hmacKey: 'AAAA' };
      assert.match(await refusedWith(acme.register(own, { binding: wrong })), /unauthorized|malformed/);
      await acme.register(own, { binding: BINDING });
      assert.is(await acme.isRegistered(own), true);
      await other.halt();
      assert.is(await refusedWith(acme.placeOrder(own, [fresh()])), 'unavailable');
    } finally {
      await other.cleanup();
    }
  });

  test.run();
}

async function newAccount({ acme, server }: AcmeUnderTest): Promise<AcmeAccount> {
  const account = { server, key: await acme.newKey() };
  await acme.register(account, {});
  return account;
}
