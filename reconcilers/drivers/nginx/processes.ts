/**
 * Which processes are our nginx, from /proc. A process counts as ours when it calls itself nginx, lives in our process
 * namespace (containers may run an nginx with the same paths) and holds a file in our logs folder open: that holds for
 * master and workers, however they were started, and for nobody else's nginx. Looks only; never signals.
 */
import { readdir, readFile, readlink } from 'node:fs/promises';

export interface NginxProcess {
  pid: number;
  parent: number;
  /** Ticks since boot: tells a process from a later one with the same pid. */
  startTicks: string;
  /** shutting: a worker that takes no connections any more and ends when its last one does. */
  role: 'master' | 'worker' | 'shutting';
}

export function identity(process: NginxProcess): string {
  return `${process.pid}:${process.startTicks}`;
}

/** The process if it is ours and lives. `logs` is the real path of the logs folder. */
export async function nginxProcess(pid: number, logs: string): Promise<NginxProcess | undefined> {
  const role = roleOf(await readQuietly(`/proc/${pid}/cmdline`));
  if (role === undefined) return undefined;
  // Fields after the program's name, which stands in parentheses and may hold anything.
  const fields = (await readQuietly(`/proc/${pid}/stat`)).split(') ').at(-1)?.split(' ') ?? [];
  const [state, parent] = fields;
  const startTicks = fields[19];
  if (state === undefined || state === 'Z' || parent === undefined || startTicks === undefined)
    return undefined;
  if (!(await sameNamespace(pid)) || !(await holdsOpen(pid, `${logs}/`))) return undefined;
  return { pid, parent: Number(parent), startTicks, role };
}

/** All of ours. Reads the command line of every process: not for every second. */
export async function nginxProcesses(logs: string): Promise<NginxProcess[]> {
  const names = await readdir('/proc');
  const found = await Promise.all(
    names.filter((name) => /^\d+$/.test(name)).map((name) => nginxProcess(Number(name), logs)),
  );
  return found.filter((entry) => entry !== undefined);
}

/** Workers of a master of ours that still take connections. */
export async function activeWorkers(master: number, logs: string): Promise<NginxProcess[]> {
  const children = (await readQuietly(`/proc/${master}/task/${master}/children`)).trim();
  // Kernels without the list of children: look at everybody.
  const found =
    children === ''
      ? await nginxProcesses(logs)
      : await Promise.all(children.split(' ').map((pid) => nginxProcess(Number(pid), logs)));
  return found.filter(
    (entry) => entry !== undefined && entry.parent === master && entry.role === 'worker',
  ) as NginxProcess[];
}

function roleOf(commandLine: string): NginxProcess['role'] | undefined {
  if (commandLine.startsWith('nginx: master process')) return 'master';
  if (commandLine.startsWith('nginx: worker process is shutting down')) return 'shutting';
  if (commandLine.startsWith('nginx: ')) return 'worker';
  return undefined;
}

async function sameNamespace(pid: number): Promise<boolean> {
  const [own, other] = await Promise.all([
    linkQuietly('/proc/self/ns/pid'),
    linkQuietly(`/proc/${pid}/ns/pid`),
  ]);
  return own === other;
}

async function holdsOpen(pid: number, folder: string): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch((): string[] => []);
  // Logs are opened first: their numbers are low, and a busy worker's thousands of sockets are not looked at.
  for (const descriptor of descriptors) {
    if ((await linkQuietly(`/proc/${pid}/fd/${descriptor}`)).startsWith(folder)) return true;
  }
  return false;
}

/** Processes end while they are looked at: what cannot be read is empty. */
function readQuietly(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

function linkQuietly(path: string): Promise<string> {
  return readlink(path).catch(() => '');
}
