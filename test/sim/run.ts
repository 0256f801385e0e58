/**
 * Lets a history happen and judges it: every invariant all the way, and at the end that everything is as the documents deserve, within a
 * bounded number of reconciles, that looking again does nothing, that a newer program does nothing, and that what is deleted leaves
 * nothing but its data.
 */
import { condition } from '../../resources/document.ts';
import { seeded } from '../support/random.ts';
import { disturbanceOf } from './disturbances.ts';
import { CALM_SECONDS, type Ending, type History } from './history.ts';
import { parts } from './parts/index.ts';
import { Broken, Simulation } from './simulation.ts';

export interface Verdict {
  history: History;
  /** Undefined: everything held. */
  broken?: { invariant: string; message: string };
  /** SHA-256 over the trace. */
  digest: string;
  /** Kept on request. */
  trace: readonly string[];
  /** Points at which the controller could have crashed. */
  points: number;
  lives: number;
  commits: number;
  /** Virtual seconds from the last disturbance until all was well. */
  settledAfter: number;
}

export interface RunOptions {
  folder: string;
  keepTrace?: boolean;
  crashAt?: ReadonlySet<number>;
}

/** Until all must be well after the last disturbance: more than the longest backoff and a resync after it. */
const SETTLE_SECONDS = 1_800;
/** A step or a look that does not end is given up within this long, in milliseconds. */
const HANGS_AT_MOST = 130_000;
/** Reconciles from the last disturbance until all is well, and for each document. */
const MOST_RECONCILES = 60;
const MOST_RECONCILES_EACH = 50;
const EACH = ['App', 'Addon', 'Binding', 'Domain', 'Certificate'];

export async function runHistory(history: History, options: RunOptions): Promise<Verdict> {
  const { seed, apps, files } = history;
  const sim = new Simulation({ seed, apps, files, ...options });
  let broken: Verdict['broken'];
  let settledAfter = 0;
  const unexpected = (error: unknown) => sim.fail('no error is left unhandled', words(error));
  process.on('unhandledRejection', unexpected);
  try {
    settledAfter = await happen(sim, history);
  } catch (error) {
    if (error instanceof Broken) broken = { invariant: error.invariant, message: error.message };
    else broken = { invariant: 'the simulation itself works', message: words(error) };
    sim.trace.say(`BROKEN: ${broken.invariant}: ${broken.message}`);
  } finally {
    process.off('unhandledRejection', unexpected);
    sim.close();
  }
  const { points, lives, commits, trace } = sim;
  return {
    history,
    ...(broken ? { broken } : {}),
    digest: trace.digest(),
    trace: trace.lines,
    points,
    lives,
    commits,
    settledAfter,
  };
}

function words(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

async function happen(sim: Simulation, history: History): Promise<number> {
  await sim.advance(history.calm ? 5_000 : 500);
  sim.faults.rates = history.rates;
  sim.isCalm = history.calm;
  for (const [index, { name, seed, pause }] of history.entries.entries()) {
    sim.trace.say(`#${index + 1} ${name}`);
    disturbanceOf(name).act(sim, seeded(seed));
    await sim.advance(pause);
    if (history.calm) await expectCalm(sim, name);
  }
  return finish(sim, history.ending);
}

/** In a calm history nothing but what was announced has happened, so that no resync is needed for it. */
async function expectCalm(sim: Simulation, what: string): Promise<void> {
  if (sim.clock.monotonic() - sim.unannouncedAt < CALM_SECONDS * 1000) return;
  const [problem] = problemsNow(sim);
  if (problem !== undefined) throw new Broken(`all is well ${CALM_SECONDS} s after: ${what}`, problem);
}

function problemsNow(sim: Simulation): string[] {
  if (!sim.core) return ['the controller does not run'];
  return parts.flatMap((part) => part.problems?.(sim) ?? []);
}

async function finish(sim: Simulation, ending: Ending): Promise<number> {
  sim.trace.say('the last disturbance is over');
  sim.isCalm = false;
  sim.faults.clear();
  sim.crashIn = undefined;
  sim.setDiskFull(false);
  await untilUp(sim);
  const before = reconciles(sim);
  const began = sim.clock.monotonic();
  for (const part of parts) part.lift?.(sim);
  await untilWell(sim);
  const took = (sim.clock.monotonic() - began) / 1000;
  boundReconciles(sim, reconciles(sim) - before, took);
  sim.isJudged = true;
  await expectNothing(sim);
  sim.isJudged = false;
  if (ending.newProgram) await expectNothingOfNewProgram(sim);
  if (ending.store) expectSoundStore(sim);
  if (ending.deletion) await expectNothingLeft(sim);
  return took;
}

async function untilUp(sim: Simulation): Promise<void> {
  for (let second = 0; second < 120 && !sim.core; second += 1) await sim.advance(1_000);
  if (!sim.core) throw new Broken('the controller comes up', 'it did not, in two minutes');
}

/** Whatever a person must say again is said once: after half of the time. */
async function untilWell(sim: Simulation): Promise<void> {
  let last = '';
  for (let second = 0; second < SETTLE_SECONDS; second += 15) {
    await sim.advance(15_000);
    const problems = problemsNow(sim);
    if (problems.length === 0) return;
    last = problems.join('; ');
    if (second === 60 || second === 600) for (const part of parts) part.lift?.(sim);
  }
  throw new Broken('after the last disturbance everything becomes as its document deserves', last);
}

function reconciles({ core }: Simulation): number {
  return [...(core?.engine.counts.values() ?? [])].reduce((sum, count) => sum + count, 0);
}

function boundReconciles(sim: Simulation, count: number, seconds: number): void {
  const documents = EACH.reduce((sum, kind) => sum + (sim.store?.list(kind).items.length ?? 0), 0);
  const servers = sim.store?.list('Addon').items.length ?? 0;
  // A server that does not answer is asked each two seconds; what waits for something is looked at each ten.
  const most = MOST_RECONCILES + MOST_RECONCILES_EACH * documents + seconds * (1 / 5 + servers / 2);
  if (count > most)
    throw new Broken('it takes a bounded number of reconciles', `${count} runs, at most ${most}`);
}

/** Platform notes what is used on each day: a midnight while it is looked whether anything happens would be something. */
async function passMidnight(sim: Simulation): Promise<void> {
  const left = DAY - (((sim.clock.now() % DAY) + DAY) % DAY);
  if (left < HANGS_AT_MOST + 60_000) await sim.advance(left);
}

const DAY = 86_400_000;

/** The second time changes nothing. */
async function expectNothing(sim: Simulation): Promise<void> {
  await passMidnight(sim);
  // Once for what nobody told of, such as a comment in a file of nginx; and what hangs since the last disturbance is given up.
  void sim.core?.engine.resync();
  await sim.advance(HANGS_AT_MOST);
  // And once for what came of that, such as an image that Docker went on pulling.
  void sim.core?.engine.resync();
  await sim.advance(20_000);
  const isAllReady = everyoneIsReady(sim);
  const { writes, changes } = sim;
  for (let round = 0; round < 2; round += 1) {
    void sim.core?.engine.resync();
    await sim.advance(20_000);
  }
  // What fails is tried again, and what ends again and again serves now and then.
  if (isCrashing(sim)) return;
  if (isAllReady && sim.writes !== writes)
    throw new Broken('a further resync makes no writing call', `${sim.writes - writes} were made`);
  if (isAllReady && sim.changes !== changes)
    throw new Broken('a further resync writes nothing', `${sim.changes - changes} documents were written`);
}

function isCrashing({ store }: Simulation): boolean {
  const apps = store?.list('App').items ?? [];
  return apps.some((app) => condition(app, 'Ready')?.reason === 'CrashLooping');
}

function everyoneIsReady({ store }: Simulation): boolean {
  const all = parts.flatMap(({ kind }) => store?.list(kind).items ?? []);
  return all.every((document) => {
    const ready = condition(document, 'Ready');
    return ready === undefined || ready.status === 'True';
  });
}

async function expectNothingOfNewProgram(sim: Simulation): Promise<void> {
  const { writes } = sim;
  const isAllReady = everyoneIsReady(sim);
  // Nobody could note that its files were changed back again and again, so that the next program does not know of it.
  const isUnknown = sim.memory.nginxRested && sim.store?.list('Site').items.length === 0;
  sim.version = `${sim.version}-newer`;
  sim.downtime = 1_000;
  sim.restart();
  await sim.advance(90_000);
  if (isAllReady && sim.writes !== writes && !isUnknown)
    throw new Broken('a newer program changes nothing that is well', `${sim.writes - writes} writing calls`);
  const [problem] = problemsNow(sim);
  if (problem !== undefined) throw new Broken('all is well under a newer program', problem);
}

function expectSoundStore({ store }: Simulation): void {
  const [problem] = store?.problems() ?? [];
  if (problem !== undefined) throw new Broken('the store is sound', problem);
}

/** Of what is not being deleted yet. Answers whether there was any. */
function askToDelete(sim: Simulation, kind: string): boolean {
  const all = (sim.store?.list(kind).items ?? []).filter(({ metadata }) => !metadata.deletionTimestamp);
  for (const { metadata } of all) {
    const reference = { kind, name: metadata.name };
    sim.people(`delete ${kind.toLowerCase()}/${metadata.name}`, [{ verb: 'delete', reference }]);
  }
  return all.length > 0;
}

/** What others are in use by goes after them. */
const ORDER = ['App', 'Addon', 'Domain'];

async function expectNothingLeft(sim: Simulation): Promise<void> {
  for (const part of parts) part.empty?.(sim);
  for (const kind of ORDER) {
    const isAnyThere = (sim.store?.list(kind).items.length ?? 0) > 0;
    const asked = askToDelete(sim, kind);
    if (isAnyThere) await sim.advance(60_000);
    // Who was not answered, because the controller crashed just then, asks again.
    if (asked && askToDelete(sim, kind)) await sim.advance(60_000);
  }
  const [problem] = parts.flatMap((part) => part.leftovers?.(sim) ?? []);
  if (problem !== undefined) throw new Broken('what is deleted leaves nothing but its data', problem);
}
