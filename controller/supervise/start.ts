/**
 * Starts the controller so that it stays: as a systemd unit where there is systemd, under our own supervisor elsewhere. `up`
 * calls it each time; what runs already and is current is left as it is. Answers what it did, as sentences for a person.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clock, delay } from '../clock.ts';
import { heldEnvironment, makeSocket } from './held-socket.ts';
import { type Layout, serveArguments } from './layout.ts';
import type { LocalApi } from './local-api.ts';
import { boundLog, limits } from './loop.ts';
import { type Orders, saysToRun, writeOrders } from './orders.ts';
import { endProcess, liveRecord, type ProcessRecord, signalProcess } from './processes.ts';
import {
  CONTROLLER_UNIT,
  enableUnits,
  hasSystemd,
  installedState,
  installUnits,
  isActive,
  removeStandIn,
  systemctl,
} from './units.ts';

export interface Start {
  places: Layout;
  /** Folder of the package. */
  root: string;
  /** The words before `serve`. */
  program: string[];
  /** Another one than that of the running controller means a restart. */
  build: string;
  lastBuild: string;
  clock: Clock;
}

/** bin/holdfast, by this very node where it is a script for node: a service has no PATH of a person's. */
export function ownProgram(root: string): string[] {
  const file = path.join(root, 'bin', 'holdfast');
  const first = readFileSync(file, 'utf8').split('\n', 1)[0] ?? '';
  return /^#!.*\bnode\b/.test(first) ? [process.execPath, file] : [file];
}

/** Changes when the program is built anew or comes in another version. */
export function buildOf(root: string): string {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const stamp = statSync(path.join(root, 'dist', '.built'), { throwIfNoEntry: false });
  return stamp === undefined ? version : `${version} ${stamp.mtime.toISOString()}`;
}

export function recordsOf(places: Layout): { supervisor: string; controller: string; orders: string } {
  return {
    orders: path.join(places.run, 'orders.json'),
    supervisor: path.join(places.run, 'supervisor.json'),
    controller: path.join(places.run, 'controller.json'),
  };
}

export function controllerLog(places: Layout): string {
  return path.join(places.logs, 'controller.log');
}

export async function startController(start: Start, api: LocalApi): Promise<string[]> {
  return hasSystemd() ? startUnits(start, api) : startSupervised(start, api);
}

// --- systemd -------------------------------------------------------------------------------------------------------------

const nginxFolders = ['/usr/sbin', '/usr/local/sbin', '/usr/local/nginx/sbin'];

function nginxProgram(): string {
  const folders = [...(process.env['PATH'] ?? '').split(path.delimiter).filter(Boolean), ...nginxFolders];
  const found = folders.map((folder) => path.join(folder, 'nginx')).find((file) => existsSync(file));
  if (found === undefined)
    throw new Error('nginx is not installed: run `npm run up`, or apt-get install nginx-light.');
  return found;
}

/** With -e (new in 1.19.5) it does not open the distribution's log until it has read ours. */
function nginxCommand(prefix: string): string[] {
  const program = nginxProgram();
  const said = spawnSync(program, ['-v'], { encoding: 'utf8', timeout: 10_000 });
  const [major = 0, minor = 0, patch = 0] = (/nginx\/(\d+)\.(\d+)\.(\d+)/.exec(said.stderr) ?? [])
    .slice(1)
    .map(Number);
  const canBeTold = major > 1 || minor > 19 || (minor === 19 && patch >= 5);
  const log = canBeTold ? ['-e', path.join(prefix, 'logs', 'error.log')] : [];
  return [program, '-p', `${prefix}/`, '-c', 'current/nginx.conf', ...log];
}

/** What a service needs of a person's environment: how to reach Docker and the internet. */
const passedOn = ['DOCKER_HOST', 'NODE_EXTRA_CA_CERTS', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY'];

function environment(): string {
  const folders = [
    path.dirname(process.execPath),
    '/usr/local/sbin',
    '/usr/local/bin',
    '/usr/sbin',
    '/usr/bin',
    '/sbin',
    '/bin',
  ];
  const pairs = [['PATH', [...new Set(folders)].join(':')]];
  for (const name of passedOn) {
    const value = process.env[name];
    if (value !== undefined && value !== '') pairs.push([name, value]);
  }
  return pairs
    .map(([name, value = '']) => `Environment="${name}=${value.replace(/[\\"]/g, '\\$&')}"`)
    .join('\n');
}

function unitValues({ places, program, root }: Start): Record<string, string | string[]> {
  return {
    STATE: places.state,
    EDGE: places.nginx,
    SOCKET: places.socket,
    DATABASES: ['/bin/sh', path.join(root, 'scripts', 'start-databases.sh'), places.state],
    SERVE: [...program, ...serveArguments(places)],
    NGINX: nginxCommand(places.nginx),
    ENVIRONMENT: environment(),
    // A folder that is not there yet does not keep the unit from starting.
    WRITABLE: [`-${places.state}`, `-${places.config}`],
  };
}

async function startUnits(start: Start, api: LocalApi): Promise<string[]> {
  const { places, build, lastBuild } = start;
  const other = await installedState();
  if (other !== undefined && other !== places.state) {
    throw new Error(
      `${CONTROLLER_UNIT} belongs to the installation in ${other}. One machine has one; take that one away first: holdfast purge --state ${other}`,
    );
  }
  const wasActive = await isActive(CONTROLLER_UNIT);
  if (!wasActive && (await api.isReady()))
    return ['a controller that was started by hand answers; it is left as it is'];
  // What an upgrade left that was killed on its way back.
  const stoodIn = await removeStandIn(CONTROLLER_UNIT);
  const changed = await installUnits(path.join(start.root, 'systemd'), unitValues(start));
  const did = changed.map((unit) => `${unit} is written`);
  did.push(...(await enableUnits()));
  if (wasActive && (stoodIn || changed.includes(CONTROLLER_UNIT) || build !== lastBuild)) {
    const { ok, output } = await systemctl('restart', CONTROLLER_UNIT);
    if (!ok) throw new Error(`systemctl restart ${CONTROLLER_UNIT} failed: ${output}`);
    did.push(`${CONTROLLER_UNIT} is started again with the new program`);
  }
  return did;
}

// --- our own supervisor ----------------------------------------------------------------------------------------------------

async function startSupervised(start: Start, api: LocalApi): Promise<string[]> {
  const { places, clock, build, lastBuild } = start;
  const records = recordsOf(places);
  const running = liveRecord(records.supervisor);
  // They say something else where an upgrade was killed on its way.
  const follows = !takesOrders(records.supervisor) || saysToRun(records.orders, commandOf(start));
  if (running !== undefined && build === lastBuild && follows) return [];
  if (running !== undefined && takesOrders(records.supervisor)) {
    order(places, { command: commandOf(start) });
    return ['the controller is started again with the new program'];
  }
  const orphan = liveRecord(records.controller);
  if (running !== undefined) await endProcess(clock, running, 60);
  else if (orphan === undefined && (await api.isReady())) {
    return ['a controller that was started by hand answers; it is left as it is'];
  } else if (orphan !== undefined) {
    // Its supervisor was killed, and with it the socket that the next one could hold for it.
    await endProcess(clock, orphan, 60);
  }
  await spawnSupervisor(start);
  return [
    running === undefined
      ? 'the controller is started'
      : 'the controller is started again with the new program',
  ];
}

function commandOf({ program, places }: Pick<Start, 'program' | 'places'>): string[] {
  return [...program, ...serveArguments(places)];
}

/** One that an earlier Holdfast started must be ended instead. */
export function takesOrders(record: string): boolean {
  try {
    return (JSON.parse(readFileSync(record, 'utf8')) as { takesOrders?: unknown }).takesOrders === true;
  } catch {
    return false;
  }
}

/** Has the supervisor that runs end its program and follow these orders. The API's socket stays open. */
export function order(places: Layout, orders: Orders): void {
  const records = recordsOf(places);
  writeOrders(records.orders, orders);
  const supervisor = liveRecord(records.supervisor);
  if (supervisor !== undefined) signalProcess(supervisor, 'SIGHUP');
}

/** Runs in a session of its own, so that it outlives the terminal. */
async function spawnSupervisor(start: Start): Promise<void> {
  const { places, clock } = start;
  const records = recordsOf(places);
  const extension = path.extname(fileURLToPath(import.meta.url));
  const loader = extension === '.ts' ? ['--import', import.meta.resolve('tsx')] : [];
  const script = fileURLToPath(new URL(`../supervise${extension}`, import.meta.url));
  const words = [
    records.supervisor,
    records.controller,
    controllerLog(places),
    '/',
    records.orders,
    ...commandOf(start),
  ];
  writeOrders(records.orders, { command: commandOf(start) });
  mkdirSync(places.logs, { recursive: true, mode: 0o700 });
  const file = path.join(places.logs, 'supervisor.log');
  boundLog(file, limits.logBytes);
  const log = openSync(file, 'a', 0o600);
  let child: ChildProcess | undefined;
  await makeSocket(places.socket, (socket) => {
    child = spawn(process.execPath, [...loader, script, ...words], {
      cwd: '/',
      detached: true,
      stdio: ['ignore', log, log, socket],
      env: { ...process.env, ...heldEnvironment },
    });
    child.unref();
  });
  const deadline = clock.monotonic() + 20_000;
  while (liveRecord(records.supervisor)?.pid !== child?.pid) {
    if (child?.exitCode !== null || clock.monotonic() > deadline) {
      throw new Error(`The supervisor did not start; ${file} tells why.`);
    }
    await delay(clock, 50);
  }
}

/** What `up` started here without systemd, and what of it is alive. */
export function supervised(places: Layout): {
  supervisor: ProcessRecord | undefined;
  controller: ProcessRecord | undefined;
} {
  const records = recordsOf(places);
  return { supervisor: liveRecord(records.supervisor), controller: liveRecord(records.controller) };
}

/** Ends the supervisor and with it the controller; also a controller whose supervisor was killed. */
export async function stopSupervised(places: Layout, clock: Clock): Promise<boolean> {
  const { supervisor, controller } = supervised(places);
  if (supervisor !== undefined) await endProcess(clock, supervisor, 60);
  if (controller !== undefined) await endProcess(clock, controller, 30);
  return supervisor !== undefined || controller !== undefined;
}
