/** Keys: the platform's own. Nobody may change one, none is told of, and none outlives what it is for. */
import type { Invariant } from '../invariants.ts';
import { NAMES } from './domain.ts';
import type { Part } from './part.ts';

const neverShown: Invariant = {
  name: 'no private key is in an event, a log line or a status',
  check(_sim, moment) {
    if (moment.type === 'log') return moment.text.includes('PRIVATE KEY') ? moment.text : undefined;
    if (moment.type !== 'change' || moment.change.document.kind === 'Key') return undefined;
    const { kind, metadata, status, spec } = moment.change.document;
    if (kind !== 'Event' && !status) return undefined;
    const text = JSON.stringify(kind === 'Event' ? spec : status);
    return text.includes('PRIVATE KEY') ? `${kind}/${metadata.name} shows one` : undefined;
  },
};

export const keyPart: Part = {
  kind: 'Key',
  theme: NAMES,
  disturbances: [],
  invariants: [neverShown],
  leftovers({ store }) {
    const keys = store?.list('Key').items ?? [];
    return keys
      .filter(({ spec }) => spec['type'] !== 'AcmeAccount')
      .map(({ metadata }) => `key/${metadata.name} is left`);
  },
};
