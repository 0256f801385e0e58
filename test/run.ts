/**
 * `npm test` after the machine is set up: the checks, then every test file, in groups, some of them two at a time.
 * Arguments choose the files whose path has one of them in it; the checks are then left out.
 * Its last line is the one that says how many passed and failed, and its exit code is non-zero unless all that ran passed.
 */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { endAll, type Outcome, runFile } from './runner.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Group {
  folder: string;
  atOnce: number;
  timeoutSeconds: number;
  /** Only these files. */
  only?: RegExp;
  not?: RegExp;
}

/** What compares times, or loads its host, has the machine to itself. */
const ALONE = /\/(addons-many|many|repair|upgrade|watches)\.test\.ts$/;

/**
 * In this order: what is quick to fail comes first. Each real test has a host of its own, which mostly waits; a lock keeps two from building
 * the same image (support/lock.ts).
 */
const groups: Group[] = [
  { folder: 'unit', atOnce: 2, timeoutSeconds: 300 },
  { folder: 'conformance', atOnce: 1, timeoutSeconds: 600 },
  { folder: 'sim', atOnce: 2, timeoutSeconds: 900 },
  { folder: 'real', only: ALONE, atOnce: 1, timeoutSeconds: 1200 },
  { folder: 'real', not: ALONE, atOnce: 2, timeoutSeconds: 1200 },
];

async function testFiles({ folder, only, not }: Group): Promise<string[]> {
  const entries = await readdir(path.join(root, 'test', folder), {
    recursive: true,
    withFileTypes: true,
  }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith('.test.ts'))
    .map((entry) => path.relative(root, path.join(entry.parentPath, entry.name)))
    .filter((file) => (only?.test(file) ?? true) && !(not?.test(file) ?? false))
    .sort();
}

function report(outcome: Outcome & { why?: string }): void {
  const bad = outcome.failed > 0;
  const counts = [`${outcome.passed} passed`];
  if (bad) counts.push(`${outcome.failed} FAILED`);
  if (outcome.skipped > 0) counts.push(`${outcome.skipped} skipped`);
  console.log(`${bad ? '✘' : '✓'} ${outcome.file} (${counts.join(', ')}, ${outcome.seconds.toFixed(1)} s)`);
  if (!bad) return;
  console.log(outcome.output.trimEnd().replace(/^/gm, '    '));
  if (outcome.why !== undefined) console.log(`    ${outcome.file} ${outcome.why}`);
}

/** The checks count as one test; the summary is printed for them, when they pass. */
function checks(): Promise<Outcome & { why?: string }> {
  const summary = 'printf "\\n  Total: 1\\n  Passed: 1\\n"';
  const command = ['sh', '-c', `npm run --silent check && ${summary}`];
  return runFile({ file: 'npm run check', command, timeoutSeconds: 300, cwd: root });
}

/** Somebody ends it: no further file is begun. */
let isEnding = false;

async function runGroup(files: string[], atOnce: number, timeoutSeconds: number): Promise<Outcome[]> {
  const waiting = [...files];
  const done: Outcome[] = [];
  const lane = async () => {
    for (let file = waiting.shift(); file !== undefined && !isEnding; file = waiting.shift()) {
      const command = [process.execPath, '--import', 'tsx', file];
      const outcome = await runFile({ file, command, timeoutSeconds, cwd: root });
      report(outcome);
      done.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  return done;
}

async function main(filters: string[]): Promise<number> {
  const outcomes: Outcome[] = [];
  // For tests that run only when they are asked for.
  process.env['HOLDFAST_TEST_WORDS'] = filters.join(' ');
  if (filters.length === 0) {
    const outcome = await checks();
    report(outcome);
    outcomes.push(outcome);
  }
  for (const group of groups) {
    const files = await testFiles(group);
    const chosen = files.filter(
      (file) => filters.length === 0 || filters.some((word) => file.includes(word)),
    );
    outcomes.push(...(await runGroup(chosen, group.atOnce, group.timeoutSeconds)));
  }
  const sum = (field: 'passed' | 'failed' | 'skipped') =>
    outcomes.reduce((count, outcome) => count + outcome[field], 0);
  for (const outcome of outcomes) {
    for (const reason of outcome.skips) console.log(`skipped in ${outcome.file}: ${reason}`);
  }
  if (outcomes.length === 0) console.log(`No test file has any of these in its path: ${filters.join(' ')}`);
  const skipped = sum('skipped') > 0 ? `, ${sum('skipped')} skipped` : '';
  console.log(`${sum('passed')} passed, ${sum('failed')} failed${skipped}`);
  return sum('failed') > 0 || sum('passed') === 0 ? 1 : 0;
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    isEnding = true;
    void endAll().then(() => process.exit(130));
  });
}
process.exitCode = await main(process.argv.slice(2));
