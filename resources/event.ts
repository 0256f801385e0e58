/** Event: something that happened to a resource. Written by the controller while it works; old ones go by themselves. */
import { AGE } from './columns.ts';
import type { Document } from './document.ts';
import type { EventSpec, EventStatus } from './generated.ts';
import type { KindDefinition } from './kind.ts';

export type Event = Document<EventSpec, EventStatus>;

export const eventKind: KindDefinition = {
  kind: 'Event',
  plural: 'events',
  singular: 'event',
  shortNames: ['ev'],
  schema: 'event.v1.json',
  writtenBy: 'reconcilers',
  history: false,
  columns: [
    { name: 'LAST SEEN', value: 'status.lastTimestamp', type: 'age', description: 'When it last happened.' },
    { name: 'TYPE', value: 'spec.type' },
    { name: 'REASON', value: 'spec.reason' },
    { name: 'OBJECT', value: (document) => regarding(document) },
    { name: 'COUNT', value: 'status.count', wide: true },
    { name: 'MESSAGE', value: 'spec.message' },
    { ...AGE, wide: true },
  ],
  selectable: [
    'spec.regarding.kind',
    'spec.regarding.name',
    'spec.regarding.uid',
    'spec.type',
    'spec.reason',
  ],
};

function regarding(document: Document): string {
  const { regarding } = (document as unknown as Event).spec;
  return `${regarding.kind.toLowerCase()}/${regarding.name}`;
}
