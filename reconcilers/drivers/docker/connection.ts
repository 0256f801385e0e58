/**
 * The one way from the driver to the engine: agrees on an API version, gives every call an end, and turns what comes back
 * into DriverErrors. Every file of the driver calls the engine through here, so that a paused or restarted dockerd can
 * neither hang a caller nor be spoken to in a version that it no longer knows.
 */
import { Agent } from 'node:http';
import { inspect } from 'node:util';
import Dockerode from 'dockerode';
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import { driverError, engineText } from './errors.ts';

/** The newest API whose changes this driver knows (Engine 28.5). It is tried with 1.41 (20.10), the oldest that is supported. */
const NEWEST_KNOWN_API = '1.51';

interface CallOptions {
  /** Default 60. */
  timeoutSeconds?: number;
  signal?: AbortSignal;
}

interface ServerVersion {
  version: string;
  /** What is spoken with it. */
  apiVersion: string;
}

export interface Connection {
  /** Runs one call. `about` stands in front of every error: "starting container wiki". */
  call<T>(
    about: string,
    run: (docker: Dockerode, signal: AbortSignal) => Promise<T>,
    options?: CallOptions,
  ): Promise<T>;
  server(): Promise<ServerVersion>;
  /** The next call asks for the engine's version again. */
  forget(): void;
}

interface Session {
  docker: Dockerode;
  server: ServerVersion;
}

export function createConnection(options: {
  socketPath?: string;
  clock: Clock;
  timeoutSeconds?: number;
}): Connection {
  const { clock, timeoutSeconds = 60 } = options;
  const agent = quietAgent();
  let session: Promise<Session> | undefined;

  const dockerode = (version?: string): Dockerode =>
    new Dockerode({
      agent,
      ...(version === undefined ? {} : { version: `v${version}` }),
      // An explicit socket wins over DOCKER_HOST.
      ...(options.socketPath === undefined
        ? {}
        : { socketPath: options.socketPath, host: '', protocol: 'http' as const }),
    } as Dockerode.DockerOptions);

  async function negotiate(): Promise<Session> {
    const about = 'asking Docker for its version';
    const said = await limited(clock, about, { timeoutSeconds }, (signal) =>
      (dockerode() as { version(options: object): Promise<Dockerode.DockerVersion> }).version({
        abortSignal: signal,
      }),
    );
    const apiVersion = chooseApiVersion(said.ApiVersion, said.MinAPIVersion);
    return { docker: dockerode(apiVersion), server: { version: said.Version, apiVersion } };
  }

  function current(): Promise<Session> {
    if (session) return session;
    const fresh = negotiate();
    session = fresh;
    fresh.catch(() => {
      if (session === fresh) session = undefined;
    });
    return fresh;
  }

  function forget(): void {
    session = undefined;
  }

  return {
    forget,
    async server() {
      return (await current()).server;
    },
    async call(about, run, callOptions = {}) {
      const limits = { timeoutSeconds, ...callOptions };
      const once = () =>
        limited(clock, about, limits, async (signal) => run((await current()).docker, signal));
      try {
        return await once().catch((caught) => {
          // An engine that was upgraded or downgraded meanwhile refused before it did anything.
          if (!/client version .* is too (new|old)/i.test(engineText(caught))) throw caught;
          forget();
          return once();
        });
      } catch (caught) {
        const error = driverError(about, caught);
        if (error.code === 'unavailable') forget();
        throw error;
      }
    },
  };
}

/**
 * No connection is kept: one that dockerd closed by restarting would fail the next call for nothing.
 *
 * docker-modem makes a text of everything that it sends for a debug line, also when nobody reads that, and with it of the agent
 * and all that hangs on it: hundreds of milliseconds a call while many are under way. So the agent tells only its name.
 */
function quietAgent(): Agent {
  return Object.defineProperty(new Agent({ keepAlive: false }), inspect.custom, { value: () => 'Agent' });
}

/** The newest version that both know. An engine that has dropped ours is spoken to in its oldest, which is the nearest. */
export function chooseApiVersion(server: string, serverMinimum?: string): string {
  const wanted = compareVersions(server, NEWEST_KNOWN_API) < 0 ? server : NEWEST_KNOWN_API;
  return serverMinimum && compareVersions(wanted, serverMinimum) < 0 ? serverMinimum : wanted;
}

function compareVersions(left: string, right: string): number {
  const [leftMajor = 0, leftMinor = 0] = left.split('.').map(Number);
  const [rightMajor = 0, rightMinor = 0] = right.split('.').map(Number);
  return leftMajor - rightMajor || leftMinor - rightMinor;
}

/** Ends with `timeout` or `aborted` at the moment, whether or not what runs listens to its signal. */
async function limited<T>(
  clock: Clock,
  about: string,
  limits: { timeoutSeconds: number; signal?: AbortSignal },
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { timeoutSeconds, signal: outer } = limits;
  const inner = new AbortController();
  const onAbort = () =>
    inner.abort(new DriverError('aborted', `${about}: cancelled`, { cause: outer?.reason }));
  const cancelTimer = clock.after(timeoutSeconds * 1000, () =>
    inner.abort(new DriverError('timeout', `${about}: no answer from Docker in ${timeoutSeconds} s`)),
  );
  if (outer?.aborted) onAbort();
  outer?.addEventListener('abort', onAbort, { once: true });
  try {
    const ended = new Promise<never>((_, reject) => {
      if (inner.signal.aborted) reject(inner.signal.reason);
      else inner.signal.addEventListener('abort', () => reject(inner.signal.reason), { once: true });
    });
    ended.catch(() => {});
    if (inner.signal.aborted) return await ended;
    const running = run(inner.signal);
    running.catch(() => {});
    return await Promise.race([running, ended]);
  } catch (caught) {
    throw inner.signal.aborted ? inner.signal.reason : caught;
  } finally {
    cancelTimer();
    outer?.removeEventListener('abort', onAbort);
  }
}
