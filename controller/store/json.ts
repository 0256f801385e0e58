/**
 * Plain JSON values: copied with a check, compared, frozen. Called on everything that enters the store, so that what is
 * stored holds nothing that JSON cannot say and no key that reaches an object's prototype.
 */
import { StoreError } from './types.ts';

export type JsonObject = Record<string, unknown>;

/** Deeper or larger than this is a mistake or an attack (a cycle, aliases that multiply). */
const MOST_LEVELS = 100;
const MOST_VALUES = 500_000;

/** Keys that mean something to JavaScript itself. */
const REFUSED_KEYS = new Set(['__proto__', 'constructor', 'prototype']);

export function isRefusedKey(key: string): boolean {
  return REFUSED_KEYS.has(key);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * A deep, mutable copy. Members that are undefined are left out, as JSON does. Throws Invalid, naming the path, for what
 * is not JSON. `root` is the path that the value has in its document, such as spec.
 */
export function copyJson(value: unknown, root: string): unknown {
  return new Copy(root).value(value);
}

class Copy {
  private left = MOST_VALUES;
  private readonly path: string[];

  constructor(root: string) {
    this.path = root === '' ? [] : [root];
  }

  value(value: unknown): unknown {
    this.left -= 1;
    if (this.left < 0) this.refuse('holds too many values');
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value;
      case 'number':
        if (!Number.isFinite(value)) this.refuse('must be a finite number');
        return value;
      case 'object':
        if (value === null) return null;
        if (this.path.length > MOST_LEVELS) this.refuse(`is nested deeper than ${MOST_LEVELS} levels`);
        return Array.isArray(value) ? this.list(value) : this.object(value);
      default:
        return this.refuse(`is a ${typeof value}, which JSON cannot hold`);
    }
  }

  private list(list: readonly unknown[]): unknown[] {
    const copy = new Array<unknown>(list.length);
    for (let index = 0; index < list.length; index += 1) {
      this.path.push(String(index));
      copy[index] = this.value(list[index]);
      this.path.pop();
    }
    return copy;
  }

  private object(object: object): JsonObject {
    const prototype: unknown = Object.getPrototypeOf(object);
    if (prototype !== Object.prototype && prototype !== null) this.refuse('must be a plain object');
    const copy: JsonObject = {};
    for (const [key, value] of Object.entries(object)) {
      if (value === undefined) continue;
      this.path.push(key);
      if (REFUSED_KEYS.has(key)) this.refuse('is a name that is not allowed');
      copy[key] = this.value(value);
      this.path.pop();
    }
    return copy;
  }

  private refuse(message: string): never {
    const field = fieldPath(this.path);
    throw new StoreError('Invalid', `${field} ${message}`, { causes: [{ field, message }] });
  }
}

/** Freezes all the way down; stops where something is frozen already. */
export function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  Object.freeze(value);
  for (const member of Object.values(value)) deepFreeze(member);
  return value;
}

/** `spec.volumes[0].path` of the segments spec, volumes, 0, path. */
export function fieldPath(segments: readonly string[]): string {
  let path = '';
  for (const segment of segments) {
    if (/^\d+$/.test(segment) || /[./]/.test(segment)) path += `[${segment}]`;
    else path += path === '' ? segment : `.${segment}`;
  }
  return path === '' ? 'document' : path;
}

/** The same of a JSON pointer: /spec/volumes/0/path. */
export function pointerToField(pointer: string): string {
  return fieldPath(pointerSegments(pointer));
}

export function pointerSegments(pointer: string): string[] {
  if (pointer === '') return [];
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'));
}
