/**
 * suspend and resume: for documents it is a field of theirs, as patch-verb.ts sets it; for a kind and for all it is
 * `spec.suspendKinds` of the Platform.
 */
import { kindOf } from '../../resources/registry.ts';
import { patchVerb } from './patch-verb.ts';
import { type CliContext, CliError, flagOption, textOption, type VerbDefinition } from './verb.ts';

interface PauseVerb {
  name: string;
  summary: string;
  description: string;
  done: string;
  suspend: boolean;
  waits: boolean;
}

const PLATFORM = { kind: 'Platform', name: 'platform' };

export function pauseVerb({ suspend, ...verb }: PauseVerb): VerbDefinition {
  const documents = patchVerb({
    ...verb,
    patch: () => ({ spec: { suspend: suspend || null } }),
    appsOnly: false,
  });
  const [reference, ...others] = documents.arguments ?? [];
  return {
    ...documents,
    arguments: reference ? [{ ...reference, required: false }, ...others] : [],
    options: [{ flags: '--all', description: 'everything, of all kinds' }, ...(documents.options ?? [])],
    examples: [`holdfast ${verb.name} app/wiki`, `holdfast ${verb.name} apps`, `holdfast ${verb.name} --all`],
    async run(context, args, options) {
      const reason = textOption(options, 'reason');
      if (flagOption(options, 'all')) {
        if (args.length > 0) throw new CliError(`${verb.name} --all is for everything: name nothing else`);
        return setKinds(context, ['*'], suspend, verb.done, reason);
      }
      const kinds = kindsOf(args);
      if (kinds) return setKinds(context, kinds, suspend, verb.done, reason);
      return documents.run(context, args, options);
    },
  };
}

/** The kinds, where nothing but kinds is named. */
function kindsOf(args: readonly string[]): string[] | undefined {
  if (args.length === 0)
    throw new CliError('name documents such as app/wiki, a kind such as apps, or say --all');
  const found = args.flatMap((word) => word.split(',')).map((word) => kindOf(word)?.kind);
  return args.length === 1 && found.every((kind) => kind !== undefined) ? (found as string[]) : undefined;
}

async function setKinds(
  context: CliContext,
  kinds: readonly string[],
  suspend: boolean,
  done: string,
  reason: string | undefined,
): Promise<number> {
  const platform = await context.client.get(PLATFORM);
  const before = (platform.spec['suspendKinds'] ?? []) as string[];
  const isAll = kinds.includes('*');
  const left = isAll ? [] : before.filter((kind) => !kinds.includes(kind));
  if (!suspend && !isAll && before.includes('*'))
    throw new CliError('everything is suspended; holdfast resume --all ends that');
  const after = suspend ? [...(isAll ? before.filter((kind) => kind !== '*') : left), ...kinds] : left;
  const suspendKinds = after.length === 0 ? null : after;
  await context.client.mergePatch(PLATFORM, { spec: { suspendKinds } }, { reason });
  for (const kind of kinds) context.stdout.write(`${isAll ? 'everything' : `all of kind ${kind}`} ${done}\n`);
  return 0;
}
