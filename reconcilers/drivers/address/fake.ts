/** Addresses that a test sets. Unset, they cannot be found, as on a machine without a way out. */
import type { AddressReading, Family, FoundAddresses } from './index.ts';

export interface FakeAddress extends AddressReading {
  /** Changed by the test; undefined: nobody tells. */
  addresses: Partial<Record<Family, string>> | undefined;
}

export function createFakeAddress(addresses?: Partial<Record<Family, string>>): FakeAddress {
  return {
    addresses,
    async find({ families }) {
      const result: FoundAddresses = { found: {}, problems: {} };
      for (const family of families) {
        const address = this.addresses?.[family];
        if (!this.addresses) result.problems[family] = 'nobody tells';
        else if (address !== undefined) result.found[family] = { address, source: 'fake' };
      }
      return result;
    },
  };
}
