/** Source: a place that documents come from, such as a watched directory. Its status tells what is wrong with which file. */
import { AGE, MESSAGE, READY, STATUS } from './columns.ts';
import type { Document } from './document.ts';
import type { SourceSpec, SourceStatus } from './generated.ts';
import type { KindDefinition } from './kind.ts';

export type Source = Document<SourceSpec, SourceStatus>;

export const sourceKind: KindDefinition = {
  kind: 'Source',
  plural: 'sources',
  singular: 'source',
  shortNames: ['src'],
  schema: 'source.v1.json',
  writtenBy: 'reconcilers',
  history: false,
  columns: [
    { name: 'NAME', value: 'metadata.name' },
    READY,
    STATUS,
    { name: 'PATH', value: 'spec.path' },
    { name: 'FILES', value: (document) => String(files(document).length) },
    {
      name: 'FAILED',
      value: (document) => String(files(document).filter((file) => file.state === 'failed').length),
    },
    MESSAGE,
    AGE,
  ],
  selectable: ['spec.type', 'spec.path'],
};

function files(document: Document): NonNullable<SourceStatus['files']> {
  return (document as unknown as Source).status?.files ?? [];
}
