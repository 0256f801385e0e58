/**
 * The API over HTTPS, where the Platform's spec asks for it: the same routes, for who shows a token. main.ts tells it the
 * settings; it opens and closes listeners until they are as asked, and tries again what failed. It never serves without TLS.
 */
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { buildApi } from './build.ts';
import type { ApiDependencies, Certificate, HttpsState } from './dependencies.ts';
import { FailedLogins } from './failed-logins.ts';
import type { Identity } from './identity.ts';
import { LoggedIn } from './logged-in.ts';
import { refuse } from './status.ts';
import { identityFor, Tokens } from './tokens.ts';

export interface HttpsSettings {
  port: number;
  /** IP addresses. */
  addresses: readonly string[];
}

export interface HttpsDependencies extends ApiDependencies {
  /** A certificate of the platform's own authority for these addresses and the names of this machine; renewed in time. */
  certificate(addresses: readonly string[]): Promise<Certificate>;
}

/** After a listener could not be opened; milliseconds. */
const RETRY = 10_000;
/** Between looks at whether the certificate is another one; milliseconds. */
const RENEWAL = 6 * 3_600_000;

interface Listener {
  address: string;
  port: number;
  server: FastifyInstance;
}

export class HttpsApi {
  readonly #dependencies: HttpsDependencies;
  readonly #tokens: Tokens;
  readonly #failed: FailedLogins;
  readonly #loggedIn: LoggedIn;
  #settings: HttpsSettings | undefined;
  #listeners: Listener[] = [];
  #problem: string | undefined;
  #work: Promise<void> = Promise.resolve();
  #cancel: () => void = () => undefined;
  #closed = false;

  constructor(dependencies: HttpsDependencies) {
    this.#dependencies = dependencies;
    this.#tokens = new Tokens(dependencies);
    this.#failed = new FailedLogins(dependencies.clock);
    this.#loggedIn = new LoggedIn(dependencies);
  }

  /** Undefined: listen nowhere. Answers when it was tried; a failure is in `state` and is tried again. */
  set(settings: HttpsSettings | undefined): Promise<void> {
    this.#settings = settings;
    this.#work = this.#work.then(() => this.#converge());
    return this.#work;
  }

  state(): HttpsState {
    return {
      wanted: this.#settings !== undefined,
      listening: this.#listeners.map(({ address, port }) => ({ address, port })),
      ...(this.#problem !== undefined && { problem: this.#problem }),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#loggedIn.close();
    await this.set(undefined);
  }

  async #converge(): Promise<void> {
    this.#cancel();
    const settings = this.#closed ? undefined : this.#settings;
    const wanted = (settings?.addresses ?? []).map((address) => `${address} ${settings?.port}`);
    const isWanted = ({ address, port }: Listener) => wanted.includes(`${address} ${port}`);
    const unwanted = this.#listeners.filter((listener) => !isWanted(listener));
    this.#listeners = this.#listeners.filter(isWanted);
    await Promise.all(unwanted.map(({ server }) => server.close()));
    this.#problem = undefined;
    if (!settings) return;
    let again = RENEWAL;
    try {
      await this.#open(settings);
    } catch (error) {
      again = RETRY;
      this.#problem = problemOf(error, settings);
      this.#dependencies.log.error('the API cannot listen for HTTPS', { error });
    }
    this.#cancel = this.#dependencies.clock.after(again, () => void this.set(this.#settings));
  }

  async #open({ addresses, port }: HttpsSettings): Promise<void> {
    const { certificate, log } = this.#dependencies;
    const { key, cert } = await certificate(addresses);
    const tls = { key, cert, minVersion: 'TLSv1.2' as const };
    for (const { server } of this.#listeners) (server.server as unknown as TlsServer).setSecureContext(tls);
    for (const address of addresses) {
      if (this.#listeners.some((listener) => listener.address === address)) continue;
      const server = buildApi(this.#dependencies, { tls, admit: (request) => this.#admit(request) });
      try {
        await server.listen({ host: address, port });
      } catch (error) {
        await server.close();
        throw error;
      }
      this.#listeners.push({ address, port, server });
      log.info('the API listens for HTTPS', { address, port });
    }
  }

  async #admit(request: IncomingMessage): Promise<Identity> {
    const address = (request.socket.remoteAddress ?? 'unknown').replace(/^::ffff:/, '');
    const { authorization } = request.headers;
    if (authorization === undefined) {
      throw refuse.unauthorized(
        'a token is needed: holdfast token create makes one, holdfast kubeconfig a whole file',
      );
    }
    const [, text] = /^Bearer +(\S{1,512})$/i.exec(authorization) ?? [];
    const token = text === undefined ? undefined : this.#tokens.find(text);
    if (!token) {
      this.#dependencies.log.warn('a login failed', { from: address });
      await this.#failed.hold(address);
      throw refuse.unauthorized(
        'the token is not valid: it was never made, was deleted, is suspended, or has expired',
      );
    }
    this.#tokens.used(token);
    this.#loggedIn.add(token, request.socket);
    return identityFor(token, address);
  }
}

/** What is used of tls.Server; fastify's type is the plain one. */
interface TlsServer {
  setSecureContext(options: { key: string; cert: string }): void;
}

function problemOf(error: unknown, { port }: HttpsSettings): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EADDRINUSE')
    return `port ${port} is taken; set another one under spec.api.port of platform/platform`;
  if (code === 'EADDRNOTAVAIL')
    return 'an address under spec.api.addresses of platform/platform is not of this machine';
  return message ?? String(error);
}
