/**
 * All kinds. A new kind is one line here. The store, the API and the CLI are generic over this list and know no kind by name.
 */
import { addonKind } from './addon.ts';
import { appKind } from './app.ts';
import { bindingKind } from './binding.ts';
import { certificateKind } from './certificate.ts';
import { dnsRecordKind } from './dnsrecord.ts';
import { domainKind } from './domain.ts';
import { eventKind } from './event.ts';
import { keyKind } from './key.ts';
import type { KindDefinition } from './kind.ts';
import { nearest } from './near.ts';
import { platformKind } from './platform.ts';
import { secretKind } from './secret.ts';
import { siteKind } from './site.ts';
import { sourceKind } from './source.ts';
import { taskKind } from './task.ts';
import { tokenKind } from './token.ts';

export const kinds: readonly KindDefinition[] = [
  platformKind,
  appKind,
  addonKind,
  bindingKind,
  taskKind,
  secretKind,
  tokenKind,
  siteKind,
  certificateKind,
  keyKind,
  sourceKind,
  domainKind,
  dnsRecordKind,
  eventKind,
];

const byName = new Map(kinds.flatMap((kind) => namesOf(kind).map((name) => [name.toLowerCase(), kind])));

function namesOf(kind: KindDefinition): string[] {
  return [kind.kind, kind.plural, kind.singular, ...kind.shortNames];
}

/** By kind, plural, singular or short name, in any case. */
export function kindOf(name: string): KindDefinition | undefined {
  return byName.get(name.toLowerCase());
}

/** The kind that a misspelt name may have meant. */
export function nearestKind(name: string): KindDefinition | undefined {
  const near = nearest(name, byName.keys());
  return near === undefined ? undefined : byName.get(near);
}

/** "no kind is called apps2; did you mean apps?" */
export function unknownKindMessage(name: string): string {
  const near = nearestKind(name);
  return near === undefined
    ? `no kind is called "${name}"; there are ${kinds.map((kind) => kind.plural).join(', ')}`
    : `no kind is called "${name}"; did you mean ${near.plural}?`;
}
