import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { alone } from '../support/lock.ts';

const name = `unit-${process.pid}`;
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

test('two never work at once under one name, and both do', async () => {
  let working = 0;
  let most = 0;
  const work = async () => {
    working += 1;
    most = Math.max(most, working);
    await pause(50);
    working -= 1;
    return 'done';
  };
  assert.equal(await Promise.all([alone(name, work), alone(name, work)]), ['done', 'done']);
  assert.is(most, 1);
});

test('what fails, or is killed while it works, holds nobody up', async () => {
  const failure = await alone(name, () => Promise.reject(new Error('no'))).catch((error: Error) => error);
  assert.is((failure as Error).message, 'no');
  const lock = fileURLToPath(new URL('../support/lock.ts', import.meta.url));
  const program = `import { alone } from '${lock}';
    await alone('${name}', () => { console.log('works'); return new Promise((r) => setTimeout(r, 60000)); });`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  assert.is(await alone(name, async () => 'mine'), 'mine');
});

test.run();
