/** `holdfast version`: of this program and of the controller. */
import { CliError, flagOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'version',
  summary: 'show the versions of this program and of the controller',
  options: [{ flags: '--client', description: 'of this program only' }],
  async run(context, _args, options) {
    context.stdout.write(`holdfast ${context.version}\n`);
    if (flagOption(options, 'client')) return 0;
    try {
      const version = await context.client.version();
      context.stdout.write(`controller ${String(version['gitVersion'] ?? 'unknown').replace(/^v/, '')}\n`);
      return 0;
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      context.stderr.write(`${error.message}\n`);
      return 0;
    }
  },
};
