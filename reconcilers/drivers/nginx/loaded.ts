/**
 * The note of what the running master was seen to load: `run/loaded`. Called by the driver. The note names the master, so
 * that one which was started by somebody else (systemd, at boot) is not taken for the one that was told to load.
 */
import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { certificateStamps } from './certificates.ts';
import { readIfThere, replaceFile } from './durable.ts';
import { identity, type NginxProcess } from './processes.ts';

interface Note {
  master: string;
  generation: number;
  /** Name to stamp, of the certificates as they were then. */
  certificates: Record<string, string>;
}

export async function noteLoaded(folder: string, master: NginxProcess, generation: number): Promise<void> {
  const stamps = await certificateStamps(join(folder, 'certificates'));
  const note: Note = {
    master: identity(master),
    generation,
    certificates: Object.fromEntries([...stamps].map(([name, { stamp }]) => [name, stamp])),
  };
  await replaceFile(join(folder, 'run', 'loaded'), `${JSON.stringify(note)}\n`, 0o644);
}

/** Whether this master runs with this generation and with the certificates on disk. */
export async function isLoaded(folder: string, master: NginxProcess, generation: number): Promise<boolean> {
  if (generation === 0) return false;
  const note = await readNote(folder);
  const stamps = await certificateStamps(join(folder, 'certificates'));
  if (note?.master === identity(master)) {
    return (
      note.generation === generation &&
      [...stamps].every(([name, { stamp }]) => (note.certificates[name] ?? stamp) === stamp)
    );
  }
  return startedAfter(
    folder,
    [...stamps.values()].map((entry) => entry.writtenAt),
  );
}

/** Names of those on disk that this master loaded another text of. Those that it never loaded are new, and not stale. */
export async function staleCertificates(folder: string, master: NginxProcess): Promise<string[]> {
  const note = await readNote(folder);
  if (note?.master !== identity(master)) return [];
  const stamps = await certificateStamps(join(folder, 'certificates'));
  return [...stamps]
    .filter(([name, { stamp }]) => (note.certificates[name] ?? stamp) !== stamp)
    .map(([name]) => name)
    .sort();
}

/** Started by itself and told nothing since: it loaded what was there when it wrote its pid. */
async function startedAfter(folder: string, writtenAt: number[]): Promise<boolean> {
  const started = (await lstat(join(folder, 'run', 'nginx.pid')).catch(() => undefined))?.mtimeMs;
  const swapped = (await lstat(join(folder, 'current')).catch(() => undefined))?.mtimeMs;
  return started !== undefined && swapped !== undefined && started > Math.max(swapped, ...writtenAt);
}

/**
 * Before a swap: a master without a note gets one of the set that counts until then, so that a crash before the reload is
 * told by the note and not by file times, which a jump of the clock turns around.
 */
export async function pinLoaded(folder: string, master: NginxProcess, generation: number): Promise<void> {
  if ((await readNote(folder))?.master === identity(master)) return;
  await noteLoaded(folder, master, (await isLoaded(folder, master, generation)) ? generation : 0);
}

async function readNote(folder: string): Promise<Note | undefined> {
  try {
    return JSON.parse((await readIfThere(join(folder, 'run', 'loaded'))) ?? '') as Note;
  } catch {
    return undefined;
  }
}
