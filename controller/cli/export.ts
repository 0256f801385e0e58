/** `holdfast export`: everything that people wrote, as files to begin a repository with. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Document } from '../../resources/document.ts';
import { kinds } from '../../resources/registry.ts';
import { toYaml } from './output.ts';
import { parseTargets } from './references.ts';
import { forExport } from './server-fields.ts';
import { type CliContext, CliError, flagOption, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'export',
  summary: 'write out all that people wrote, as manifests',
  description: 'Without what the platform adds. Values of Secrets are hidden unless asked for.',
  arguments: [
    { name: 'kind', description: 'only these kinds or documents', variadic: true, complete: 'reference' },
  ],
  options: [
    {
      flags: '-o, --output <path>',
      description: 'one file for each document, in this directory, instead of stdout',
    },
    { flags: '-d, --directory <path>', description: 'the same as -o' },
    { flags: '--show-secrets', description: 'with the values of Secrets, in clear' },
  ],
  examples: ['holdfast export > all.yaml', 'holdfast export -o manifests/ --show-secrets'],
  async run(context, args, options) {
    const showSecrets = flagOption(options, 'showSecrets');
    const documents = await read(context, args, showSecrets);
    const directory = textOption(options, 'output') ?? textOption(options, 'directory');
    if (directory === undefined) context.stdout.write(await toYaml(documents.map(forExport)));
    else await writeFiles(context, directory, documents, showSecrets);
    const hidden = !showSecrets && documents.some((document) => isSecret(document));
    if (hidden)
      context.stderr.write(
        'values of Secrets are (hidden): they can be applied here only. Use --show-secrets for another machine\n',
      );
    return 0;
  },
};

async function read(context: CliContext, args: readonly string[], showSecrets: boolean): Promise<Document[]> {
  const targets =
    args.length > 0
      ? parseTargets(args)
      : kinds.filter((kind) => kind.writtenBy === 'people').map((kind) => ({ kind }));
  const documents: Document[] = [];
  for (const { kind, name } of targets as ReturnType<typeof parseTargets>) {
    if (kind.writtenBy !== 'people')
      throw new CliError(`${kind.plural} are written by the controller; there is nothing to export`);
    if (name === undefined) documents.push(...(await context.client.list(kind.kind, { showSecrets })).items);
    else documents.push(await context.client.get({ kind: kind.kind, name }, { showSecrets }));
  }
  // What a reconciler wrote for another document comes back with that.
  return documents.filter(
    ({ metadata }) =>
      metadata.deletionTimestamp === undefined &&
      !metadata.ownerReferences?.some(({ controller }) => controller === true),
  );
}

async function writeFiles(
  context: CliContext,
  directory: string,
  documents: readonly Document[],
  showSecrets: boolean,
): Promise<void> {
  mkdirSync(directory, { recursive: true });
  for (const document of documents) {
    const file = join(directory, `${document.kind.toLowerCase()}-${document.metadata.name}.yaml`);
    const mode = isSecret(document) && showSecrets ? 0o600 : 0o644;
    if (existsSync(file)) throw new CliError(`${file} is there already; export into an empty directory`);
    writeFileSync(file, await toYaml([forExport(document)]), { mode, flag: 'wx' });
    context.stdout.write(`${file}\n`);
  }
}

function isSecret(document: Document): boolean {
  return kinds.some((kind) => kind.kind === document.kind && kind.secret === true);
}
