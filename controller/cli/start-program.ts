/** The process around the command line: its streams, signals and exit code. Imported by bin/holdfast, and by nothing else. */
import { readFileSync } from 'node:fs';
import { main } from './main.ts';

/** package.json is two folders up in the sources and three in dist/. */
function version(): string {
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      const text = readFileSync(new URL(path, import.meta.url), 'utf8');
      return String((JSON.parse(text) as { version?: unknown }).version);
    } catch {
      // The other one, then.
    }
  }
  return 'unknown';
}

/** A reader that went away, as with `| head`, is no error. */
function endOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
}

export async function startProgram(): Promise<void> {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => interrupt.abort());
  process.stdout.on('error', endOnClosedPipe);
  process.stderr.on('error', endOnClosedPipe);
  const code = await main(process.argv.slice(2), {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    now: () => Date.now(),
    signal: interrupt.signal,
    version: version(),
  });
  // A watch or a session that nobody reads any more would keep the process; what was written is out before.
  process.stdout.write('', () => process.exit(code));
}
