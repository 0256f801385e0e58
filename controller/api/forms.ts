/**
 * How documents look in an answer. One form now; tables and bare metadata are others of the same shape. Lists, single
 * documents and watches all go through a form, so that nothing gets out unhidden by another door.
 */
import type { Document } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { hideSecrets } from '../store/secrets.ts';
import type { Query } from './query.ts';

/** The name keeps texts of different forms apart. */
export interface Form {
  name: string;
  render(document: Document): unknown;
}

export function formOf(definition: KindDefinition, query: Query): Form {
  if (query.flag('showSecrets')) return { name: 'open', render: (document) => document };
  return { name: 'full', render: definition.secret ? hideSecrets : (document) => document };
}
