/**
 * Which folder may import which. The arrows of the design: what knows less is below and never looks up. Called by scripts/check.ts. Pure.
 */
import { posix } from 'node:path';
import type { Import, Problem, Scanned } from './scan.ts';

interface Area {
  name: string;
  /** Files of it: a folder with a slash at its end, or a file. */
  holds: readonly string[];
  /** What it may import beyond itself; 'anything' for those that wire. */
  mayUse: readonly string[] | 'anything';
  /** What it may import types of, and nothing that is there at run time. */
  mayUseTypesOf?: readonly string[];
}

const CLOCK = 'controller/clock.ts';
const SHARED = [CLOCK, 'controller/log.ts', 'controller/frames.ts'];
const CONTRACT = 'controller/engine/contract.ts';
const OF_ALL = ['resources/document.ts', 'resources/json.ts', 'resources/kind.ts'];

/** The first that holds a file is its area. */
export const AREAS: readonly Area[] = [
  { name: 'shared', holds: SHARED, mayUse: SHARED },
  {
    name: 'the composition root',
    holds: [
      'controller/cli/serve.ts',
      'controller/cli/up.ts',
      'controller/cli/down.ts',
      'controller/cli/purge.ts',
      'controller/cli/upgrade.ts',
      'controller/cli/images.ts',
      'controller/supervise/',
      'scripts/',
      'test/',
      'examples/',
    ],
    mayUse: 'anything',
  },
  {
    name: 'cli',
    holds: ['controller/cli/'],
    mayUse: ['resources/', 'controller/store/', ...SHARED],
    mayUseTypesOf: [CONTRACT],
  },
  {
    name: 'api',
    holds: ['controller/api/'],
    mayUse: ['resources/', 'controller/store/', ...SHARED],
    mayUseTypesOf: [CONTRACT],
  },
  {
    name: 'sources',
    holds: ['controller/sources/'],
    mayUse: ['resources/', 'controller/store/', ...SHARED],
    mayUseTypesOf: ['reconcilers/drivers/manifests/index.ts'],
  },
  {
    name: 'engine',
    holds: ['controller/engine/'],
    mayUse: ['controller/store/types.ts', CLOCK, 'controller/log.ts', ...OF_ALL],
  },
  { name: 'store', holds: ['controller/store/'], mayUse: [CLOCK, 'controller/log.ts', ...OF_ALL] },
  {
    name: 'drivers',
    holds: ['reconcilers/drivers/'],
    mayUse: ['resources/', CLOCK],
    mayUseTypesOf: ['reconcilers/world.ts'],
  },
  // Of drivers they may use what is pure, which purity.ts sees to. ReconcileError, which they throw, is the one thing of the contract
  // that is more than a type.
  {
    name: 'reconcilers',
    holds: ['reconcilers/'],
    mayUse: ['resources/', 'reconcilers/drivers/', CLOCK, CONTRACT],
  },
  { name: 'resources', holds: ['resources/'], mayUse: [] },
];

/** Files right in controller/ wire, but for the shared ones. */
const ROOT_FILE = /^controller\/[^/]+[.]ts$/;

export function areaOf(file: string): Area | undefined {
  const area = AREAS.find(({ holds: places }) => holds(places, file));
  return area ?? (ROOT_FILE.test(file) ? AREAS.find(({ mayUse }) => mayUse === 'anything') : undefined);
}

function holds(places: readonly string[], file: string): boolean {
  return places.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place));
}

export function checkArrows(files: ReadonlyMap<string, Scanned>): Problem[] {
  const problems: Problem[] = [];
  for (const [file, { imports }] of files) {
    const area = areaOf(file);
    if (area === undefined) {
      problems.push({
        file,
        line: 1,
        message: 'stands in no known folder',
        remedy: 'put it where the design has it, or name its folder in scripts/check/arrows.ts',
      });
      continue;
    }
    for (const each of imports) {
      const target = targetOf(file, each.specifier);
      if (target !== undefined && !mayImport(area, target, each))
        problems.push(against(area, file, target, each));
    }
  }
  return problems;
}

/** Path from the project's root, for imports of the project's own files. */
export function targetOf(file: string, specifier: string): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return posix.join(posix.dirname(file), specifier);
}

function mayImport(area: Area, target: string, { typeOnly }: Import): boolean {
  if (area.mayUse === 'anything') return true;
  if (holds(area.holds, target) && areaOf(target) === area) return true;
  if (holds(area.mayUse, target)) return true;
  return typeOnly && holds(area.mayUseTypesOf ?? [], target);
}

function against(area: Area, file: string, target: string, { line, typeOnly }: Import): Problem {
  const allowed = area.mayUse === 'anything' ? [] : area.mayUse;
  const types = (area.mayUseTypesOf ?? []).map((place) => `types of ${place}`);
  const isType = !typeOnly && holds(area.mayUseTypesOf ?? [], target);
  return {
    file,
    line,
    message: `${area.name} must not import ${target}`,
    remedy: isType
      ? 'import it with `import type`'
      : `it may use ${[...allowed, ...types].join(', ') || 'nothing but itself'}; take what is needed as an argument, wired in controller/main.ts`,
  };
}
