/**
 * A world of boxes for tests of the engine: Thing documents want a box with a color; a big Thing wants a Part, too. Small
 * enough to see through, with a switch for each way in which a real driver misbehaves.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  anyReconciler,
  ReconcileError,
  type Reconciler,
  type Step,
} from '../../controller/engine/contract.ts';
import { Engine, type EngineOptions } from '../../controller/engine/engine.ts';
import { openStore } from '../../controller/store/open-store.ts';
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Author } from '../../controller/store/types.ts';
import { classifyFailure } from '../../reconcilers/failure.ts';
import { API_VERSION, type Document, type Manifest } from '../../resources/document.ts';
import { eventKind } from '../../resources/event.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { VirtualClock } from './clock.ts';

export const ROOT: Author = { user: 'root', via: 'cli' };

const toyKind = (kind: string, more: Partial<KindDefinition>): KindDefinition => ({
  kind,
  plural: `${kind.toLowerCase()}s`,
  singular: kind.toLowerCase(),
  shortNames: [],
  schema: '',
  writtenBy: 'people',
  columns: [],
  ...more,
});

export const toyKinds = [
  toyKind('Thing', { finalizers: ['toys/thing'] }),
  toyKind('Part', { writtenBy: 'reconcilers' }),
  eventKind,
];

export interface World {
  boxes: Map<string, string>;
  /** Writing calls so far, in words. */
  calls: string[];
  /** Thrown by the next paint of this box. */
  failures: Map<string, Error>;
  /** Painting this box never ends, unless its signal aborts and it listens. */
  hangs: Map<string, 'deaf' | 'listens'>;
  /** Somebody paints it back at once. */
  stubborn: Set<string>;
  /** What each painting is called for, and what it does to what runs. */
  painting: Pick<ToyStep, 'impact'> & { cause: string; urgent?: boolean };
}

interface Want {
  document: Document;
  color: string;
  part: Document | undefined;
  wantsPart: boolean;
  deleting: boolean;
}

interface ToyStep extends Step {
  readonly box: string;
  readonly color: string;
  readonly owner: Document;
}

interface Have {
  color: string | undefined;
  painting: World['painting'];
}

const toyReconciler: Reconciler<Want, Have, ToyStep, World, World> = {
  kind: 'Thing',
  parallelism: 8,
  finalizer: 'toys/thing',
  watches: ['Part'],
  key: ({ metadata }) => metadata.name,
  wakes: ({ metadata }) => [metadata.name],
  want(key, view) {
    const document = view.get('Thing', key);
    if (!document) return undefined;
    return {
      document,
      color: String(document.spec['color']),
      wantsPart: document.spec['big'] === true,
      part: view.get('Part', key),
      deleting: document.metadata.deletionTimestamp !== undefined,
    };
  },
  documents: ({ document }) => [document],
  async observe({ document }, world) {
    const { painting } = world;
    const found = world.failures.get(`look ${document.metadata.name}`);
    if (found) throw found;
    return { color: world.boxes.get(document.metadata.name), painting };
  },
  diff(want, { color, painting }) {
    const box = want.document.metadata.name;
    const { cause, ...rest } = painting;
    const because = [{ field: 'color', found: color ?? null, wanted: want.color, cause }];
    const base = {
      target: `box/${box}`,
      impact: 'none' as const,
      because,
      box,
      color: want.color,
      owner: want.document,
    };
    if (want.deleting) {
      return color === undefined
        ? []
        : [{ ...base, type: 'RemoveBox', action: 'delete', message: `remove ${box}` }];
    }
    const steps: ToyStep[] = [];
    if (want.wantsPart && !want.part) {
      const apply = { apiVersion: API_VERSION, kind: 'Part', metadata: { name: box }, spec: { of: box } };
      steps.push({
        ...base,
        type: 'ApplyPart',
        action: 'create',
        message: `make the part of ${box}`,
        child: { apply },
      });
    }
    if (color !== want.color) {
      const fields = {
        action: 'change' as const,
        message: `paint ${box}`,
        interruptible: true,
        deadlineSeconds: 60,
      };
      const held = want.document.spec['held'] === true ? { held: 'upgrade' as const } : {};
      steps.push({ ...base, ...fields, ...rest, ...held, type: 'PaintBox' });
    }
    return steps;
  },
  async converge(step, world, run) {
    if (step.type === 'ApplyPart' && step.child && 'apply' in step.child) {
      return run.documents.apply(step.owner, step.child.apply);
    }
    if (step.type === 'RemoveBox') {
      world.calls.push(`remove ${step.box}`);
      world.boxes.delete(step.box);
      return;
    }
    world.calls.push(`paint ${step.box} ${step.color}`);
    const failure = world.failures.get(step.box);
    if (failure) throw failure;
    const hang = world.hangs.get(step.box);
    if (hang) {
      await new Promise((_resolve, reject) => {
        if (hang === 'listens') run.signal.addEventListener('abort', () => reject(run.signal.reason));
      });
    }
    if (!world.stubborn.has(step.box)) world.boxes.set(step.box, step.color);
  },
  status(want, have, { failure, pending }) {
    const ready = !failure && pending.length === 0 && have !== undefined;
    const message = failure?.message ?? pending[0]?.message ?? `it is ${have?.color ?? 'gone'}`;
    const status = have === undefined ? 'Unknown' : ready ? 'True' : 'False';
    const reason = failure?.reason ?? (ready ? 'Painted' : 'Progressing');
    return [{ document: want.document, conditions: [{ type: 'Ready', status, reason, message }] }];
  },
};

export interface Toys {
  world: World;
  clock: VirtualClock;
  store: SqliteStore;
  engine: Engine<World, World>;
  reconcilers: ReturnType<typeof anyReconciler<Want, Have, ToyStep, World, World>>[];
  apply(name: string, spec: Record<string, unknown>): Promise<void>;
  thing(name: string): Document | undefined;
  ready(name: string): { status: string; reason: string; message: string };
  /** Reasons of the events about a thing, oldest first. */
  events(name: string): string[];
  /** Lets everything that can go on without time passing go on. */
  settle(): Promise<void>;
  /** Lets time pass in small pieces. */
  pass(milliseconds: number): Promise<void>;
  /** The process ends and another begins; store and world stay. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function makeToys(options: Partial<EngineOptions<World, World>> = {}): Promise<Toys> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-toys-'));
  const clock = new VirtualClock();
  const world: World = {
    boxes: new Map(),
    calls: [],
    failures: new Map(),
    hangs: new Map(),
    stubborn: new Set(),
    painting: { impact: 'none', cause: 'a test' },
  };
  const reconcilers = [anyReconciler(toyReconciler)];
  const silent = () => undefined;
  const open = () => openStore({ folder, clock, kinds: toyKinds, validate: () => [] });
  const start = (store: SqliteStore) => {
    const engine = new Engine<World, World>({
      store,
      clock,
      log: { info: silent, warn: silent, error: silent },
      kinds: toyKinds.map(({ kind }) => kind),
      reconcilers,
      reading: world,
      writing: world,
      classify: classifyFailure,
      ...options,
    });
    engine.start();
    return engine;
  };
  const store = open();
  const toys: Toys = {
    world,
    clock,
    store,
    engine: start(store),
    reconcilers,
    async apply(name, spec) {
      const document: Manifest = { apiVersion: API_VERSION, kind: 'Thing', metadata: { name }, spec };
      await toys.store.write([{ verb: 'apply', document, manager: 'test' }], ROOT);
    },
    thing: (name) => toys.store.get('Thing', name),
    ready(name) {
      const found = toys.thing(name)?.status?.conditions?.find(({ type }) => type === 'Ready');
      return found ?? { status: 'none', reason: '', message: '' };
    },
    events: (name) =>
      toys.store
        .list('Event')
        .items.filter(({ spec }) => (spec['regarding'] as { name?: string }).name === name)
        .sort((a, b) => Number(a.metadata.resourceVersion) - Number(b.metadata.resourceVersion))
        .map(({ spec }) => String(spec['reason'])),
    async settle() {
      for (let calm = 0; calm < 8; ) {
        await new Promise((resolve) => setImmediate(resolve));
        calm = toys.engine.isIdle ? calm + 1 : calm;
        if (!toys.engine.isIdle && toys.engine.operations().some(({ step }) => step === 'PaintBox'))
          calm += 1;
      }
    },
    async pass(milliseconds) {
      for (let left = milliseconds; left > 0; left -= 500) {
        clock.advance(Math.min(500, left));
        await toys.settle();
      }
    },
    async restart() {
      await stopEngine(toys);
      await toys.store.close();
      toys.store = open();
      toys.engine = start(toys.store);
    },
    async close() {
      await stopEngine(toys);
      await toys.store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return toys;
}

/** Stopping waits on the clock, which stands still unless somebody advances it. */
async function stopEngine(toys: Toys): Promise<void> {
  let stopped = false;
  const stopping = toys.engine.stop().then(() => {
    stopped = true;
  });
  for (let turn = 0; turn < 200 && !stopped; turn += 1) {
    await new Promise((resolve) => setImmediate(resolve));
    if (turn > 20) toys.clock.advance(1000);
  }
  await stopping;
}

export { ReconcileError };
