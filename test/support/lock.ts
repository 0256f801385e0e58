/** What two test files that run side by side must not do at once: building the same image. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';

/**
 * Does the work while nobody else on this machine does work under the same name. The kernel holds the lock for a child process that ends
 * when this one does, so that nothing is left to clean up, however it ends.
 */
export async function alone<T>(name: string, work: () => Promise<T>): Promise<T> {
  const file = path.join(tmpdir(), `holdfast-test-${name}.lock`);
  const holder = spawn('flock', [file, 'sh', '-c', 'echo held; exec cat >/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(holder, 'close');
  try {
    await Promise.race([
      once(holder.stdout, 'data'),
      ended.then(([code]) => {
        throw new Error(`flock ${file} ended with ${String(code)}`);
      }),
    ]);
    return await work();
  } finally {
    holder.stdin.end();
    await ended.catch(() => undefined);
  }
}

/** Makes what is not there, by one of all that want it: whoever had the lock before may have made it. */
export async function madeOnce(
  name: string,
  isThere: () => Promise<boolean>,
  make: () => Promise<unknown>,
): Promise<void> {
  if (await isThere()) return;
  await alone(name, async () => {
    if (!(await isThere())) await make();
  });
}
