/** The docker command of the machine that runs the tests, for the harness. Every call is an argument list; no shell reads it. */
import { execFile } from 'node:child_process';

export interface Result {
  code: number;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  input?: string;
  timeoutSeconds?: number;
}

/** Runs a program to its end. A non-zero exit is an answer, not an error; a program that is missing is. */
export function run(program: string, args: string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const settings = { timeout: (options.timeoutSeconds ?? 120) * 1000, maxBuffer: 64 * 1024 * 1024 };
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      if (error !== null && typeof error.code === 'string') return reject(error);
      if (error?.killed === true) {
        return reject(
          new Error(
            `${program} ${args.join(' ')} took longer than ${options.timeoutSeconds ?? 120} s\n${stdout}${stderr}`,
          ),
        );
      }
      resolve({
        code: typeof error?.code === 'number' ? error.code : error === null ? 0 : 1,
        stdout,
        stderr,
      });
    });
    child.stdin?.on('error', () => {});
    child.stdin?.end(options.input ?? '');
  });
}

/** Runs docker and answers what it printed; an exit other than 0 is an error with docker's own words. */
export async function docker(args: string[], options: RunOptions = {}): Promise<string> {
  const result = await run('docker', args, options);
  if (result.code !== 0) throw new Error(`docker ${args.join(' ')}: ${result.stderr.trim()}`);
  return result.stdout.trim();
}
