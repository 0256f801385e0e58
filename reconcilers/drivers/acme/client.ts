/** The real authority, through acme-client. Its own polling and waiting are not used: the reconciler looks again instead. */
import { createHash, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { type Authorization, crypto as acmeCrypto, Client, type Order } from 'acme-client';
import type { Clock } from '../../../controller/clock.ts';
import {
  type Acme,
  type AcmeAccount,
  type AcmeAuthorization,
  type AcmeChallenge,
  AcmeError,
  type AcmeOrder,
  type AcmeProblem,
  type AcmeServer,
  type AcmeTerms,
} from './index.ts';
import { challengeValue } from './response.ts';
import { problemType, problemWords, type Surroundings, within } from './transport.ts';

/** Requests at a time for the names of one order: authorities count them. */
const AT_ONCE = 2;
/** Pages of an account's orders that are looked through. */
const MOST_PAGES = 20;
/** Orders of them that are looked at, newest first. */
const MOST_ORDERS = 40;

export function createAcme(options: { clock: Pick<Clock, 'now'> }): Acme {
  return new AcmeClient(options.clock);
}

class AcmeClient implements Acme {
  readonly #clock: Pick<Clock, 'now'>;
  /** By directory and key. A client keeps the directory that it read, for a day, and the name of its account. */
  readonly #clients = new Map<string, Client>();

  constructor(clock: Pick<Clock, 'now'>) {
    this.#clock = clock;
  }

  async terms(server: AcmeServer): Promise<AcmeTerms> {
    const client = this.#clientOf({ server, key: await throwawayKey() });
    // The library reads two of the directory's facts by functions and keeps the others to itself.
    const { http } = client as unknown as {
      http: { getDirectory(): Promise<{ meta?: Record<string, unknown> }> };
    };
    const { meta = {} } = await this.#ask({ server }, () => http.getDirectory());
    const identities = meta['caaIdentities'];
    return {
      caaIdentities: Array.isArray(identities) ? identities.map(String) : [],
      needsBinding: meta['externalAccountRequired'] === true,
    };
  }

  async isRegistered(account: AcmeAccount): Promise<boolean> {
    try {
      await this.#known(account);
      return true;
    } catch (error) {
      if (error instanceof AcmeError && error.type === 'accountDoesNotExist') return false;
      throw error;
    }
  }

  async order(account: AcmeAccount, url: string): Promise<AcmeOrder | undefined> {
    try {
      return await this.#read(account, await this.#raw(account, url));
    } catch (error) {
      if (!(error instanceof AcmeError)) throw error;
      if (error.code === 'notFound' || error.type === 'accountDoesNotExist') return undefined;
      throw error;
    }
  }

  async newKey(): Promise<string> {
    const pair = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' });
    return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  }

  async register(
    account: AcmeAccount,
    { email, binding }: { email?: string; binding?: { kid: string; hmacKey: string } },
  ): Promise<void> {
    const { server, key } = account;
    // Without its URL the library asks the authority for the account of this key, and makes it where there is none.
    const client = new Client({
      directoryUrl: server.directory,
      accountKey: key,
      ...(binding ? { externalAccountBinding: binding } : {}),
    });
    const contact = email === undefined ? {} : { contact: [`mailto:${email}`] };
    try {
      await this.#ask(account, () => client.createAccount({ termsOfServiceAgreed: true, ...contact }));
    } catch (error) {
      // The account was found, and the library then tried to change it to what it is.
      if (email !== undefined || urlOf(client) === undefined) throw error;
    }
    this.#clients.set(nameOf(account), client);
  }

  async placeOrder(
    account: AcmeAccount,
    hosts: readonly string[],
    { find = false }: { find?: boolean } = {},
  ): Promise<AcmeOrder> {
    const present = find ? await this.#findOrder(account, hosts) : undefined;
    if (present) return present;
    const identifiers = hosts.map((value) => ({ type: 'dns', value }));
    const client = await this.#known(account);
    return this.#read(account, await this.#ask(account, () => client.createOrder({ identifiers })));
  }

  async answer(account: AcmeAccount, challenges: readonly string[]): Promise<void> {
    const client = await this.#known(account);
    await inTurns(challenges, async (url) => {
      const challenge = { type: 'http-01', url, status: 'pending', token: '' } as const;
      await this.#ask(account, () => client.completeChallenge(challenge)).catch((error) => {
        // It was looked at already: what came of it is told by the order.
        if (!(error instanceof AcmeError) || error.type !== 'malformed') throw error;
      });
    });
  }

  async finalize(
    account: AcmeAccount,
    url: string,
    { hosts, key }: { hosts: readonly string[]; key: string },
  ): Promise<void> {
    const order = await this.#raw(account, url);
    if (order.status !== 'ready') return;
    const [, csr] = await acmeCrypto.createCsr({ altNames: [...hosts] }, key);
    const client = await this.#known(account);
    await this.#ask(account, () => client.finalizeOrder(order, csr));
  }

  async download(account: AcmeAccount, url: string): Promise<string> {
    const order = await this.#raw(account, url);
    if (order.status !== 'valid' || order.certificate === undefined)
      throw new AcmeError('failed', `the order ${url} has no certificate: it is ${order.status}`);
    const client = await this.#known(account);
    return this.#ask(account, () => client.getCertificate(order));
  }

  /** As far as the authority lists an account's orders; Let's Encrypt does not, and gives the present one to whoever asks again. */
  async #findOrder(account: AcmeAccount, hosts: readonly string[]): Promise<AcmeOrder | undefined> {
    const client = await this.#known(account);
    const { orders } = await this.#ask(account, () => client.updateAccount({}));
    if (typeof orders !== 'string' || orders === '') return undefined;
    const urls = (await this.#list(account, orders)).reverse().slice(0, MOST_ORDERS);
    for (const url of urls) {
      const order = await this.#raw(account, url).catch(() => undefined);
      if (order && isOpen(order) && sameNames(namesOf(order), hosts)) return this.#read(account, order);
    }
    return undefined;
  }

  async #list(account: AcmeAccount, first: string): Promise<string[]> {
    const found: string[] = [];
    let next: string | undefined = first;
    for (let page = 0; next !== undefined && page < MOST_PAGES; page += 1) {
      let link = '';
      const around = {
        onAnswer: (headers: { link?: string | string[] }) => {
          link = [headers.link ?? []].flat().join(', ');
        },
      };
      const list: unknown = await this.#raw(account, next, around).catch((error: unknown) => {
        // A list that is named but not there is no list.
        if (error instanceof AcmeError && error.code === 'notFound') return {};
        throw error;
      });
      found.push(...((list as { orders?: string[] }).orders ?? []));
      next = /<([^>]+)>\s*;\s*rel="?next"?/.exec(link)?.[1];
    }
    return found;
  }

  /** Any object of the account: what the library calls getting an order is a signed request for a URL. */
  async #raw(account: AcmeAccount, url: string, around: Partial<Surroundings> = {}): Promise<Order> {
    const client = await this.#known(account);
    return this.#ask(account, () => client.getOrder({ url } as Order), around);
  }

  async #read(account: AcmeAccount, order: Order): Promise<AcmeOrder> {
    const problem = readProblem(order.error);
    const matter = order.status === 'pending' || order.status === 'invalid';
    return {
      url: order.url,
      status: order.status,
      hosts: namesOf(order),
      authorizations: matter ? await this.#authorizations(account, order) : [],
      ...(order.expires === undefined ? {} : { expires: order.expires }),
      ...(problem ? { problem } : {}),
    };
  }

  async #authorizations(account: AcmeAccount, order: Order): Promise<AcmeAuthorization[]> {
    const client = await this.#known(account);
    return inTurns(order.authorizations, async (url) => {
      const one = { ...order, authorizations: [url] };
      const [found] = await this.#ask(account, () => client.getAuthorizations(one));
      if (!found) throw new AcmeError('failed', `no authorization at ${url}`);
      return readAuthorization(found, account.key);
    });
  }

  #clientOf(account: AcmeAccount): Client {
    const present = this.#clients.get(nameOf(account));
    if (present) return present;
    const client = new Client({ directoryUrl: account.server.directory, accountKey: account.key });
    this.#clients.set(nameOf(account), client);
    return client;
  }

  /** A client that knows what the authority calls its account. */
  async #known(account: AcmeAccount): Promise<Client> {
    const client = this.#clientOf(account);
    if (urlOf(client) === undefined)
      await this.#ask(account, () => client.createAccount({ onlyReturnExisting: true }));
    return client;
  }

  /** Turns what the library itself throws into one of ours. */
  async #ask<T>(
    { server, key }: { server: AcmeServer; key?: string },
    work: () => Promise<T>,
    around: Partial<Surroundings> = {},
  ): Promise<T> {
    const { ca, directory } = server;
    const whole = { now: () => this.#clock.now(), ...(ca === undefined ? {} : { ca }), ...around };
    try {
      return await within(whole, work);
    } catch (error) {
      // It may have been restored from an older copy: what it calls the account is asked for again.
      if (error instanceof AcmeError && error.type === 'accountDoesNotExist' && key !== undefined)
        this.#clients.delete(nameOf({ server, key }));
      if (error instanceof AcmeError) throw error;
      const words = error instanceof Error ? error.message : String(error);
      throw new AcmeError('failed', `${hostOf(directory)}: ${words}`, { cause: error });
    }
  }
}

function nameOf({ server, key }: AcmeAccount): string {
  return createHash('sha256')
    .update(JSON.stringify([server.directory, key]))
    .digest('hex');
}

function urlOf(client: Client): string | undefined {
  try {
    return client.getAccountUrl();
  } catch {
    return undefined;
  }
}

function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : url;
}

let spare: Promise<string> | undefined;

/** The library wants a key also where nothing is signed. */
function throwawayKey(): Promise<string> {
  spare ??= promisify(generateKeyPair)('ec', { namedCurve: 'P-256' }).then(({ privateKey }) =>
    privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  );
  return spare;
}

function namesOf({ identifiers }: Order): string[] {
  return identifiers.map(({ value }) => value);
}

function isOpen({ status }: Order): boolean {
  return status === 'pending' || status === 'ready';
}

function sameNames(one: readonly string[], other: readonly string[]): boolean {
  return [...one].sort().join() === [...other].sort().join();
}

function readAuthorization(found: Authorization, key: string): AcmeAuthorization {
  const { identifier, wildcard, status, challenges } = found;
  return {
    host: wildcard ? `*.${identifier.value}` : identifier.value,
    status,
    challenges: challenges.flatMap((challenge): AcmeChallenge[] => {
      const { type, url, token } = challenge;
      if (type !== 'http-01' && type !== 'dns-01') return [];
      const problem = readProblem(challenge.error);
      return [
        {
          type,
          url,
          status: challenge.status,
          value: challengeValue(type, token, key),
          ...(problem ? { problem } : {}),
        },
      ];
    }),
  };
}

function readProblem(error: unknown): AcmeProblem | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const { type } = error as { type?: unknown };
  return { type: problemType(type), message: problemWords(error) || 'no reason was given' };
}

/** A few at a time, answers in order. */
async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results = new Array<R>(items.length);
  let next = 0;
  const lane = async () => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await work(items[index] as T);
    }
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  return results;
}
