/** Amounts of memory as people write them, in bytes. Pure; called by checks and by effective forms. */
import type { FieldProblem } from './kind.ts';

const SUFFIX: Record<string, number> = {
  '': 1,
  k: 1e3,
  K: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

/** Suffixes of an app package's memoryLimit, all powers of 1024 whatever their case. */
const PACKAGE_SUFFIX: Record<string, number> = { '': 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30, tb: 2 ** 40 };

/** Bytes of `spec.memory`: a number as it is (0 and -1 have a meaning of their own), `256Mi`, `1.5G`. undefined: not readable. */
export function parseMemory(value: number | string): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  const match = /^([0-9]+(?:[.][0-9]+)?)(Ki|Mi|Gi|Ti|k|K|M|G|T)?$/.exec(value);
  return bytes(match?.[1], SUFFIX[match?.[2] ?? '']);
}

/** Bytes of a package's `memoryLimit`: a number of bytes or `512 MB`. undefined: not readable. */
export function parsePackageMemory(value: number | string): number | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? value : undefined;
  const match = /^([0-9]+(?:[.][0-9]+)?) ?([kmgt]b)?$/i.exec(value);
  return bytes(match?.[1], PACKAGE_SUFFIX[match?.[2]?.toLowerCase() ?? '']);
}

function bytes(amount: string | undefined, factor: number | undefined): number | undefined {
  if (amount === undefined || factor === undefined) return undefined;
  const result = Math.round(Number(amount) * factor);
  return Number.isSafeInteger(result) ? result : undefined;
}

/** 268435456 as 256Mi; what is no whole number of Ki stays bytes. */
export function formatMemory(amount: number): string {
  for (const suffix of ['Ti', 'Gi', 'Mi', 'Ki']) {
    const size = SUFFIX[suffix] ?? 1;
    if (amount >= size && amount % size === 0) return `${amount / size}${suffix}`;
  }
  return String(amount);
}

/** 512 is 512 bytes, which nobody means. */
export function memoryProblem(pointer: string, memory: unknown): FieldProblem[] {
  if (typeof memory !== 'number' && typeof memory !== 'string') return [];
  const bytes = parseMemory(memory);
  if (bytes === undefined)
    return typeof memory === 'number' ? [{ pointer, message: 'is too large a number' }] : []; // The schema's pattern tells.
  if (bytes > 0 && bytes < 2 ** 20) {
    const suggestion = /^[0-9]+$/.test(String(memory)) ? { suggestion: `${memory}Mi` } : {};
    return [{ pointer, message: `is ${bytes} bytes: must be 0, -1, or at least 1Mi`, ...suggestion }];
  }
  return [];
}
