/**
 * Runs one test file as a process of its own and says what came of it. Called by run.ts and tried by its own test.
 * It must never report as passed what did not say so: a file with neither uvu's summary nor a reason to skip is a failure.
 */
import { type ChildProcess, spawn } from 'node:child_process';

export interface Outcome {
  file: string;
  passed: number;
  failed: number;
  skipped: number;
  /** Reasons from `SKIP: reason` lines. */
  skips: string[];
  seconds: number;
  /** What the file printed. */
  output: string;
}

export interface Ending {
  /** null when a signal ended it. */
  code: number | null;
  signal?: string | null;
  /** It ran longer than this many seconds and was ended. */
  timeout?: number;
}

function last(output: string, label: string): number | undefined {
  const found = [...output.matchAll(new RegExp(`^ *${label}: +(\\d+)$`, 'gm'))].at(-1)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** Reads uvu's summary. Pure. Anything that ended badly counts at least one failure. */
export function judge(
  output: string,
  ending: Ending,
): Pick<Outcome, 'passed' | 'failed' | 'skipped' | 'skips'> & { why?: string } {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how a colour begins
  const plain = output.replace(/\u001b\[[0-9;]*m/g, '');
  const skips = [...plain.matchAll(/^\s*SKIP: (.+)$/gm)].map((match) => (match[1] ?? '').trim());
  const total = last(plain, 'Total');
  const passed = last(plain, 'Passed');
  const skipped = Math.max(last(plain, 'Skipped') ?? 0, skips.length);
  if (ending.timeout !== undefined) {
    return {
      passed: 0,
      failed: 1,
      skipped,
      skips,
      why: `ended after ${ending.timeout} s without an end of its own`,
    };
  }
  // A file whose real part is missing says so and runs no suite at all.
  if (total === undefined && skips.length > 0 && ending.code === 0) {
    return { passed: 0, failed: 0, skipped, skips };
  }
  if (total === undefined || passed === undefined) {
    const how = ending.code === null ? `signal ${ending.signal ?? ''}` : `exit code ${ending.code}`;
    return { passed: 0, failed: 1, skipped, skips, why: `ended without a summary (${how})` };
  }
  if (ending.code !== 0 && total === passed) {
    const how = ending.code === null ? `signal ${ending.signal ?? ''}` : `exit code ${ending.code}`;
    return { passed, failed: 1, skipped, skips, why: `all tests passed, but the process ended with ${how}` };
  }
  if (total === 0 && skipped === 0) {
    return { passed, failed: 1, skipped, skips, why: 'holds no test: is test.run() missing?' };
  }
  return { passed, failed: total - passed, skipped, skips };
}

export interface Job {
  file: string;
  command: string[];
  timeoutSeconds: number;
  cwd: string;
}

/** Between the end of a test file and the end of what it wrote. */
const LAST_WORDS_MILLISECONDS = 3_000;

const running = new Set<ChildProcess>();

/** Ends what runs now, so that test files can clean up after themselves; answers when all are gone. */
export async function endAll(graceSeconds = 30): Promise<void> {
  await Promise.all(
    [...running].map(
      (child) =>
        new Promise<void>((resolve) => {
          child.once('close', () => resolve());
          end(child, graceSeconds);
        }),
    ),
  );
}

/** The first signal lets a test remove what it made; the second leaves no choice. */
function end(child: ChildProcess, graceSeconds: number): void {
  child.kill('SIGTERM');
  setTimeout(() => child.kill('SIGKILL'), graceSeconds * 1000).unref();
}

export async function runFile(job: Job, graceSeconds = 30): Promise<Outcome & { why?: string }> {
  const [program = '', ...args] = job.command;
  const begun = performance.now();
  const child = spawn(program, args, { cwd: job.cwd, stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  let timedOut = false;
  const keep = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const timer = setTimeout(() => {
    timedOut = true;
    end(child, graceSeconds);
  }, job.timeoutSeconds * 1000);
  const ending = await new Promise<Ending>((resolve) => {
    child.once('error', (error) => {
      output += `${error.message}\n`;
      resolve({ code: 1 });
    });
    child.once('close', (code, signal) => resolve({ code, signal }));
    // What it started and did not end may hold its output open for ever.
    child.once('exit', (code, signal) =>
      setTimeout(() => resolve({ code, signal }), LAST_WORDS_MILLISECONDS),
    );
  });
  child.stdout.destroy();
  child.stderr.destroy();
  clearTimeout(timer);
  running.delete(child);
  const verdict = judge(output, timedOut ? { ...ending, timeout: job.timeoutSeconds } : ending);
  return { file: job.file, seconds: (performance.now() - begun) / 1000, output, ...verdict };
}
