/**
 * A whole host in a container: own process tree, own dockerd, own iptables and nginx, with this checkout mounted read-only at
 * /opt/holdfast. Tests install Holdfast in it, reboot it and kill what they like. It is removed with everything in it when the
 * test ends, also by a signal; what a killed test left is removed by the next.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { docker, type Result, run } from './docker.ts';
import { type Flavour, hostImage } from './image.ts';
import { until } from './until.ts';

export interface HostOptions {
  /** Part of the container's name, for a person who looks at `docker ps`. */
  name: string;
  /** none: tini and, unless `docker: false`, a dockerd. systemd: a machine that boots its units. Default none. */
  init?: 'none' | 'systemd';
  /** fresh: no Docker, nginx or curl, only git, node and npm. Default host. */
  flavour?: Flavour;
  /** false: no dockerd is started (init none). */
  docker?: boolean;
  /** false: the checkout is not mounted. */
  project?: boolean;
}

export interface ExecOptions {
  input?: string;
  env?: Record<string, string>;
  timeoutSeconds?: number;
  cwd?: string;
}

export interface Host {
  /** Name of the outer container. */
  readonly name: string;
  /** Address on the outer bridge. */
  address(): Promise<string>;
  /** Runs to its end; an exit other than 0 is an answer. */
  exec(command: string[], options?: ExecOptions): Promise<Result>;
  /** Runs to its end and answers stdout; an exit other than 0 is an error with what it printed. */
  sh(script: string, options?: ExecOptions): Promise<string>;
  /** The holdfast of this checkout. */
  holdfast(args: string[], options?: ExecOptions): Promise<Result>;
  /** A process inside, with pipes. Ending it here ends the client only: end what runs inside with `kill`. */
  spawn(command: string[], options?: ExecOptions): ChildProcess;
  /** Cuts it off and boots it again: everything in /run is gone, everything on disk is there. Answers when dockerd is back. */
  reboot(): Promise<void>;
  /** Sends a signal to every process whose command line has this text in it; answers how many there were. */
  kill(commandLine: string, signal?: string): Promise<number>;
  copyIn(from: string, to: string): Promise<void>;
  copyOut(from: string, to: string): Promise<void>;
  /** Text of a file inside; empty where there is none. */
  readFile(file: string): Promise<string>;
  remove(): Promise<void>;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const ownerLabel = 'dev.holdfast.test.owner';
export const project = '/opt/holdfast';

/** Start time of a process in clock ticks: a pid alone may be somebody else's by now. */
function startTime(pid: number | string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

const owner = `${process.pid}:${startTime(process.pid) ?? ''}`;
const mine = new Set<string>();

function removeMine(): void {
  for (const name of mine) spawnSync('docker', ['rm', '-fv', name], { stdio: 'ignore' });
  mine.clear();
}

process.once('exit', removeMine);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

/** Hosts whose test process is gone. */
async function removeAbandoned(): Promise<void> {
  const format = `{{.ID}} {{.Label "${ownerLabel}"}}`;
  const listed = await docker(['ps', '-a', '--filter', `label=${ownerLabel}`, '--format', format]);
  for (const line of listed.split('\n')) {
    const [id = '', from = ''] = line.split(' ');
    const [pid = '', started = ''] = from.split(':');
    if (id !== '' && startTime(pid) !== started) await run('docker', ['rm', '-fv', id]);
  }
}

/** Each top entry alone, so that node_modules may be a link and nothing inside can write to the checkout. */
function projectMounts(): string[] {
  const left = new Set(['.git', '.cache', 'test', 'docs']);
  return readdirSync(root)
    .filter((entry) => !left.has(entry) && existsSync(path.join(root, entry)))
    .flatMap((entry) => ['-v', `${realpathSync(path.join(root, entry))}:${project}/${entry}:ro`]);
}

/** Plain `--privileged` fails on a machine that itself lacks a capability; the rest is what privileged means otherwise. */
const privileges = [
  ['--privileged'],
  [
    ...['--cap-add', 'ALL', '--cap-drop', 'SYS_RESOURCE', '--security-opt', 'apparmor=unconfined'],
    ...['--security-opt', 'seccomp=unconfined', '--security-opt', 'systempaths=unconfined'],
  ],
];

const plainInit = (withDocker: boolean): string[] => [
  'tini',
  '--',
  'sh',
  '-c',
  `${withDocker ? 'setsid dockerd >>/var/log/dockerd.log 2>&1 </dev/null & ' : ''}exec sleep infinity`,
];

const systemdInit = [
  'sh',
  '-c',
  'for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mount -o remount,bind,rw $d 2>/dev/null; done; exec /lib/systemd/systemd --system',
];

function createArguments(name: string, options: HostOptions, image: string, rights: string[]): string[] {
  const systemd = options.init === 'systemd';
  const cgroups = systemd
    ? ['--cgroupns=private', '--tmpfs', '/run/lock', '-e', 'container=docker', '--stop-signal', 'SIGRTMIN+3']
    : ['--cgroupns=host', '-v', '/sys/fs/cgroup:/sys/fs/cgroup:rw'];
  return [
    ...['create', '--name', name, '--hostname', options.name, '--label', `${ownerLabel}=${owner}`],
    ...[...rights, '--tmpfs', '/run:exec', ...cgroups],
    ...(options.project === false ? [] : projectMounts()),
    ...['-w', '/root', '-e', 'HOME=/root', '-e', 'NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt'],
    ...['-e', 'HOLDFAST_TEST_HOST=1', image],
    ...(systemd ? systemdInit : plainInit(options.docker !== false && options.flavour !== 'fresh')),
  ];
}

async function create(name: string, options: HostOptions, image: string): Promise<void> {
  let refused = '';
  for (const rights of privileges) {
    mine.add(name);
    await docker(createArguments(name, options, image, rights));
    const started = await run('docker', ['start', name]);
    if (started.code === 0) return;
    refused += `\n${started.stderr.trim()}`;
    await run('docker', ['rm', '-fv', name]);
  }
  throw new Error(`The Docker engine here does not start a host in a container:${refused}`);
}

class ContainerHost implements Host {
  readonly name: string;
  readonly #options: HostOptions;

  constructor(name: string, options: HostOptions) {
    this.name = name;
    this.#options = options;
  }

  address(): Promise<string> {
    return docker(['inspect', '--format', '{{.NetworkSettings.IPAddress}}', this.name]);
  }

  #arguments(command: string[], options: ExecOptions): string[] {
    const env = Object.entries(options.env ?? {}).flatMap(([key, value]) => ['-e', `${key}=${value}`]);
    return ['exec', '-i', ...env, '-w', options.cwd ?? '/root', this.name, ...command];
  }

  exec(command: string[], options: ExecOptions = {}): Promise<Result> {
    return run('docker', this.#arguments(command, options), options);
  }

  async sh(script: string, options: ExecOptions = {}): Promise<string> {
    const result = await this.exec(['sh', '-ec', script], options);
    if (result.code === 0) return result.stdout.trim();
    throw new Error(`on ${this.name}, exit ${result.code}: ${script}\n${result.stdout}${result.stderr}`);
  }

  holdfast(args: string[], options: ExecOptions = {}): Promise<Result> {
    return this.exec([`${project}/bin/holdfast`, ...args], options);
  }

  spawn(command: string[], options: ExecOptions = {}): ChildProcess {
    return spawn('docker', this.#arguments(command, options), { stdio: 'pipe' });
  }

  async reboot(): Promise<void> {
    if (this.#options.init === 'systemd') {
      await this.exec(['systemctl', 'reboot']);
      const state = () => docker(['inspect', '--format', '{{.State.Running}}', this.name]);
      await until('the host goes down', async () => (await state()) === 'false', { seconds: 100 });
      await docker(['start', this.name]);
    } else {
      await docker(['restart', '-t', '1', this.name]);
    }
    await this.up();
  }

  /** Waits until it has booted and its dockerd, where it has one, answers. */
  async up(): Promise<void> {
    if (this.#options.init === 'systemd')
      await until('systemd has booted', () => this.#booted(), { seconds: 60 });
    if (this.#options.flavour === 'fresh' || this.#options.docker === false) return;
    const answers = async () => (await this.exec(['docker', 'version'])).code === 0;
    await until(`dockerd answers on ${this.name}`, answers, { seconds: 60 }).catch(async (error) => {
      throw new Error(`${error.message}\n${await this.readFile('/var/log/dockerd.log')}`);
    });
  }

  /** `degraded` too: a unit that a container cannot have, such as one for a console, may have failed. */
  async #booted(): Promise<boolean> {
    const { stdout } = await this.exec(['systemctl', 'is-system-running']);
    return ['running', 'degraded'].includes(stdout.trim());
  }

  async kill(commandLine: string, signal = 'KILL'): Promise<number> {
    // The class in brackets keeps pgrep's caller, whose command line holds the pattern, from finding itself.
    const escaped = commandLine.replace(/[.[\]*^$+?(){}|\\]/g, '\\$&');
    const pattern = `[${escaped[0]}]${escaped.slice(1)}`;
    const found = (await this.exec(['pgrep', '-f', '--', pattern])).stdout.split('\n').filter(Boolean);
    if (found.length > 0) await this.exec(['kill', `-${signal}`, ...found]);
    return found.length;
  }

  async copyIn(from: string, to: string): Promise<void> {
    await docker(['cp', from, `${this.name}:${to}`]);
  }

  async copyOut(from: string, to: string): Promise<void> {
    await docker(['cp', `${this.name}:${from}`, to]);
  }

  async readFile(file: string): Promise<string> {
    const { code, stdout } = await this.exec(['cat', file]);
    return code === 0 ? stdout : '';
  }

  async remove(): Promise<void> {
    await docker(['rm', '-fv', this.name]);
    mine.delete(this.name);
  }
}

/** Answers when the host has booted and its dockerd answers. Call `remove` in `test.after`. */
export async function startHost(options: HostOptions): Promise<Host> {
  await removeAbandoned();
  const image = await hostImage(options.flavour ?? 'host');
  const name = `holdfast-test-${options.name}-${randomBytes(4).toString('hex')}`;
  await create(name, options, image);
  const host = new ContainerHost(name, options);
  try {
    await host.up();
  } catch (error) {
    await host.remove();
    throw error;
  }
  return host;
}
