/**
 * An authority in memory, for tests and the simulation: accounts, orders and challenges as RFC 8555 has them, certificates that
 * verify, and what a bad day of the real one is: limits, refused names, challenges that it does not find, silence.
 */
import { createHash, generateKeyPairSync } from 'node:crypto';
import type { Clock } from '../../../controller/clock.ts';
import { makeAuthority, makeLeaf, type Pair } from '../authority/x509.ts';
import type { DriverErrorCode } from '../error.ts';
import { plainCopy } from '../plain-copy.ts';
import {
  type Acme,
  type AcmeAccount,
  type AcmeAuthorization,
  type AcmeChallenge,
  AcmeError,
  type AcmeOrder,
  type AcmeServer,
  type AcmeTerms,
  type ChallengeType,
} from './index.ts';
import { challengeValue, thumbprint } from './response.ts';

export type AcmeCall = keyof Acme;

export interface FakeAcmeOptions {
  clock: Pick<Clock, 'now'>;
  /** Called at the start of each call: may throw or wait. */
  before?: (call: AcmeCall) => void | Promise<void>;
  /** Whether a challenge finds what it looks for; a text says why not. Default: what `publish` was told. */
  look?: (host: string, type: ChallengeType, value: string) => boolean | string;
  days?: number;
  /** Makes keys and certificates at once and without chance, where that matters; `number` counts. Default: real ones. */
  sign?: {
    key(number: number): string;
    certificate(hosts: readonly string[], key: string, now: number, days: number): string;
  };
}

interface KeptOrder {
  url: string;
  account: string;
  hosts: readonly string[];
  status: AcmeOrder['status'];
  authorizations: KeptAuthorization[];
  chain?: string;
}

type KeptAuthorization = Omit<AcmeAuthorization, 'challenges'> & { challenges: AcmeChallenge[] };

const HOST = 'fake-authority.invalid';
const ORDER_HOURS = 24;

export class FakeAcme implements Acme {
  readonly server: AcmeServer = { directory: `https://${HOST}/dir` };
  readonly orders: KeptOrder[] = [];
  /** Accounts by URL: the thumbprints of their keys. */
  readonly accounts = new Map<string, string>();
  /** Names that it does not issue for. */
  readonly blocked = new Set<string>();
  /** Says no to new orders until then, in milliseconds since 1970. */
  limitedUntil = 0;
  /** kid to HMAC key; accounts need one where there are any. */
  readonly bindings = new Map<string, string>();
  caaIdentities: string[] = [];
  /** It answers nothing. */
  down = false;
  readonly #published = new Set<string>();
  readonly #options: FakeAcmeOptions;
  #authority: Promise<Pair> | undefined;
  #count = 0;
  #keys = 0;

  constructor(options: FakeAcmeOptions) {
    this.#options = options;
  }

  /** What its challenges find. */
  publish(host: string, type: ChallengeType, value: string): void {
    this.#published.add(`${host} ${type} ${value}`);
  }

  unpublish(host: string, type: ChallengeType, value: string): void {
    this.#published.delete(`${host} ${type} ${value}`);
  }

  /** PEM of what its certificates are signed with. */
  async root(): Promise<string> {
    return (await this.#signer()).certificate;
  }

  async terms(): Promise<AcmeTerms> {
    await this.#called('terms');
    return { caaIdentities: this.caaIdentities, needsBinding: this.bindings.size > 0 };
  }

  async isRegistered({ key }: AcmeAccount): Promise<boolean> {
    await this.#called('isRegistered');
    return this.#urlOf(key) !== undefined;
  }

  async order(account: AcmeAccount, url: string): Promise<AcmeOrder | undefined> {
    await this.#called('order');
    const order = this.#find(account, url);
    return order && this.#shown(order);
  }

  async newKey(): Promise<string> {
    await this.#called('newKey');
    this.#keys += 1;
    const { sign } = this.#options;
    if (sign) return sign.key(this.#keys);
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  async register(
    { key }: AcmeAccount,
    { binding }: { email?: string; binding?: { kid: string; hmacKey: string } },
  ): Promise<void> {
    await this.#called('register');
    if (this.#urlOf(key) !== undefined) return;
    if (this.bindings.size > 0 && !binding)
      throw refused('externalAccountRequired', 'accounts need an external account binding');
    if (binding && this.bindings.get(binding.kid) !== binding.hmacKey)
      throw refused('unauthorized', `the binding ${binding.kid} is not known or signed with another key`);
    this.accounts.set(`https://${HOST}/account/${this.accounts.size + 1}`, thumbprint(key));
  }

  async placeOrder(
    account: AcmeAccount,
    hosts: readonly string[],
    { find = false }: { find?: boolean } = {},
  ): Promise<AcmeOrder> {
    await this.#called('placeOrder');
    this.#check(account);
    const present = find ? this.#open(account, hosts) : undefined;
    if (present) return this.#shown(present);
    const now = this.#options.clock.now();
    if (now < this.limitedUntil)
      throw refused('rateLimited', 'too many certificates already issued', this.limitedUntil);
    const blocked = hosts.find((host) => this.blocked.has(host));
    if (blocked !== undefined) throw refused('rejectedIdentifier', `${blocked} is not issued for`);
    this.#count += 1;
    const url = `https://${HOST}/order/${this.#count}`;
    const authorizations = hosts.map((host, index) => this.#authorization(account, host, index));
    const order: KeptOrder = {
      url,
      account: thumbprint(account.key),
      hosts,
      status: 'pending',
      authorizations,
    };
    this.orders.push(order);
    return this.#shown(order);
  }

  async answer(account: AcmeAccount, challenges: readonly string[]): Promise<void> {
    await this.#called('answer');
    this.#check(account);
    for (const order of this.orders) {
      for (const authorization of order.authorizations) {
        const asked = authorization.challenges.find(({ url }) => challenges.includes(url));
        if (asked?.status === 'pending') this.#look(order, authorization, asked);
      }
    }
  }

  async finalize(
    account: AcmeAccount,
    url: string,
    { hosts, key }: { hosts: readonly string[]; key: string },
  ): Promise<void> {
    await this.#called('finalize');
    this.#check(account);
    const order = this.#find(account, url);
    if (order?.status !== 'ready') return;
    order.chain = await this.#chain(hosts, key);
    order.status = 'valid';
  }

  async #chain(hosts: readonly string[], key: string): Promise<string> {
    const { days = 90, clock, sign } = this.#options;
    if (sign) return sign.certificate(hosts, key, clock.now(), days);
    const signer = await this.#signer();
    const leaf = await makeLeaf(signer, hosts, clock.now(), { days, key });
    return `${leaf.certificate}${signer.certificate}`;
  }

  async download(account: AcmeAccount, url: string): Promise<string> {
    await this.#called('download');
    this.#check(account);
    const order = this.#find(account, url);
    if (order?.chain === undefined)
      throw new AcmeError('failed', `the order ${url} has no certificate: it is ${order?.status}`);
    return order.chain;
  }

  async #called(call: AcmeCall): Promise<void> {
    await this.#options.before?.(call);
    if (this.down && call !== 'newKey')
      throw new AcmeError('unavailable', `${HOST} cannot be reached: it is down`);
  }

  #urlOf(key: string): string | undefined {
    const print = thumbprint(key);
    return [...this.accounts].find(([, known]) => known === print)?.[0];
  }

  #check({ key }: AcmeAccount): void {
    if (this.#urlOf(key) === undefined) throw refused('accountDoesNotExist', 'no account has this key');
  }

  #find({ key }: AcmeAccount, url: string): KeptOrder | undefined {
    const print = thumbprint(key);
    return this.orders.find((order) => order.url === url && order.account === print);
  }

  #open(account: AcmeAccount, hosts: readonly string[]): KeptOrder | undefined {
    const names = [...hosts].sort().join();
    const print = thumbprint(account.key);
    return this.orders.find(
      (order) =>
        order.account === print &&
        (order.status === 'pending' || order.status === 'ready') &&
        [...order.hosts].sort().join() === names,
    );
  }

  #authorization(account: AcmeAccount, host: string, index: number): KeptAuthorization {
    const types: ChallengeType[] = host.startsWith('*.') ? ['dns-01'] : ['http-01', 'dns-01'];
    const challenges = types.map((type): AcmeChallenge => {
      const url = `https://${HOST}/challenge/${this.#count}-${index}-${type}`;
      const token = createHash('sha256').update(url).digest('base64url');
      return { type, url, status: 'pending', value: challengeValue(type, token, account.key) };
    });
    return { host, status: 'pending', challenges };
  }

  #look(order: KeptOrder, authorization: KeptAuthorization, challenge: AcmeChallenge): void {
    const name = authorization.host.replace(/^\*\./, '');
    const { look } = this.#options;
    const found = look
      ? look(name, challenge.type, challenge.value)
      : this.#published.has(`${name} ${challenge.type} ${challenge.value}`);
    const isFound = found === true;
    challenge.status = isFound ? 'valid' : 'invalid';
    authorization.status = challenge.status;
    if (!isFound) {
      const message = typeof found === 'string' ? found : `${challenge.type}: nothing was found for ${name}`;
      challenge.problem = { type: 'unauthorized', message };
      order.status = 'invalid';
    } else if (order.authorizations.every(({ status }) => status === 'valid')) order.status = 'ready';
  }

  #shown({ url, status, hosts, authorizations }: KeptOrder): AcmeOrder {
    const matter = status === 'pending' || status === 'invalid';
    const expires = new Date(this.#options.clock.now() + ORDER_HOURS * 3_600_000).toISOString();
    return { url, status, hosts, authorizations: matter ? plainCopy(authorizations) : [], expires };
  }

  #signer(): Promise<Pair> {
    this.#authority ??= makeAuthority({ name: 'Fake ACME CA', now: this.#options.clock.now() });
    return this.#authority;
  }
}

const CODES: Readonly<Record<string, DriverErrorCode>> = {
  rateLimited: 'unavailable',
  externalAccountRequired: 'denied',
  unauthorized: 'denied',
};

function refused(type: string, message: string, retryAt?: number): AcmeError {
  const code = CODES[type] ?? 'invalid';
  return new AcmeError(code, `${HOST} says: ${message} (${type})`, {
    type,
    ...(retryAt === undefined ? {} : { retryAt }),
  });
}
