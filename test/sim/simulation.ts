/**
 * The whole controller with its real store, on fakes and virtual time. It begins and ends lives of the controller, lets time pass, and
 * holds every invariant at every moment. What happens to it is decided elsewhere (history.ts); nothing here waits for real time.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { type Core, startCore } from '../../controller/core.ts';
import type { Log } from '../../controller/log.ts';
import { openStore } from '../../controller/store/open-store.ts';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Author, Change, Write, WriteResult } from '../../controller/store/types.ts';
import type { Document, Manifest } from '../../resources/document.ts';
import { kinds } from '../../resources/registry.ts';
import { validate } from '../../resources/validation.ts';
import { VirtualClock } from '../support/clock.ts';
import { type Random, seeded } from '../support/random.ts';
import { type Call, type DriverName, type Gate, simulatedDrivers } from './drivers.ts';
import { type Fault, Faults } from './faults.ts';
import { INVARIANTS, type Moment } from './invariants.ts';
import { Life } from './life.ts';
import { Memory } from './memory.ts';
import { hasSecret } from './secrets.ts';
import { Trace } from './trace.ts';
import { makeWorld, STATE_FOLDER, type World } from './world.ts';

export interface SimulationOptions {
  seed: number;
  /** How many Apps there may be. */
  apps: number;
  /** There is a folder of manifests. */
  files: boolean;
  /** Of the store: in memory, such as under /dev/shm. Made, and removed by `close`. */
  folder: string;
  /** Keeps the trace as text. */
  keepTrace?: boolean;
  /** Numbers of the points, from 1, at which the controller crashes. */
  crashAt?: ReadonlySet<number>;
}

/** An invariant that does not hold. */
export class Broken extends Error {
  readonly invariant: string;
  constructor(invariant: string, message: string) {
    super(message);
    this.name = 'Broken';
    this.invariant = invariant;
  }
}

const APP_NAMES = ['wiki', 'blog', 'shop', 'mail'];
export const ROOT: Author = { user: 'root', via: 'cli' };
/** Commits and answers at one moment of virtual time: more is a loop that nothing slows. */
const MOST_TURNS = 3_000;
const NO_MORE_PAGES = 1_073_741_823;

export class Simulation implements Gate {
  readonly clock: VirtualClock;
  readonly world: World;
  readonly faults: Faults;
  readonly trace: Trace;
  /** Names that Apps may have. */
  readonly appNames: readonly string[];
  /** What the simulation itself remembers of the past, to judge the present. */
  readonly memory = new Memory();
  life: Life;
  store: SqliteStore | undefined;
  /** Present while the controller runs. */
  core: Core | undefined;
  /** The program that the next life is of. */
  version = '1.0.0';
  /** Of the controller, after a crash, in milliseconds. */
  downtime = 1_000;
  /** Points passed where it might have crashed. */
  points = 0;
  lives = 0;
  commits = 0;
  /** Calls that write. */
  writes = 0;
  /** Of documents, while it is judged that nothing happens; but for old events that go, and details of a container that nobody had asked for before. */
  changes = 0;
  /** Writes of people that wait for their answer. */
  waiting = 0;
  /** Crashes at the n-th point from now. */
  crashIn: number | undefined;
  /** Nobody may need a resync. */
  isCalm = false;
  /** When something was done that no change asked for, such as what files say against drift. Virtual milliseconds. */
  unannouncedAt = Number.NEGATIVE_INFINITY;
  /** While it is judged that nothing happens, no point is one for a crash: the life after it would say what it sees. */
  isJudged = false;
  readonly #options: SimulationOptions;
  #diskIsFull = false;
  #db: Database.Database | undefined;
  #broken: Broken | undefined;
  #folder = '';
  #isBuried = false;
  #unwatch: () => void = () => undefined;
  #unlock: () => void = () => undefined;

  constructor(options: SimulationOptions) {
    this.appNames = APP_NAMES.slice(0, options.apps);
    this.#options = options;
    this.clock = new VirtualClock(options.seed);
    this.world = makeWorld(this.clock, options);
    this.faults = new Faults(this.#random('faults'));
    this.trace = new Trace(() => this.clock.monotonic(), options.keepTrace ?? false);
    this.life = new Life(this.clock);
    this.memory.observe(this.world);
    this.#begin();
  }

  /** Lets this much virtual time pass, and does all that comes of it. */
  async advance(milliseconds: number): Promise<void> {
    const until = this.clock.monotonic() + milliseconds;
    await this.#drain();
    while (this.clock.runNext(until)) await this.#drain();
    this.clock.rest(until);
  }

  /** People write; whoever is down answers nobody. The outcome is traced. */
  people(what: string, writes: readonly Write[], author: Author = ROOT): void {
    const { store, life } = this;
    if (!store || life.isDead || !this.core) {
      this.trace.say(`people: ${what}: nobody answers`);
      return;
    }
    this.trace.say(`people: ${what}`);
    this.waiting += 1;
    store
      .write(writes, author)
      .then(
        (results) => {
          // Whoever asked a controller that is gone was told nothing.
          if (!life.isDead) this.#answered(what, results);
        },
        (error: { reason?: string; message: string }) => {
          if (life.isDead) return;
          this.memory.refused(writes);
          this.trace.say(`refused: ${what}: ${error.reason ?? ''} ${error.message}`);
        },
      )
      .finally(() => {
        this.waiting -= 1;
      });
  }

  /** kill -9, now. */
  crash(): void {
    this.life.die('kill -9');
  }

  /** Stops it as systemd does, and starts it again. */
  restart(): void {
    const { core, life } = this;
    if (life.isDead) return;
    // Who supervises it does not wait for one that is not up yet, or that is stopping already.
    if (!core) {
      life.die('ended while it started or stopped');
      return;
    }
    this.trace.say('the controller is asked to stop');
    this.core = undefined;
    core.stop().then(
      () => life.die('stopped'),
      () => life.die('stopped, with an error'),
    );
  }

  /** No more pages for the database, and no more folders on the host. */
  setDiskFull(full: boolean): void {
    this.#diskIsFull = full;
    this.world.host.state.full = full;
    this.#limitPages();
  }

  get isDiskFull(): boolean {
    return this.#diskIsFull;
  }

  get isInTransaction(): boolean {
    return this.#db?.inTransaction === true;
  }

  fail(invariant: string, message: string): void {
    this.#broken ??= new Broken(invariant, message);
  }

  hold(moment: Moment): void {
    for (const invariant of INVARIANTS) {
      const problem = invariant.check(this, moment);
      if (problem !== undefined) this.fail(invariant.name, problem);
    }
  }

  close(): void {
    this.life.die('the simulation is over');
    rmSync(this.#options.folder, { recursive: true, force: true });
    this.#abandonStore();
  }

  // What the wrapped drivers ask.

  crashes(life: Life, where: string): boolean {
    if (life !== this.life || life.isDead) return true;
    if (this.isJudged) return false;
    this.points += 1;
    const armed = this.crashIn !== undefined && --this.crashIn < 0;
    if (!armed && !this.#options.crashAt?.has(this.points)) return false;
    this.crashIn = undefined;
    life.die(`crash ${where}`);
    return true;
  }

  fault(call: Call): Fault | undefined {
    const fault = this.faults.next(call);
    if (fault) {
      const { type, place, code, milliseconds } = fault;
      this.trace.say(
        `fault: ${type} ${place} ${call.driver}.${call.method} ${code ?? ''}${milliseconds ?? ''}`,
      );
    }
    return fault;
  }

  called(call: Call): void {
    if (call.writes) this.writes += 1;
    this.trace.say(`${call.writes ? '!' : '?'} ${call.driver}.${call.method} ${brief(call.args)}`);
    if (call.writes) this.hold({ type: 'call', call });
  }

  checkWorld(call: Call, { isDead }: Life): void {
    this.hold({ type: 'done', call, isHeard: !isDead });
  }

  failed(call: Call, error: unknown): void {
    this.trace.say(`  ${call.driver}.${call.method} fails: ${(error as Error).message}`);
  }

  fates(_driver: DriverName): readonly number[] {
    return this.faults.fates();
  }

  // Lives

  #begin(): void {
    if (this.#broken) return;
    this.lives += 1;
    this.#isBuried = false;
    const life = new Life(this.clock);
    this.life = life;
    this.trace.say(`life ${this.lives} begins, version ${this.version}`);
    const folder = join(this.#options.folder, `life-${this.lives}`);
    if (this.#folder === '') mkdirSync(this.#options.folder, { recursive: true });
    else renameSync(this.#folder, folder);
    this.#folder = folder;
    this.#abandonStore();
    // The kernel's lock is of the process, which lives on here.
    rmSync(join(folder, 'store.lock'), { force: true });
    try {
      this.#open(life, folder);
    } catch (error) {
      this.fail('the store opens after every crash', (error as Error).message);
    }
  }

  #open(life: Life, folder: string): void {
    const log = this.#log(life);
    const store = openStore({
      folder,
      clock: life.clock,
      kinds,
      validate: (manifest) => this.#validate(manifest),
      log,
      limits: { reserveBytes: 4096 },
      defer: (settle) => {
        if (!life.isDead) life.deferred.push(settle);
      },
      onOpen: (db, unlock) => {
        this.#db = db;
        this.#unlock = unlock;
        if (this.#diskIsFull) this.#limitPages();
      },
    });
    this.store = store;
    this.hold({ type: 'opened', store });
    this.#unwatch = store.watch({
      fromVersion: store.version,
      onChange: (change) => this.#changed(change),
    });
    const { clock } = life;
    const drivers = simulatedDrivers(this, life);
    startCore({ store, drivers, stateFolder: STATE_FOLDER, version: this.version, clock, log }).then(
      (core) => {
        if (!life.isDead) this.core = core;
      },
      (error: Error) => {
        this.trace.say(`it does not start: ${error.message}`);
        life.die('it did not start');
      },
    );
  }

  /** A newer program knows one more default, and fills it in where it is not written. */
  #validate(manifest: Manifest): ReturnType<typeof validate> {
    const problems = validate(manifest);
    if (this.version !== '1.0.0' && manifest.kind === 'App' && problems.length === 0) {
      const spec = manifest.spec as Record<string, unknown>;
      spec['pidsLimit'] ??= 4096;
    }
    return problems;
  }

  #bury(): void {
    if (this.#isBuried) return;
    this.#isBuried = true;
    this.core = undefined;
    this.crashIn = undefined;
    this.trace.say(`the controller is gone: ${this.life.death}`);
    this.clock.after(this.downtime, () => this.#begin());
  }

  /** As its process ended: what waits is never written. SQLite tidies up nothing in a file that has moved since it was opened. */
  #abandonStore(): void {
    this.#unwatch();
    this.#db?.close();
    this.#unlock();
    this.store = undefined;
    this.#db = undefined;
  }

  #limitPages(): void {
    const db = this.#db;
    if (!db?.open || db.inTransaction) return;
    const pages = this.#diskIsFull ? (db.pragma('page_count', { simple: true }) as number) : NO_MORE_PAGES;
    db.pragma(`max_page_count = ${pages}`);
  }

  async #drain(): Promise<void> {
    for (let turns = 0; ; turns += 1) {
      await turn();
      if (turns > MOST_TURNS) this.fail('it does not spin', `${turns} turns of work at one moment`);
      if (this.#broken) throw this.#broken;
      const { life } = this;
      if (life.isDead) return this.#bury();
      const settle = life.deferred.shift();
      if (!settle) return;
      if (this.crashes(life, 'before a commit')) continue;
      this.commits += 1;
      // Dead already while it commits: on disk, and nobody hears of it.
      this.crashes(life, 'after a commit');
      settle();
    }
  }

  #changed(change: Change): void {
    const { type, document } = change;
    this.memory.changed(change);
    const { kind, metadata } = document;
    const isOld = kind === 'Event' && type === 'DELETED';
    if (this.isJudged && !isOld && !onlyKnowsMore(this.memory.previous, document)) this.changes += 1;
    const ready = document.status?.conditions?.find((entry) => entry.type === 'Ready');
    const state = ready ? ` Ready=${ready.status} ${ready.reason}` : '';
    this.trace.say(
      `store ${change.version} ${type} ${kind}/${metadata.name} g${metadata.generation}${state}`,
    );
    this.hold({ type: 'change', change });
  }

  #answered(what: string, results: readonly WriteResult[]): void {
    this.memory.acknowledged(results);
    this.trace.say(`answered: ${what}: ${results.map(({ outcome }) => outcome).join(' ')}`);
  }

  #log(life: Life): Log {
    const write =
      (level: string) =>
      (message: string, fields: Record<string, unknown> = {}) => {
        if (life.isDead) return;
        // Where the store lies is another place in each process.
        const told = `${level} ${message} ${JSON.stringify(fields, plain)}`;
        const text = told.replaceAll(this.#options.folder, '<place>');
        this.trace.say(`log: ${text}`);
        this.memory.logged(text);
        this.hold({ type: 'log', level, text });
      };
    const log: Log = {
      debug: write('debug'),
      info: write('info'),
      warn: write('warn'),
      error: write('error'),
      child: () => log,
    };
    return log;
  }

  #random(of: string): Random {
    return seeded(
      [...of].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), this.#options.seed),
    );
  }
}

/** The details of a container are looked at when there is a reason, so that they may come later than the rest. */
function onlyKnowsMore(before: Document | undefined, { status, metadata }: Document): boolean {
  const [known, now] = [before?.status, status].map((one) => {
    const { observedAt: _at, container, ...rest } = (one ?? {}) as Record<string, unknown>;
    const { id, name, state } = (container ?? {}) as Record<string, unknown>;
    return JSON.stringify([rest, id, name, state]);
  });
  const had = (before?.status as { container?: object } | undefined)?.container;
  return (
    had !== undefined &&
    !('startedAt' in had) &&
    known === now &&
    before?.metadata.generation === metadata.generation
  );
}

/** Everything that waits for nothing but the processor is done when this answers. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Errors as their first line: the rest names files of this machine. */
function plain(_key: string, value: unknown): unknown {
  if (value instanceof Error) return value.message;
  return typeof value === 'string' && value.includes('\n    at ') ? value.split('\n')[0] : value;
}

/** Arguments as a reader wants them: names and short texts, never the environment of a container. */
function brief(args: readonly unknown[]): string {
  return args
    .map((arg) => {
      if (typeof arg === 'string') return hasSecret(arg) ? '(a secret)' : arg.slice(0, 60);
      if (Array.isArray(arg)) return `[${arg.join(' ').slice(0, 80)}]`;
      if (arg instanceof Map) return `{${[...arg.keys()].join(' ')}}`;
      if (arg !== null && typeof arg === 'object') {
        const { name, address, port, path } = arg as Record<string, unknown>;
        return [name, address, port, path].filter((part) => part !== undefined).join(':');
      }
      return typeof arg === 'number' ? String(arg) : '';
    })
    .join(' ');
}
