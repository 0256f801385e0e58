/** Events of a document, oldest first. Called by events and describe. */
import type { Reference } from '../../resources/document.ts';
import type { Event } from '../../resources/event.ts';
import type { CliContext } from './verb.ts';

/** Field selector for the events of one document; undefined for all. */
export function eventSelector(reference: Reference | undefined): string | undefined {
  if (reference === undefined) return undefined;
  return `spec.regarding.kind=${reference.kind},spec.regarding.name=${reference.name}`;
}

export async function eventsOf(context: CliContext, reference: Reference | undefined): Promise<Event[]> {
  const { items } = await context.client.list('Event', { fieldSelector: eventSelector(reference) });
  return (items as unknown as Event[]).sort((a, b) => lastSeen(a).localeCompare(lastSeen(b)));
}

export function lastSeen(event: Event): string {
  return event.status?.lastTimestamp ?? event.metadata.creationTimestamp;
}
