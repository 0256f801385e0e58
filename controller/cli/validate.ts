/** `holdfast validate`: whether manifests are good, on this machine, with no controller. */
import { FILE_OPTION, readFiles } from './reading.ts';
import { referenceText } from './references.ts';
import { CliError, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'validate',
  summary: 'check manifests without a controller',
  options: [FILE_OPTION],
  examples: ['holdfast validate -f manifests/'],
  async run(context, _args, options) {
    const manifests = await readFiles(context, options);
    if (manifests.length === 0)
      throw new CliError('check what? Name a file, a directory or - for stdin with -f');
    for (const { kind, metadata } of manifests)
      context.stdout.write(`${referenceText({ kind, name: metadata.name })} valid\n`);
    return 0;
  },
};
