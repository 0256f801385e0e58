/**
 * Reads manifests from text, files, directories and stdin, and tells everything that is wrong with them at its place. Called by the
 * CLI, by the watched directory and by setup. All or nothing: where there is a problem, no manifest is answered.
 */
import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, Lexer, LineCounter, parseAllDocuments } from 'yaml';
import { type Manifest, refText } from './document.ts';
import { excerptOf, type ManifestProblem, MOST_PROBLEMS } from './manifest-problem.ts';
import { kindOf } from './registry.ts';
import { at, fieldPath, isRecord } from './unknown.ts';
import { validate } from './validation.ts';
import { type YamlValue, yamlValue } from './yaml-value.ts';

export interface SourcedManifest {
  manifest: Manifest;
  file: string;
  /** From 1. */
  line: number;
}

export interface ReadManifests {
  /** Empty where there is any problem. */
  manifests: SourcedManifest[];
  problems: ManifestProblem[];
}

/** Bytes of one file. Larger ones are refused before they are parsed. */
export const LARGEST_FILE = 5 * 2 ** 20;
/** Words, marks and line ends. The parser takes about a second and some hundred megabytes for so many. */
export const MOST_TOKENS = 500_000;
const MANIFEST_FILE = /[.](ya?ml|json)$/;

/** Manifests of one text: YAML with any number of documents, or JSON. `file` is how its place is named. */
export function readManifests(text: string, options: { file: string }): ReadManifests {
  const set = new ManifestSet();
  set.addText(text, options.file);
  return set.result();
}

/** Manifests of a file, of all files in a directory and below it, or of stdin (`-`). Several paths are one set. */
export async function readPath(
  path: string | readonly string[],
  options: { stdin?: AsyncIterable<Uint8Array | string> } = {},
): Promise<ReadManifests> {
  const set = new ManifestSet();
  for (const each of typeof path === 'string' ? [path] : path) {
    if (each === '-') set.addBytes(await readAll(options.stdin ?? process.stdin), 'stdin');
    else addPath(set, each, new Set(), true);
  }
  return set.result();
}

async function readAll(stream: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    chunks.push(bytes);
    size += bytes.length;
    if (size > LARGEST_FILE) break;
  }
  return Buffer.concat(chunks);
}

/** Files named by a person are read whatever they are called; in a directory only manifests, and nothing hidden. */
function addPath(set: ManifestSet, path: string, visited: Set<string>, named: boolean): void {
  try {
    const stat = statSync(path);
    if (stat.isDirectory()) addDirectory(set, path, visited);
    else if (named || MANIFEST_FILE.test(path)) addFile(set, path, stat);
  } catch (error) {
    set.refuse(path, unreadable(error));
  }
}

function addFile(set: ManifestSet, path: string, stat: { isFile(): boolean; size: number }): void {
  if (stat.isFile() && stat.size > LARGEST_FILE) set.refuse(path, tooLarge(stat.size));
  else set.addBytes(readFileSync(path), path);
}

function addDirectory(set: ManifestSet, path: string, visited: Set<string>): void {
  const real = realpathSync(path);
  if (visited.has(real)) return; // A link back up.
  visited.add(real);
  for (const name of readdirSync(path).sort())
    if (!name.startsWith('.')) addPath(set, join(path, name), visited, false);
}

function unreadable(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return 'there is no such file or directory';
  if (code === 'EACCES') return 'may not be read by this user';
  return `cannot be read: ${message}`;
}

function tooLarge(bytes: number): string {
  return `is ${(bytes / 2 ** 20).toFixed(1)} MiB; ${LARGEST_FILE / 2 ** 20} MiB is the most. Split it`;
}

/** Collects what files hold, and refuses two documents of one kind and name. */
class ManifestSet {
  private readonly manifests: SourcedManifest[] = [];
  private readonly problems: ManifestProblem[] = [];
  private readonly places = new Map<string, string>();

  result(): ReadManifests {
    if (this.problems.length === 0) return { manifests: this.manifests, problems: [] };
    return { manifests: [], problems: this.problems.slice(0, MOST_PROBLEMS) };
  }

  /** A problem of a whole file. */
  refuse(file: string, message: string): void {
    this.problems.push({ file, line: 0, column: 0, field: '', message });
  }

  addBytes(bytes: Uint8Array, file: string): void {
    try {
      this.addText(new TextDecoder('utf-8', { fatal: true }).decode(bytes), file);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      this.refuse(file, 'is not text in UTF-8');
    }
  }

  addText(text: string, file: string): void {
    const reason = reasonToRefuse(text);
    if (reason !== undefined) this.refuse(file, reason);
    else this.addSource(new SourceText(text, file));
  }

  private addSource(source: SourceText): void {
    for (const document of source.documents()) {
      if (this.problems.length >= MOST_PROBLEMS) return;
      const problems = source.syntaxProblems(document);
      this.problems.push(...problems);
      if (problems.length === 0) this.addDocument(yamlValue(document), source);
    }
  }

  private addDocument(document: YamlValue, source: SourceText): void {
    if (document.problems.length > 0) {
      const isSecret = at(document.value, 'kind') === 'Secret';
      for (const { offset, pointer, message } of document.problems.slice(0, MOST_PROBLEMS))
        this.problems.push(source.problem(offset, pointer, message, { isSecret }));
      return;
    }
    if (document.value === null) return;
    for (const { value, base } of expandList(document.value)) this.addManifest(value, base, document, source);
  }

  private addManifest(value: unknown, base: string, document: YamlValue, source: SourceText): void {
    const isSecret = kindOf(String(at(value, 'kind')))?.secret === true;
    const problems = validate(value).slice(0, MOST_PROBLEMS);
    const placed = problems.map(({ pointer, message, suggestion }) => {
      const isName = message.startsWith('unknown field') || message.startsWith('has a name');
      const offset = document.locate(base + pointer, isName ? 'key' : 'value');
      const problem = source.problem(offset, pointer, message, { isSecret });
      return suggestion === undefined ? problem : { ...problem, suggestion };
    });
    this.problems.push(...placed.sort((a, b) => a.line - b.line || a.column - b.column));
    if (problems.length > 0) return;
    const manifest = value as Manifest;
    const offset = document.locate(`${base}/metadata/name`, 'value');
    const start = document.locate(`${base}/apiVersion`, 'key');
    this.addValid({ manifest, file: source.file, line: source.place(start).line }, offset, source);
  }

  private addValid(entry: SourcedManifest, offset: number, source: SourceText): void {
    const name = refText(entry.manifest);
    const { line } = source.place(offset);
    const other = this.places.get(name);
    if (other !== undefined) {
      const message = `${name} stands twice: also at ${other}. Keep one`;
      this.problems.push(source.problem(offset, '/metadata/name', message, { isSecret: false }));
      return;
    }
    this.places.set(name, `${entry.file}:${line}`);
    this.manifests.push(entry);
  }
}

/** `kind: List`, as kubectl and `get -o yaml` write it, is its items. */
function expandList(value: unknown): { value: unknown; base: string }[] {
  const kind = at(value, 'kind');
  if (
    typeof kind !== 'string' ||
    !kind.endsWith('List') ||
    !isRecord(value) ||
    !Array.isArray(value['items'])
  )
    return [{ value, base: '' }];
  return value['items'].map((item, index) => ({ value: item, base: `/items/${index}` }));
}

/** What is wrong with the text as a whole, before the parser spends time and memory on it. */
function reasonToRefuse(text: string): string | undefined {
  const size = Buffer.byteLength(text);
  if (size > LARGEST_FILE) return tooLarge(size);
  if (text.includes('\0')) return 'is not text';
  if (hasTooManyTokens(text)) return `has more than ${MOST_TOKENS} words and marks. Split it`;
  return undefined;
}

/** Reading them is quick beside what the parser makes of each; long text in one place is one token. */
function hasTooManyTokens(text: string): boolean {
  // Each token takes a character, or is a sign of the lexer's own before one that does.
  if (text.length * 2 <= MOST_TOKENS) return false;
  let tokens = 0;
  for (const _token of new Lexer().lex(text)) if (++tokens > MOST_TOKENS) return true;
  return false;
}

/** One text with its lines counted. */
class SourceText {
  readonly file: string;
  private readonly text: string;
  private readonly lines = new LineCounter();

  constructor(text: string, file: string) {
    this.text = text;
    this.file = file;
  }

  documents(): Document.Parsed[] {
    // Doubled keys are found by yaml-value.ts; here the time would grow with the square of their number.
    const parsed = parseAllDocuments(this.text, {
      lineCounter: this.lines,
      uniqueKeys: false,
      prettyErrors: false,
      logLevel: 'silent',
    });
    return 'empty' in parsed ? [] : parsed;
  }

  place(offset: number): { line: number; column: number } {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  problem(offset: number, pointer: string, message: string, options: { isSecret: boolean }): ManifestProblem {
    const { line, column } = this.place(offset);
    const problem = { file: this.file, line, column, field: fieldPath(pointer), message };
    return options.isSecret ? problem : { ...problem, excerpt: excerptOf(this.text, offset, column) };
  }

  /** The first few: what follows a syntax error is mostly its echo. */
  syntaxProblems(document: Document.Parsed): ManifestProblem[] {
    const { explicit, version } = document.directives.yaml;
    if (explicit === true && version !== '1.2') {
      const message = `says YAML ${version}; YAML 1.2 is read`;
      return [this.problem(document.range[0], '', message, { isSecret: false })];
    }
    return document.errors
      .slice(0, 3)
      .map((error) => this.problem(error.pos[0], '', syntaxMessage(error), { isSecret: false }));
  }
}

const SYNTAX_WORDS: Record<string, string> = {
  TAB_AS_INDENT: 'tabs cannot indent YAML; use spaces',
  BLOCK_AS_IMPLICIT_KEY: 'the indentation is wrong, or a text with a colon needs quotes',
  MULTILINE_IMPLICIT_KEY: 'the indentation is wrong, or a colon is missing',
};

function syntaxMessage(error: { code: string; message: string }): string {
  if (error.message.includes('call stack')) return 'is nested too deeply';
  return SYNTAX_WORDS[error.code] ?? `is no YAML: ${error.message.split('\n')[0]}`;
}
