/** Files that import each other in a circle, at run time. Types may: they are gone by then. Called by scripts/check.ts. Pure. */
import { targetOf } from './arrows.ts';
import type { Problem, Scanned } from './scan.ts';

export function checkCycles(files: ReadonlyMap<string, Scanned>): Problem[] {
  const problems: Problem[] = [];
  const done = new Set<string>();
  const told = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) {
      const circle = path.slice(start);
      const key = [...circle].sort().join();
      if (!told.has(key)) problems.push(problemOf(circle, files));
      told.add(key);
      return;
    }
    if (done.has(file)) return;
    for (const { specifier, typeOnly } of files.get(file)?.imports ?? []) {
      const target = typeOnly ? undefined : targetOf(file, specifier);
      if (target !== undefined && files.has(target)) visit(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of files.keys()) visit(file, []);
  return problems;
}

function problemOf(circle: readonly string[], files: ReadonlyMap<string, Scanned>): Problem {
  const [file = '', next = file] = circle;
  const found = files.get(file)?.imports.find(({ specifier }) => targetOf(file, specifier) === next);
  return {
    file,
    line: found?.line ?? 1,
    message: `imports in a circle: ${[...circle, file].join(' → ')}`,
    remedy: 'move what both need into a file of its own, or import the type only',
  };
}
