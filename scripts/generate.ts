/**
 * Writes what follows from schemas/: the types of every spec and status (resources/generated.ts) and the reference for people
 * (docs/reference/). Run by `npm run generate`; `npm run check` compares with what is committed and writes nothing.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { kinds } from '../resources/registry.ts';
import { referenceIndex, referencePage } from './generate/reference.ts';
import { generatedTypes } from './generate/types.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Every generated file: path from the project's root, and its text. */
export async function generate(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  files.set('resources/generated.ts', await generatedTypes(kinds));
  for (const kind of kinds) files.set(`docs/reference/${kind.singular}.md`, referencePage(kind));
  files.set('docs/reference/README.md', referenceIndex(kinds));
  return files;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  for (const [path, text] of await generate()) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    process.stderr.write(`${path}\n`);
  }
}
