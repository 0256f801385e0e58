/**
 * Time, chance and the outside world come to reconcilers and the engine as arguments, so that a simulation can hold them. This finds
 * where they are taken from the runtime. Called by scripts/check.ts. Pure.
 */
import { lineOf, type Problem, type Scanned } from './scan.ts';

/** Folders that it holds for. Drivers are the outside world: they are left out. */
function isHeld(file: string): boolean {
  if (file.startsWith('reconcilers/')) return !file.startsWith('reconcilers/drivers/');
  return file.startsWith('controller/engine/');
}

const TAKEN: readonly { pattern: RegExp; what: string; remedy: string }[] = [
  { pattern: /\bDate\.now\b/g, what: 'Date.now', remedy: 'use clock.now()' },
  {
    pattern: /\bnew Date\s*(?:\(\s*\)|(?!\s*\())/g,
    what: 'new Date()',
    remedy: 'use clock.now() or timestamp(clock)',
  },
  { pattern: /\bperformance\.now\b/g, what: 'performance.now', remedy: 'use clock.monotonic()' },
  {
    pattern: /\b(?:setTimeout|setInterval)\b/g,
    what: 'a timer',
    remedy: 'use clock.after or delay(clock, …)',
  },
  { pattern: /\bMath\.random\b/g, what: 'Math.random', remedy: 'use clock.random()' },
  {
    pattern: /\b(?:randomUUID|randomBytes|getRandomValues)\b/g,
    what: 'chance',
    remedy: 'use clock.uuid() or clock.random()',
  },
];

const OUTSIDE = /^(?:node:)?(?:fs|child_process|net|http|https|dgram|dns|tls|timers)(?:\/|$)/;

export function checkPurity(files: ReadonlyMap<string, Scanned>): Problem[] {
  const problems: Problem[] = [];
  for (const [file, { code, imports }] of files) {
    if (!isHeld(file)) continue;
    for (const { pattern, what, remedy } of TAKEN)
      for (const match of code.matchAll(pattern))
        problems.push({
          file,
          line: lineOf(code, match.index),
          message: `takes ${what} from the runtime`,
          remedy,
        });
    for (const { specifier, typeOnly, line } of imports)
      if (!typeOnly && OUTSIDE.test(specifier))
        problems.push({
          file,
          line,
          message: `reaches outside by ${specifier}`,
          remedy: 'ask a driver of reconcilers/drivers/, or take it as an argument',
        });
  }
  return problems;
}
