/**
 * What holds at every moment, whatever happens. Each is a sentence and a function that answers what is wrong, or nothing. They are asked
 * before and after each call that writes, at each change of the store, at each line of the log, and when the store is opened.
 */
import type { SqliteStore } from '../../controller/store/sqlite-store.ts';
import type { Change } from '../../controller/store/types.ts';
import { type ContainerSpec, LABEL } from '../../reconcilers/drivers/docker/index.ts';
import type { Document } from '../../resources/document.ts';
import type { Call } from './drivers.ts';
import { foreignThings } from './memory.ts';
import { parts } from './parts/index.ts';
import { hasSecret } from './secrets.ts';
import type { Simulation } from './simulation.ts';
import { ourContainers } from './world.ts';

export type Moment =
  /** About to be made. */
  | { type: 'call'; call: Call }
  /** It has had its effect. Not heard: whoever made it is dead. */
  | { type: 'done'; call: Call; isHeard: boolean }
  | { type: 'change'; change: Change }
  | { type: 'log'; level: string; text: string }
  | { type: 'opened'; store: SqliteStore };

export interface Invariant {
  /** A sentence that is true. */
  name: string;
  check(sim: Simulation, moment: Moment): string | undefined;
}

const foreignStays: Invariant = {
  name: 'nothing foreign is touched',
  check(sim, moment) {
    if (moment.type !== 'done' || sim.memory.foreign.size === 0) return undefined;
    const present = foreignThings(sim.world);
    for (const [key, look] of sim.memory.foreign) {
      if (present.get(key) !== look) return `${key} was ${look} and is ${present.get(key) ?? 'gone'}`;
    }
    return undefined;
  },
};

const dataStays: Invariant = {
  name: 'no data is removed that nobody asked to remove',
  check({ memory, world }, moment) {
    if (moment.type !== 'done' || moment.call.driver !== 'host') return undefined;
    const { folders } = world.host.state;
    for (const folder of folders.keys()) if (folder.startsWith('/state/apps/')) memory.folders.add(folder);
    for (const folder of memory.folders) {
      const app = folder.split('/')[3] ?? '';
      if (!folders.has(folder) && !memory.mayLose.has(app)) return `${folder} is gone`;
    }
    return undefined;
  },
};

const volumesAreKept: Invariant = {
  name: 'nothing that an App writes goes with its container',
  check({ world }, moment) {
    if (moment.type !== 'done' || moment.call.method !== 'createContainer') return undefined;
    const bad = ourContainers(world.docker).find(({ anonymousVolumes }) => anonymousVolumes.length > 0);
    return (
      bad && `${bad.name} has ${bad.anonymousVolumes.length} anonymous volumes, which are removed with it`
    );
  },
};

/** An upgrade of a database runs two servers for a while, each on data of its own. */
const oneContainer: Invariant = {
  name: 'never do two containers of one document run, nor two on the same data',
  check({ world }, moment) {
    if (moment.type !== 'done' || moment.call.driver !== 'docker') return undefined;
    const running = new Map<string, string>();
    for (const { name, spec, state } of ourContainers(world.docker)) {
      if (state !== 'running' && state !== 'paused' && state !== 'restarting') continue;
      const uid = spec.labels[LABEL.uid] ?? '';
      const isDatabase = spec.labels[LABEL.kind] === 'Addon';
      const data = spec.mounts.find(({ device }) => device !== undefined)?.device;
      const key = isDatabase && data !== undefined ? data : uid;
      const other = running.get(key);
      if (other !== undefined) return `${other} and ${name} run, both for ${spec.labels[LABEL.name]}`;
      running.set(key, name);
    }
    return undefined;
  },
};

const madeIsKnown: Invariant = {
  name: 'what a life of the controller has made it knows of, also where the answer was lost',
  check({ world, memory: { makers }, lives }, moment) {
    if (moment.type !== 'call' && moment.type !== 'done') return undefined;
    const { method, args } = moment.call;
    if (method !== 'createContainer') return undefined;
    const { name } = args[0] as ContainerSpec;
    const there = world.docker.engine.find(name);
    if (!there) return undefined;
    if (moment.type === 'done' && moment.isHeard) makers.set(there.id, lives);
    if (moment.type === 'call' && makers.get(there.id) === lives)
      return `${name} is made again, beside ${there.id}`;
    return undefined;
  },
};

let told: { change: Change; text: string } | undefined;

/** What people are told by a change: more than one invariant reads it. */
function toldBy(change: Change): string {
  if (told?.change === change) return told.text;
  const { document } = change;
  const text = JSON.stringify((document.kind === 'Event' ? document : document.status) ?? '');
  told = { change, text };
  return text;
}

const secretsStaySecret: Invariant = {
  name: 'no secret is in an event, a log line or a status',
  check({ world }, moment) {
    if (moment.type === 'log') return hasSecret(moment.text) ? moment.text : undefined;
    if (moment.type === 'done' && moment.call.method === 'createContainer') {
      const shown = ourContainers(world.docker).find(({ spec }) => hasSecret(JSON.stringify(spec.labels)));
      return shown && `a label of ${shown.name} has it`;
    }
    if (moment.type !== 'change') return undefined;
    const { document } = moment.change;
    const text = toldBy(moment.change);
    return hasSecret(text) ? `${document.kind}/${document.metadata.name}: ${text}` : undefined;
  },
};

const wordsAreForPeople: Invariant = {
  name: 'what is told is about the world, and never about a mistake of the program',
  check(sim, moment) {
    if (moment.type === 'log') {
      const isOwn =
        moment.level === 'error' && !sim.isDiskFull && !/StorageFull|disk is full/.test(moment.text);
      return isOwn || MISTAKE.test(moment.text) ? moment.text : undefined;
    }
    if (moment.type !== 'change') return undefined;
    const { document } = moment.change;
    const text = toldBy(moment.change);
    return MISTAKE.test(text) ? `${document.kind}/${document.metadata.name}: ${text}` : undefined;
  },
};

const MISTAKE =
  /event not written.*not valid|TypeError|is not a function|Cannot read prop|undefined|\[object |\bNaN\b|was planned before/;

const changesHaveReasons: Invariant = {
  name: 'every step that is told of has a reason with a cause',
  check(_sim, moment) {
    if (moment.type !== 'change' || moment.change.document.kind !== 'Event') return undefined;
    const { spec, metadata } = moment.change.document as Document<{
      step?: { because?: { cause?: string }[] };
    }>;
    const { step } = spec;
    if (!step) return undefined;
    const reasons = step.because ?? [];
    const isGood = reasons.length > 0 && reasons.every(({ cause }) => (cause ?? '') !== '');
    return isGood ? undefined : `event ${metadata.name}: ${JSON.stringify(spec)}`;
  },
};

const statusIsOfThisGeneration: Invariant = {
  name: 'a status says which generation it speaks of, and times do not lie',
  check({ clock }, moment) {
    if (moment.type !== 'change') return undefined;
    const { document } = moment.change;
    const { observedGeneration, observedAt, conditions = [] } = document.status ?? {};
    const { generation } = document.metadata;
    if (observedGeneration === undefined) return undefined;
    const name = `${document.kind}/${document.metadata.name}`;
    if (observedGeneration > generation)
      return `${name} speaks of ${observedGeneration}, is at ${generation}`;
    const early = conditions.find((entry) => (entry.observedGeneration ?? 0) > generation);
    if (early) return `${name}: ${early.type} speaks of ${early.observedGeneration}, is at ${generation}`;
    const late =
      observedAt !== undefined && Date.parse(observedAt) > clock.now() + 1 ? observedAt : undefined;
    return late === undefined || clock.hasJumped
      ? undefined
      : `${name} was observed in the future, at ${late}`;
  },
};

const nothingIsForgotten: Invariant = {
  name: 'what the store has answered or told is there after every crash',
  check({ memory }, moment) {
    if (moment.type !== 'opened') return undefined;
    const { store } = moment;
    if (store.version < memory.answeredVersion)
      return `version ${memory.answeredVersion} was answered, ${store.version} is there`;
    if (store.version !== memory.version)
      return `version ${memory.version} was told, ${store.version} is there`;
    for (const [key, document] of memory.documents) {
      const [kind = '', name = ''] = key.split('/');
      const present = store.get(kind, name);
      if (present?.metadata.resourceVersion !== document.metadata.resourceVersion) {
        return `${key} was at ${document.metadata.resourceVersion} and is ${present?.metadata.resourceVersion ?? 'gone'}`;
      }
      if (kind !== 'Event' && JSON.stringify(present) !== JSON.stringify(document))
        return `${key} is another`;
    }
    return undefined;
  },
};

const toldIsStored: Invariant = {
  name: 'nothing is told before it is on disk',
  check(sim, moment) {
    if (moment.type !== 'change' || !sim.isInTransaction) return undefined;
    const { kind, metadata } = moment.change.document;
    return `${kind}/${metadata.name} is told while its transaction is open`;
  },
};

const NOT_CONVERGED = /^warn not converged (\{.*"outcome":"retry".*\})$/s;

/** Without a resync, which would hide it: looked for right after, unless the same kind was worked on again. */
const failedIsTriedAgain: Invariant = {
  name: 'what failed is tried again, by itself',
  check(sim, moment) {
    const { core } = sim;
    if (moment.type !== 'log' || !core) return undefined;
    const [, fields] = NOT_CONVERGED.exec(moment.text) ?? [];
    if (fields === undefined) return undefined;
    const { kind, key } = JSON.parse(fields) as { kind: string; key: string };
    const { engine } = core;
    const runs = () =>
      [...engine.counts].reduce((sum, [name, count]) => (name.startsWith(`${kind}/`) ? sum + count : sum), 0);
    const before = runs();
    sim.clock.after(1, () => {
      if (sim.core !== core || !engine.isIdle || runs() !== before) return;
      const waits = engine.operations().some((entry) => entry.kind === kind && entry.key === key);
      if (!waits) sim.fail(failedIsTriedAgain.name, `${kind} ${key} failed, and nothing is to come of it`);
    });
    return undefined;
  },
};

const general: readonly Invariant[] = [
  foreignStays,
  dataStays,
  volumesAreKept,
  oneContainer,
  madeIsKnown,
  secretsStaySecret,
  wordsAreForPeople,
  changesHaveReasons,
  statusIsOfThisGeneration,
  nothingIsForgotten,
  toldIsStored,
  failedIsTriedAgain,
];

export const INVARIANTS: readonly Invariant[] = [
  ...general,
  ...parts.flatMap(({ invariants = [] }) => invariants),
];
