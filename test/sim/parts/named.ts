/** Whether an App can have its name, as far as the Domain of it says. */
import { condition, type Document } from '../../../resources/document.ts';
import type { EffectiveApp } from '../../../resources/effective.ts';
import type { Simulation } from '../simulation.ts';

/** What keeps an App from its names: a word of its status, `any` where it may be as it is, or nothing. */
export function domainObstacle(sim: Simulation, app: EffectiveApp): string | undefined {
  return (
    ownObstacle(sim, app) ?? (app.aliases.some((alias) => isInBadDomain(sim, alias)) ? 'any' : undefined)
  );
}

function ownObstacle({ store }: Simulation, { domain }: EffectiveApp): string | undefined {
  if (domain === 'localhost') return undefined;
  const found: Document | undefined = store?.get('Domain', domain);
  if (!found) return 'ReferenceNotFound';
  if ((found.status as { zone?: string } | undefined)?.zone === undefined) return 'DomainNotReady';
  return isReady(found) ? undefined : 'any';
}

/** An alias has a record of its own where its Domain is ours. */
function isInBadDomain({ store }: Simulation, alias: string): boolean {
  const domains = store?.list('Domain').items ?? [];
  return domains.some((domain) => `.${alias}`.endsWith(`.${domain.metadata.name}`) && !isReady(domain));
}

function isReady(domain: Document): boolean {
  return condition(domain, 'Ready')?.status === 'True';
}
