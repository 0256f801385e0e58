/**
 * The nginx of an installation as processes, for up (are the ports ours?) and down (stop it, also without a controller).
 * Ours is what calls itself nginx and holds a file in our logs folder open; no other nginx is ever signalled.
 */
import { readdirSync, readlinkSync, realpathSync } from 'node:fs';
import path from 'node:path';
import type { Clock } from '../clock.ts';
import { commandLine, describeProcess, endProcess, type ProcessRecord } from './processes.ts';

interface EdgeProcess extends ProcessRecord {
  master: boolean;
}

function linkQuietly(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}

function holdsOpen(pid: number, folder: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((entry) =>
      linkQuietly(`/proc/${pid}/fd/${entry}`).startsWith(`${folder}/`),
    );
  } catch {
    return false;
  }
}

/** Containers may run an nginx with the same paths. */
function inOurNamespace(pid: number): boolean {
  return linkQuietly(`/proc/${pid}/ns/pid`) === linkQuietly('/proc/self/ns/pid');
}

/** `prefix` is nginx's own folder. Masters first. */
export function edgeProcesses(prefix: string): EdgeProcess[] {
  let logs = path.join(prefix, 'logs');
  try {
    logs = realpathSync(logs);
  } catch {
    return [];
  }
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => Number.isInteger(pid))
    .flatMap((pid) => {
      const name = commandLine(pid)[0] ?? '';
      if (!name.startsWith('nginx: ') || !inOurNamespace(pid) || !holdsOpen(pid, logs)) return [];
      const record = describeProcess(pid);
      return record === undefined ? [] : [{ ...record, master: name.startsWith('nginx: master') }];
    })
    .sort((one, other) => Number(other.master) - Number(one.master));
}

/** Lets requests finish for ten seconds. Workers without a master go too. Answers whether there was anything to stop. */
export async function stopEdge(clock: Clock, prefix: string): Promise<boolean> {
  const found = edgeProcesses(prefix);
  for (const one of found) if (one.master) await endProcess(clock, one, 10, 'SIGQUIT');
  for (const one of edgeProcesses(prefix)) await endProcess(clock, one, 5);
  return found.length > 0;
}
