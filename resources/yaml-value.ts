/**
 * Makes plain values of a parsed YAML document, as JSON has them, and finds the place of a field again. Called by manifest.ts only.
 * It refuses what YAML allows and nobody should meet in a manifest: tags, doubled keys, aliases that multiply, __proto__.
 */
import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type Node,
  type Pair,
  type Scalar,
  type YAMLMap,
} from 'yaml';
import type { Json } from './document.ts';
import { escapePointer, isRecord, pointerKeys } from './unknown.ts';

export interface ValueProblem {
  /** Place in the text. */
  offset: number;
  pointer: string;
  message: string;
}

export interface YamlValue {
  value: Json;
  problems: ValueProblem[];
  /** Place of the field, or of the nearest thing around it that is there. `key`: of its name, not of its value. */
  locate(pointer: string, what: 'key' | 'value'): number;
}

/** Values that aliases may add to a document. A file that wants more is an attack or a mistake. */
const MOST_ALIASED = 100_000;
const DEEPEST = 64;

export function yamlValue(document: Document): YamlValue {
  const reading = new Reading();
  const value = reading.whole(document.contents);
  return {
    value,
    problems: reading.problems,
    locate: (pointer, what) => locate(document, reading.targets, pointer, what),
  };
}

/** Thrown to leave a document that cannot be read to its end; the problem is noted before. */
class Unreadable extends Error {}

class Reading {
  readonly problems: ValueProblem[] = [];
  /** What each alias stands for: the anchor before it, which a later one of the same name may replace. */
  readonly targets = new Map<Alias, Node>();
  private readonly anchors = new Map<string, Node>();
  private readonly open = new Set<Node>();
  private aliased = 0;

  whole(contents: unknown): Json {
    try {
      return this.node(contents, '', { depth: 0, copying: false });
    } catch (error) {
      if (error instanceof Unreadable) return null;
      throw error;
    }
  }

  private node(node: unknown, pointer: string, place: { depth: number; copying: boolean }): Json {
    if (place.depth > DEEPEST) this.fail(node, pointer, `is nested deeper than ${DEEPEST} levels`);
    if (place.copying && ++this.aliased > MOST_ALIASED)
      this.fail(node, pointer, `aliases add more than ${MOST_ALIASED} values; write them out`);
    if (isAlias(node)) return this.alias(node, pointer, place);
    this.checkTag(node, pointer);
    if (isScalar(node)) return this.scalar(node, pointer, place.copying);
    if (!isMap(node) && !isSeq(node)) return null;
    this.open.add(node);
    const inner = { depth: place.depth + 1, copying: place.copying };
    const value = isMap(node) ? this.map(node, pointer, inner) : this.list(node.items, pointer, inner);
    this.open.delete(node);
    this.remember(node, place.copying);
    return value;
  }

  private remember(node: Node & { anchor?: string }, copying: boolean): void {
    if (!copying && node.anchor !== undefined) this.anchors.set(node.anchor, node);
  }

  private alias(node: Alias, pointer: string, place: { depth: number; copying: boolean }): Json {
    const target = this.targets.get(node) ?? this.anchors.get(node.source);
    if (target === undefined || this.open.has(target)) {
      const why = target === undefined ? 'names no anchor before it' : 'stands inside of what it names';
      this.note(node, pointer, `alias *${node.source} ${why}`);
      return null;
    }
    this.targets.set(node, target);
    return this.node(target, pointer, { depth: place.depth + 1, copying: true });
  }

  private scalar(node: Scalar, pointer: string, copying: boolean): Json {
    this.remember(node, copying);
    const { value } = node;
    if (typeof value === 'number' && !Number.isFinite(value)) {
      this.note(node, pointer, `${node.source ?? 'this number'} is no number that can be kept`);
      return null;
    }
    if (
      value === null ||
      typeof value === 'string' ||
      typeof value === 'number' ||
      typeof value === 'boolean'
    )
      return value;
    this.note(node, pointer, 'must be text, a number, true or false');
    return null;
  }

  private list(items: unknown[], pointer: string, place: { depth: number; copying: boolean }): Json[] {
    return items.map((item, index) => this.node(item, `${pointer}/${index}`, place));
  }

  private map(node: YAMLMap, pointer: string, place: { depth: number; copying: boolean }): Json {
    const result: { [key: string]: Json } = {};
    const merged: { [key: string]: Json } = {};
    for (const pair of node.items) {
      if (isMerge(pair)) Object.assign(merged, this.merge(pair, pointer, place), { ...merged });
      else this.field(pair, result, pointer, place);
    }
    return { ...merged, ...result };
  }

  private field(
    pair: Pair,
    into: { [key: string]: Json },
    pointer: string,
    place: { depth: number; copying: boolean },
  ): void {
    const key = keyText(pair);
    const inner = key === undefined ? pointer : `${pointer}/${escapePointer(key)}`;
    const problem = keyProblem(key, into);
    if (key === undefined || problem !== undefined)
      this.note(pair.key ?? pair.value, inner, problem ?? 'is wrong');
    else {
      this.checkTag(pair.key, inner);
      into[key] = this.node(pair.value, inner, place);
    }
  }

  /** `<<: *base`: the fields of a map, or of several, that are not written out. */
  private merge(
    pair: Pair,
    pointer: string,
    place: { depth: number; copying: boolean },
  ): { [key: string]: Json } {
    const value = this.node(pair.value, pointer, place);
    const sources = Array.isArray(value) ? value : [value];
    const result: { [key: string]: Json } = {};
    for (const source of sources.reverse()) {
      if (isRecord(source)) Object.assign(result, source);
      else this.note(pair.value, pointer, '<< takes an object, or a list of objects');
    }
    return result;
  }

  private checkTag(node: unknown, pointer: string): void {
    if (!isScalar(node) && !isMap(node) && !isSeq(node)) return;
    if (node.tag === undefined) return;
    const tag = node.tag.replace('tag:yaml.org,2002:', '!!');
    this.note(node, pointer, `tag ${tag} is not read; write text in quotes and numbers without`);
  }

  private note(node: unknown, pointer: string, message: string): void {
    this.problems.push({ offset: startOf(node), pointer, message });
  }

  private fail(node: unknown, pointer: string, message: string): never {
    this.note(node, pointer, message);
    throw new Unreadable(message);
  }
}

function isMerge(pair: Pair): boolean {
  return isScalar(pair.key) && pair.key.value === '<<' && pair.key.type === 'PLAIN';
}

function keyProblem(key: string | undefined, into: object): string | undefined {
  if (key === undefined) return 'a field needs a name that is plain text';
  if (key === '__proto__') return 'is no name for a field';
  return Object.hasOwn(into, key) ? 'stands twice in the same place; keep one' : undefined;
}

/** Numbers and truth values as keys are what was written: 80, true. */
function keyText(pair: Pair): string | undefined {
  const key: unknown = pair.key;
  if (!isScalar(key)) return undefined;
  if (typeof key.value === 'string') return key.value;
  return key.value === null || key.value === undefined ? undefined : (key.source ?? String(key.value));
}

function startOf(node: unknown): number {
  const range = (node as { range?: [number, number, number] | null } | null | undefined)?.range;
  return range?.[0] ?? 0;
}

function locate(
  document: Document,
  targets: ReadonlyMap<Alias, Node>,
  pointer: string,
  what: 'key' | 'value',
): number {
  let node: unknown = document.contents;
  let place = startOf(node);
  for (const key of pointerKeys(pointer)) {
    while (isAlias(node)) node = targets.get(node);
    const next = isMap(node) ? node.items.find((item) => keyText(item) === key) : seqItem(node, key);
    if (next === undefined) return place;
    if (isPair(next)) {
      const value = isScalar(next.value) || isAlias(next.value) ? next.value : undefined;
      place = what === 'value' && value !== undefined ? startOf(value) : startOf(next.key);
      node = next.value;
    } else {
      place = startOf(next);
      node = next;
    }
  }
  return place;
}

function seqItem(node: unknown, key: string): unknown {
  return isSeq(node) ? node.items[Number(key)] : undefined;
}
