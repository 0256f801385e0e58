/** `holdfast edit`: a document in the editor, checked and stored when it is closed. What is refused is kept in a file. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Document, Manifest, Reference } from '../../resources/document.ts';
import { toYaml } from './output.ts';
import { parseReference, referenceText } from './references.ts';
import { withoutServerFields } from './server-fields.ts';
import { type CliContext, CliError, textOption, type VerbDefinition } from './verb.ts';

export const command: VerbDefinition = {
  name: 'edit',
  summary: 'change a document in an editor',
  description:
    'Opens the document in $VISUAL, $EDITOR or vi. When it is closed unchanged, nothing is stored.',
  arguments: [
    { name: 'ref', description: 'such as app/wiki', required: true, variadic: true, complete: 'reference' },
  ],
  options: [{ flags: '--reason <text>', description: 'kept in the history' }],
  async run(context, args, options) {
    const reference = parseReference(args);
    const document = await context.client.get(reference);
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-edit-'));
    const file = join(folder, `${reference.kind.toLowerCase()}-${reference.name}.yaml`);
    const before = await toYaml([withoutServerFields(document)]);
    writeFileSync(file, before, { mode: 0o600 });
    await openEditor(context, file);
    const after = readFileSync(file, 'utf8');
    if (after === before || after.trim() === '') {
      rmSync(folder, { recursive: true });
      context.stderr.write(`${referenceText(reference)} unchanged\n`);
      return 0;
    }
    await store(context, { document, reference, text: after, file, reason: textOption(options, 'reason') });
    rmSync(folder, { recursive: true });
    context.stdout.write(`${referenceText(reference)} configured\n`);
    return 0;
  },
};

interface Edited {
  document: Document;
  reference: Reference;
  text: string;
  file: string;
  reason: string | undefined;
}

/** What was typed is never lost: every refusal names the file. */
async function store(context: CliContext, edited: Edited): Promise<void> {
  try {
    const manifest = await read(edited);
    // The version that was read: what somebody else changed meanwhile is a conflict, not overwritten.
    const { resourceVersion } = edited.document.metadata;
    const document = { ...manifest, metadata: { ...manifest.metadata, resourceVersion } };
    await context.client.replace(document, { reason: edited.reason });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    throw new CliError(
      `${words}\nNothing was stored. Your text is in ${edited.file}; correct it and run holdfast apply -f ${edited.file}`,
      {
        cause: error,
      },
    );
  }
}

async function read({ text, file, reference }: Edited): Promise<Manifest> {
  const { readManifests } = await import('../../resources/manifest.ts');
  const { formatProblem } = await import('../../resources/manifest-problem.ts');
  const { manifests, problems } = readManifests(text, { file });
  if (problems.length > 0) throw new CliError(problems.map((problem) => formatProblem(problem)).join('\n'));
  const [first, ...more] = manifests;
  const isSame = first?.manifest.kind === reference.kind && first.manifest.metadata.name === reference.name;
  if (first === undefined || more.length > 0 || !isSame)
    throw new CliError(
      `the file must hold ${referenceText(reference)} and nothing else; kind and name cannot be edited`,
    );
  return first.manifest;
}

/** $EDITOR may hold arguments (`code --wait`); they are split at spaces, and no shell reads them. */
function openEditor(context: CliContext, file: string): Promise<void> {
  const { VISUAL, EDITOR } = context.env;
  const [program = 'vi', ...args] = (VISUAL || EDITOR || 'vi').split(/\s+/).filter((word) => word !== '');
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...args, file], { stdio: 'inherit' });
    child.on('error', (cause) =>
      reject(
        new CliError(`the editor ${program} cannot be started: ${cause.message}. Set EDITOR`, { cause }),
      ),
    );
    child.on('exit', (code) => {
      if (code === 0) resolve();
      else reject(new CliError(`the editor ended with ${code}; nothing was stored. Your text is in ${file}`));
    });
  });
}
