/**
 * Every kind has a part in the simulation, or a stated reason why the simulation does not concern it. Otherwise what a new kind does in a
 * crash would be tried by nobody. Called by scripts/check.ts. Pure.
 */
import type { Problem } from './scan.ts';

const PARTS = 'test/sim/parts/index.ts';

export function checkSimulated(
  kinds: readonly string[],
  parts: readonly string[],
  without: Readonly<Record<string, string>>,
): Problem[] {
  const problem = (message: string, remedy: string): Problem => ({ file: PARTS, line: 1, message, remedy });
  const missing = kinds
    .filter((kind) => !parts.includes(kind) && (without[kind] ?? '') === '')
    .map((kind) =>
      problem(
        `${kind} has no part in the simulation`,
        `write test/sim/parts/${kind.toLowerCase()}.ts, or say in WITHOUT_PART why it needs none`,
      ),
    );
  const both = parts
    .filter((kind) => kind in without)
    .map((kind) => problem(`${kind} has a part and a reason to have none`, 'remove one of the two'));
  const unknown = [...parts, ...Object.keys(without)]
    .filter((kind) => !kinds.includes(kind))
    .map((kind) => problem(`${kind} is no kind`, 'remove it'));
  return [...missing, ...both, ...unknown];
}
