/** The addresses under which this machine is reached from outside. Only looked at: nothing here changes anything. */

export interface AddressSettings {
  /** Takes those of this network interface, private ones too. */
  interface?: string;
  /** Whom to ask, in this order: URLs, or dns:NAME@SERVER. Default: public addresses of the interfaces, then the built-in list. */
  from?: readonly string[];
  families: readonly ('ipv4' | 'ipv6')[];
}

export interface PublicAddresses {
  ipv4?: string;
  ipv6?: string;
  /** "eth0", or who was asked. */
  source: string;
}

export interface AddressReading {
  /** unavailable: none of the families can be found. A machine with one family only has that one. Kept for a few minutes. */
  find(settings: AddressSettings): Promise<PublicAddresses>;
}
