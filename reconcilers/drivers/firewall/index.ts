/**
 * The packet filter between containers: one chain of ours in the filter table, called from Docker's DOCKER-USER, and nothing else.
 *
 * The chain lets answers through, then one connection for each accept of the policy, and drops the rest of what goes from one
 * container to another on our bridge. Everything that does not go from the bridge to the bridge passes it by untouched, and so do
 * all rules of others. It is rewritten as a whole: at any moment the kernel has the chain before or the one after.
 */

export const CHAIN = 'HOLDFAST-FORWARD';
/** Docker makes it, calls it first, and never changes what is in it. */
export const HOOK = 'DOCKER-USER';

export type Family = 4 | 6;

/** One way that is open: from a container's address to one port of another. */
export interface Accept {
  /** Addresses, both of one family. */
  source: string;
  destination: string;
  /** TCP. */
  port: number;
  /** What it is for, such as "binding/wiki-postgresql". Kept in the rule as a comment. */
  purpose: string;
}

export interface FirewallPolicy {
  /** Name of the bridge whose containers are kept apart. */
  bridge: string;
  accepts: readonly Accept[];
}

export interface FamilyState {
  family: Family;
  /** Docker's chain is there: without it nothing can be written. */
  hooked: boolean;
  /** Rules of our chain in canonical form (rules.ts), in order. undefined: there is no such chain. */
  rules: readonly string[] | undefined;
  /** Forwarded packets come to our chain before a rule that would decide about all of them, and only once. */
  called: boolean;
  /** Docker's own rules for the bridge are there. After a flush they come back only when Docker is started again. */
  dockerRules: boolean;
}

export interface FirewallState {
  /** Such as "iptables 1.8.9 (nf_tables)". undefined where there is no iptables. */
  version?: string;
  /** IPv4 always, IPv6 where Docker uses it. Empty without iptables. */
  families: readonly FamilyState[];
  /**
   * Whether the kernel shows packets between two ports of the bridge to iptables; where it does not, every container reaches every
   * other, whatever the rules are. impossible: it lacks the module for it. undefined: there is no such bridge.
   */
  bridgeFilter?: 'on' | 'off' | 'impossible';
}

export interface FirewallReading {
  /** Reads the kernel's tables; never cached. */
  state(bridge: string): Promise<FirewallState>;
}

export interface FirewallWriting {
  /**
   * Makes our chain hold the policy and Docker's chain call it, in each family that has the hook, each in one transaction.
   * Rules of others stay. DriverError `unavailable` where there is no iptables or no hook, `invalid` for an address that is none.
   */
  write(policy: FirewallPolicy): Promise<void>;
  /** Has the kernel show this bridge's packets to iptables, and no other bridge's. */
  filterBridge(bridge: string): Promise<void>;
  /** Takes our chain and the call of it away. Gone already is success. */
  remove(): Promise<void>;
}

export interface Firewall extends FirewallReading, FirewallWriting {}
