/**
 * The three-way merge of `apply`: what is stored, what this manager applied the last time, what it applies now. Pure.
 * Of the last time only the shape is needed, which keys there were, so only that is kept: no value, and no secret.
 */
import { isObject, type JsonObject } from './json.ts';

/** Keys that a manager set. 1 stands for a value or a list, an object for an object. */
export interface Shape {
  [key: string]: Shape | 1;
}

export function shapeOf(value: JsonObject): Shape {
  const shape: Shape = {};
  for (const key of Object.keys(value).sort()) {
    const member = value[key];
    if (member !== undefined) shape[key] = isObject(member) ? shapeOf(member) : 1;
  }
  return shape;
}

/**
 * Changes and answers `present`, which must be a copy. What `last` has and `wanted` leaves out goes; what `wanted` has
 * is set; the rest stays. Lists are replaced whole. A key goes even if another manager applied it too: the one who
 * takes a line out of a file means it, and two managers of one document are rare.
 */
export function mergeThreeWay(present: JsonObject, last: Shape, wanted: JsonObject): JsonObject {
  for (const [key, was] of Object.entries(last)) {
    if (Object.hasOwn(wanted, key)) continue;
    const value = present[key];
    // Of an object that left the manifest, only the fields that came from it go: others may have added theirs.
    if (was !== 1 && isObject(value) && Object.keys(mergeThreeWay(value, was, {})).length > 0) continue;
    delete present[key];
  }
  for (const [key, value] of Object.entries(wanted)) {
    const before = present[key];
    const was = last[key];
    present[key] =
      isObject(value) && isObject(before)
        ? mergeThreeWay(before, was === undefined || was === 1 ? {} : was, value)
        : value;
  }
  return present;
}
