/**
 * A dockerd of our own, where there is neither systemd nor an engine that answers: started in its own session, remembered, and
 * stopped only while nothing runs in it. scripts/setup.sh starts one in the same way and leaves the same record. An engine that
 * somebody else started is never stopped.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type Dockerode from 'dockerode';
import { type Clock, delay } from '../clock.ts';
import { findEngine } from './inventory.ts';
import { boundLog, limits } from './loop.ts';
import { describeProcess, endProcess, type ProcessRecord } from './processes.ts';
import { hasSystemd } from './units.ts';

/** In /run, for a reboot ends the process: "pid starttime". */
const RECORD = '/run/holdfast/dockerd';
const LOG = '/var/log/holdfast-dockerd.log';
const folders = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

function dockerdProgram(): string | undefined {
  return folders.map((folder) => path.join(folder, 'dockerd')).find((file) => existsSync(file));
}

/** Whether containers can exist on this machine at all, though no engine may answer now. */
export function mayHaveContainers(): boolean {
  return (
    dockerdProgram() !== undefined ||
    existsSync('/var/run/docker.sock') ||
    process.env['DOCKER_HOST'] !== undefined
  );
}

function ownDockerd(): ProcessRecord | undefined {
  let words: string[];
  try {
    words = readFileSync(RECORD, 'utf8').trim().split(' ');
  } catch {
    return undefined;
  }
  const alive = describeProcess(Number(words[0]));
  return alive?.startTime === words[1] ? alive : undefined;
}

/** The engine that answers, or one that is started now. undefined where neither can be. */
export async function ensureEngine(
  clock: Clock,
  say: (line: string) => void,
): Promise<Dockerode | undefined> {
  const present = await findEngine();
  const program = dockerdProgram();
  if (present !== undefined || program === undefined) return present;
  if (hasSystemd() || process.env['DOCKER_HOST'] !== undefined) return undefined;
  say(`dockerd is started; its log is ${LOG}`);
  mkdirSync(path.dirname(RECORD), { recursive: true, mode: 0o700 });
  boundLog(LOG, limits.logBytes);
  const log = openSync(LOG, 'a', 0o640);
  const child = spawn(program, [], { cwd: '/', detached: true, stdio: ['ignore', log, log] });
  child.unref();
  const record = describeProcess(child.pid ?? 0);
  if (record !== undefined) writeFileSync(RECORD, `${record.pid} ${record.startTime}\n`);
  const deadline = clock.monotonic() + 30_000;
  for (;;) {
    const engine = await findEngine();
    if (engine !== undefined) return engine;
    if (child.exitCode !== null || clock.monotonic() > deadline) {
      throw new Error(`dockerd did not come up; ${LOG} tells why.`);
    }
    await delay(clock, 200);
  }
}

/** Ends the dockerd that was started for Holdfast. `busy` when somebody's containers run in it. */
export async function stopOwnEngine(
  docker: Dockerode,
  clock: Clock,
): Promise<'stopped' | 'busy' | 'foreign'> {
  const record = ownDockerd();
  if (record === undefined) return 'foreign';
  if ((await docker.listContainers()).length > 0) return 'busy';
  await endProcess(clock, record, 30);
  rmSync(RECORD, { force: true });
  return 'stopped';
}
