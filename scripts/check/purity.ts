/**
 * Time, chance and the outside world come to reconcilers and the engine as arguments, so that a simulation can hold them. This finds
 * where they are taken from the runtime. Called by scripts/check.ts. Pure.
 */
import { targetOf } from './arrows.ts';
import { type Import, lineOf, type Problem, type Scanned } from './scan.ts';

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
  { pattern: /\bsystemClock\b/g, what: 'the clock', remedy: 'take a Clock as an argument' },
  { pattern: /\bMath\.random\b/g, what: 'Math.random', remedy: 'use clock.random()' },
  {
    pattern: /\b(?:randomUUID|randomBytes|getRandomValues)\b/g,
    what: 'chance',
    remedy: 'use clock.uuid() or clock.random()',
  },
];

const OUTSIDE = /^(?:(?:node:)?(?:fs|child_process|net|http|https|dgram|dns|tls|timers)(?:\/|$)|dockerode$)/;
/** Of node:net, what only reads text. */
const PURE_NAMES = ['isIP', 'isIPv4', 'isIPv6'];

function isOutside({ specifier, typeOnly, names }: Import): boolean {
  if (typeOnly || !OUTSIDE.test(specifier)) return false;
  return names.length === 0 || !names.every((name) => PURE_NAMES.includes(name));
}

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
    for (const each of imports) {
      const way = wayOutside(file, each, files);
      if (way === undefined) continue;
      problems.push({
        file,
        line: each.line,
        message: `reaches outside by ${way.join(' → ')}`,
        remedy: 'take it as an argument, by the interface of a driver in reconcilers/drivers/',
      });
    }
  }
  return problems;
}

/** The imports over which a file comes to something outside: itself, or through files of drivers. */
function wayOutside(
  file: string,
  start: Import,
  files: ReadonlyMap<string, Scanned>,
  seen: Set<string> = new Set(),
): string[] | undefined {
  if (isOutside(start)) return [start.specifier];
  const target = start.typeOnly ? undefined : targetOf(file, start.specifier);
  if (target === undefined || !target.startsWith('reconcilers/drivers/') || seen.has(target))
    return undefined;
  seen.add(target);
  for (const each of files.get(target)?.imports ?? []) {
    const way = wayOutside(target, each, files, seen);
    if (way !== undefined) return [target, ...way];
  }
  return undefined;
}
