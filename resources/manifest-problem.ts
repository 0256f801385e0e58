/**
 * One thing wrong with a file of manifests, at its place, and how it is shown. Made while reading; printed by the CLI and kept
 * in the status of Sources.
 */
export interface ManifestProblem {
  file: string;
  /** From 1. 0 where it is about the whole file. */
  line: number;
  column: number;
  /** Such as spec.ports.SSH_PORT. Empty where it is about a whole document or file. */
  field: string;
  message: string;
  /** A near name for a misspelt field or value. */
  suggestion?: string;
  /** The line of the file, and a second line with a caret. Not there where the line may hold a secret. */
  excerpt?: string;
}

/** A file with nonsense in it has more problems than anybody reads. */
export const MOST_PROBLEMS = 50;

/** wiki.yaml:7:3: spec.imge: unknown field; did you mean image? The excerpt follows on its own lines unless left out. */
export function formatProblem(problem: ManifestProblem, options: { excerpt?: boolean } = {}): string {
  const place = problem.line === 0 ? problem.file : `${problem.file}:${problem.line}:${problem.column}`;
  const field = problem.field === '' ? '' : `${problem.field}: `;
  const hint = problem.suggestion === undefined ? '' : `; did you mean ${problem.suggestion}?`;
  const first = `${place}: ${field}${problem.message}${hint}`;
  return problem.excerpt === undefined || options.excerpt === false ? first : `${first}\n${problem.excerpt}`;
}

const WIDTH = 100;

/** The line and a caret under the column; a long line is cut around it. */
export function excerptOf(text: string, start: number, column: number): string {
  const lineStart = start - (column - 1);
  const end = text.indexOf('\n', start);
  const line = text.slice(lineStart, Math.min(end < 0 ? text.length : end, lineStart + 100_000));
  const from = column > WIDTH - 20 ? column - WIDTH / 2 : 0;
  // A control character in somebody's file must not reach a terminal.
  const visible = line.slice(from, from + WIDTH).replace(/[\p{Cc}\p{Cf}]/gu, ' ');
  return `    ${visible.trimEnd()}\n    ${' '.repeat(Math.max(0, column - 1 - from))}^`;
}
