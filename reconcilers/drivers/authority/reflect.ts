/**
 * The four calls of the Reflect metadata proposal that tsyringe, which @peculiar/x509 is built on, makes when it is loaded.
 * Import it before that package. It does nothing where a complete implementation is there already.
 */

type Metadata = Map<unknown, unknown>;

const known = new WeakMap<object, Metadata>();

function getOwnMetadata(key: unknown, target: object): unknown {
  return known.get(target)?.get(key);
}

function getMetadata(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = Object.getPrototypeOf(at) as object | null) {
    const found = getOwnMetadata(key, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const entries: Metadata = known.get(target) ?? new Map();
  known.set(target, entries.set(key, value));
}

function metadata(key: unknown, value: unknown): (target: object) => void {
  return (target) => defineMetadata(key, value, target);
}

if (!('getMetadata' in Reflect))
  Object.assign(Reflect, { getOwnMetadata, getMetadata, defineMetadata, metadata });
