/**
 * Looks at what a Domain stands on: whether the credentials open the zone, whether the world is sent to the zone's name servers, and
 * under which addresses this machine is reached. What fails of it is told and does not keep the rest from being seen.
 */
import { ReconcileError } from '../../controller/engine/contract.ts';
import type { Family, FoundAddresses } from '../drivers/address/index.ts';
import type { ZoneInfo } from '../drivers/dns/index.ts';
import { DriverError, type DriverErrorCode } from '../drivers/error.ts';
import type { Reading } from '../world.ts';
import type { DomainWant } from './want.ts';

export interface Problem {
  code: DriverErrorCode;
  message: string;
}

export interface DomainHave {
  /** Only at a provider. */
  zone?: ZoneInfo | { problem: Problem };
  /** Who the world is sent to. Not asked where it makes no difference. */
  delegation?: readonly string[] | { problem: Problem };
  addresses: FoundAddresses;
}

export async function observeDomain(want: DomainWant, world: Reading): Promise<DomainHave> {
  refuseWhileUsed(want);
  const [zone, delegation, addresses] = await Promise.all([
    look(want.access && world.dns.zone(want.access)),
    look(
      asksDelegation(want)
        ? world.lookup.delegation(want.document.status?.zone ?? want.zone, want.resolvers)
        : undefined,
    ),
    findAddresses(want, world),
  ]);
  return {
    addresses,
    ...(zone === undefined ? {} : { zone }),
    ...(delegation === undefined ? {} : { delegation }),
  };
}

/** Records in it could not be removed any more without it. */
function refuseWhileUsed({ usedBy, document }: DomainWant): void {
  if (usedBy.length === 0) return;
  const shown = usedBy.slice(0, 5).join(', ') + (usedBy.length > 5 ? ` and ${usedBy.length - 5} more` : '');
  const message = `domain/${document.metadata.name} is deleted once nothing uses it any more; it is used by ${shown}`;
  throw new ReconcileError('waiting', 'InUse', message);
}

/** Own name servers, or none at all, have nothing to do with what the world is told. */
function asksDelegation({ document }: DomainWant): boolean {
  const { provider, nameServers } = document.spec;
  return (
    nameServers === undefined && provider !== 'noop' && document.metadata.deletionTimestamp === undefined
  );
}

async function look<T extends object>(
  looking: Promise<T> | undefined,
): Promise<T | { problem: Problem } | undefined> {
  try {
    return await looking;
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    return { problem: { code: error.code, message: error.message } };
  }
}

async function findAddresses({ address, fixed }: DomainWant, world: Reading): Promise<FoundAddresses> {
  const found: FoundAddresses =
    address.families.length > 0 ? await world.address.find(address) : { found: {}, problems: {} };
  const own = Object.entries(fixed).map(([family, value]) => [
    family as Family,
    { address: value, source: 'fixed' },
  ]);
  return { ...found, found: { ...found.found, ...Object.fromEntries(own) } };
}
