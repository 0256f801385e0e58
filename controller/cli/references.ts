/** What verbs are pointed at: `app/wiki`, `apps wiki wiki2`, `app`, `apps,sites`. Pure. */
import type { Reference } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { kindOf, unknownKindMessage } from '../../resources/registry.ts';
import { CliError } from './verb.ts';

/** A document, or all of a kind where there is no name. */
export interface Target {
  kind: KindDefinition;
  name?: string;
}

/**
 * Reads the arguments of a verb. With `defaultKind` a first word that names no kind is a name of that kind, so that `logs wiki`
 * works; and so is a word that stands alone, so that an App may be called like a kind.
 */
export function parseTargets(words: readonly string[], options: { defaultKind?: string } = {}): Target[] {
  const [first, ...rest] = words;
  if (first === undefined) return [];
  if (words.some((word) => word.includes('/'))) return words.map((word) => parsePair(word));
  const { defaultKind } = options;
  const namesKinds = first.split(',').every((word) => kindOf(word) !== undefined);
  if (defaultKind !== undefined && (rest.length === 0 || !namesKinds)) {
    const kind = requireKind(defaultKind);
    return words.map((name) => ({ kind, name: checkName(name) }));
  }
  const kinds = first.split(',').map(requireKind);
  if (rest.length === 0) return kinds.map((kind) => ({ kind }));
  return kinds.flatMap((kind) => rest.map((name) => ({ kind, name: checkName(name) })));
}

/** Documents only: a kind alone is refused. */
export function parseReferences(
  words: readonly string[],
  options: { defaultKind?: string } = {},
): Reference[] {
  return parseTargets(words, options).map(({ kind, name }) => {
    if (name === undefined)
      throw new CliError(
        `which ${kind.singular}? Name it, as in ${kind.singular}/NAME or ${kind.singular} NAME`,
      );
    return { kind: kind.kind, name };
  });
}

/** Exactly one document. */
export function parseReference(words: readonly string[], options: { defaultKind?: string } = {}): Reference {
  const [reference, ...more] = parseReferences(words, options);
  if (reference === undefined) throw new CliError('name a document, such as app/wiki');
  if (more.length > 0) throw new CliError('name one document only');
  return reference;
}

export function referenceText(reference: Reference): string {
  return `${reference.kind.toLowerCase()}/${reference.name}`;
}

export function requireKind(name: string): KindDefinition {
  const kind = kindOf(name);
  if (kind === undefined) throw new CliError(unknownKindMessage(name));
  return kind;
}

function parsePair(word: string): Target {
  const [kind = '', name = '', ...more] = word.split('/');
  if (kind === '' || name === '' || more.length > 0)
    throw new CliError(`"${word}" names no document: write KIND/NAME, such as app/wiki`);
  return { kind: requireKind(kind), name: checkName(name) };
}

function checkName(name: string): string {
  if (/^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/.test(name)) return name;
  throw new CliError(`"${name}" is no name: names are lower-case letters, digits and dashes`);
}
