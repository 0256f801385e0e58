/**
 * The supervisor where there is no systemd: keeps one program running, starts it again when it ends, ever more slowly while it
 * ends at once, and keeps its log from filling the disk. supervise.ts runs it as a process; it knows nothing of Holdfast.
 */
import { spawn } from 'node:child_process';
import { closeSync, copyFileSync, mkdirSync, openSync, statSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { type Clock, delay } from '../clock.ts';
import { heldEnvironment } from './held-socket.ts';
import { readOrders } from './orders.ts';
import {
  describeProcess,
  isAlive,
  liveRecord,
  type ProcessRecord,
  removeRecord,
  signalProcess,
  writeRecord,
} from './processes.ts';

export interface Supervised {
  command: string[];
  cwd: string;
  /** Its standard output and error. */
  log: string;
  /** Where it is remembered, so that another supervisor finds it after this one was killed. */
  record: string;
  /** Where it is told to run another program, or none. */
  orders?: string;
  /** Open file of a socket that is passed on to each program. */
  socket?: number;
}

export interface Limits {
  firstBackoffSeconds: number;
  longestBackoffSeconds: number;
  /** One that ran this long was well: the next wait is the first one again. */
  wellAfterSeconds: number;
  /** The log and the one before it, each. */
  logBytes: number;
}

export const limits: Limits = {
  firstBackoffSeconds: 0.5,
  longestBackoffSeconds: 2,
  wellAfterSeconds: 60,
  logBytes: 10 * 1024 * 1024,
};

/** Seconds to wait before the next start, given how long it ran and how long was waited last. Pure. */
export function nextBackoff(ranSeconds: number, lastSeconds: number, bounds: Limits = limits): number {
  if (ranSeconds >= bounds.wellAfterSeconds || lastSeconds === 0) return bounds.firstBackoffSeconds;
  return Math.min(lastSeconds * 2, bounds.longestBackoffSeconds);
}

/** The program holds the log open for appending, so it is copied and emptied, never moved. */
export function boundLog(file: string, bytes: number): void {
  try {
    if (statSync(file).size <= bytes) return;
    copyFileSync(file, `${file}.1`);
    truncateSync(file);
  } catch {
    // A full disk or a deleted log must not end the supervisor.
  }
}

/** Asks a supervisor to end its program and to look at its orders. */
export class Restart {
  count = 0;

  ask(): void {
    this.count += 1;
  }
}

/** Runs until the signal aborts; then the program is told to end and waited for, without a limit of time. */
export async function supervise(
  wanted: Supervised,
  clock: Clock,
  stop: AbortSignal,
  bounds: Limits = limits,
  restart: Restart = new Restart(),
): Promise<void> {
  let waited = 0;
  while (!stop.aborted) {
    boundLog(wanted.log, bounds.logBytes);
    const begun = clock.monotonic();
    const orders = wanted.orders === undefined ? undefined : readOrders(wanted.orders);
    if (orders?.paused === true) {
      await delay(clock, 100, stop).catch(() => undefined);
      continue;
    }
    const asked = restart.count;
    const record = liveRecord(wanted.record) ?? start(wanted, orders?.command ?? wanted.command);
    await watch(wanted, record, { clock, stop, bounds, ended: () => restart.count !== asked });
    if (stop.aborted) break;
    if (restart.count !== asked) {
      waited = 0;
      continue;
    }
    waited = nextBackoff((clock.monotonic() - begun) / 1000, waited, bounds);
    await delay(clock, waited * 1000, stop).catch(() => undefined);
  }
  removeRecord(wanted.record);
}

function start(wanted: Supervised, command: readonly string[]): ProcessRecord | undefined {
  const [program = '', ...args] = command;
  mkdirSync(path.dirname(wanted.log), { recursive: true, mode: 0o700 });
  const log = openSync(wanted.log, 'a', 0o600);
  const held = wanted.socket === undefined ? [] : [wanted.socket];
  const child = spawn(program, args, {
    cwd: wanted.cwd,
    stdio: ['ignore', log, log, ...held],
    env: { ...process.env, ...(wanted.socket === undefined ? {} : heldEnvironment) },
  });
  closeSync(log);
  // A program that cannot be started is one that ended at once.
  child.on('error', () => undefined);
  const record = child.pid === undefined ? undefined : describeProcess(child.pid);
  if (record !== undefined) writeRecord(wanted.record, record);
  return record;
}

/** Also one that another supervisor started, which cannot be waited for: so all are looked at. */
async function watch(
  wanted: Supervised,
  record: ProcessRecord | undefined,
  until: { clock: Clock; stop: AbortSignal; bounds: Limits; ended(): boolean },
): Promise<void> {
  const { clock, stop, bounds, ended } = until;
  if (record === undefined) return;
  let told = false;
  for (let round = 1; isAlive(record); round += 1) {
    if ((stop.aborted || ended()) && !told) told = signalProcess(record, 'SIGTERM');
    await delay(clock, told ? 20 : 200, told ? undefined : stop).catch(() => undefined);
    if (round % 50 === 0) boundLog(wanted.log, bounds.logBytes);
  }
}
