/**
 * Which documents a list or a watch is about: its selectors, parsed once and asked for each document. Also keeps, for a
 * change, what the selectors could have seen before it.
 */
import type { Document } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import {
  fieldText,
  matchesFields,
  matchesLabels,
  parseFieldSelector,
  parseLabelSelector,
} from './selectors.ts';
import type { Before } from './tables.ts';

export interface Selection {
  /** False where every document matches. */
  readonly narrows: boolean;
  matches(document: Document): boolean;
  /** The same of the document as it was before a change. */
  matchesBefore(document: Document, before: Before): boolean;
}

/** Without a kind only metadata can be selected by. Throws Invalid for a selector that cannot be read. */
export function selectionOf(
  definition: KindDefinition | undefined,
  options: { labelSelector?: string; fieldSelector?: string },
): Selection {
  const labels = parseLabelSelector(options.labelSelector ?? '');
  const fields = parseFieldSelector(options.fieldSelector ?? '', selectableFields(definition));
  return {
    narrows: labels.length + fields.length > 0,
    matches: (document) =>
      matchesLabels(labels, document.metadata.labels) &&
      matchesFields(fields, (field) => fieldText(document, field)),
    matchesBefore: (document, before) =>
      matchesLabels(labels, before.labels) &&
      matchesFields(fields, (field) => before.fields[field] ?? fieldText(document, field)),
  };
}

function selectableFields(definition: KindDefinition | undefined): string[] {
  // The namespace is empty for all of ours; clients of Kubernetes name it nevertheless.
  return ['metadata.name', 'metadata.namespace', ...(definition?.selectable ?? [])];
}

/** undefined where the change moved nothing that can be selected by. */
export function beforeOf(definition: KindDefinition, was: Document, is: Document): Before | undefined {
  const fields: Record<string, string> = {};
  for (const field of definition.selectable ?? []) {
    const text = fieldText(was, field);
    if (text !== fieldText(is, field)) fields[field] = text;
  }
  const { labels } = was.metadata;
  if (Object.keys(fields).length === 0 && equal(labels, is.metadata.labels)) return undefined;
  return labels === undefined ? { fields } : { labels, fields };
}
