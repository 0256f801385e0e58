/** Manifests that a verb was given with -f, refused whole with every problem on stderr. Called by apply, plan, diff, delete, validate. */
import type { Manifest } from '../../resources/document.ts';
import { type CliContext, CliError, listOption, type OptionDefinition, type Options } from './verb.ts';

export const FILE_OPTION: OptionDefinition = {
  flags: '-f, --file <path>',
  description: 'file, directory (with all below it) or - for stdin; may be given several times',
  repeatable: true,
};

/** What was given with -f; empty without. */
export async function readFiles(context: CliContext, options: Options): Promise<Manifest[]> {
  const paths = listOption(options, 'file');
  if (paths.length === 0) return [];
  // yaml and ajv are loaded by those verbs only that read manifests: get starts faster without.
  const { readPath } = await import('../../resources/manifest.ts');
  const { manifests, problems } = await readPath(paths, { stdin: context.stdin });
  if (problems.length > 0) {
    const { formatProblem } = await import('../../resources/manifest-problem.ts');
    for (const problem of problems) context.stderr.write(`${formatProblem(problem)}\n`);
    const count = problems.length === 1 ? 'a problem' : `${problems.length} problems`;
    throw new CliError(`${count} in what was given; nothing was done`);
  }
  if (manifests.length === 0) throw new CliError(`there are no documents in ${paths.join(', ')}`);
  return manifests.map((entry) => entry.manifest);
}
