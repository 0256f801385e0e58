/** `holdfast logs`: what an App's container wrote. */
import { parseReference } from './references.ts';
import { CliError, flagOption, numberOption, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'logs',
  summary: 'show what an App wrote',
  arguments: [
    {
      name: 'app',
      description: 'such as app/wiki, or wiki',
      required: true,
      variadic: true,
      complete: 'app',
    },
  ],
  options: [
    { flags: '-f, --follow', description: 'go on and show what it writes' },
    { flags: '--tail <lines>', description: 'only the last lines' },
    { flags: '--task <name>', description: 'what a task of the App wrote in its last runs' },
    { flags: '--timestamps', description: 'with the time of each line' },
    { flags: '--since <time>', description: 'only what is newer: a duration such as 10m, or a time' },
  ],
  async run(context, args, options) {
    const reference = parseReference(args, { defaultKind: 'App' });
    if (reference.kind !== 'App') throw new CliError(`only Apps have logs, not ${reference.kind}`);
    const query = {
      follow: flagOption(options, 'follow'),
      timestamps: flagOption(options, 'timestamps'),
      task: textOption(options, 'task'),
      tailLines: numberOption(options, 'tail'),
      sinceTime: sinceTime(textOption(options, 'since'), context.now()),
    };
    const chunks = await context.client.log(reference.name, query, context.signal);
    for await (const chunk of chunks) context.stdout.write(chunk);
    return 0;
  },
};

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** 10m, or a time that a person writes, as RFC 3339. */
export function sinceTime(text: string | undefined, now: number): string | undefined {
  if (text === undefined) return undefined;
  const match = /^([0-9]+)([smhd])$/.exec(text);
  const time =
    match === null ? Date.parse(text) : now - Number(match[1]) * (UNITS[match[2] ?? ''] ?? 0) * 1000;
  if (Number.isNaN(time))
    throw new CliError(
      `--since takes a duration such as 10m, or a time such as 2026-01-31T12:00:00Z, not "${text}"`,
    );
  return new Date(time).toISOString();
}
