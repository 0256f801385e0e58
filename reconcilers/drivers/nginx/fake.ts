/**
 * nginx in memory, for tests and the simulation: the promises of index.ts without a process. Beside the interface it has
 * what a test does to the real one from outside: kill it, edit its files, take a port, make it refuse, fail a call.
 */
import { DriverError } from '../error.ts';
import { isSamePair, requireCertificateName } from './certificates.ts';
import type { ConfigFiles, Nginx, NginxState, PemPair, PublishResult, RefusedConfig } from './index.ts';

export type NginxCall =
  | 'state'
  | 'certificate'
  | 'publish'
  | 'swapped'
  | 'start'
  | 'upgrade'
  | 'stop'
  | 'writeCertificate'
  | 'removeCertificate';

export interface FakeNginxOptions {
  version?: string;
  /** Called at the start of each call, and between swap and reload as `swapped`: may throw or wait. */
  before?: (call: NginxCall) => void | Promise<void>;
}

type Refuse = (path: string, text: string) => string | undefined;

export class FakeNginx implements Nginx {
  readonly folder = '/fake/nginx/current';
  readonly certificates = '/fake/nginx/certificates';
  /** undefined: not installed. */
  version: string | undefined;
  /** Times that it loaded a set while it ran. */
  reloads = 0;
  /** Times that it was tested. */
  tests = 0;
  running: { pid: number; generation: number; stamp: number } | undefined;
  readonly files = new Map<string, string>();
  /** The set that runs: of the last load. */
  served: ConfigFiles = new Map();
  readonly pems = new Map<string, PemPair>();
  private readonly before: (call: NginxCall) => void | Promise<void>;
  /** The program was replaced on disk; the new one may not come up. */
  replaced: 'good' | 'bad' | undefined;
  private generation = 0;
  private pids = 100;
  /** Counts the certificates written: what runs is loaded when it has seen them all. */
  private stamp = 0;
  /** Written since what runs was loaded. */
  private readonly stale = new Set<string>();
  private refusing: Refuse = () => undefined;
  private readonly taken = new Map<number, string>();
  private readonly listeners = new Set<() => void>();

  constructor(options: FakeNginxOptions = {}) {
    this.version = options.version ?? '1.22.1';
    this.before = options.before ?? (() => undefined);
  }

  /** Files for which this answers words are refused with them. */
  refuse(predicate: Refuse): void {
    this.refusing = predicate;
  }

  takePort(port: number, program: string): void {
    this.taken.set(port, program);
  }

  freePort(port: number): void {
    this.taken.delete(port);
  }

  /** As `kill -9`. */
  kill(): void {
    this.running = undefined;
    this.changed();
  }

  /** As somebody with an editor; undefined deletes. */
  edit(path: string, text: string | undefined): void {
    if (text === undefined) this.files.delete(path);
    else this.files.set(path, text);
    this.changed();
  }

  async state(): Promise<NginxState> {
    await this.before('state');
    const { running, version } = this;
    return {
      running: running !== undefined,
      ...(running ? { pid: running.pid } : {}),
      ...(version === undefined ? {} : { version }),
      generation: this.generation,
      loaded: running?.generation === this.generation && running.stamp === this.stamp && this.generation > 0,
      stale: running ? [...this.stale].sort() : [],
      ...(running && this.replaced ? { outdated: true } : {}),
      files: new Map(this.files),
      certificates: [...this.pems.keys()].sort(),
      workerUser: 'www-data',
    };
  }

  async certificate(name: string): Promise<PemPair | undefined> {
    await this.before('certificate');
    return this.pems.get(name);
  }

  async publish(files: ConfigFiles): Promise<PublishResult> {
    await this.before('publish');
    this.installed();
    checkPaths(files);
    this.tests += 1;
    const refused = this.refusedIn(files);
    if (refused) return { ok: false, refused };
    const previous = { generation: this.generation, files: new Map(this.files) };
    const same = previous.generation > 0 && equal(this.files, files);
    if (!same) this.put(this.generation + 1, files);
    await this.before('swapped');
    const { running } = this;
    if (!running || (same && running.generation === this.generation && running.stamp === this.stamp)) {
      return { ok: true, generation: this.generation };
    }
    const conflict = this.conflictIn(files, previous.files);
    if (conflict) {
      if (!same && previous.generation > 0) this.put(previous.generation, previous.files);
      throw conflict;
    }
    this.stale.clear();
    this.running = { pid: running.pid, generation: this.generation, stamp: this.stamp };
    this.served = new Map(this.files);
    this.reloads += 1;
    this.changed();
    return { ok: true, generation: this.generation };
  }

  async start(): Promise<void> {
    await this.before('start');
    if (this.running) return;
    this.installed();
    if (this.generation === 0) {
      throw new DriverError('invalid', 'nginx has no configuration yet: nothing was published.');
    }
    const conflict = this.conflictIn(this.files, new Map());
    if (conflict) throw conflict;
    this.pids += 1;
    this.stale.clear();
    this.replaced = undefined;
    this.running = { pid: this.pids, generation: this.generation, stamp: this.stamp };
    this.served = new Map(this.files);
    this.changed();
  }

  async upgrade(): Promise<{ ok: true } | { ok: false; message: string }> {
    await this.before('upgrade');
    const { replaced, running } = this;
    this.replaced = undefined;
    if (!running || replaced === undefined) return { ok: true };
    if (replaced === 'bad') return { ok: false, message: 'the new one did not come up' };
    this.pids += 1;
    this.running = { ...running, pid: this.pids };
    this.changed();
    return { ok: true };
  }

  async stop(): Promise<void> {
    await this.before('stop');
    this.kill();
  }

  async writeCertificate(name: string, pem: PemPair) {
    await this.before('writeCertificate');
    requireCertificateName(name);
    // A certificate that is new to what runs asks for no reload: nothing that runs names it.
    if (this.pems.has(name)) {
      this.stamp += 1;
      this.stale.add(name);
    }
    this.pems.set(name, pem);
    this.changed();
    return { certificate: `${this.certificates}/${name}.pem`, key: `${this.certificates}/${name}.key` };
  }

  async removeCertificate(name: string, found: PemPair | undefined): Promise<void> {
    await this.before('removeCertificate');
    requireCertificateName(name);
    if (isSamePair(this.pems.get(name), found)) this.pems.delete(name);
  }

  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    this.listeners.add(onChange);
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
    this.listeners.delete(onChange);
  }

  private put(generation: number, files: ConfigFiles): void {
    const copy = new Map(files);
    this.generation = generation;
    this.files.clear();
    for (const [path, text] of copy) this.files.set(path, text);
  }

  private refusedIn(files: ConfigFiles): RefusedConfig | undefined {
    for (const [file, text] of files) {
      const message = this.refusing(file, text);
      if (message !== undefined) return { file, line: 1, message };
    }
    return undefined;
  }

  private conflictIn(files: ConfigFiles, own: ConfigFiles): DriverError | undefined {
    const held = new Set(listens(own).map((place) => place.port));
    const place = listens(files).find(({ port }) => this.taken.has(port) && !held.has(port));
    if (!place) return undefined;
    return new DriverError(
      'conflict',
      `${place.text} is taken by another program (${this.taken.get(place.port)}).`,
    );
  }

  private installed(): void {
    if (this.version === undefined) throw new DriverError('notFound', 'nginx is not installed.');
  }

  private changed(): void {
    for (const listener of this.listeners) listener();
  }
}

function checkPaths(files: ConfigFiles): void {
  const bad = [...files.keys()].find((path) => path.startsWith('/') || path.split('/').includes('..'));
  if (bad !== undefined)
    throw new DriverError('invalid', `"${bad}" is no path inside the nginx configuration.`);
}

function equal(one: ConfigFiles, other: ConfigFiles): boolean {
  return one.size === other.size && [...one].every(([path, text]) => other.get(path) === text);
}

function listens(files: ConfigFiles): { text: string; port: number }[] {
  return [...files.values()].flatMap((text) =>
    [...text.matchAll(/^\s*listen\s+(\S*?:?(\d+))[\s;]/gm)].map((match) => ({
      text: match[1] ?? '',
      port: Number(match[2]),
    })),
  );
}
