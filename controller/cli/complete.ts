/**
 * `holdfast __complete`: candidates for the last word, one a line, for the completion scripts. It never says anything else and
 * never fails: a shell that waits at its prompt is worse than no candidates.
 */

import { childrenOf } from '../../resources/fields.ts';
import { kinds } from '../../resources/registry.ts';
import { loadSchema, resolve } from '../../resources/schemas.ts';
import { parseTargets } from './references.ts';
import type { ArgumentDefinition, CliContext, VerbDefinition } from './verb.ts';
import { loadVerb, VERBS } from './verbs.ts';

/** How long live names may take. */
const PATIENCE_MILLISECONDS = 700;

export const command: VerbDefinition = {
  name: '__complete',
  summary: 'candidates for completion scripts',
  hidden: true,
  passThrough: true,
  arguments: [
    { name: 'words', description: 'the words so far; the last is the one to complete', variadic: true },
  ],
  async run(context, args) {
    const words = args[0] === '--' ? args.slice(1) : args;
    const found = await candidates(context, words).catch(() => []);
    const last = words.at(-1) ?? '';
    context.stdout.write(
      [...new Set(found)]
        .filter((word) => word.startsWith(last))
        .map((word) => `${word}\n`)
        .join(''),
    );
    return 0;
  },
};

/** Everything that could stand in the place of the last word. */
export async function candidates(context: CliContext, words: readonly string[]): Promise<string[]> {
  const [name = '', ...rest] = words;
  const visible = VERBS.filter((entry) => entry.hidden !== true).map((entry) => entry.name);
  if (rest.length === 0) return [...visible, 'help'];
  if (name === 'help') return rest.length === 1 ? visible : [];
  const verb = await loadVerb(name);
  if (verb === undefined) return [];
  const last = rest.at(-1) ?? '';
  const before = rest.at(-2);
  const option = verb.options?.find(
    ({ flags }) => before !== undefined && flags.split(/[ ,]+/).includes(before),
  );
  if (option?.flags.includes('<')) return optionValues(option.flags, option.choices);
  if (last.startsWith('-'))
    return (verb.options ?? []).flatMap(({ flags }) => /--[a-z-]+/.exec(flags)?.[0] ?? []);
  const given = rest.slice(0, -1).filter((word) => !word.startsWith('-'));
  const argument = verb.arguments?.[Math.min(given.length, (verb.arguments?.length ?? 0) - 1)];
  return argument === undefined ? [] : argumentValues(context, argument, given, last);
}

function optionValues(flags: string, choices: readonly string[] | undefined): string[] {
  if (choices !== undefined) return [...choices];
  return flags.includes('--output') ? ['table', 'wide', 'yaml', 'json', 'name', 'jsonpath='] : [];
}

async function argumentValues(
  context: CliContext,
  argument: ArgumentDefinition,
  given: readonly string[],
  last: string,
): Promise<string[]> {
  switch (argument.complete) {
    case 'app':
      return last.includes('/') ? names(context, 'app', 'app/') : names(context, 'app', '');
    case 'reference':
      return references(context, given, last);
    case 'field':
      return fields(last);
    case 'kind':
      return kinds.map((kind) => kind.plural);
    default:
      return [];
  }
}

/** A kind first; then names of it, or kind/name as far as the slash was typed. */
async function references(context: CliContext, given: readonly string[], last: string): Promise<string[]> {
  const slash = last.indexOf('/');
  if (slash > 0) return names(context, last.slice(0, slash), last.slice(0, slash + 1));
  const [first] = given;
  if (first !== undefined && !first.includes('/')) return names(context, first, '');
  return kinds.flatMap((kind) => [kind.singular, kind.plural, `${kind.singular}/`]);
}

async function names(context: CliContext, word: string, prefix: string): Promise<string[]> {
  const [target] = parseTargets([word]);
  if (target === undefined) return [];
  const signal = AbortSignal.timeout(PATIENCE_MILLISECONDS);
  const { items } = await context.client.list(target.kind.kind, {}, signal);
  return items.map((item) => prefix + item.metadata.name);
}

/** app.spec. and what may come after the last dot. */
function fields(last: string): string[] {
  const path = last.split('.').slice(0, -1);
  const [word, ...rest] = path;
  if (word === undefined) return kinds.flatMap((kind) => [kind.singular, `${kind.singular}.`]);
  const kind = parseTargets([word])[0]?.kind;
  if (kind === undefined) return [];
  let schema = resolve(loadSchema(kind.schema));
  for (const name of rest) {
    const next = childrenOf(schema).find(([key]) => key === name)?.[1];
    if (next === undefined) return [];
    schema = resolve(next);
  }
  return childrenOf(schema).map(([key]) => [...path, key].join('.'));
}
