/**
 * What no other tool checks: generated files are current, imports follow the arrows of the design, the engine and reconcilers take
 * time, chance and the world as arguments, every kind is simulated, and nothing imports in a circle. Part of `npm run check`; it changes nothing.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { kinds } from '../resources/registry.ts';
import { parts, WITHOUT_PART } from '../test/sim/parts/index.ts';
import { checkArrows } from './check/arrows.ts';
import { checkCycles } from './check/cycles.ts';
import { checkPurity } from './check/purity.ts';
import { type Problem, type Scanned, scan } from './check/scan.ts';
import { checkSimulated } from './check/simulated.ts';
import { generate } from './generate.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const FOLDERS = ['controller', 'reconcilers', 'resources', 'scripts', 'test'];
const GENERATED_FOLDER = 'docs/reference';

function sources(): Map<string, Scanned> {
  const files = new Map<string, Scanned>();
  const walk = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory() && entry.name !== 'node_modules') walk(path);
      else if (entry.isFile() && path.endsWith('.ts'))
        files.set(path, scan(readFileSync(join(root, path), 'utf8')));
    }
  };
  for (const folder of FOLDERS) if (existsSync(join(root, folder))) walk(folder);
  return files;
}

async function checkGenerated(): Promise<Problem[]> {
  const wanted = await generate();
  const problems: Problem[] = [];
  for (const [file, text] of wanted) {
    const found = existsSync(join(root, file)) ? readFileSync(join(root, file), 'utf8') : undefined;
    if (found === text) continue;
    const message = found === undefined ? 'is missing' : 'does not fit schemas/ any more';
    problems.push({ file, line: 1, message, remedy: 'run npm run generate and commit what it writes' });
  }
  const folder = join(root, GENERATED_FOLDER);
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const file = `${GENERATED_FOLDER}/${name}`;
    if (!wanted.has(file)) problems.push({ file, line: 1, message: 'is of no kind', remedy: 'remove it' });
  }
  return problems;
}

const files = sources();
const problems = [
  ...checkArrows(files),
  ...checkPurity(files),
  ...checkCycles(files),
  ...checkSimulated(
    kinds.map(({ kind }) => kind),
    parts.map(({ kind }) => kind),
    WITHOUT_PART,
  ),
  ...(await checkGenerated()),
];
for (const { file, line, message, remedy } of problems)
  process.stderr.write(`${file}:${line}: ${message}; ${remedy}\n`);
const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
process.stderr.write(problems.length === 0 ? `${files.size} files follow the arrows\n` : `${count}\n`);
process.exitCode = problems.length === 0 ? 0 : 1;
