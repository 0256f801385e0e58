/**
 * The container driver without an engine: what the real one promises, in memory, held to it by the same conformance suite.
 * For unit tests and simulations. Deterministic: the same calls at the same times give the same ids, addresses and events.
 * `beforeCall` and `afterCall` are the doors for faults: throw, or wait, before or after the effect.
 */
import { existsSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import { plainCopy } from '../plain-copy.ts';
import type { FakeContainer, FakeImage } from './fake-container.ts';
import { FakeEngine } from './fake-engine.ts';
import { readProgram } from './fake-program.ts';
import { type FakeRemoteImage, pullFromFake } from './fake-registry.ts';
import {
  type ContainerSpec,
  type Docker,
  type DockerEvent,
  type DockerReading,
  type DockerWriting,
  type ExecSession,
  type ImageDetails,
  LABEL,
  type LogLine,
  type LogOptions,
} from './index.ts';
import { foreign, isOurs, shortId } from './ownership.ts';
import { readContainer } from './read.ts';
import { parseReference, requireImageName, requireName } from './reference.ts';

export interface FakeDockerOptions {
  clock: Clock;
  /** May throw or delay: the call has had no effect yet. */
  beforeCall?: (method: string, args: readonly unknown[]) => void | Promise<void>;
  /** May throw or delay: the effect is there, the answer is lost. Writes only. */
  afterCall?: (method: string, args: readonly unknown[]) => void | Promise<void>;
  /** What becomes of an event: a number delays it by so many milliseconds, which also reorders. */
  onEmit?: (event: DockerEvent) => 'deliver' | 'drop' | number;
  /** Whether a host path is there. Default: asks the disk. */
  pathExists?: (path: string) => boolean;
  security?: string[];
}

type Listener = Parameters<Docker['follow']>[0];

export interface FakeDocker extends Docker {
  readonly engine: FakeEngine;
  /** What can be pulled, by reference in full (with a tag or digest). */
  readonly registry: Map<string, FakeRemoteImage>;
  /** Puts an image into the engine, as if it had been built or pulled. */
  addImage(reference: string, image?: FakeImage): ImageDetails;
  /** A running container that is not ours. Answers its id. */
  addForeign(spec: Partial<ContainerSpec> & { name: string }): string;
  /** Its process ends by itself, and the restart policy acts. */
  crash(id: string, exitCode: number): void;
  /** The engine goes away; its containers too, unless they live on. */
  goDown(options?: { containersLive?: boolean }): void;
  /** The engine is back and does what the restart policies say. */
  comeUp(): void;
}

export function createFakeDocker(options: FakeDockerOptions): FakeDocker {
  const { clock, beforeCall, afterCall, onEmit, pathExists = existsSync } = options;
  const listeners = new Set<Listener>();
  let down = false;

  const engine = new FakeEngine(clock, (event) => {
    const fate = onEmit?.(event) ?? 'deliver';
    if (fate === 'drop' || down) return;
    const deliver = () => {
      for (const listener of down ? [] : [...listeners]) listener.onEvent(event);
    };
    if (fate === 'deliver') queueMicrotask(deliver);
    else clock.after(fate, deliver);
  });
  const registry = new Map<string, FakeRemoteImage>();

  const unavailable = (about: string) =>
    new DriverError('unavailable', `${about}: Docker cannot be reached: connect ENOENT /var/run/docker.sock`);

  /** One call as the outside sees it: hooks around, nothing while the engine is down, the thing in front of errors. */
  async function call<T>(
    method: keyof Docker,
    args: readonly unknown[],
    about: string,
    run: () => T | Promise<T>,
    writes = false,
  ): Promise<T> {
    await beforeCall?.(method, args);
    if (down) throw unavailable(about);
    let answer: T;
    try {
      answer = await run();
    } catch (caught) {
      if (!(caught instanceof DriverError) || caught.message.startsWith(about)) throw caught;
      throw new DriverError(caught.code, `${about}: ${caught.message}`, { cause: caught });
    }
    if (writes) await afterCall?.(method, args);
    return answer;
  }

  const write = <T>(
    method: keyof Docker,
    args: readonly unknown[],
    about: string,
    run: () => T | Promise<T>,
  ) => call(method, args, about, run, true);

  function ours(id: string): FakeContainer | undefined {
    const found = engine.find(id);
    if (found && !isOurs(found.spec.labels)) throw foreign(`container ${found.name}`);
    return found;
  }

  function require(id: string): FakeContainer {
    const found = ours(id);
    if (!found) throw new DriverError('notFound', `No such container: ${id}`);
    return found;
  }

  const reading: DockerReading = {
    info: () =>
      call('info', [], 'asking Docker for its version', () => ({
        version: '28.0.0',
        apiVersion: '1.48',
        security: [...(options.security ?? ['seccomp'])],
        rootFolder: '/var/lib/docker',
      })),
    containers: () =>
      call('containers', [], 'listing containers', () =>
        [...engine.containers.values()]
          .filter(({ spec }) => isOurs(spec.labels))
          .map((one) => summary(engine, one)),
      ),
    container: (idOrName) =>
      call('container', [idOrName], `looking at container ${shortId(idOrName)}`, () => {
        requireName('container', idOrName);
        const found = engine.find(idOrName);
        return found && readContainer(engine.inspect(found));
      }),
    volumes: () =>
      call('volumes', [], 'listing volumes', () =>
        [...engine.volumes.values()]
          .filter(({ labels }) => isOurs(labels))
          .map(({ name, labels }) => ({ name, labels: { ...labels } })),
      ),
    networks: () => call('networks', [], 'listing networks', () => plainCopy([...engine.networks.values()])),
    image: (reference) =>
      call('image', [reference], `looking at image ${reference}`, () => {
        requireImageName(reference);
        return details(engine.findImage(reference));
      }),
    imageIds: () =>
      call('imageIds', [], 'listing images', () => new Set([...engine.images.values()].map(({ id }) => id))),
    imagesInUse: () => call('imagesInUse', [], 'listing all containers', () => engine.imagesInUse()),
    publisherOf: (hostPort) =>
      call('publisherOf', [hostPort], 'asking who publishes a port', () => engine.publisherOf(hostPort)),
    usage: () =>
      call('usage', [], 'asking Docker what takes room', () => ({
        images: [],
        containers: [],
        volumes: [],
        buildCacheBytes: 0,
      })),
    async *logs(id, logOptions = {}) {
      const container = await call(
        'logs',
        [id, logOptions],
        `reading logs of container ${shortId(id)}`,
        () => {
          const found = engine.find(id);
          if (!found) throw new DriverError('notFound', `No such container: ${id}`);
          return found;
        },
      );
      yield* readLogs(container, logOptions);
    },
  };

  const writing: DockerWriting = {
    createNetwork: (spec) =>
      write('createNetwork', [spec], `creating network ${spec.name} (${spec.subnet})`, () => {
        if (!isOurs(spec.labels)) throw foreign(`network ${spec.name}, as it is wanted,`);
        const holder = engine.findNetwork(spec.name);
        if (holder && isOurs(holder.labels) && holder.subnets.includes(spec.subnet)) return holder.id;
        return engine.createNetwork(spec).id;
      }),
    removeNetwork: (id) =>
      write('removeNetwork', [id], `removing network ${shortId(id)}`, () => {
        const found = engine.findNetwork(id);
        if (found && !isOurs(found.labels)) throw foreign(`network ${found.name}`);
        if (found) engine.removeNetwork(found);
      }),
    pull: (text, pullOptions) => {
      const { text: reference } = parseReference(text);
      return write('pull', [text, pullOptions], `pulling ${reference}`, async () => {
        requireImageName(text);
        const image = await pullFromFake(clock, registry, reference, pullOptions);
        if (down) throw unavailable(`pulling ${reference}`);
        return engine.addImage(reference, image);
      });
    },
    createContainer: (spec) =>
      write('createContainer', [spec], `creating container ${spec.name}`, () =>
        createContainer(engine, pathExists, spec),
      ),
    start: (id) =>
      write('start', [id], `starting container ${shortId(id)}`, () => {
        engine.start(require(id));
      }),
    stop: (id, grace) =>
      write('stop', [id, grace], `stopping container ${shortId(id)}`, () => {
        const found = ours(id);
        if (found) engine.stop(found);
      }),
    restart: (id, grace) =>
      write('restart', [id, grace], `restarting container ${shortId(id)}`, () => {
        const found = require(id);
        engine.stop(found);
        engine.start(found);
      }),
    remove: (id) =>
      write('remove', [id], `removing container ${shortId(id)}`, () => {
        const found = ours(id);
        if (!found) return;
        engine.remove(found);
        for (const { type, source } of found.spec.mounts) {
          const removable = type === 'volume' && isOurs(engine.volumes.get(source)?.labels);
          if (removable && !engine.volumeInUse(source)) engine.removeVolume(source);
        }
      }),
    rename: (id, name) =>
      write('rename', [id, name], `renaming container ${shortId(id)}`, () =>
        engine.rename(require(id), name),
      ),
    unpause: (id) =>
      write('unpause', [id], `unpausing container ${shortId(id)}`, () => engine.unpause(require(id))),
    exec: (id, execOptions) =>
      write(
        'exec',
        [id, execOptions],
        `running ${execOptions.command[0]} in container ${shortId(id)}`,
        () => {
          const found = require(id);
          if (found.state !== 'running') throw new DriverError('failed', `Container ${id} is not running`);
          return runProgram(clock, execOptions);
        },
      ),
    setRestartPolicy: (id, policy) =>
      write('setRestartPolicy', [id, policy], `changing the restart policy of container ${shortId(id)}`, () =>
        engine.update(require(id), { RestartPolicy: { Name: policy } }),
      ),
    removeVolume: (name) =>
      write('removeVolume', [name], `removing volume ${name}`, () => {
        const found = engine.volumes.get(name);
        if (!found) return;
        if (!isOurs(found.labels)) throw foreign(`volume ${name}`);
        if (engine.volumeInUse(name)) throw new DriverError('conflict', 'a container still uses it');
        engine.removeVolume(name);
      }),
    removeImage: (id, reference) =>
      write('removeImage', [id, reference], `removing image ${reference}`, () =>
        engine.removeImage(id, parseReference(reference).text),
      ),
  };

  return {
    ...reading,
    ...writing,
    engine,
    registry,
    addImage: (reference, image) => engine.addImage(reference, image),
    addForeign(spec) {
      const container = engine.create({ ...FOREIGN, ...spec });
      engine.start(container);
      return container.id;
    },
    crash(id, exitCode) {
      const found = engine.find(id);
      if (found) engine.exit(found, exitCode);
    },
    goDown({ containersLive = false } = {}) {
      down = true;
      if (!containersLive) engine.killAll();
      for (const listener of [...listeners]) listener.onDown(unavailable('following Docker events'));
    },
    comeUp() {
      down = false;
      engine.restartByPolicy();
      for (const listener of [...listeners]) listener.onUp();
    },
    follow(listener, signal) {
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        listeners.add(listener);
        signal.addEventListener(
          'abort',
          () => {
            listeners.delete(listener);
            resolve();
          },
          { once: true },
        );
        if (down) listener.onDown(unavailable('following Docker events'));
        else listener.onUp();
      });
    },
  };
}

const FOREIGN: Omit<ContainerSpec, 'name'> = {
  image: 'foreign:latest',
  env: {},
  labels: {},
  tty: false,
  network: { name: 'none', address: '' },
  dns: [],
  dnsSearch: [],
  hosts: {},
  mounts: [],
  ports: [],
  readOnlyRoot: false,
  cpuShares: 0,
  pidsLimit: 0,
  restartPolicy: 'no',
  dropCapabilities: [],
  log: { maxSize: '', maxFiles: 0 },
  stopSeconds: 10,
};

function summary(engine: FakeEngine, container: FakeContainer) {
  const { id, name, image, imageId, state, labels, addresses, createdAt } = readContainer(
    engine.inspect(container),
  );
  return { id, name, image, imageId, state, labels, addresses, createdAt };
}

function details(found: ImageDetails | undefined): ImageDetails | undefined {
  if (!found) return undefined;
  const { id, tags, digests, volumes, hasCommand } = found;
  return { id, tags: [...tags], digests: [...digests], volumes: [...volumes], hasCommand };
}

function createContainer(
  engine: FakeEngine,
  pathExists: (path: string) => boolean,
  spec: ContainerSpec,
): string {
  requireName('container', spec.name);
  if (!isOurs(spec.labels)) throw foreign(`container ${spec.name}, as it is wanted,`);
  for (const { type, source, existing } of spec.mounts) {
    const left = type === 'volume' ? engine.volumes.get(source) : undefined;
    if (left && !isOurs(left.labels)) throw foreign(`volume ${source}`);
    if (existing && !left) throw new DriverError('notFound', `volume ${source} is gone`);
    if (existing) continue;
    if (left && left.labels[LABEL.uid] !== spec.labels[LABEL.uid]) {
      throw new DriverError('conflict', `volume ${source} belongs to another uid`);
    }
    if (left && !engine.volumeInUse(source)) engine.removeVolume(source);
    if (type === 'bind' && !pathExists(source)) {
      const text = `invalid mount config for type "bind": bind source path does not exist: ${source}`;
      throw new DriverError('invalid', text);
    }
  }
  const holder = engine.find(spec.name);
  const same = Object.entries(spec.labels).every(([name, value]) => holder?.spec.labels[name] === value);
  return holder && same ? holder.id : engine.create(spec).id;
}

async function* readLogs(container: FakeContainer, options: LogOptions): AsyncGenerator<LogLine> {
  const since = options.since === undefined ? 0 : Date.parse(options.since);
  const until = options.until === undefined ? Number.POSITIVE_INFINITY : Date.parse(options.until);
  const all = container.logs.filter(({ at }) => at >= since && at <= until);
  let next = container.logs.length;
  const shown = options.tail === undefined ? all : all.slice(all.length - Math.min(options.tail, all.length));
  const line = ({ stream, text, at }: LogLine & { at: number }): LogLine => ({
    stream,
    text: options.timestamps ? `${new Date(at).toISOString()} ${text}` : text,
  });
  for (const one of shown) yield line(one);
  while (options.follow && !options.signal?.aborted) {
    for (const one of container.logs.slice(next)) {
      next += 1;
      yield line(one);
    }
    if (container.state !== 'running' && container.state !== 'paused') return;
    if (!options.signal?.aborted) await changeOf(container, options.signal);
  }
}

function changeOf(container: FakeContainer, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      container.watchers.delete(done);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    container.watchers.add(done);
    signal?.addEventListener('abort', done, { once: true });
  });
}

function runProgram(clock: Clock, options: { command: string[]; tty: boolean }): ExecSession {
  const program = readProgram(options.command);
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const end = (code: number): number => {
    stdout.end();
    stderr.end();
    return code;
  };
  const session = { stdin, stdout, stderr, resize: async () => {} };
  if (!program) {
    stdout.write(`exec failed: "${options.command[0]}": no such file or directory\r\n`);
    return { ...session, exitCode: Promise.resolve(end(127)) };
  }
  if (program.echoesInput) {
    stdin.on('data', (chunk) => stdout.write(chunk));
    return { ...session, exitCode: new Promise((resolve) => stdin.on('end', () => resolve(end(0)))) };
  }
  stdin.resume();
  for (const line of program.lines) {
    const stream = line.stream === 'stderr' && !options.tty ? stderr : stdout;
    stream.write(line.text + (options.tty ? '\r\n' : '\n'));
  }
  const { code = 0, after = 0 } = program.exit ?? {};
  return { ...session, exitCode: new Promise((resolve) => clock.after(after, () => resolve(end(code)))) };
}
