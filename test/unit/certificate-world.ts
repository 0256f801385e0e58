/**
 * Certificates and Sites on a real store and engine, with nginx, the authority and DNS in memory and a clock that the test holds. The
 * controller can be killed at any call: what it was about to do then never happens, and another one starts from the store.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { anyReconciler } from '../../controller/engine/contract.ts';
import { Engine } from '../../controller/engine/engine.ts';
import { CONTROLLER } from '../../controller/engine/run.ts';
import { openStore } from '../../controller/store/open-store.ts';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Author } from '../../controller/store/types.ts';
import { certificateReconciler } from '../../reconcilers/certificate/index.ts';
import { FakeAcme } from '../../reconcilers/drivers/acme/fake.ts';
import { createFakeAuthority } from '../../reconcilers/drivers/authority/fake.ts';
import { FakeCaa } from '../../reconcilers/drivers/caa/fake.ts';
import { FakeNginx } from '../../reconcilers/drivers/nginx/fake.ts';
import { classifyFailure } from '../../reconcilers/failure.ts';
import { siteReconciler } from '../../reconcilers/site/index.ts';
import type { Certificate } from '../../resources/certificate.ts';
import { API_VERSION, condition, type Document } from '../../resources/document.ts';
import { kinds } from '../../resources/registry.ts';
import { validate } from '../../resources/validation.ts';
import { VirtualClock } from '../support/clock.ts';

const ROOT: Author = { user: 'root', via: 'cli' };
export const DAY = 86_400_000;

/** Ends what it was called from: nothing comes back, as after kill -9. */
const never = () => new Promise<never>(() => undefined);

export class CertificateWorld {
  readonly clock = new VirtualClock();
  readonly nginx = new FakeNginx();
  readonly caa = new FakeCaa();
  readonly acme: FakeAcme;
  /** TXT and other records that are in the zone, by name. */
  readonly zone = new Map<string, readonly string[]>();
  /** Hosts that the authority does not reach by HTTP. */
  readonly unreachable = new Set<string>();
  /** Writing calls to the authority, nginx and the store, since it was last emptied. */
  readonly calls: string[] = [];
  /** Records are answered by the name servers. */
  propagates = true;
  /** Kills the controller at the call of this number: before it, or after it was done and before that is known. */
  killAt: { call: number; when: 'before' | 'after' } | undefined;
  #counted = 0;
  #life = 0;
  #killed = false;
  readonly #folder = mkdtempSync(join(tmpdir(), 'holdfast-certificates-'));
  readonly #store: SqliteStore;
  #engine: Engine<unknown, unknown> | undefined;

  constructor() {
    this.acme = new FakeAcme({
      clock: this.clock,
      look: (host, type, value) => this.#look(host, type, value),
    });
    this.#store = openStore({ folder: this.#folder, clock: this.clock, kinds, validate });
    this.#store.watch({
      kind: 'DNSRecord',
      fromVersion: this.#store.version,
      onChange: ({ type, document }) => void this.#onRecord(type, document),
    });
  }

  async start(): Promise<void> {
    this.#killed = false;
    const life = this.#life;
    const dead = () => life !== this.#life;
    const { clock, caa } = this;
    const nginx = this.#mortal(
      'nginx',
      this.nginx,
      ['publish', 'start', 'writeCertificate', 'removeCertificate'],
      dead,
    );
    const writes = ['newKey', 'register', 'placeOrder', 'answer', 'finalize', 'download'];
    const acme = this.#mortal('acme', this.acme, writes, dead);
    const authority = createFakeAuthority({ clock, nginx: this.nginx });
    const host = { hasIpv6: async () => false, listeners: async () => [] };
    const world = { nginx, acme, caa, authority, host, clock };
    const silent = () => undefined;
    const engine = new Engine<unknown, unknown>({
      store: this.#mortal('store', this.#store, ['write'], dead),
      clock,
      log: { info: silent, warn: silent, error: silent },
      kinds: kinds.map(({ kind }) => kind),
      reconcilers: [anyReconciler(siteReconciler), anyReconciler(certificateReconciler)] as never,
      reading: world,
      writing: world,
      classify: classifyFailure,
    });
    this.#engine = engine;
    engine.start();
  }

  /** Calls are counted; those of a controller that was killed have no end and no effect. */
  #mortal<T extends object>(name: string, whole: T, verbs: readonly string[], dead: () => boolean): T {
    return new Proxy(whole, {
      get: (target, verb) => {
        const value = Reflect.get(target, verb, target) as unknown;
        if (typeof value !== 'function') return value;
        const call = value.bind(target) as (...given: unknown[]) => Promise<unknown>;
        if (!verbs.includes(String(verb))) return call;
        return async (...given: unknown[]) => {
          if (dead()) return never();
          if (name !== 'store' || !isTelling(given)) this.calls.push(`${name}.${String(verb)}`);
          this.#counted += 1;
          const kill = this.killAt?.call === this.#counted ? this.killAt.when : undefined;
          if (kill === 'before') return this.#die();
          try {
            return await call(...given);
          } finally {
            // Whether it went well or not: nobody is there to learn of it.
            if (kill === 'after') await this.#die();
            if (dead()) await never();
          }
        };
      },
    });
  }

  #die(): Promise<never> {
    this.#life += 1;
    this.#killed = true;
    this.killAt = undefined;
    return never();
  }

  get isDead(): boolean {
    return this.#killed;
  }

  /** What was killed has no end: the engine's patience with it is up to the clock. */
  async #stop(): Promise<void> {
    const stopped = this.#engine?.stop(0);
    for (let tick = 0; tick < 4; tick += 1) {
      this.clock.advance(1);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await stopped;
  }

  /** As systemd would. */
  async restart(): Promise<void> {
    this.#life += 1;
    await this.#stop();
    await this.start();
  }

  #look(host: string, type: string, value: string): boolean | string {
    if (type === 'dns-01')
      return this.zone.get(`_acme-challenge.${host}`)?.includes(value) || 'no such TXT record';
    if (this.unreachable.has(host)) return 'connection refused';
    const print = value.split('.')[1] ?? '';
    const served = [...this.nginx.files.values()].some((text) => answersFor(text, host, print));
    return (this.nginx.running !== undefined && served) || `${host} does not answer with the token`;
  }

  /** The name servers, and whoever changes them. */
  async #onRecord(type: string, document: Document): Promise<void> {
    const { name, values } = document.spec as { name: string; values: string[] };
    const reference = { kind: 'DNSRecord', name: document.metadata.name };
    if (type === 'DELETED') return;
    if (document.metadata.deletionTimestamp) {
      this.zone.delete(name);
      const remove = document.metadata.finalizers ?? [];
      await this.#store
        .write([{ verb: 'finalizers', reference, uid: document.metadata.uid, remove }], CONTROLLER)
        .catch(() => undefined);
      return;
    }
    const { generation } = document.metadata;
    if (document.status?.observedGeneration === generation || !this.propagates) return;
    this.zone.set(name, values);
    await this.ready('DNSRecord', document.metadata.name);
  }

  async ready(kind: string, name: string, more: object = {}): Promise<void> {
    const document = this.#store.get(kind, name);
    if (!document) throw new Error(`no ${kind} ${name}`);
    const observedGeneration = document.metadata.generation;
    const lastTransitionTime = new Date(this.clock.now()).toISOString();
    const state = { type: 'Ready', status: 'True', reason: 'Fine', message: 'Fine.' };
    const status = () => ({
      observedGeneration,
      conditions: [{ ...state, lastTransitionTime, observedGeneration }],
      ...more,
    });
    await this.#store.write([{ verb: 'status', reference: { kind, name }, status }], CONTROLLER);
  }

  async apply(kind: string, name: string, spec: Record<string, unknown>, annotations = {}): Promise<void> {
    const document = { apiVersion: API_VERSION, kind, metadata: { name, annotations }, spec };
    const isPersons = kinds.find((each) => each.kind === kind)?.writtenBy === 'people';
    await this.#store.write(
      [isPersons ? { verb: 'apply', document, manager: 'test' } : { verb: 'applyChild', document }],
      isPersons ? ROOT : CONTROLLER,
    );
  }

  /** A Domain that was verified. */
  async domain(name: string, tls: object = {}): Promise<void> {
    const { directory } = this.acme.server;
    const { acme, ...others } = tls as { acme?: object };
    await this.apply('Domain', name, {
      provider: 'manual',
      tls: { issuer: 'acme', ...others, acme: { directory, ...acme } },
    });
    await this.ready('Domain', name, { zone: name });
  }

  site(name: string, ...hosts: string[]): Promise<void> {
    const [first = ''] = hosts;
    const domain = first.slice(first.indexOf('.') + 1);
    return this.apply('Site', name, { hosts, domain, upstream: { address: '172.30.0.2', port: 8000 } });
  }

  async delete(kind: string, name: string): Promise<void> {
    await this.#store.write([{ verb: 'delete', reference: { kind, name } }], CONTROLLER);
  }

  get(kind: string, name: string): Document | undefined {
    return this.#store.get(kind, name);
  }

  list(kind: string): readonly Document[] {
    return this.#store.list(kind).items;
  }

  get version(): number {
    return this.#store.version;
  }

  certificate(name: string): Certificate | undefined {
    return this.get('Certificate', name) as unknown as Certificate | undefined;
  }

  /** The condition as "True Issued". */
  state(kind: string, name: string, type = 'Ready'): string {
    const document = this.get(kind, name);
    const found = document && condition(document, type);
    return found ? `${found.status} ${found.reason}` : 'none';
  }

  message(kind: string, name: string, type = 'Ready'): string {
    const document = this.get(kind, name);
    return (document && condition(document, type)?.message) ?? '';
  }

  events(reason: string): Document[] {
    return this.list('Event').filter(({ spec }) => spec['reason'] === reason);
  }

  /** Lets time go by, and waits for what is under way each time. */
  async pass(milliseconds: number, step = 500): Promise<void> {
    for (let left = milliseconds; left > 0; left -= step) {
      this.clock.advance(Math.min(step, left));
      await this.#calm();
    }
    // What was woken last settles before it runs.
    for (let extra = 0; step > 500 && extra < 12; extra += 1) {
      this.clock.advance(1000);
      await this.#calm();
    }
  }

  async settle(seconds = 30): Promise<void> {
    await this.pass(seconds * 1000);
  }

  /** Until nothing runs, or what runs waits for the clock. */
  async #calm(): Promise<void> {
    const deadline = performance.now() + 2_000;
    for (let calm = 0; calm < 4 && performance.now() < deadline; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const works = !this.#killed && this.#engine?.operations().some(({ state }) => state === 'Running');
      calm = works ? 0 : calm + 1;
    }
  }

  async close(): Promise<void> {
    this.#life += 1;
    await this.#stop();
    await this.#store.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Statuses and events: they tell, and change nothing. */
function isTelling(given: readonly unknown[]): boolean {
  const [writes] = given as [{ verb: string; document?: { kind: string } }[]];
  return writes.every(({ verb, document }) => verb === 'status' || document?.kind === 'Event');
}

function answersFor(text: string, host: string, print: string): boolean {
  return text
    .split(/^server /m)
    .some(
      (server) =>
        server.includes(`"$1.${print}"`) && new RegExp(`server_name [^;]*\\b${host}\\b`).test(server),
    );
}
