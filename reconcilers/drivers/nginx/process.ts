/**
 * The real nginx: a folder of its own with the sets, certificates, logs and temporary files, and one master process started
 * with that folder as its prefix, so that it shares nothing with another nginx on the host. The reconciler of Sites calls it
 * through the interface in index.ts. It signals and ends only processes that /proc shows to be ours, and it writes nowhere but
 * under its folder.
 */
import { existsSync } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import { certificateStamps, readCertificate, removeCertificate, writeCertificate } from './certificates.ts';
import { ensureFolder } from './durable.ts';
import { errorLog, limitLog } from './errorlog.ts';
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
import type { ConfigFiles, Nginx, NginxState, PemPair, PublishResult, RefusedConfig } from './index.ts';
import { isLoaded, noteLoaded, pinLoaded, staleCertificates } from './loaded.ts';
import { NGINX_UNIT, NginxMaster, portTaken } from './master.ts';
import { identity, type NginxProcess } from './processes.ts';
import { nginxArguments, type Program, programFinder, runProgram } from './program.ts';
import { listensOn, refusedIn, takenIn } from './words.ts';

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

const TEST_SECONDS = 60;
const TRY_AGAIN_MILLISECONDS = 3_600_000;

export function createNginx(options: NginxOptions): Nginx {
  return new OwnNginx(options);
}

class OwnNginx implements Nginx {
  readonly folder: string;
  readonly certificates: string;
  private readonly prefix: string;
  private readonly clock: Clock;
  private readonly master: NginxMaster;
  private readonly log: (message: string) => void;
  private readonly supervisor: 'daemon' | 'systemd';
  private readonly findProgram: () => Promise<Program | undefined>;
  /** Writers wait for each other: two swaps at once would leave neither. */
  private turn: Promise<unknown> = Promise.resolve();
  /** The program that did not come up. */
  private refused: { stamp: string; at: number } | undefined;

  constructor(options: NginxOptions) {
    this.prefix = options.folder;
    this.folder = join(options.folder, 'current');
    this.certificates = join(options.folder, 'certificates');
    this.clock = options.clock;
    this.log = options.log ?? (() => undefined);
    this.supervisor = options.supervisor ?? 'daemon';
    this.master = new NginxMaster({
      prefix: this.prefix,
      clock: this.clock,
      log: this.log,
      supervisor: this.supervisor,
    });
    this.findProgram = programFinder(options.program ?? 'nginx');
  }

  async state(): Promise<NginxState> {
    const [program, generation, master, stamps] = await Promise.all([
      this.findProgram(),
      currentGeneration(this.prefix),
      this.master.find(),
      certificateStamps(this.certificates),
    ]);
    const user = await workerUser();
    return {
      running: master !== undefined,
      ...(master ? { pid: master.pid } : {}),
      ...(program ? { version: program.version } : {}),
      generation,
      loaded: master !== undefined && (await isLoaded(this.prefix, master, generation)),
      stale: master ? await staleCertificates(this.prefix, master) : [],
      ...(master && program && (await this.isOutdated(master, program)) ? { outdated: true } : {}),
      files: await readGeneration(this.prefix, generation),
      certificates: [...stamps.keys()].sort(),
      ...(user === undefined ? {} : { workerUser: user }),
    };
  }

  certificate(name: string): Promise<PemPair | undefined> {
    return readCertificate(this.certificates, name);
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
      if (await this.master.find()) return;
      const program = await this.program();
      const generation = await currentGeneration(this.prefix);
      if (generation === 0)
        throw new DriverError('invalid', 'nginx has no configuration yet: nothing was published.');
      await this.ensureFolders();
      await this.startWith(program, generation);
    });
  }

  upgrade(): Promise<{ ok: true } | { ok: false; message: string }> {
    return this.inTurn(async () => {
      const program = await this.program();
      const master = await this.master.find();
      if (!master || !(await runsAnother(master, program))) return { ok: true };
      const generation = await currentGeneration(this.prefix);
      const files = await readGeneration(this.prefix, generation);
      const refused = await this.test(program, generation, files);
      const failure = refused ? refused.message : await this.replace(master, program, generation);
      if (failure === undefined) return { ok: true };
      this.refused = { stamp: program.stamp, at: this.clock.monotonic() };
      return { ok: false, message: failure };
    });
  }

  stop(): Promise<void> {
    return this.inTurn(async () => {
      if (this.supervisor === 'systemd') await runProgram('systemctl', ['stop', NGINX_UNIT], '/', 90);
      await this.master.end();
    });
  }

  writeCertificate(name: string, pem: PemPair) {
    return this.inTurn(async () => {
      await this.ensureFolders();
      return writeCertificate(this.certificates, name, pem);
    });
  }

  removeCertificate(name: string, found: PemPair | undefined): Promise<void> {
    return this.inTurn(() => removeCertificate(this.certificates, name, found));
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
        return `${identityOf(await this.master.find())} ${(await this.findProgram())?.stamp}`;
      },
    });
  }

  /** In words why not; undefined when the new one serves. */
  private async replace(
    master: NginxProcess,
    program: Program,
    generation: number,
  ): Promise<string | undefined> {
    const next = await this.master.replace(master);
    if (typeof next === 'string') return next;
    await noteLoaded(this.prefix, next, generation);
    this.log(
      `nginx ${program.version} has taken the place of the one before (pid ${master.pid} to ${next.pid}).`,
    );
    return undefined;
  }

  private async isOutdated(master: NginxProcess, program: Program): Promise<boolean> {
    const { refused } = this;
    const wasTried =
      refused?.stamp === program.stamp && this.clock.monotonic() - refused.at < TRY_AGAIN_MILLISECONDS;
    return !wasTried && (await runsAnother(master, program));
  }

  /** Makes a tested set the one that counts and that runs. Puts the one before back when nginx cannot take it. */
  private async load(set: {
    program: Program;
    before: number;
    present: ConfigFiles;
    generation: number;
  }): Promise<void> {
    const { before, generation } = set;
    const master = await this.master.find();
    if (generation !== before) {
      if (master) await pinLoaded(this.prefix, master, before);
      await makeCurrent(this.prefix, generation);
    } else if (!master || (await isLoaded(this.prefix, master, generation))) return;
    if (!master) return;
    await this.master.repairPidFile(master);
    try {
      await this.reload(master, generation, set.present, set.program);
    } catch (error) {
      if (generation !== before && before > 0) {
        await makeCurrent(this.prefix, before);
        await discardGeneration(this.prefix, generation);
        if (!(await this.master.find())) await this.startWith(set.program, before);
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
    // What was tested with the program on disk is for that one: a master from before may know less.
    if (await this.isOutdated(master, program)) {
      const refusal = await this.replace(master, program, generation);
      if (refusal === undefined) return;
      this.refused = { stamp: program.stamp, at: this.clock.monotonic() };
      this.log(`nginx ${program.version} does not come up, the one before goes on: ${refusal}`);
    }
    const failure = await this.master.hangup(master);
    if (failure === undefined) return noteLoaded(this.prefix, master, generation);
    const taken = takenIn(failure);
    // 127.0.0.1:443 to 0.0.0.0:443 and back: nginx stands in its own way, and only a new start gets past it.
    const inItsOwnWay = taken !== undefined && listensOn(present, taken.port);
    // The set was tested by the program on disk; a master from before an upgrade may know less.
    if (inItsOwnWay || (!taken && (await runsAnother(master, program)))) {
      this.log(`nginx cannot take this by a reload and is started again: ${failure}`);
      await this.master.end();
      return this.startWith(program, generation);
    }
    if (taken) throw portTaken(taken, failure);
    throw new DriverError('failed', `nginx did not take the new configuration: ${failure}`);
  }

  private async startWith(program: Program, generation: number): Promise<void> {
    return noteLoaded(this.prefix, await this.master.start(program), generation);
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

/** The running master is not the program on disk: it was upgraded meanwhile. */
async function runsAnother(master: NginxProcess, program: Program): Promise<boolean> {
  const [running, onDisk] = await Promise.all([
    stat(`/proc/${master.pid}/exe`).catch(() => undefined),
    stat(program.path).catch(() => undefined),
  ]);
  return (
    running !== undefined &&
    onDisk !== undefined &&
    (running.ino !== onDisk.ino || running.dev !== onDisk.dev)
  );
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

/** The first of the customary users that this machine has. */
async function workerUser(): Promise<string | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const users = new Set(
    (await readFile('/etc/passwd', 'utf8').catch(() => '')).split('\n').map((line) => line.split(':')[0]),
  );
  return ['www-data', 'nginx', 'http', 'nobody'].find((name) => users.has(name));
}
