/**
 * The error log: a channel, because nginx tells a failed reload nowhere else, and a file that must not grow for ever. Called by
 * the driver.
 */
import { copyFile, open, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';

export function errorLog(folder: string): string {
  return join(folder, 'logs', 'error.log');
}

export async function logSize(folder: string): Promise<number> {
  return (await stat(errorLog(folder)).catch(() => undefined))?.size ?? 0;
}

/** What process `pid` (any, when 0) gave up on since the log had this size. */
export async function emergenciesSince(folder: string, offset: number, pid: number): Promise<string[]> {
  const handle = await open(errorLog(folder), 'r').catch(() => undefined);
  if (!handle) return [];
  try {
    const length = Math.min(Math.max(0, (await handle.stat()).size - offset), 1024 * 1024);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, offset);
    const lines = buffer.toString('utf8', 0, bytesRead).split('\n');
    return lines.filter(
      (line) => /\[emerg\] \d+#/.test(line) && (pid === 0 || line.includes(`[emerg] ${pid}#`)),
    );
  } finally {
    await handle.close();
  }
}

/** Without the time and the process in front. */
export function wordsOf(line: string): string {
  return line.replace(/^.*?\[emerg\] \d+#\d+: /, '').trim();
}

const LOG_AT_MOST = 16 * 1024 * 1024;

/**
 * Keeps one full log beside the present one. Copied and cut instead of moved: nginx appends, so it goes on at the start, and
 * workers need no right to open files in our folder. Lines written between the two calls are lost.
 */
export async function limitLog(folder: string): Promise<void> {
  if ((await logSize(folder)) <= LOG_AT_MOST) return;
  await copyFile(errorLog(folder), `${errorLog(folder)}.1`);
  await truncate(errorLog(folder));
}
