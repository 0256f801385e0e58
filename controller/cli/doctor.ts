/** `holdfast doctor`: whether all that Holdfast needs is well, and what to do where it is not. */
import { type DoctorCheck, NotRunningError } from './client.ts';
import { oneLine, painter } from './terminal.ts';
import { type CliContext, CliError, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'doctor',
  summary: 'check that everything Holdfast needs is well',
  options: [
    {
      flags: '-o, --output <format>',
      description: 'text or json',
      choices: ['text', 'json'],
      default: 'text',
    },
  ],
  async run(context, _args, options) {
    const checks = await look(context);
    if (textOption(options, 'output') === 'json')
      context.stdout.write(`${JSON.stringify({ checks }, null, 2)}\n`);
    else context.stdout.write(lines(context, checks));
    return checks.every((check) => check.ok) ? 0 : 1;
  },
};

/** A controller that cannot be asked is the first thing that is not well. */
async function look(context: CliContext): Promise<DoctorCheck[]> {
  try {
    return [
      { name: 'controller', ok: true, message: `answers at ${context.socketPath}` },
      ...(await context.client.doctor()),
    ];
  } catch (error) {
    if (!(error instanceof NotRunningError) && !(error instanceof CliError)) throw error;
    return [{ name: 'controller', ok: false, message: error.message }];
  }
}

function lines(context: CliContext, checks: readonly DoctorCheck[]): string {
  const paint = painter(context, context.stdout);
  const width = Math.max(...checks.map((check) => check.name.length));
  return checks
    .map(({ name, ok, message }) => {
      const word = ok ? paint('green', 'ok  ') : paint('red', 'FAIL');
      return `${word}  ${name.padEnd(width)}  ${oneLine(message)}\n`;
    })
    .join('');
}
