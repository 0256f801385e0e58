/** `holdfast wait`: until documents are as said, or the time is over. */
import type { Reference } from '../../resources/document.ts';
import { parseTargets } from './references.ts';
import { type CliContext, CliError, durationOption, textOption, type VerbDefinition } from './verb.ts';
import { becomesReady, DEFAULT_TIMEOUT, parseGoal, waitFor } from './waiting.ts';

export const command: VerbDefinition = {
  name: 'wait',
  summary: 'wait until documents are Ready, deleted, or have a value',
  arguments: [
    {
      name: 'ref',
      description: 'such as app/wiki; a kind alone is all that there are of it',
      required: true,
      variadic: true,
      complete: 'reference',
    },
  ],
  options: [
    {
      flags: '--for <goal>',
      description: 'condition=TYPE[=STATUS], delete or jsonpath=PATH[=VALUE]',
      default: 'condition=Ready',
    },
    { flags: '--timeout <duration>', description: 'how long', default: '120s' },
    { flags: '-l, --selector <labels>', description: 'with a kind: only with these labels' },
  ],
  examples: [
    'holdfast wait app/wiki',
    'holdfast wait apps --timeout 5m',
    "holdfast wait app/wiki --for=jsonpath='{.spec.state}'=stopped",
  ],
  async run(context, args, options) {
    const goal = parseGoal(textOption(options, 'for') ?? 'condition=Ready');
    const references = await find(context, args, textOption(options, 'selector'));
    if (goal.word === 'Ready') requireReconciled(references);
    return waitFor(context, references, goal, durationOption(options, 'timeout') ?? DEFAULT_TIMEOUT);
  },
};

function requireReconciled(references: readonly Reference[]): void {
  const never = references.find(({ kind }) => !becomesReady(kind));
  if (never !== undefined) throw new CliError(`a ${never.kind} never becomes Ready: it is just there`);
}

async function find(
  context: CliContext,
  args: readonly string[],
  labelSelector: string | undefined,
): Promise<Reference[]> {
  const references: Reference[] = [];
  for (const { kind, name } of parseTargets(args)) {
    if (name !== undefined) references.push({ kind: kind.kind, name });
    else {
      const { items } = await context.client.list(kind.kind, { labelSelector });
      references.push(...items.map((item) => ({ kind: kind.kind, name: item.metadata.name })));
    }
  }
  return references;
}
