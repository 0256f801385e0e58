/**
 * nginx's own way to another program: the old master starts the new one with its sockets (USR2), sends its workers home (WINCH), and
 * goes when the new one serves alone (QUIT). Called by master.ts. Until the last step the old one can take over again (HUP).
 */
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, delay } from '../../../controller/clock.ts';
import { emergenciesSince, logSize, wordsOf } from './errorlog.ts';
import { activeWorkers, identity, type NginxProcess, nginxProcess, nginxProcesses } from './processes.ts';

const START_SECONDS = 60;
/** How long the new one serves alone before the old one goes for good. */
const ALONE_MILLISECONDS = 1_000;
const POLL_MILLISECONDS = 20;

export interface Replacement {
  prefix: string;
  /** Real path of the logs folder. */
  logs: string;
  clock: Clock;
  signal(target: NginxProcess, signal: NodeJS.Signals): void;
}

/** Answers the new master, or in words why the old one goes on. */
export async function replaceMaster(old: NginxProcess, options: Replacement): Promise<NginxProcess | string> {
  const { prefix, logs, signal } = options;
  const offset = await logSize(prefix);
  signal(old, 'SIGUSR2');
  const next = await awaitWorkers(old, options);
  if (next === undefined) {
    const [first] = (await emergenciesSince(prefix, offset, 0)).map(wordsOf);
    await endChildren(old, options);
    return first ?? `the new one did not come up within ${START_SECONDS} s`;
  }
  signal(old, 'SIGWINCH');
  if (await servesAlone(next, options)) {
    signal(old, 'SIGQUIT');
    return next;
  }
  signal(old, 'SIGHUP');
  const [first] = (await emergenciesSince(prefix, offset, 0)).map(wordsOf);
  for (const left of await nginxProcesses(logs)) if (left.parent === next.pid) signal(left, 'SIGTERM');
  return first ?? 'the new one ended soon after it had come up';
}

/** The new master, when it has workers that take connections. undefined: it gave up, or the old one is gone. */
async function awaitWorkers(old: NginxProcess, options: Replacement): Promise<NginxProcess | undefined> {
  const { logs, clock } = options;
  const deadline = clock.monotonic() + START_SECONDS * 1000;
  let begun = false;
  while (clock.monotonic() < deadline) {
    const next = await childMaster(old, logs);
    if (next && (await activeWorkers(next.pid, logs)).length > 0) return next;
    // The old one gives its pid file another name while a new one is on its way, and takes it back when that ends.
    const isUnderWay = next !== undefined || (await isThere(join(options.prefix, 'run', 'nginx.pid.oldbin')));
    if ((begun && !isUnderWay) || (await isGone(old, logs))) return undefined;
    begun ||= isUnderWay;
    await delay(clock, POLL_MILLISECONDS);
  }
  return undefined;
}

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function childMaster(old: NginxProcess, logs: string): Promise<NginxProcess | undefined> {
  const found = await nginxProcesses(logs);
  return found.find(({ role, parent, pid }) => role === 'master' && parent === old.pid && pid !== old.pid);
}

async function isGone(old: NginxProcess, logs: string): Promise<boolean> {
  const alive = await nginxProcess(old.pid, logs);
  return alive === undefined || identity(alive) !== identity(old);
}

async function servesAlone(next: NginxProcess, { logs, clock }: Replacement): Promise<boolean> {
  const until = clock.monotonic() + ALONE_MILLISECONDS;
  do {
    await delay(clock, POLL_MILLISECONDS);
    const alive = await nginxProcess(next.pid, logs);
    // Workers that end are started again by it: a master that stays is enough.
    if (!alive || identity(alive) !== identity(next)) return false;
  } while (clock.monotonic() < until);
  return true;
}

/** A new master that hangs before it serves must not come up later, when nobody waits for it. */
async function endChildren(old: NginxProcess, { logs, signal }: Replacement): Promise<void> {
  const late = await childMaster(old, logs);
  if (late) signal(late, 'SIGTERM');
}
