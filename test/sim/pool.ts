/** Runs seeds in processes of their own, one for each processor, and tells of each as it ends. */
import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
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
  /** Only histories of it. */
  theme?: string | undefined;
}

/** Answers when every seed that was begun has ended. Rejects when a process ends by itself. */
export async function runSeeds(options: PoolOptions): Promise<void> {
  const count = options.processes ?? availableParallelism();
  const worker = options.worker ?? OWN_WORKER;
  const program = await bundle(worker);
  await Promise.all(
    Array.from({ length: count }, () => lane(startWorker(program, worker, options.theme), options)),
  );
}

/** The worker as one piece of plain JavaScript: it starts many times quicker than through a loader, and runs a little quicker. */
async function bundle(worker: string): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [worker],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'error',
  });
  return outputFiles.map(({ text }) => text).join();
}

function lane(child: ChildProcess, { seeds, onResult, isOver }: PoolOptions): Promise<void> {
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

/** It is given the program, so that no file is left of it, and looks for packages and schemas from the folder of its source. */
function startWorker(program: string, worker: string, theme: string | undefined): ChildProcess {
  // Most objects of a history live as long as it does: room for them makes the collector's work small.
  const options = [
    '--max-semi-space-size=64',
    // Errors are made by the thousand, and a trace has their words alone; the replay of one history has all.
    '--stack-trace-limit=0',
    '--no-warnings',
    '--input-type=module',
  ];
  const child = spawn(process.execPath, options, {
    cwd: dirname(worker),
    env: { ...process.env, ...(theme === undefined ? {} : { HOLDFAST_SIM_THEME: theme }) },
    stdio: ['pipe', 'inherit', 'inherit', 'ipc'],
  });
  child.stdin?.on('error', () => {}).end(program);
  return child;
}
