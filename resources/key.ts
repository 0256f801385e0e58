/** Key: a private key that the platform made for itself. Sealed in the store like a Secret, and never a person's work. */
import { AGE } from './columns.ts';
import type { KindDefinition } from './kind.ts';

export const keyKind: KindDefinition = {
  kind: 'Key',
  plural: 'keys',
  singular: 'key',
  shortNames: [],
  schema: 'key.v1.json',
  names: 'host',
  writtenBy: 'reconcilers',
  secret: true,
  // What is old of a key is of no use, and not to be kept.
  history: false,
  columns: [{ name: 'NAME', value: 'metadata.name' }, { name: 'TYPE', value: 'spec.type' }, AGE],
  selectable: ['spec.type'],
};
