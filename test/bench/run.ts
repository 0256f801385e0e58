/**
 * `npm run bench`: every bench, or those whose file name has one of the arguments in it. Figures are printed for people and compared
 * with a peer in the same run; nothing here passes or fails by a time. Each file is a process of its own, one after the other.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('.', import.meta.url));
const NOT_A_BENCH = ['run.ts', 'report.ts'];
const words = process.argv.slice(2);
const files = readdirSync(folder)
  .filter((name) => name.endsWith('.ts') && !NOT_A_BENCH.includes(name))
  .filter((name) => words.length === 0 || words.some((word) => name.includes(word)))
  .sort();
if (files.length === 0) console.error(`no bench has any of these in its name: ${words.join(' ')}`);
let failed = files.length === 0;
for (const file of files) {
  console.log(`\n${file.replace(/\.ts$/, '')}`);
  const { status } = spawnSync(process.execPath, ['--import', 'tsx', `${folder}${file}`], {
    stdio: 'inherit',
  });
  if (status !== 0) failed = true;
}
process.exitCode = failed ? 1 : 0;
