/** The addresses under which this machine is reached from outside. Only looked at: nothing here changes anything. */

export type Family = 'ipv4' | 'ipv6';

export interface AddressSettings {
  /** Takes those of this network interface, private ones too. */
  interface?: string;
  /** Whom to ask, in this order: URLs, or dns:NAME@SERVER. Default: public addresses of the interfaces, then the built-in list. */
  from?: readonly string[];
  families: readonly Family[];
}

export interface FoundAddress {
  address: string;
  /** "eth0", or who was asked. */
  source: string;
}

/** A family that is missing in both: this machine has none of it. */
export interface FoundAddresses {
  found: Partial<Record<Family, FoundAddress>>;
  /** Why it is not known whether there is one. */
  problems: Partial<Record<Family, string>>;
}

export interface AddressReading {
  /** Never throws. What was found is kept for a few minutes. */
  find(settings: AddressSettings): Promise<FoundAddresses>;
}
