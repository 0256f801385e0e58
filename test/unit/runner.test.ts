/** The test runner's own test: what it must never call a success. */
import { tmpdir } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Ending, judge, runFile } from '../runner.ts';
import { telling } from '../support/before.ts';

const summary = (total: number, passed: number, skipped = 0) =>
  `• •   (${passed} / ${total})\n\n  Total:     ${total}\n  Passed:    ${passed}\n  Skipped:   ${skipped}\n  Duration:  1ms\n\n`;

const rows: {
  name: string;
  output: string;
  ending: Ending;
  want: { passed: number; failed: number; skipped: number };
}[] = [
  {
    name: 'a file whose tests pass counts each',
    output: summary(3, 3),
    ending: { code: 0 },
    want: { passed: 3, failed: 0, skipped: 0 },
  },
  {
    name: 'failures are what did not pass',
    output: summary(3, 1),
    ending: { code: 1 },
    want: { passed: 1, failed: 2, skipped: 0 },
  },
  {
    name: 'colours hide nothing',
    output: summary(2, 2).replace('Passed:    2', '\u001b[32mPassed:    2\u001b[39m'),
    ending: { code: 0 },
    want: { passed: 2, failed: 0, skipped: 0 },
  },
  {
    name: 'a crash without a summary is a failure',
    output: 'Error: no such file\n',
    ending: { code: 1 },
    want: { passed: 0, failed: 1, skipped: 0 },
  },
  {
    name: 'an end without a summary is a failure, also with exit code 0',
    output: '',
    ending: { code: 0 },
    want: { passed: 0, failed: 1, skipped: 0 },
  },
  {
    name: 'a process that fails after its tests passed is a failure',
    output: summary(2, 2),
    ending: { code: 7 },
    want: { passed: 2, failed: 1, skipped: 0 },
  },
  {
    name: 'a file with no test is a failure',
    output: summary(0, 0),
    ending: { code: 0 },
    want: { passed: 0, failed: 1, skipped: 0 },
  },
  {
    name: 'a file that skips all of it, and says why, is none',
    output: `SKIP: no docker-registry here\n${summary(0, 0)}`,
    ending: { code: 0 },
    want: { passed: 0, failed: 0, skipped: 1 },
  },
  {
    name: 'a file that says why it runs no suite is skipped',
    output: 'SKIP: nginx is not installed\n',
    ending: { code: 0 },
    want: { passed: 0, failed: 0, skipped: 1 },
  },
  {
    name: 'a reason to skip excuses no crash',
    output: 'SKIP: nginx is not installed\n',
    ending: { code: 1 },
    want: { passed: 0, failed: 1, skipped: 1 },
  },
  {
    name: 'a test that is skipped and said so counts once',
    output: `SKIP: no kernel module\n${summary(4, 4, 1)}`,
    ending: { code: 0 },
    want: { passed: 4, failed: 0, skipped: 1 },
  },
  {
    name: 'one that runs too long is a failure, whatever it printed',
    output: summary(2, 2),
    ending: { code: 0, timeout: 120 },
    want: { passed: 0, failed: 1, skipped: 0 },
  },
];

for (const row of rows) {
  test(row.name, () => {
    const { passed, failed, skipped } = judge(row.output, row.ending);
    assert.equal({ passed, failed, skipped }, row.want);
  });
}

test('a file that hangs is ended, first kindly, then by force', async () => {
  // A shell, because it starts well within the time also on a busy machine.
  const script = 'trap "echo asked" TERM; echo here; while :; do sleep 0.05; done';
  const job = { file: 'x', command: ['sh', '-c', script], timeoutSeconds: 0.5, cwd: tmpdir() };
  const outcome = await runFile(job, 0.5);
  assert.is(outcome.failed, 1);
  assert.match(outcome.output, /here\nasked/);
});

test('what a file leaves behind, with its output in hand, holds nobody up', async () => {
  const command = ['sh', '-c', 'sleep 100 & echo "left $!"'];
  const { output } = await runFile({ file: 'x', command, timeoutSeconds: 60, cwd: tmpdir() });
  const left = Number(/left (\d+)/.exec(output)?.[1]);
  assert.ok(process.kill(left, 'SIGKILL'), 'it is there still');
});

test('a program that is not there is a failure', async () => {
  const job = { file: 'x', command: ['/no/such/program'], timeoutSeconds: 5, cwd: tmpdir() };
  assert.is((await runFile(job)).failed, 1);
});

test('what a before throws is told, and thrown on', async () => {
  const { log } = console;
  const said: string[] = [];
  console.log = (line: string) => said.push(line);
  try {
    await telling(async () => {
      throw new Error('no room for it');
    })();
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, 'no room for it');
  } finally {
    console.log = log;
  }
  assert.match(said.join(), /^FAIL {2}before the tests: Error: no room for it/);
});

test.run();
