/** `holdfast why`: is it Ready, what does it wait for, when and why was it changed last, and what would change now. */
import { duration } from '../../resources/columns.ts';
import type { Why, WhyEvent, WhyLink } from '../engine/contract.ts';
import { becauseText } from './plan-text.ts';
import { parseReference, referenceText } from './references.ts';
import { oneLine, painter } from './terminal.ts';
import { type CliContext, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'why',
  summary: 'explain the state of a document, and what was done to it for which reason',
  description:
    'Follows what it waits for up to the root. Tells when and why it was last restarted or replaced, and what would change now.',
  arguments: [
    { name: 'ref', description: 'such as app/wiki', required: true, variadic: true, complete: 'reference' },
  ],
  options: [
    {
      flags: '-o, --output <format>',
      description: 'text or json',
      choices: ['text', 'json'],
      default: 'text',
    },
  ],
  examples: ['holdfast why app/wiki'],
  async run(context, args, options) {
    const why = await context.client.why(parseReference(args, { defaultKind: 'App' }));
    const isJson = textOption(options, 'output') === 'json';
    context.stdout.write(isJson ? `${JSON.stringify(why, null, 2)}\n` : whyText(why, context));
    return 0;
  },
};

function whyText(why: Why, context: CliContext): string {
  const paint = painter(context, context.stdout);
  const ago = (time: string) => `${duration(context.now() - Date.parse(time))} ago`;
  const lines = chainLines(why, context);
  if (why.observedAt !== undefined) lines.push(`  looked at ${ago(why.observedAt)}; ${why.cause}`);
  const { running } = why;
  if (running) {
    const since =
      running.since === undefined ? '' : ` for ${duration(context.now() - Date.parse(running.since))}`;
    const what = [running.step ?? running.state, running.target, running.message].filter(Boolean).join(', ');
    lines.push('', paint('bold', 'Now'), `  ${running.state}${since}: ${oneLine(what)}`);
  }
  lines.push('', paint('bold', 'Last restarted or replaced'));
  lines.push(...eventLines(why.disturbed, why, ago, 'never, as far as events are kept'));
  lines.push('', paint('bold', 'Last done'));
  lines.push(...eventLines(why.done, why, ago, 'nothing, as far as events are kept'));
  lines.push('', paint('bold', 'Would change now'));
  lines.push(...nextLines(why));
  return `${lines.join('\n')}\n`;
}

function chainLines({ chain }: Why, context: CliContext): string[] {
  const paint = painter(context, context.stdout);
  return chain.flatMap((link) => {
    const lead = '  '.repeat(link.depth);
    const isWell = link.status === 'True';
    const head = `${lead}${link.depth > 0 ? 'because ' : ''}${headOf(link, context)}`;
    const root = link.isRoot && link.depth > 0 ? ['', `${lead}    this is the root of it`].slice(1) : [];
    return [paint(isWell ? 'green' : 'yellow', head), `${lead}    ${oneLine(link.message)}`, ...root];
  });
}

function headOf({ document, status, reason, since }: WhyLink, context: CliContext): string {
  const name = referenceText(document);
  const time = since === undefined ? '' : ` for ${duration(context.now() - Date.parse(since))}`;
  if (status === 'Missing') return `${name} does not exist`;
  const words = { True: 'is Ready', False: 'is not Ready', Unknown: 'is in an unknown state' }[status];
  return `${name} ${words}${time}: ${reason}`;
}

function eventLines(
  events: readonly WhyEvent[],
  { document }: Why,
  ago: (time: string) => string,
  none: string,
): string[] {
  if (events.length === 0) return [`  ${none}`];
  return events.flatMap(({ at, count, reason, message, because, document: of }) => {
    const isOther = of.kind !== document.kind || of.name !== document.name;
    const whose = isOther ? ` (${referenceText(of)})` : '';
    const times = count > 1 ? `, ${count} times` : '';
    const reasons = because.slice(0, 5).map((entry) => `      because ${becauseText(entry)}`);
    return [`  ${ago(at)}${times}: ${reason}${whose}: ${oneLine(message)}`, ...reasons];
  });
}

function nextLines({ next, problems }: Why): string[] {
  const steps = next.flatMap(({ step }) => {
    const impact = step.impact === 'none' ? '' : ` (${step.impact})`;
    const head = `  ${step.type} ${oneLine(step.target)}${impact}: ${oneLine(step.message)}`;
    return [head, ...step.because.slice(0, 5).map((entry) => `      because ${becauseText(entry)}`)];
  });
  const blocked = problems.map(
    ({ document, reason, message }) => `  ! ${referenceText(document)}: ${reason}: ${oneLine(message)}`,
  );
  return steps.length + blocked.length === 0 ? ['  nothing'] : [...steps, ...blocked];
}
