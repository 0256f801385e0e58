/** Whether an App can have its name, as far as the Domain of it says. */
import { condition, type Document } from '../../../resources/document.ts';
import type { EffectiveApp } from '../../../resources/effective.ts';
import type { Simulation } from '../simulation.ts';

/** What keeps an App from its name: a word of its status, `any` where it may be as it is, or nothing. */
export function domainObstacle({ store }: Simulation, { domain }: EffectiveApp): string | undefined {
  if (domain === 'localhost') return undefined;
  const found: Document | undefined = store?.get('Domain', domain);
  if (!found) return 'ReferenceNotFound';
  if ((found.status as { zone?: string } | undefined)?.zone === undefined) return 'DomainNotReady';
  return condition(found, 'Ready')?.status === 'True' ? undefined : 'any';
}
