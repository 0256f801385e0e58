/**
 * Processes that outlive the command that started them: remembered in a file, known again by number and start time, ended
 * kindly and then by force. up, down and the supervisor use it. It never signals a process that is not the one remembered.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type Clock, delay } from '../clock.ts';

export interface ProcessRecord {
  pid: number;
  /** Clock ticks since boot, from /proc: a number alone may be another process by now. */
  startTime: string;
  /** Of the boot in which it was started: start times of another boot mean nothing. */
  boot: string;
}

function readQuietly(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

function bootId(): string {
  return readQuietly('/proc/sys/kernel/random/boot_id').trim();
}

/** undefined for a process that is gone, or that is dead and not yet waited for. */
export function processStart(pid: number): string | undefined {
  const stat = readQuietly(`/proc/${pid}/stat`);
  // The program's name in parentheses may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : fields[19];
}

/** Its words, from /proc. Empty for a process that is gone. */
export function commandLine(pid: number): string[] {
  return readQuietly(`/proc/${pid}/cmdline`).split('\0').filter(Boolean);
}

export function describeProcess(pid: number): ProcessRecord | undefined {
  const startTime = processStart(pid);
  return startTime === undefined ? undefined : { pid, startTime, boot: bootId() };
}

export function isAlive(record: ProcessRecord): boolean {
  return record.boot === bootId() && processStart(record.pid) === record.startTime;
}

/** `more` is for people and for whoever started it; the process is known by the record alone. */
export function writeRecord(file: string, record: ProcessRecord, more: object = {}): void {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const staged = `${file}.new`;
  writeFileSync(staged, `${JSON.stringify({ ...record, ...more })}\n`, { mode: 0o600 });
  renameSync(staged, file);
}

export function removeRecord(file: string): void {
  rmSync(file, { force: true });
}

/** The process that was remembered, if it is alive. Anything else in the file counts as nothing. */
export function liveRecord(file: string): ProcessRecord | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof value !== 'object' || value === null) return undefined;
    const { pid, startTime, boot } = value as Record<string, unknown>;
    if (typeof pid !== 'number' || typeof startTime !== 'string' || typeof boot !== 'string')
      return undefined;
    const record = { pid, startTime, boot };
    return isAlive(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Sends a signal to exactly this process. False when it is gone. */
export function signalProcess(record: ProcessRecord, signal: NodeJS.Signals): boolean {
  if (!isAlive(record)) return false;
  try {
    process.kill(record.pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

/** SIGTERM (or what is given), and SIGKILL after this many seconds. Answers when it is gone. */
export async function endProcess(
  clock: Clock,
  record: ProcessRecord,
  graceSeconds: number,
  first: NodeJS.Signals = 'SIGTERM',
): Promise<void> {
  signalProcess(record, first);
  if (await waitForEnd(clock, record, graceSeconds)) return;
  signalProcess(record, 'SIGKILL');
  if (await waitForEnd(clock, record, 10)) return;
  const words = commandLine(record.pid).join(' ');
  throw new Error(
    `Process ${record.pid} (${words}) does not end, not even by SIGKILL; it may wait for a disk.`,
  );
}

async function waitForEnd(clock: Clock, record: ProcessRecord, seconds: number): Promise<boolean> {
  const deadline = clock.monotonic() + seconds * 1000;
  while (isAlive(record)) {
    if (clock.monotonic() > deadline) return false;
    await delay(clock, 50);
  }
  return true;
}
