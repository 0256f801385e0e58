/**
 * The two kinds of patches that writers send: JSON Patch (RFC 6902) and merge patch (RFC 7386); and the JSON patches
 * that the history keeps. Pure: a patch never changes the value that it is given.
 *
 * json-patch does the work on objects and lists, after the checks that it leaves out: it would write to a text without
 * an error, take -1 for the last entry of a list, follow inherited members, and refuse a move onto something.
 */
import jsonpatch from 'json-patch';
import { createPatch, type Operation } from 'rfc6902';
import type { Json } from '../../resources/document.ts';
import { copyJson, isObject, isRefusedKey, type JsonObject, pointerSegments } from './json.ts';
import { StoreError } from './types.ts';

/** Lists whose lengths multiply to more than this are replaced whole: comparing them costs their product. */
const MOST_COMPARISONS = 2_500;

type Container = JsonObject | unknown[];

/** Throws Invalid with the reason when an operation cannot be applied. Operations before it leave no trace. */
export function applyJsonPatch(target: JsonObject, patch: unknown): JsonObject {
  if (!Array.isArray(patch)) throw invalid('a JSON patch is a list of operations');
  const result = copyJson(target, '') as JsonObject;
  patch.forEach((operation, index) => {
    try {
      applyOne(result, operation);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      throw invalid(`operation ${index + 1} of the patch (${describe(operation)}): ${words}`, error);
    }
  });
  return result;
}

function applyOne(target: JsonObject, operation: unknown): void {
  if (!isObject(operation)) throw new Error('an operation is an object with op and path');
  const { op, value } = operation;
  const path = checkedPath(operation.path, 'path');
  if (op === 'add' || op === 'replace' || op === 'test') {
    if (value === undefined) throw new Error('needs a value');
    run(target, { op, path, value: copyJson(value, 'value') });
  } else if (op === 'remove') {
    run(target, { op, path });
  } else if (op === 'copy') {
    const found = find(target, checkedPath(operation.from, 'from'));
    run(target, { op: 'add', path, value: copyJson(found, 'value') });
  } else if (op === 'move') {
    move(target, checkedPath(operation.from, 'from'), path);
  } else {
    throw new Error('op must be add, remove, replace, move, copy or test');
  }
}

function move(target: JsonObject, from: string, path: string): void {
  const value = find(target, from);
  if (path === from) return;
  if (path.startsWith(`${from}/`)) throw new Error('a value cannot be moved into itself');
  run(target, { op: 'remove', path: from });
  run(target, { op: 'add', path, value });
}

function run(target: JsonObject, operation: { op: string; path: string; value?: unknown }): void {
  const segments = pointerSegments(operation.path);
  const last = segments.pop() ?? '';
  const parent = container(target, segments);
  if (Array.isArray(parent)) checkIndex(last, operation.op === 'add');
  else if (operation.op !== 'add' && !Object.hasOwn(parent, last))
    throw new Error('there is nothing at path');
  try {
    jsonpatch.apply(target, [operation]);
  } catch (error) {
    if (operation.op === 'test') throw new Error('the value at path is another one', { cause: error });
    throw error;
  }
}

function checkedPath(path: unknown, name: string): string {
  if (typeof path !== 'string' || !path.startsWith('/')) {
    throw new Error(`${name} must be a JSON pointer such as /spec/image`);
  }
  const refused = pointerSegments(path).find(isRefusedKey);
  if (refused !== undefined) throw new Error(`${refused} is a name that is not allowed`);
  return path;
}

function container(target: JsonObject, segments: readonly string[]): Container {
  let value: unknown = target;
  for (const segment of segments) value = member(value, segment);
  if (typeof value !== 'object' || value === null)
    throw new Error('what path leads into is no object and no list');
  return value as Container;
}

function find(target: JsonObject, pointer: string): unknown {
  return pointerSegments(pointer).reduce<unknown>(member, target);
}

function member(value: unknown, segment: string): unknown {
  if (Array.isArray(value)) {
    checkIndex(segment, false);
    if (Number(segment) < value.length) return value[Number(segment)];
  } else if (isObject(value) && Object.hasOwn(value, segment)) {
    return value[segment];
  }
  throw new Error(`there is nothing at "${segment}"`);
}

function checkIndex(segment: string, end: boolean): void {
  if (/^(0|[1-9]\d*)$/.test(segment) || (end && segment === '-')) return;
  throw new Error(`"${segment}" is no position in a list`);
}

function describe(operation: unknown): string {
  return isObject(operation) ? `${String(operation.op)} ${String(operation.path)}` : 'no object';
}

function invalid(message: string, cause?: unknown): StoreError {
  return new StoreError('Invalid', message, cause === undefined ? {} : { cause });
}

/** RFC 7386: null removes, objects merge, all else replaces. */
export function applyMergePatch(target: JsonObject, patch: unknown): JsonObject {
  if (!isObject(patch)) throw invalid('a merge patch is an object');
  return merge(copyJson(target, ''), copyJson(patch, 'patch')) as JsonObject;
}

function merge(target: unknown, patch: unknown): unknown {
  if (!isObject(patch)) return patch;
  const result: JsonObject = isObject(target) ? target : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = merge(result[key], value);
  }
  return result;
}

/** The JSON patch from one spec to the next. */
export function patchBetween(before: JsonObject, after: JsonObject): Json {
  return createPatch(before, after, wholeLists) as unknown as Json;
}

function wholeLists(
  before: unknown,
  after: unknown,
  pointer: { toString(): string },
): Operation[] | undefined {
  if (!Array.isArray(before) || !Array.isArray(after)) return undefined;
  if (before.length * after.length <= MOST_COMPARISONS) return undefined;
  return [{ op: 'replace', path: pointer.toString(), value: after }];
}
