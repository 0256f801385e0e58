/**
 * Our Events as those of Kubernetes' core group, where `kubectl describe` and `kubectl events` look for them. Pure; the documents
 * are the same, and nothing is kept twice.
 */
import { API_VERSION, type Document } from '../../resources/document.ts';
import type { Event } from '../../resources/event.ts';
import { eventKind } from '../../resources/event.ts';
import { parseFieldSelector } from '../store/selectors.ts';
import type { Shown } from './forms.ts';
import { NAMESPACE } from './pod.ts';

export const EVENT_KIND = eventKind.kind;

/** As Kubernetes has it, and what it is here; undefined: it is the same for all, and given as the value. */
const FIELDS: Record<string, { field: string } | { value: string }> = {
  'metadata.name': { field: 'metadata.name' },
  'metadata.namespace': { value: NAMESPACE },
  'involvedObject.kind': { field: 'spec.regarding.kind' },
  'involvedObject.name': { field: 'spec.regarding.name' },
  'involvedObject.uid': { field: 'spec.regarding.uid' },
  'involvedObject.namespace': { value: '' },
  'involvedObject.apiVersion': { value: API_VERSION },
  type: { field: 'spec.type' },
  reason: { field: 'spec.reason' },
};

/** The selector for our own documents; undefined where nothing can fit. Throws Invalid for one that cannot be read. */
export function eventSelector(text: string): string | undefined {
  const parts: string[] = [];
  for (const { field, operator, value } of parseFieldSelector(text, Object.keys(FIELDS))) {
    const here = FIELDS[field];
    if (here === undefined) continue;
    if ('field' in here) parts.push(`${here.field}${operator}${value.replace(/[\\,=]/g, '\\$&')}`);
    else if ((here.value === value) !== (operator === '=')) return undefined;
  }
  return parts.join(',');
}

function asCoreEvent(document: Document): Document {
  const { metadata, spec, status } = document as unknown as Event;
  const { regarding, type, reason, message } = spec;
  const count = status?.count ?? 1;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { ...metadata, namespace: NAMESPACE },
    involvedObject: { apiVersion: API_VERSION, ...regarding },
    type,
    reason,
    message,
    count,
    firstTimestamp: status?.firstTimestamp ?? metadata.creationTimestamp,
    lastTimestamp: status?.lastTimestamp ?? metadata.creationTimestamp,
    eventTime: null,
    source: { component: 'holdfast' },
    reportingComponent: 'holdfast',
    reportingInstance: '',
  } as unknown as Document;
}

export const CORE_EVENT: Shown = {
  kind: EVENT_KIND,
  apiVersion: 'v1',
  columns: eventKind.columns.some(({ name }) => name === 'NAME')
    ? eventKind.columns
    : [...eventKind.columns, { name: 'NAME', value: 'metadata.name', wide: true }],
  project: asCoreEvent,
};
