/**
 * The one network that all containers of an installation are on: which one is ours, what is in the way of its addresses, and the step
 * that makes it. Pure; called by the reconciler of Platform.
 */
import type { Because } from '../../controller/engine/contract.ts';
import { LABEL, type NetworkSpec, type NetworkSummary } from '../drivers/docker/index.ts';
import { isOurs } from '../drivers/docker/ownership.ts';
import type { Route } from '../drivers/host/index.ts';
import { BRIDGE } from './bridge.ts';
import { chooseSubnet, gatewayOf, overlaps, rangeOf, type TakenSubnet } from './subnet.ts';

export const NETWORK = 'holdfast';

export interface SeenNetwork {
  /** Ours, or a foreign one that has our name. */
  network?: NetworkSummary;
  isOurs: boolean;
  /** State folder of the installation that made it, where it says so. */
  owner?: string;
  /** What the machine reaches by other ways. */
  taken: TakenSubnet[];
}

/** One without the name of an installation was made before networks carried it. */
export function findNetwork(
  networks: readonly NetworkSummary[],
  routes: readonly Route[],
  stateFolder: string,
): SeenNetwork {
  const network = networks.find(({ name }) => name === NETWORK);
  const isManaged = isOurs(network?.labels);
  const owner = network?.labels[LABEL.state];
  return {
    ...(network ? { network } : {}),
    isOurs: isManaged && (owner ?? stateFolder) === stateFolder,
    ...(isManaged && owner !== undefined ? { owner } : {}),
    taken: takenBeside(network, networks, routes),
  };
}

function takenBeside(
  own: NetworkSummary | undefined,
  networks: readonly NetworkSummary[],
  routes: readonly Route[],
): TakenSubnet[] {
  const isOwn = ({ destination }: Route) =>
    (own?.subnets ?? []).some((subnet) => destination === subnet || isGatewayOf(subnet, destination, own));
  return [
    ...networks
      .filter((network) => network !== own)
      .flatMap(({ name, subnets }) => subnets.map((subnet) => ({ subnet, by: `docker network ${name}` }))),
    ...routes
      .filter((route) => !isOwn(route))
      .map((route) => ({ subnet: route.destination, by: wayOf(route) })),
  ];
}

function isGatewayOf(subnet: string, destination: string, own: NetworkSummary | undefined): boolean {
  return destination === `${own?.gateway ?? gatewayOf(subnet)}/32`;
}

function wayOf({ interface: name }: Route): string {
  if (name === 'address') return 'an address of this machine';
  return name.startsWith('table ') ? `a route in ${name}` : `route by ${name}`;
}

/** The network to make, with what was passed over and why, or who is in the way everywhere. */
export function planNetwork(
  pool: readonly string[],
  seen: SeenNetwork,
  cause: string,
): { spec: Omit<NetworkSpec, 'labels'>; because: Because[] } | { conflicts: TakenSubnet[] } {
  const choice = chooseSubnet(pool, seen.taken);
  if (!('subnet' in choice)) return choice;
  const { subnet } = choice;
  const passed = pool.slice(0, pool.indexOf(subnet)).flatMap((other) => {
    const conflict = seen.taken.find((taken) => overlaps(other, taken.subnet));
    const found = `${other} overlaps ${conflict?.by ?? ''} (${conflict?.subnet ?? ''})`;
    return [{ field: 'spec.network.pool', found, wanted: subnet, cause: 'a conflict on this machine' }];
  });
  return {
    spec: {
      name: NETWORK,
      subnet,
      gateway: gatewayOf(subnet),
      options: {
        'com.docker.network.bridge.name': BRIDGE,
        'com.docker.network.bridge.enable_icc': 'false',
      },
    },
    because: [{ field: 'network', found: null, wanted: subnet, cause }, ...passed],
  };
}

/** What has come into the way of the network that is there, such as a VPN. */
export function overlapsNow({ network, isOurs, taken }: SeenNetwork): TakenSubnet[] {
  if (!network || !isOurs) return [];
  return taken.filter(({ subnet }) => network.subnets.some((own) => overlaps(own, subnet)));
}

/** Whether some subnet of the pool is, or has in it, the subnet. */
export function isInPool(pool: readonly string[], subnet: string): boolean {
  const inner = rangeOf(subnet);
  return pool.some((one) => {
    const outer = rangeOf(one);
    return (
      outer !== undefined && inner !== undefined && outer.first <= inner.first && inner.last <= outer.last
    );
  });
}
