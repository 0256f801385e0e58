/**
 * The real nginx: a folder of its own with the sets, certificates, logs and temporary files, and one master process started
 * with that folder as its prefix, so that it shares nothing with another nginx on the host. The reconciler of Sites calls it
 * through the interface in index.ts. It signals and ends only processes that /proc shows to be ours, and it writes nowhere but
 * under its folder.
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { open, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, delay } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import { certificateStamps, removeCertificate, writeCertificate } from './certificates.ts';
import { ensureFolder, readIfThere, replaceFile } from './durable.ts';
import { emergenciesSince, errorLog, limitLog, logSize, wordsOf } from './errorlog.ts';
import { followNginx } from './follow.ts';
import {
  currentGeneration,
  discardGeneration,
  generationFolder,
  makeCurrent,
  pruneGenerations,
  readGeneration,
  stageGeneration,
} from './generations.ts';
import type { ConfigFiles, Nginx, NginxState, PublishResult, RefusedConfig } from './index.ts';
import { isLoaded, noteLoaded, pinLoaded } from './loaded.ts';
import { activeWorkers, identity, type NginxProcess, nginxProcess, nginxProcesses } from './processes.ts';
import { nginxArguments, type Program, programFinder, runProgram } from './program.ts';
import { givenUp, listensOn, refusedIn, takenIn } from './words.ts';

export interface NginxOptions {
  /** Absolute; made where it is missing. nginx's prefix. */
  folder: string;
  /** Name or path. Default: nginx. */
  program?: string;
  clock: Clock;
  log?: (message: string) => void;
  /** daemon (default): started by us, in a session of its own. systemd: the unit holdfast-nginx.service. */
  supervisor?: 'daemon' | 'systemd';
}

export const NGINX_UNIT = 'holdfast-nginx.service';

const TEST_SECONDS = 60;
const RELOAD_SECONDS = 60;
const START_SECONDS = 30;
/** What open requests get when nginx stops for good. */
const STOP_SECONDS = 10;
const POLL_MILLISECONDS = 10;

export function createNginx(options: NginxOptions): Nginx {
  return new OwnNginx(options);
}

class OwnNginx implements Nginx {
  readonly folder: string;
  readonly certificates: string;
  private readonly prefix: string;
  private readonly clock: Clock;
  private readonly log: (message: string) => void;
  private readonly supervisor: 'daemon' | 'systemd';
  private readonly findProgram: () => Promise<Program | undefined>;
  /** Writers wait for each other: two swaps at once would leave neither. */
  private turn: Promise<unknown> = Promise.resolve();
  private lastMaster = 0;

  constructor(options: NginxOptions) {
    this.prefix = options.folder;
    this.folder = join(options.folder, 'current');
    this.certificates = join(options.folder, 'certificates');
    this.clock = options.clock;
    this.log = options.log ?? (() => undefined);
    this.supervisor = options.supervisor ?? 'daemon';
    this.findProgram = programFinder(options.program ?? 'nginx');
  }

  async state(): Promise<NginxState> {
    const [program, generation, master, stamps] = await Promise.all([
      this.findProgram(),
      currentGeneration(this.prefix),
      this.master(),
      certificateStamps(this.certificates),
    ]);
    const user = await workerUser();
    return {
      running: master !== undefined,
      ...(master ? { pid: master.pid } : {}),
      ...(program ? { version: program.version } : {}),
      generation,
      loaded: master !== undefined && (await isLoaded(this.prefix, master, generation)),
      files: await readGeneration(this.prefix, generation),
      certificates: [...stamps.keys()].sort(),
      ...(user === undefined ? {} : { workerUser: user }),
    };
  }

  publish(files: ConfigFiles): Promise<PublishResult> {
    return this.inTurn(async () => {
      checkFrame(files);
      const program = await this.program();
      await this.ensureFolders();
      const before = await currentGeneration(this.prefix);
      const present = await readGeneration(this.prefix, before);
      const same = before > 0 && sameFiles(present, files);
      const generation = same ? before : await stageGeneration(this.prefix, files);
      const refused = await this.test(program, generation, files);
      if (refused) {
        if (!same) await discardGeneration(this.prefix, generation);
        return { ok: false, refused };
      }
      await this.load({ program, before, present, generation });
      await pruneGenerations(this.prefix);
      return { ok: true, generation };
    });
  }

  start(): Promise<void> {
    return this.inTurn(async () => {
      if (await this.master()) return;
      const program = await this.program();
      const generation = await currentGeneration(this.prefix);
      if (generation === 0)
        throw new DriverError('invalid', 'nginx has no configuration yet: nothing was published.');
      await this.ensureFolders();
      await this.startWith(program, generation);
    });
  }

  stop(): Promise<void> {
    return this.inTurn(async () => {
      if (this.supervisor === 'systemd') await runProgram('systemctl', ['stop', NGINX_UNIT], '/', 90);
      await this.end();
    });
  }

  writeCertificate(name: string, pem: { certificate: string; key: string }) {
    return this.inTurn(async () => {
      await this.ensureFolders();
      return writeCertificate(this.certificates, name, pem);
    });
  }

  removeCertificate(name: string): Promise<void> {
    return this.inTurn(() => removeCertificate(this.certificates, name));
  }

  async follow(onChange: () => void, signal: AbortSignal): Promise<void> {
    await this.ensureFolders();
    await followNginx({
      prefix: this.prefix,
      clock: this.clock,
      signal,
      onChange,
      look: async () => {
        // In turn: whoever waits for words in the log would miss them.
        await this.inTurn(() => limitLog(this.prefix));
        return `${identityOf(await this.master())} ${(await this.findProgram())?.path}`;
      },
    });
  }

  /** Makes a tested set the one that counts and that runs. Puts the one before back when nginx cannot take it. */
  private async load(set: {
    program: Program;
    before: number;
    present: ConfigFiles;
    generation: number;
  }): Promise<void> {
    const { before, generation } = set;
    const master = await this.master();
    if (generation !== before) {
      if (master) await pinLoaded(this.prefix, master, before);
      await makeCurrent(this.prefix, generation);
    } else if (!master || (await isLoaded(this.prefix, master, generation))) return;
    if (!master) return;
    await this.repairPidFile(master);
    try {
      await this.reload(master, generation, set.present, set.program);
    } catch (error) {
      if (generation !== before && before > 0) {
        await makeCurrent(this.prefix, before);
        await discardGeneration(this.prefix, generation);
        if (!(await this.master())) await this.startWith(set.program, before);
      }
      throw error;
    }
  }

  private async reload(
    master: NginxProcess,
    generation: number,
    present: ConfigFiles,
    program: Program,
  ): Promise<void> {
    const failure = await this.hangup(master);
    if (failure === undefined) return noteLoaded(this.prefix, master, generation);
    const taken = takenIn(failure);
    if (taken && listensOn(present, taken.port)) {
      // 127.0.0.1:443 to 0.0.0.0:443 and back: nginx stands in its own way, and only a new start gets past it.
      this.log(`nginx cannot change how it listens on port ${taken.port} by a reload; it is started again.`);
      await this.end();
      return this.startWith(program, generation);
    }
    if (taken) throw portTaken(taken, failure);
    throw new DriverError('failed', `nginx did not take the new configuration: ${failure}`);
  }

  /** Tells the master to load, and answers when it did: undefined, or its own words when it kept what it had. */
  private async hangup(master: NginxProcess): Promise<string | undefined> {
    const logs = await this.logs();
    const before = new Set((await activeWorkers(master.pid, logs)).map(identity));
    const offset = await logSize(this.prefix);
    signalProcess(master, 'SIGHUP');
    const deadline = this.clock.monotonic() + RELOAD_SECONDS * 1000;
    while (this.clock.monotonic() < deadline) {
      await delay(this.clock, POLL_MILLISECONDS);
      // Only a reload that was taken sends the old workers away; one that crashed is replaced beside the others.
      const now = (await activeWorkers(master.pid, logs)).map(identity);
      const emergencies = await emergenciesSince(this.prefix, offset, master.pid);
      if (now.length > 0 && !now.some((worker) => before.has(worker)) && emergencies.length === 0)
        return undefined;
      if (givenUp(emergencies)) return emergencies.map(wordsOf)[0];
      const alive = await nginxProcess(master.pid, logs);
      if (!alive || identity(alive) !== identity(master)) return 'it ended while it was told to load';
    }
    return `it did not answer within ${RELOAD_SECONDS} s`;
  }

  private async startWith(program: Program, generation: number): Promise<void> {
    await this.endOrphans();
    const offset = await logSize(this.prefix);
    const said = this.supervisor === 'systemd' ? await this.startUnit() : await this.startDaemon(program);
    const master = said === undefined ? await this.awaitMaster() : undefined;
    if (master) return noteLoaded(this.prefix, master, generation);
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
  private async end(): Promise<void> {
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

  private async test(
    program: Program,
    generation: number,
    files: ConfigFiles,
  ): Promise<RefusedConfig | undefined> {
    const staged = generationFolder(this.prefix, generation);
    const config = `${staged.slice(this.prefix.length + 1)}/nginx.conf`;
    const args = ['-t', ...nginxArguments(this.prefix, program.version, config)];
    const { code, output } = await runProgram(program.path, args, this.prefix, TEST_SECONDS);
    if (code === 0) return undefined;
    if (/No space left on device/.test(output)) throw new DriverError('storageFull', output.trim());
    return refusedIn(output, staged, files);
  }

  private async master(): Promise<NginxProcess | undefined> {
    const logs = await this.logs();
    const known = (await this.byPidFile(logs)) ?? (await this.byPid(this.lastMaster, logs));
    // Without a pid file that is right, everybody is looked at: the file may have been deleted under a running nginx.
    const found = known ?? (await nginxProcesses(logs)).find((entry) => entry.role === 'master');
    this.lastMaster = found?.pid ?? 0;
    return found;
  }

  private async repairPidFile(master: NginxProcess): Promise<void> {
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

  /** /proc tells real paths. */
  private logs(): Promise<string> {
    const logs = join(this.prefix, 'logs');
    return realpath(logs).catch(() => logs);
  }

  private async program(): Promise<Program> {
    const program = await this.findProgram();
    if (program) return program;
    throw new DriverError(
      'notFound',
      'nginx is not installed: there is no program of that name in PATH or /usr/sbin.',
    );
  }

  private async ensureFolders(): Promise<void> {
    for (const name of ['', 'run', 'logs', 'generations']) await ensureFolder(join(this.prefix, name), 0o755);
    await ensureFolder(this.certificates, 0o700);
    // The log may not be there yet when the first reload is confirmed by it.
    if (!existsSync(errorLog(this.prefix))) await (await open(errorLog(this.prefix), 'a', 0o640)).close();
  }

  private inTurn<T>(run: () => Promise<T>): Promise<T> {
    const result = this.turn.then(run, run);
    this.turn = result.catch(() => undefined);
    return result;
  }
}

function identityOf(process: NginxProcess | undefined): string {
  return process ? identity(process) : 'none';
}

function signalProcess(target: NginxProcess, signal: NodeJS.Signals): void {
  try {
    process.kill(target.pid, signal);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
}

function sameFiles(one: ConfigFiles, other: ConfigFiles): boolean {
  return one.size === other.size && [...one].every(([path, text]) => other.get(path) === text);
}

function checkFrame(files: ConfigFiles): void {
  const main = files.get('nginx.conf') ?? '';
  for (const words of [/^\s*pid\s+run\/nginx\.pid\s*;/m, /^\s*error_log\s+logs\/error\.log\b/m]) {
    if (!words.test(main)) {
      throw new DriverError(
        'invalid',
        'nginx.conf must say "pid run/nginx.pid;" and "error_log logs/error.log …;".',
      );
    }
  }
}

function portTaken(taken: { address: string; port: number }, words: string): DriverError {
  const place = taken.address.includes(':') ? `[${taken.address}]` : taken.address;
  return new DriverError('conflict', `${place}:${taken.port} is taken by another program (${words}).`);
}

/** The first of the customary users that this machine has. */
async function workerUser(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = new Set(
    (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':')[0]),
  );
  return ['www-data', 'nginx', 'http', 'nobody'].find((name) => users.has(name));
}
