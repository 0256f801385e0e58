/**
 * Looking into values whose shape nobody has checked yet, for checks that run beside the schema. Pure; what is not there or
 * of another type is undefined or empty, because the schema already tells the person.
 */

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value under these keys, one after another. Own fields only. */
export function at(value: unknown, ...keys: (string | number)[]): unknown {
  let present = value;
  for (const key of keys) {
    if (Array.isArray(present) && typeof key === 'number') present = present[key];
    else if (isRecord(present) && Object.hasOwn(present, key)) present = present[key];
    else return undefined;
  }
  return present;
}

export function entriesOf(value: unknown): [string, unknown][] {
  return isRecord(value) ? Object.entries(value) : [];
}

export function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A key as it stands in a JSON pointer. */
export function escapePointer(key: string): string {
  return key.replaceAll('~', '~0').replaceAll('/', '~1');
}

export function pointerKeys(pointer: string): string[] {
  if (pointer === '') return [];
  return pointer
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** /spec/env/0/name as spec.env[0].name; a key with a dot or another sign stands in quotes. */
export function fieldPath(pointer: string): string {
  let path = '';
  for (const key of pointerKeys(pointer)) {
    if (/^[0-9]+$/.test(key)) path += `[${key}]`;
    else if (/^[A-Za-z_][A-Za-z0-9_-]*$/.test(key)) path += path === '' ? key : `.${key}`;
    else path += `[${JSON.stringify(key)}]`;
  }
  return path;
}
