/**
 * The master process of our nginx: found, started, told to load, ended. Called by process.ts, which knows what is to be loaded.
 * Signals only processes that processes.ts shows to be ours.
 */
import { spawn } from 'node:child_process';
import { open, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import { readIfThere, replaceFile } from './durable.ts';
import { emergenciesSince, logSize, wordsOf } from './errorlog.ts';
import { activeWorkers, identity, type NginxProcess, nginxProcess, nginxProcesses } from './processes.ts';
import { nginxArguments, type Program, runProgram } from './program.ts';
import { replaceMaster } from './replace.ts';
import { givenUp, takenIn } from './words.ts';

export const NGINX_UNIT = 'holdfast-nginx.service';

const RELOAD_SECONDS = 60;
const START_SECONDS = 30;
/** What open requests get when nginx stops for good. */
const STOP_SECONDS = 10;
const POLL_MILLISECONDS = 10;

interface MasterOptions {
  prefix: string;
  clock: Clock;
  log: (message: string) => void;
  supervisor: 'daemon' | 'systemd';
}

export class NginxMaster {
  private readonly prefix: string;
  private readonly clock: Clock;
  private readonly log: (message: string) => void;
  private readonly supervisor: 'daemon' | 'systemd';
  private lastPid = 0;

  constructor(options: MasterOptions) {
    this.prefix = options.prefix;
    this.clock = options.clock;
    this.log = options.log;
    this.supervisor = options.supervisor;
  }

  async find(): Promise<NginxProcess | undefined> {
    const logs = await this.logs();
    const known = (await this.byPidFile(logs)) ?? (await this.byPid(this.lastPid, logs));
    // Without a pid file that is right, everybody is looked at: the file may have been deleted under a running nginx.
    const found = known ?? (await nginxProcesses(logs)).find((entry) => entry.role === 'master');
    this.lastPid = found?.pid ?? 0;
    return found;
  }

  /** For tools that look there. A part of writing, not of looking. */
  async repairPidFile(master: NginxProcess): Promise<void> {
    if (await this.byPidFile(await this.logs())) return;
    await replaceFile(join(this.prefix, 'run', 'nginx.pid'), `${master.pid}\n`, 0o644);
  }

  private async byPidFile(logs: string): Promise<NginxProcess | undefined> {
    return this.byPid(Number((await readIfThere(join(this.prefix, 'run', 'nginx.pid')))?.trim()), logs);
  }

  private async byPid(pid: number, logs: string): Promise<NginxProcess | undefined> {
    if (!Number.isInteger(pid) || pid <= 0) return undefined;
    const found = await nginxProcess(pid, logs);
    return found?.role === 'master' ? found : undefined;
  }

  /** Tells the master to load, and answers when it did: undefined, or its own words when it kept what it had. */
  async hangup(master: NginxProcess): Promise<string | undefined> {
    const logs = await this.logs();
    const before = await this.workersOf(master, logs);
    const offset = await logSize(this.prefix);
    signalProcess(master, 'SIGHUP');
    const deadline = this.clock.monotonic() + RELOAD_SECONDS * 1000;
    while (this.clock.monotonic() < deadline) {
      await delay(this.clock, POLL_MILLISECONDS);
      // Only a reload that was taken sends the old workers away; one that crashed is replaced beside the others.
      const now = (await activeWorkers(master.pid, logs)).map(identity);
      const emergencies = await emergenciesSince(this.prefix, offset, master.pid);
      if (givenUp(emergencies)) return emergencies.map(wordsOf)[0];
      if (now.length > 0 && !now.some((worker) => before.has(worker))) return undefined;
      const alive = await nginxProcess(master.pid, logs);
      if (!alive || identity(alive) !== identity(master)) return 'it ended while it was told to load';
    }
    return `it did not answer within ${RELOAD_SECONDS} s`;
  }

  /** A master that was just started has none yet: those that it is about to make would be taken for what a reload brings. */
  private async workersOf(master: NginxProcess, logs: string): Promise<Set<string>> {
    let found: string[] = [];
    await this.until(START_SECONDS, async () => {
      found = (await activeWorkers(master.pid, logs)).map(identity);
      return found.length > 0 || (await nginxProcess(master.pid, logs)) === undefined;
    });
    return new Set(found);
  }

  /** Puts the program on disk in the place of the master. Answers the new master, or why the old one goes on. */
  async replace(master: NginxProcess): Promise<NginxProcess | string> {
    const options = {
      prefix: this.prefix,
      logs: await this.logs(),
      clock: this.clock,
      signal: signalProcess,
    };
    const next = await replaceMaster(master, options);
    if (typeof next !== 'string') this.lastPid = next.pid;
    return next;
  }

  /** Answers the new master when it listens. Nothing of ours may run with a master. */
  async start(program: Program): Promise<NginxProcess> {
    await this.endOrphans();
    const offset = await logSize(this.prefix);
    const said = this.supervisor === 'systemd' ? await this.startUnit() : await this.startDaemon(program);
    const master = said === undefined ? await this.awaitMaster() : undefined;
    if (master) return master;
    const emergencies = await emergenciesSince(this.prefix, offset, 0);
    const words = `${said ?? 'it ended at once'}\n${emergencies.join('\n')}`;
    const taken = takenIn(words);
    const first = emergencies.map(wordsOf)[0] ?? said ?? 'it ended at once';
    if (taken) throw portTaken(taken, first);
    throw new DriverError('failed', `nginx does not start: ${first}`);
  }

  /** nginx makes itself a daemon: the program we start ends when the ports are bound, with 0. */
  private async startDaemon(program: Program): Promise<string | undefined> {
    const path = join(this.prefix, 'logs', 'start.log');
    const output = await open(path, 'w', 0o644);
    try {
      const child = spawn(program.path, nginxArguments(this.prefix, program.version), {
        cwd: this.prefix,
        detached: true,
        stdio: ['ignore', output.fd, output.fd],
      });
      const code = await new Promise<number | string>((resolve, reject) => {
        child.on('error', reject);
        child.on('exit', (exitCode, signal) => resolve(exitCode ?? signal ?? 'unknown'));
      });
      if (code === 0) return undefined;
      return (await readFile(path, 'utf8')).trim() || `exit code ${code}`;
    } finally {
      await output.close();
    }
  }

  private async startUnit(): Promise<string | undefined> {
    // A unit that failed often may not be started again until it is forgotten.
    await runProgram('systemctl', ['reset-failed', NGINX_UNIT], '/', 30);
    const { code, output } = await runProgram('systemctl', ['start', NGINX_UNIT], '/', 90);
    return code === 0 ? undefined : output.trim() || `systemctl start ${NGINX_UNIT}: exit code ${code}`;
  }

  private async awaitMaster(): Promise<NginxProcess | undefined> {
    const logs = await this.logs();
    const deadline = this.clock.monotonic() + START_SECONDS * 1000;
    while (this.clock.monotonic() < deadline) {
      const master = await this.byPidFile(logs);
      if (master) return master;
      await delay(this.clock, POLL_MILLISECONDS);
    }
    return undefined;
  }

  /** Workers whose master was killed go on listening: they must let go of the ports before a new master can have them. */
  private async endOrphans(): Promise<void> {
    for (const signal of ['SIGQUIT', 'SIGTERM', 'SIGKILL'] as const) {
      const orphans = (await nginxProcesses(await this.logs())).filter((entry) => entry.role !== 'shutting');
      if (orphans.length === 0) return;
      this.log(`Ending ${orphans.length} nginx processes without a master (${signal}).`);
      for (const orphan of orphans) signalProcess(orphan, signal);
      await this.until(3, async () =>
        (await nginxProcesses(await this.logs())).every((entry) => entry.role === 'shutting'),
      );
    }
  }

  /** Lets requests finish for a while; when this answers, nothing of ours runs. */
  async end(): Promise<void> {
    const steps = [
      ['SIGQUIT', STOP_SECONDS],
      ['SIGTERM', 5],
      ['SIGKILL', 5],
    ] as const;
    for (const [signal, seconds] of steps) {
      const running = await nginxProcesses(await this.logs());
      if (running.length === 0) return;
      const masters = running.filter((entry) => entry.role === 'master');
      const targets = signal === 'SIGKILL' || masters.length === 0 ? running : masters;
      for (const target of targets) signalProcess(target, signal);
      await this.until(seconds, async () => (await nginxProcesses(await this.logs())).length === 0);
    }
  }

  private async until(seconds: number, done: () => Promise<boolean>): Promise<void> {
    const deadline = this.clock.monotonic() + seconds * 1000;
    while (this.clock.monotonic() < deadline) {
      if (await done()) return;
      await delay(this.clock, POLL_MILLISECONDS * 5);
    }
  }

  /** /proc tells real paths. */
  private logs(): Promise<string> {
    const logs = join(this.prefix, 'logs');
    return realpath(logs).catch(() => logs);
  }
}

export function portTaken(taken: { address: string; port: number }, words: string): DriverError {
  const place = taken.address.includes(':') ? `[${taken.address}]` : taken.address;
  return new DriverError('conflict', `${place}:${taken.port} is taken by another program (${words}).`);
}

function signalProcess(target: NginxProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}
