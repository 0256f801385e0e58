/** Two documents compared field by field, for people: `~ spec.image: nginx:1 → nginx:2`. Pure. */
import { escapePointer, fieldPath, isRecord } from '../../resources/unknown.ts';
import { type Colour, MARK_COLOUR, oneLine } from './terminal.ts';

export interface Difference {
  mark: '+' | '~' | '-';
  path: string;
  found?: unknown;
  wanted?: unknown;
}

/** What it takes to come from `found` to `wanted`, in the order of the fields. */
export function differences(found: unknown, wanted: unknown, pointer = ''): Difference[] {
  if (isRecord(found) && isRecord(wanted)) return byKey(found, wanted, pointer);
  if (Array.isArray(found) && Array.isArray(wanted)) return byKey({ ...found }, { ...wanted }, pointer);
  if (JSON.stringify(found) === JSON.stringify(wanted)) return [];
  const path = fieldPath(pointer);
  if (found === undefined) return [{ mark: '+', path, wanted }];
  if (wanted === undefined) return [{ mark: '-', path, found }];
  return [{ mark: '~', path, found, wanted }];
}

function byKey(
  found: Record<string, unknown>,
  wanted: Record<string, unknown>,
  pointer: string,
): Difference[] {
  const keys = new Set([...Object.keys(found), ...Object.keys(wanted)]);
  return [...keys].flatMap((key) => differences(found[key], wanted[key], `${pointer}/${escapePointer(key)}`));
}

export function differenceLine(
  difference: Difference,
  paint: (colour: Colour, text: string) => string,
): string {
  const { mark, path } = difference;
  const colour = MARK_COLOUR[mark] ?? 'bold';
  if (mark === '~')
    return paint(colour, `~ ${path}: ${valueText(difference.found)} → ${valueText(difference.wanted)}`);
  return paint(colour, `${mark} ${path}: ${valueText(mark === '+' ? difference.wanted : difference.found)}`);
}

/** A value on one line: text as it is, the rest as JSON. */
export function valueText(value: unknown): string {
  if (value === undefined) return '(nothing)';
  const text = typeof value === 'string' && value !== '' ? value : JSON.stringify(value);
  return oneLine(text.length > 200 ? `${text.slice(0, 199)}…` : text);
}
