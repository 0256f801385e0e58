/** Runs seeds in processes of their own, one for each processor, and tells of each as it ends. */
import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
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
  await Promise.all(Array.from({ length: count }, () => lane(options)));
}

function lane({ seeds, onResult, isOver, worker = OWN_WORKER }: PoolOptions): Promise<void> {
  const child = startWorker(worker);
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

function startWorker(worker: string): ChildProcess {
  // Most objects of a history live as long as it does: room for them makes the collector's work small.
  const execArgv = ['--import', 'tsx', '--max-semi-space-size=64', '--no-warnings'];
  return fork(worker, { execArgv, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}
