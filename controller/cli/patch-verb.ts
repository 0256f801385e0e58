/** Verbs that set one field of documents: restart, stop, start, suspend, resume. Each of their files is one call of this. */
import type { Document, Json, Reference } from '../../resources/document.ts';
import { parseReferences, referenceText } from './references.ts';
import {
  type CliContext,
  CliError,
  durationOption,
  flagOption,
  textOption,
  type VerbDefinition,
} from './verb.ts';
import { becomesReady, conditionGoal, DEFAULT_TIMEOUT, waitFor } from './waiting.ts';

export interface PatchVerb {
  name: string;
  summary: string;
  description: string;
  /** What is said of each document afterwards, such as "stopped". */
  done: string;
  /** The merge patch. */
  patch(context: CliContext): Json;
  /** Only Apps have it. Without, it is for every kind, or those of `kinds`. */
  appsOnly: boolean;
  /** Kinds that have it. The first is meant where a name stands alone. */
  kinds?: readonly string[];
  /** Whether --wait makes sense: what is suspended does not become Ready. */
  waits: boolean;
  /** What --wait waits for beside Ready, where the generation does not tell. */
  isDone?(document: Document): boolean;
}

export function patchVerb(verb: PatchVerb): VerbDefinition {
  const kinds = verb.kinds ?? (verb.appsOnly ? ['App'] : undefined);
  const defaultKind = kinds?.[0] === undefined ? {} : { defaultKind: kinds[0] };
  const wait = [
    { flags: '--wait', description: 'wait until they are Ready' },
    { flags: '--timeout <duration>', description: 'how long to wait', default: '120s' },
  ];
  return {
    name: verb.name,
    summary: verb.summary,
    description: verb.description,
    arguments: [
      {
        name: 'ref',
        description: 'such as app/wiki',
        required: true,
        variadic: true,
        complete: verb.appsOnly ? 'app' : 'reference',
      },
    ],
    options: [...(verb.waits ? wait : []), { flags: '--reason <text>', description: 'kept in the history' }],
    async run(context, args, options) {
      const references = parseReferences(args, defaultKind);
      if (kinds) requireKinds(references, kinds, verb.name);
      for (const reference of references) {
        await context.client.mergePatch(reference, verb.patch(context), {
          reason: textOption(options, 'reason'),
        });
        context.stdout.write(`${referenceText(reference)} ${verb.done}\n`);
      }
      if (!flagOption(options, 'wait')) return 0;
      const waited = references.filter(({ kind }) => becomesReady(kind));
      const timeout = durationOption(options, 'timeout') ?? DEFAULT_TIMEOUT;
      const ready = conditionGoal('Ready', 'True');
      const isMet = (document: Document | undefined) =>
        ready.isMet(document) && (document === undefined || (verb.isDone?.(document) ?? true));
      return waitFor(context, waited, { ...ready, isMet }, timeout);
    },
  };
}

function requireKinds(references: readonly Reference[], kinds: readonly string[], verb: string): void {
  const other = references.find(({ kind }) => !kinds.includes(kind));
  if (other === undefined) return;
  const words = kinds.map((kind) => `${kind}s`).join(' and ');
  throw new CliError(`${verb} is for ${words}, not for ${referenceText(other)}`);
}
