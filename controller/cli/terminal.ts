/** Text for terminals: tables, colour where it is wanted, and nothing that could take the terminal over. Pure. */
import type { CliContext, Output } from './verb.ts';

/** Columns in capitals and rows below, two spaces apart; no spaces at line ends. */
export function table(
  headers: readonly string[],
  rows: readonly (readonly string[])[],
  noHeaders = false,
): string {
  const lines = (noHeaders ? rows : [headers, ...rows]).map((row) => row.map(oneLine));
  const widths = headers.map((_, column) => Math.max(0, ...lines.map((line) => width(line[column] ?? ''))));
  return lines
    .map(
      (line) =>
        `${line
          .map((text, column) => pad(text, widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

export function pad(text: string, size: number): string {
  return text + ' '.repeat(Math.max(0, size - width(text)));
}

function width(text: string): number {
  return [...text].length;
}

/** Without line breaks and control characters: text that comes from elsewhere stays text. */
export function oneLine(text: string): string {
  return visible(text).replaceAll('\n', ' ');
}

/** Without control characters other than line breaks and tabs. */
export function visible(text: string): string {
  return text.replace(/[^\P{Cc}\n\t]/gu, '');
}

export function indent(text: string, spaces: number): string {
  return text.replace(/^(?=.)/gm, ' '.repeat(spaces));
}

const CODES = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2, bold: 1 } as const;
export type Colour = keyof typeof CODES;

/** Paints for this output, or leaves the text as it is where colour is not wanted. */
export function painter(
  context: Pick<CliContext, 'env'>,
  output: Output,
): (colour: Colour, text: string) => string {
  const { NO_COLOR, TERM } = context.env;
  const colourful = output.isTTY === true && !NO_COLOR && TERM !== 'dumb';
  return (colour, text) => (colourful ? `\u001b[${CODES[colour]}m${text}\u001b[0m` : text);
}

/** Paint of a mark in a plan or a difference. */
export const MARK_COLOUR: Record<string, Colour> = { '+': 'green', '~': 'yellow', '-': 'red', '!': 'red' };
