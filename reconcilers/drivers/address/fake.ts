/** Addresses that a test sets. Unset, they cannot be found, as on a machine without a way out. */
import { DriverError } from '../error.ts';
import type { AddressReading, PublicAddresses } from './index.ts';

export interface FakeAddress extends AddressReading {
  /** Changed by the test; undefined: cannot be found. */
  found: PublicAddresses | undefined;
}

export function createFakeAddress(found?: PublicAddresses): FakeAddress {
  return {
    found,
    async find({ families }) {
      if (!this.found)
        throw new DriverError('unavailable', 'nobody tells the public address of this machine');
      const { ipv4, ipv6, source } = this.found;
      return {
        source,
        ...(ipv4 !== undefined && families.includes('ipv4') ? { ipv4 } : {}),
        ...(ipv6 !== undefined && families.includes('ipv6') ? { ipv6 } : {}),
      };
    },
  };
}
