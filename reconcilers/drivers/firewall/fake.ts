/**
 * A firewall in memory: the chains that matter, and what others do to them. For unit tests and simulations; the conformance
 * suite holds it to what iptables does.
 */
import { DriverError } from '../error.ts';
import { CHAIN, type Family, type Firewall, type FirewallState, HOOK } from './index.ts';
import { callsOf, readTable, rulesOf } from './rules.ts';

export interface FakeFirewall extends Firewall {
  /** The kernel's: it outlives the controller. Chain to rules, in order, as `-A chain` would be followed. */
  kernel: {
    tables: Map<Family, Map<string, string[]>>;
    version: string | undefined;
    bridgeFilter: FirewallState['bridgeFilter'];
    /** Restores that were run. */
    writes: number;
  };
  /** Docker starts: its chains are made again and called first; what is in DOCKER-USER stays. */
  dockerStarts(bridge: string, families?: readonly Family[]): void;
  /** `iptables -F`: all chains stay, empty. */
  flush(): void;
}

export function createFakeFirewall(
  options: { beforeCall?: (method: string, args: readonly unknown[]) => void | Promise<void> } = {},
): FakeFirewall {
  const kernel: FakeFirewall['kernel'] = {
    tables: new Map<Family, Map<string, string[]>>([[4, new Map([['FORWARD', []]])]]),
    version: 'iptables 1.8.9 (nf_tables)',
    bridgeFilter: 'on',
    writes: 0,
  };
  const call = async <T>(method: string, args: readonly unknown[], run: () => T): Promise<T> => {
    await options.beforeCall?.(method, args);
    return run();
  };
  const saved = (family: Family) => saveText(kernel.tables.get(family) ?? new Map<string, string[]>());

  return {
    kernel,
    dockerStarts: (bridge, families = [4]) => {
      for (const family of families) startDocker(kernel.tables, family, bridge);
    },
    flush: () => {
      for (const table of kernel.tables.values()) for (const chain of table.keys()) table.set(chain, []);
    },
    state: (bridge) =>
      call('state', [bridge], () => ({
        families:
          kernel.version === undefined
            ? []
            : [...kernel.tables]
                .filter(([family, table]) => family === 4 || table.has(HOOK) || table.has(CHAIN))
                .map(([family]) => readTable(saved(family), family, bridge)),
        ...(kernel.version === undefined ? {} : { version: kernel.version }),
        ...(kernel.bridgeFilter === undefined ? {} : { bridgeFilter: kernel.bridgeFilter }),
      })),
    write: (policy) =>
      call('write', [policy], () => {
        if (kernel.version === undefined)
          throw new DriverError('unavailable', 'there is no iptables: apt-get install iptables');
        if (!kernel.tables.get(4)?.has(HOOK))
          throw new DriverError('unavailable', `there is no chain ${HOOK}: Docker makes it when it starts`);
        const rules = ([4, 6] as const).map((family) => [family, rulesOf(policy, family)] as const);
        for (const [family, wanted] of rules) {
          const table = kernel.tables.get(family);
          if (!table?.has(HOOK)) continue;
          if (!readTable(saved(family), family, policy.bridge).called) {
            callFirst(table, 'FORWARD', HOOK);
            callFirst(table, HOOK, CHAIN);
          }
          table.set(CHAIN, wanted);
        }
        kernel.writes += 1;
      }),
    filterBridge: (bridge) =>
      call('filterBridge', [bridge], () => {
        if (kernel.bridgeFilter === 'off') kernel.bridgeFilter = 'on';
      }),
    remove: () =>
      call('remove', [], () => {
        for (const [family, table] of kernel.tables) {
          if (callsOf(saved(family), HOOK, CHAIN) > 0) take(table, HOOK, CHAIN);
          table.delete(CHAIN);
        }
      }),
  };
}

function saveText(table: ReadonlyMap<string, readonly string[]>): string {
  const chains = [...table.keys()].map((chain) => `:${chain} - [0:0]`);
  const rules = [...table].flatMap(([chain, list]) => list.map((rule) => `-A ${chain} ${rule}`));
  return ['*filter', ...chains, ...rules, 'COMMIT', ''].join('\n');
}

function take(table: Map<string, string[]>, chain: string, target: string): void {
  table.set(
    chain,
    (table.get(chain) ?? []).filter((rule) => rule !== `-j ${target}`),
  );
}

function callFirst(table: Map<string, string[]>, chain: string, target: string): void {
  take(table, chain, target);
  table.set(chain, [`-j ${target}`, ...(table.get(chain) ?? [])]);
}

function startDocker(tables: Map<Family, Map<string, string[]>>, family: Family, bridge: string): void {
  const table = tables.get(family) ?? new Map<string, string[]>([['FORWARD', []]]);
  tables.set(family, table);
  const others = (table.get('FORWARD') ?? []).filter(
    (rule) => rule !== `-j ${HOOK}` && !` ${rule} `.includes(` ${bridge} `),
  );
  const docker = [`-j ${HOOK}`, `-i ${bridge} ! -o ${bridge} -j ACCEPT`, `-i ${bridge} -o ${bridge} -j DROP`];
  table.set('FORWARD', [...docker, ...others]);
  const inHook = table.get(HOOK) ?? [];
  table.set(HOOK, inHook.includes('-j RETURN') ? inHook : [...inHook, '-j RETURN']);
}
