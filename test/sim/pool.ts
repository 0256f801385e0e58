/** Runs seeds in processes of their own, one for each processor, and tells of each as it ends. */
import { type ChildProcess, fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Result } from './worker.ts';

export interface PoolOptions {
  /** Seeds to run. Asked for the next one whenever a process is free. */
  seeds: Iterator<number>;
  onResult(result: Result): void;
  /** No more seeds are begun once this answers true. */
  isOver?(): boolean;
  /** Default: one for each processor. */
  processes?: number;
  /** The worker of another copy of the project. */
  worker?: string;
}

/** Answers when every seed that was begun has ended. Rejects when a process ends by itself. */
export async function runSeeds(options: PoolOptions): Promise<void> {
  const count = options.processes ?? availableParallelism();
  const program = await bundle(options.worker ?? OWN_WORKER);
  try {
    await Promise.all(Array.from({ length: count }, () => lane(program, options)));
  } finally {
    rmSync(program, { force: true });
  }
}

let bundles = 0;

/**
 * The worker as one file of plain JavaScript: it starts many times quicker than through a loader, and runs a little quicker. Beside the
 * source, since packages and schemas are looked for from there.
 */
async function bundle(worker: string): Promise<string> {
  bundles += 1;
  const outfile = join(dirname(worker), `.bundle-${process.pid}-${bundles}.mjs`);
  await build({
    entryPoints: [worker],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  return outfile;
}

function lane(program: string, { seeds, onResult, isOver }: PoolOptions): Promise<void> {
  const child = startWorker(program);
  return new Promise((resolve, reject) => {
    let running: number | undefined;
    const next = () => {
      const { value, done } = isOver?.() ? { value: undefined, done: true } : seeds.next();
      if (done || value === undefined) {
        running = undefined;
        child.disconnect();
        return;
      }
      running = value;
      child.send(value);
    };
    child.on('message', (result) => {
      onResult(result as Result);
      next();
    });
    child.once('exit', (code, signal) => {
      if (running === undefined) resolve();
      else reject(new Error(`the process that ran seed ${running} ended with ${signal ?? `code ${code}`}`));
    });
    next();
  });
}

const OWN_WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));

function startWorker(program: string): ChildProcess {
  // Most objects of a history live as long as it does: room for them makes the collector's work small.
  const execArgv = ['--max-semi-space-size=64', '--no-warnings'];
  return fork(program, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}
