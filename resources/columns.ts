/**
 * Cells of `holdfast get` and of the API's tables: one KindDefinition's columns for one document. Called by the CLI and the
 * API; it only reads, and a value that is missing is empty text, never an error.
 */
import { condition, type Document } from './document.ts';
import type { PrinterColumn } from './kind.ts';

/** Ready as a word: True, False, Unknown, or empty before the first look. */
export function ready(document: Document): string {
  return condition(document, 'Ready')?.status ?? '';
}

/** The reason of Ready, with the percent of what is running where it is known. */
export function statusWord(document: Document): string {
  if (document.metadata.deletionTimestamp !== undefined) return 'Deleting';
  const operation = document.status?.operation;
  if (operation !== undefined) {
    const percent = operation.percent === undefined ? '' : ` ${Math.floor(operation.percent)}%`;
    return `${operation.type}${percent}`;
  }
  const stalled = condition(document, 'Stalled');
  if (stalled?.status === 'True') return stalled.reason;
  return condition(document, 'Ready')?.reason ?? '';
}

export const READY: PrinterColumn = {
  name: 'READY',
  value: ready,
  description: 'Whether it is as it should be.',
};
export const STATUS: PrinterColumn = {
  name: 'STATUS',
  value: statusWord,
  description: 'What is being done, or why it is not ready.',
};
export const AGE: PrinterColumn = {
  name: 'AGE',
  value: 'metadata.creationTimestamp',
  type: 'age',
  description: 'Since when the document is there.',
};
export const MESSAGE: PrinterColumn = {
  name: 'MESSAGE',
  value: (document) => condition(document, 'Ready')?.message ?? '',
  wide: true,
  description: 'What Ready says.',
};

/** Text of one cell. `now` in milliseconds since 1970, for ages. */
export function cell(column: PrinterColumn, document: Document, now: number): string {
  const value =
    typeof column.value === 'function' ? column.value(document) : pathText(document, column.value);
  if (column.type !== 'age' || value === '') return value;
  const then = Date.parse(value);
  return Number.isNaN(then) ? value : duration(now - then);
}

function pathText(document: Document, path: string): string {
  let value: unknown = document;
  for (const key of path.split('.')) {
    if (typeof value !== 'object' || value === null) return '';
    value = (value as Record<string, unknown>)[key];
  }
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

const UNITS: [string, number][] = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
];

/** 3d4h, 12m, 45s: the two largest units while the first is small, as kubectl shows it. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  for (const [index, [unit, size]] of UNITS.entries()) {
    const count = Math.floor(seconds / size);
    if (count === 0 && unit !== 's') continue;
    const next = UNITS[index + 1];
    const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[1]);
    return count < 10 && rest > 0 && next !== undefined
      ? `${count}${unit}${rest}${next[0]}`
      : `${count}${unit}`;
  }
  return '0s';
}
