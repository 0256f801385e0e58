/** Fixed addresses on the platform's network: each document has one while it exists, leased in the store. */
import { ReconcileError } from '../../controller/engine/contract.ts';
import type { LeaseReading, LeaseWriting } from '../world.ts';

export const ADDRESS_POOL = 'address';

export interface Network {
  subnet: string;
  gateway: string;
}

/** What the address is, or will probably be. */
export function nextAddress(
  leases: LeaseReading,
  owner: string,
  network: Network | undefined,
): string | undefined {
  const present = leases.of(ADDRESS_POOL, owner);
  if (present !== undefined || network === undefined) return present;
  return freeAddresses(network, leases.all(ADDRESS_POOL)).next().value ?? undefined;
}

export async function leaseAddress(
  { uid, network }: { uid: string; network: Network },
  leases: LeaseReading & LeaseWriting,
): Promise<void> {
  const present = leases.of(ADDRESS_POOL, uid);
  // An address of a subnet that is no longer ours: give it back first.
  if (present !== undefined) await leases.release(ADDRESS_POOL, uid);
  const free = freeAddresses(network, leases.all(ADDRESS_POOL));
  const address = await leases.lease(ADDRESS_POOL, uid, free);
  if (address === undefined) {
    throw new ReconcileError('retryable', 'AddressesExhausted', `no address of ${network.subnet} is free`);
  }
}

export function inSubnet(address: string, network: Network | undefined): boolean {
  if (!network) return true;
  const [base = '', bits = '32'] = network.subnet.split('/');
  const mask = (text: string) => Math.floor(toNumber(text) / 2 ** (32 - Number(bits)));
  return mask(address) === mask(base);
}

/** Host addresses of the subnet that nobody has, lowest first. The gateway and the ends are left out. */
export function* freeAddresses(network: Network, taken: ReadonlyMap<string, string>): Generator<string> {
  const [base = '', bits = '32'] = network.subnet.split('/');
  const first = toNumber(base);
  const size = 2 ** (32 - Number(bits));
  const used = new Set([network.gateway, ...taken.values()]);
  for (let offset = 2; offset < size - 1; offset += 1) {
    const address = toAddress(first + offset);
    if (!used.has(address)) yield address;
  }
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
}

function toAddress(value: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(value / 2 ** shift) % 256).join('.');
}
