/**
 * Puts the simulation between the controller and a driver, whatever the driver: one wrapper that counts, traces, breaks, delays and
 * crashes calls, and loses, delays and doubles events. It knows of a driver only its name, and which of its calls merely look.
 */
import { delay } from '../../controller/clock.ts';
import type { Drivers } from '../../controller/core.ts';
import { AcmeError } from '../../reconcilers/drivers/acme/index.ts';
import { DriverError } from '../../reconcilers/drivers/error.ts';
import { READING_VERBS } from '../../reconcilers/halves.ts';
import type { Fault } from './faults.ts';
import { type Life, never } from './life.ts';
import { DRIVER_NAMES, type World } from './world.ts';

export type DriverName = keyof Required<Drivers>;

/** What sets a driver apart from the rest. What it can be asked without a change is in reconcilers/halves.ts. */
interface Habits {
  /** Further calls that look. Everything else counts as writing: what is forgotten here shows itself. */
  looks?: readonly string[];
  /** How long the driver itself waits for an answer, in seconds, before it throws `timeout`. Default: for ever. */
  patience?: number;
  neverHangs?: readonly string[];
  /** Calls that answer at once, from what the driver remembers. */
  instant?: readonly string[];
  /**
   * A call that is on its way when the controller dies has its effect nevertheless: `late`, as of an engine that is slow, or `then`, at
   * the end of the connection at the latest.
   */
  detached?: 'late' | 'then';
  /** Of an engine that is slow in all else, these are done `then`. */
  prompt?: readonly string[];
  /** Its calls answer instead of throwing. */
  answersFailure?: (message: string, method: string) => unknown;
}

const HABITS: Readonly<Partial<Record<DriverName, Habits>>> = {
  docker: { patience: 60, detached: 'late', prompt: ['start'] },
  // The copy of a database may take hours, and what hangs in it, too; these are all that it asks of the host.
  host: {
    neverHangs: ['hasAppArmorProfile', 'folderExists', 'ensureFolder', 'removeFolder', 'renameFolder'],
  },
  nginx: { patience: 60 },
  // ensure makes the authority once, when the controller starts; there is nobody yet who would lose patience with it.
  authority: { looks: ['ensure'], neverHangs: ['ensure'] },
  acme: { patience: 60, detached: 'then' },
  dns: { patience: 30, instant: ['refusal'], detached: 'then' },
  lookup: { patience: 10 },
  databases: {
    looks: ['disconnect', 'close'],
    neverHangs: ['disconnect', 'close'],
    patience: 60,
    detached: 'then',
  },
  address: { patience: 10 },
  probe: { looks: ['ask'], patience: 10, answersFailure: (message) => ({ ok: false, message }) },
  manifests: {
    looks: ['scan', 'read', 'openForWriting', 'follow'],
    neverHangs: ['scan', 'read', 'openForWriting', 'follow'],
    instant: ['identity'],
    answersFailure: (message, method) => FAILED_LOOKS[method]?.(message),
  },
};

/** What a look at the folder of manifests answers where it fails; the reading of a file throws. */
const FAILED_LOOKS: Readonly<Record<string, (message: string) => unknown>> = {
  scan: (message) => ({ state: 'unreadable', message }),
  openForWriting: () => new Set(),
};

function looks(driver: DriverName, method: string): boolean {
  const verbs = READING_VERBS[driver as keyof typeof READING_VERBS] ?? {};
  return method in verbs || HABITS[driver]?.looks?.includes(method) === true;
}

export interface Call {
  driver: DriverName;
  method: string;
  args: readonly unknown[];
  writes: boolean;
}

/** What the wrapper asks the simulation. */
export interface Gate {
  readonly world: World;
  /** A point where the controller may crash; true: it does, here. */
  crashes(life: Life, where: string): boolean;
  fault(call: Call): Fault | undefined;
  called(call: Call): void;
  /** After an effect. */
  checkWorld(call: Call, life: Life): void;
  failed(call: Call, error: unknown): void;
  /** What becomes of an event: how often it comes, and after how many milliseconds each. */
  fates(driver: DriverName): readonly number[];
}

type Method = (...args: unknown[]) => unknown;

export function simulatedDrivers(gate: Gate, life: Life): Drivers {
  const { world } = gate;
  const wrapped = Object.fromEntries(
    DRIVER_NAMES.flatMap((driver) => {
      const real = world[driver];
      return real ? [[driver, simulated(driver, real, gate, life)]] : [];
    }),
  );
  return wrapped as unknown as Drivers;
}

function simulated<T extends object>(driver: DriverName, real: T, gate: Gate, life: Life): T {
  const methods = new Map<PropertyKey, Method>();
  return new Proxy(real, {
    get(target, property) {
      const known = methods.get(property);
      if (known) return known;
      const value: unknown = Reflect.get(target, property);
      if (typeof value !== 'function') return value;
      const original = (value as Method).bind(target);
      const method = wrap(driver, String(property), original, gate, life);
      methods.set(property, method);
      return method;
    },
  });
}

function wrap(driver: DriverName, method: string, original: Method, gate: Gate, life: Life): Method {
  if (method === 'follow')
    return (listener, signal) => follow(driver, original, listener, gate, life, signal as AbortSignal);
  const describe = (args: readonly unknown[]): Call => ({
    driver,
    method,
    args,
    writes: !looks(driver, method),
  });
  if (HABITS[driver]?.instant?.includes(method)) return original;
  if (method === 'logs') return (...args) => lines(describe(args), original, gate, life);
  return (...args) => run(describe(args), () => original(...args), gate, life);
}

async function run(call: Call, original: () => unknown, gate: Gate, life: Life): Promise<unknown> {
  if (life.isDead) return never();
  const name = `${call.driver}.${call.method}`;
  gate.called(call);
  if (gate.crashes(life, `before ${name}`)) return never();
  const fault = gate.fault(call);
  if (fault) await strike(fault, 'before', call, gate, life);
  // What is on its way to another program arrives there also when the controller is gone; what is done by itself does not.
  if (life.isDead && HABITS[call.driver]?.detached === undefined) return never();
  let answer: unknown;
  try {
    answer = fault?.answer !== undefined ? fault.answer : await original();
  } catch (error) {
    if (life.isDead) return never();
    gate.failed(call, error);
    throw error;
  }
  if (call.writes) gate.checkWorld(call, life);
  if (life.isDead || gate.crashes(life, `after ${name}`)) return never();
  if (fault) await strike(fault, 'after', call, gate, life);
  return life.isDead ? never() : answer;
}

/** Lets a fault act at its place: waits, throws, or never comes back. */
async function strike(
  fault: Fault,
  place: Fault['place'],
  { driver, method }: Call,
  { world }: Gate,
  life: Life,
): Promise<void> {
  if (fault.place !== place) return undefined;
  const { patience, answersFailure, neverHangs, detached, prompt } = HABITS[driver] ?? {};
  if (fault.type === 'slow') {
    const until = detached === 'then' || prompt?.includes(method) ? life.over.signal : undefined;
    return delay(world.clock, fault.milliseconds ?? 1_000, until).catch(() => undefined);
  }
  if (fault.type === 'hang') {
    if (neverHangs?.includes(method)) return undefined;
    if (patience === undefined) return never();
    await delay(world.clock, patience * 1000);
  }
  if (life.isDead) return never();
  const code = fault.type === 'hang' ? 'timeout' : (fault.code ?? 'failed');
  const message = `${driver}.${method}: ${code}, as the simulation wants it`;
  fault.answer = answersFailure?.(message, method);
  if (fault.answer !== undefined) return undefined;
  throw driver === 'acme' ? new AcmeError(code, message) : new DriverError(code, message);
}

async function* lines(call: Call, original: () => unknown, gate: Gate, life: Life): AsyncGenerator<unknown> {
  const all: unknown[] = [];
  await run(
    call,
    async () => {
      for await (const line of (original as Method)(...call.args) as AsyncIterable<unknown>) all.push(line);
    },
    gate,
    life,
  );
  yield* all;
}

/** Listens for as long as this life lasts. Connections tell of themselves; only what comes over them may get lost. */
function follow(
  driver: DriverName,
  original: Method,
  listener: unknown,
  gate: Gate,
  life: Life,
  signal: AbortSignal,
): Promise<unknown> {
  if (life.isDead) return never();
  const tell = (act: () => void) => {
    for (const after of gate.fates(driver)) {
      if (after === 0) act();
      else life.clock.after(after, act);
    }
  };
  const alive =
    (act: Method): Method =>
    (...args) => {
      if (!life.isDead) act(...args);
    };
  const heard =
    typeof listener === 'function'
      ? () => tell(() => alive(listener as Method)())
      : Object.fromEntries(
          Object.entries(listener as Record<string, Method>).map(([name, act]) => [
            name,
            name === 'onEvent' ? (event: unknown) => tell(() => alive(act)(event)) : alive(act),
          ]),
        );
  return original(heard, AbortSignal.any([signal, life.over.signal])) as Promise<unknown>;
}
