/** Chooses the network's addresses so that they overlap nothing that the machine already reaches. Pure. */

/** Tried in this order where Platform names no pool. Away from Docker's own pools and from what home routers use. */
export const DEFAULT_POOL = [
  '10.213.0.0/16',
  '10.214.0.0/16',
  '10.215.0.0/16',
  '172.30.0.0/16',
  '192.168.224.0/20',
];

export interface TakenSubnet {
  subnet: string;
  /** "route by tun0", "docker network web_default". */
  by: string;
}

export interface SubnetRange {
  first: number;
  last: number;
}

/** First and last address of an IPv4 CIDR; undefined when it is none. */
export function rangeOf(cidr: string): SubnetRange | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(cidr);
  if (!match) return undefined;
  const parts = match.slice(1, 5).map(Number);
  const bits = Number(match[5]);
  if (bits > 32 || parts.some((part) => part > 255)) return undefined;
  const size = 2 ** (32 - bits);
  const address = parts.reduce((sum, part) => sum * 256 + part, 0);
  const first = Math.floor(address / size) * size;
  return { first, last: first + size - 1 };
}

export function overlaps(a: string, b: string): boolean {
  const left = rangeOf(a);
  const right = rangeOf(b);
  return left !== undefined && right !== undefined && left.first <= right.last && right.first <= left.last;
}

/** The first address of a subnet, which the host has on the bridge. */
export function gatewayOf(subnet: string): string {
  const first = (rangeOf(subnet)?.first ?? 0) + 1;
  return [24, 16, 8, 0].map((shift) => Math.floor(first / 2 ** shift) % 256).join('.');
}

/** The first of the pool that overlaps nothing, or who is in the way of each. */
export function chooseSubnet(
  pool: readonly string[],
  taken: readonly TakenSubnet[],
): { subnet: string } | { conflicts: TakenSubnet[] } {
  const conflicts: TakenSubnet[] = [];
  for (const subnet of pool) {
    const conflict = taken.find((other) => overlaps(subnet, other.subnet));
    if (!conflict) return { subnet };
    conflicts.push({ subnet, by: `${conflict.by} (${conflict.subnet})` });
  }
  return { conflicts };
}
