/**
 * The nginx program: where it is, which version, how it is called with our prefix. Called by the driver, and by whoever
 * writes the systemd unit. Starts nginx only to ask it something or as a daemon; never through a shell.
 */
import { spawn } from 'node:child_process';
import { access, constants, stat } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { DriverError } from '../error.ts';
import { atLeast, versionIn } from './words.ts';

/** Beside PATH: a user's PATH often lacks them, and nginx is nearly always there. */
const FOLDERS = ['/usr/sbin', '/usr/local/sbin', '/usr/local/nginx/sbin'];

interface Ran {
  /** 0, or why not: the exit code or the signal. */
  code: number | string;
  output: string;
}

/** Runs to the end and collects what it says, at most a megabyte. Ends it by SIGKILL after this long. */
export function runProgram(
  program: string,
  args: readonly string[],
  cwd: string,
  seconds: number,
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: seconds * 1000,
      killSignal: 'SIGKILL',
    });
    let output = '';
    const collect = (chunk: Buffer) => {
      if (output.length < 1024 * 1024) output += chunk.toString('utf8');
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code: code ?? signal ?? 'unknown', output }));
  });
}

export interface Program {
  path: string;
  version: string;
  /** Another one when the file is another. */
  stamp: string;
}

/** Finds a program by name or path, and its version. Remembers the version of a file that did not change. */
export function programFinder(program: string): () => Promise<Program | undefined> {
  let known: { stamp: string; found: Program } | undefined;
  return async () => {
    const path = await findProgram(program);
    if (path === undefined) return undefined;
    const { ino, mtimeMs, size } = await stat(path);
    const stamp = `${path}:${ino}:${mtimeMs}:${size}`;
    if (known?.stamp === stamp) return known.found;
    const { output } = await runProgram(path, ['-v'], '/', 10);
    const version = versionIn(output);
    if (version === undefined)
      throw new DriverError('failed', `${path} -v does not say that it is nginx: ${output.trim()}`);
    known = { stamp, found: { path, version, stamp } };
    return known.found;
  };
}

async function findProgram(program: string): Promise<string | undefined> {
  const candidates = program.includes('/')
    ? [program]
    : [...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...FOLDERS].map((folder) =>
        join(folder, program),
      );
  for (const path of candidates) {
    const usable = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (usable) return path;
  }
  return undefined;
}

/** Everything after the program's name. `config` is relative to the folder: the published set, or a staged one. */
export function nginxArguments(folder: string, version: string, config = 'current/nginx.conf'): string[] {
  const args = ['-p', `${folder}/`, '-c', config];
  // Without -e (new in 1.19.5) it opens the distribution's log until it has read ours.
  if (atLeast(version, '1.19.5')) args.push('-e', join(folder, 'logs', 'error.log'));
  return args;
}
