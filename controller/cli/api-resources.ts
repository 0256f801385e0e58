/** `holdfast api-resources`: the kinds, with all their names. */
import { kinds } from '../../resources/registry.ts';
import { loadSchema } from '../../resources/schemas.ts';
import { table } from './terminal.ts';
import type { VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'api-resources',
  summary: 'show the kinds that there are',
  options: [{ flags: '--no-headers', description: 'leave out the line of column names' }],
  async run(context, _args, options) {
    const rows = kinds.map((kind) => [
      kind.plural,
      kind.shortNames.join(','),
      kind.kind,
      kind.writtenBy === 'people' ? 'people' : 'controller',
      loadSchema(kind.schema).description ?? '',
    ]);
    const headers = ['NAME', 'SHORT', 'KIND', 'WRITTEN BY', 'WHAT IT IS'];
    context.stdout.write(table(headers, rows, options['headers'] === false));
    return 0;
  },
};
