/**
 * The kernel's tables as text, read. Pure; linux.ts brings the text. Formats are those of proc(5): addresses in
 * hexadecimal, each 32-bit word in the byte order of the machine, which is little-endian wherever this runs.
 */
import ipaddr from 'ipaddr.js';
import type { Route } from './index.ts';

export interface Socket {
  address: string;
  port: number;
  inode: number;
}

const LISTEN = '0A';
/** A UDP socket that is bound and takes from anyone. */
const UNCONNECTED = '07';

/** Sockets that wait for others, from /proc/net/{tcp,tcp6,udp,udp6}. */
export function readSockets(table: string, protocol: 'tcp' | 'udp'): Socket[] {
  const wanted = protocol === 'tcp' ? LISTEN : UNCONNECTED;
  const sockets: Socket[] = [];
  for (const line of table.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/);
    const [address = '', port = ''] = (fields[1] ?? '').split(':');
    if (fields[3] !== wanted || port === '') continue;
    sockets.push({
      address: readAddress(address),
      port: Number.parseInt(port, 16),
      inode: Number(fields[9]),
    });
  }
  return sockets;
}

function readAddress(hex: string): string {
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8) {
    for (let byte = 6; byte >= 0; byte -= 2)
      bytes.push(Number.parseInt(hex.slice(word + byte, word + byte + 2), 16));
  }
  return ipaddr.fromByteArray(bytes).toString();
}

const UP = 0x1;
const REJECT = 0x200;

/** From /proc/net/route, without the default route. */
export function readRoutes(table: string): Route[] {
  const routes: Route[] = [];
  for (const line of table.split('\n').slice(1)) {
    const [name = '', destination = '', , flags = '', , , , mask = ''] = line.trim().split(/\s+/);
    const bits = Number.parseInt(flags, 16);
    if (mask.length !== 8 || (bits & UP) === 0 || (bits & REJECT) !== 0) continue;
    const length = prefixLength(mask);
    if (length > 0) routes.push({ destination: `${readAddress(destination)}/${length}`, interface: name });
  }
  return routes;
}

function prefixLength(mask: string): number {
  return [...Number.parseInt(mask, 16).toString(2)].filter((bit) => bit === '1').length;
}

/** Shorter than this is no place but a direction: a VPN that takes everything says it in two to eight pieces. */
const SHORTEST = 8;

/** A place of its own, not a piece of the default route. */
export function isPlace({ destination }: Route): boolean {
  return Number(destination.split('/')[1]) >= SHORTEST;
}

/**
 * From /proc/net/fib_trie: routes of the tables that rules lead to, as VPNs make them, and the machine's own addresses. The main
 * table is left to /proc/net/route, which knows interfaces.
 */
export function readTrie(text: string): Route[] {
  const found = new Map<string, Route>();
  let table = '';
  let address = '';
  for (const line of text.split('\n')) {
    const head = /^(?:Id (\d+)|(\w+)):/.exec(line);
    if (head) table = head[1] ?? head[2] ?? '';
    address = /\|-- (\S+)/.exec(line)?.[1] ?? address;
    const [, bits = '', kind = ''] = /^\s+\/(\d+) \w+ ([A-Z]+)/.exec(line) ?? [];
    const isAddress = kind === 'LOCAL' && bits === '32' && !address.startsWith('127.');
    const isOfRule = kind === 'UNICAST' && table !== 'Main' && table !== 'Local';
    if (!isAddress && !isOfRule) continue;
    const route = {
      destination: `${address}/${bits}`,
      interface: isAddress ? 'address' : `table ${table.toLowerCase()}`,
    };
    found.set(`${route.destination} ${route.interface}`, route);
  }
  return [...found.values()];
}

/** From /proc/net/if_inet6: some interface has ::1. */
export function readHasLoopback6(table: string): boolean {
  return table.split('\n').some((line) => line.startsWith(`${'0'.repeat(31)}1 `));
}

/** From /sys/kernel/security/apparmor/profiles: lines such as "docker-default (enforce)". */
export function readProfiles(table: string): Set<string> {
  return new Set(table.split('\n').flatMap((line) => /^(.+) \(\w+\)$/.exec(line)?.[1] ?? []));
}
