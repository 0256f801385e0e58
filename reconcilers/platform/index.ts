/**
 * The reconciler of Platform: the one network that all containers are on, and the firewall on it. Inter-container traffic is off,
 * so no App reaches another; the firewall opens what Bindings allow; nginx on the host reaches all of them at fixed addresses.
 */
import type {
  Because,
  ConditionDraft,
  Outcome,
  Reconciler,
  StatusDraft,
  Step,
  View,
} from '../../controller/engine/contract.ts';
import type { Document, StatusBase } from '../../resources/document.ts';
import type { PlatformSpec, PlatformStatus } from '../../resources/generated.ts';
import { PLATFORM_NAME } from '../../resources/platform.ts';
import { type EngineInfo, LABEL, type NetworkSpec, type NetworkSummary } from '../drivers/docker/index.ts';
import type { FirewallPolicy } from '../drivers/firewall/index.ts';
import type { Reading, Writing } from '../world.ts';
import { BRIDGE } from './bridge.ts';
import {
  FIREWALL_KINDS,
  type FirewallHave,
  firewallCondition,
  firewallDifferences,
  firewallFields,
  firewallLookAgainSeconds,
  isBridgeOpen,
  observeFirewall,
  wantedPolicy,
} from './firewall.ts';
import { chooseSubnet, DEFAULT_POOL, gatewayOf, type TakenSubnet } from './subnet.ts';

export const NETWORK = 'holdfast';

type PlatformDocument = Document<PlatformSpec & Record<string, unknown>, PlatformStatus & StatusBase>;

interface PlatformWant {
  document: PlatformDocument;
  pool: readonly string[];
  policy: FirewallPolicy;
  cause: () => string;
}

interface PlatformHave {
  engine: EngineInfo;
  /** Ours, or a foreign one of our name. */
  network?: NetworkSummary;
  isOurs: boolean;
  taken: TakenSubnet[];
  nginxVersion?: string;
  version: string;
  firewall: FirewallHave;
}

interface CreateNetwork extends Step {
  readonly type: 'CreateNetwork';
  readonly network: NetworkSpec;
}

interface WriteFirewall extends Step {
  readonly type: 'WriteFirewall';
  readonly policy: FirewallPolicy;
}

interface FilterBridge extends Step {
  readonly type: 'FilterBridge';
}

type PlatformStep = CreateNetwork | WriteFirewall | FilterBridge;

/** Many Bindings come at once: one rewriting for all of them. */
const SETTLE_MILLISECONDS = 50;
/** So many differences are named in a plan and in an event; a chain may have thousands. */
const MOST_REASONS = 12;

export const platformReconciler: Reconciler<PlatformWant, PlatformHave, PlatformStep, Reading, Writing> = {
  kind: 'Platform',
  parallelism: 1,
  settleMilliseconds: SETTLE_MILLISECONDS,
  watches: FIREWALL_KINDS,
  key: ({ metadata }) => metadata.name,
  wakes,
  want: platformWant,
  documents: ({ document }) => [document],
  observe: observePlatform,
  diff: (want, have) => [...diffNetwork(want, have), ...diffFirewall(want, have)],
  converge: convergePlatform,
  status: platformStatus,
  requeueAfterSeconds: ({ policy }) => firewallLookAgainSeconds(policy),
};

/** An App without a Binding opens nothing, however often its status changes. */
function wakes({ kind, metadata }: Document, view: View): readonly string[] {
  const opensNothing =
    kind === 'App' && !view.list('Binding').some(({ spec }) => spec['app'] === metadata.name);
  return opensNothing ? [] : [PLATFORM_NAME];
}

async function convergePlatform(step: PlatformStep, { docker, firewall }: Writing): Promise<void> {
  if (step.type === 'CreateNetwork') await docker.createNetwork(step.network);
  else if (step.type === 'WriteFirewall') await firewall.write(step.policy);
  else await firewall.filterBridge(BRIDGE);
}

function platformWant(name: string, view: View): PlatformWant | undefined {
  const document = view.get('Platform', name) as PlatformDocument | undefined;
  if (!document) return undefined;
  const before = document.status?.network?.subnet;
  const pool = document.spec.network?.pool ?? DEFAULT_POOL;
  return {
    document,
    // The one that is in use stays, as long as the pool still has it.
    pool:
      before !== undefined && pool.includes(before)
        ? [before, ...pool.filter((subnet) => subnet !== before)]
        : pool,
    policy: wantedPolicy(view),
    cause: () => view.causeOf(document),
  };
}

async function observePlatform(_want: PlatformWant, world: Reading): Promise<PlatformHave> {
  const [engine, networks, routes, nginx, firewall] = await Promise.all([
    world.docker.info(),
    world.docker.networks(),
    world.host.routes(),
    world.nginx.state(),
    observeFirewall(world),
  ]);
  const network = networks.find(({ name }) => name === NETWORK);
  const others = networks.filter(({ name }) => name !== NETWORK);
  const own = new Set(network?.subnets);
  const taken: TakenSubnet[] = [
    ...others.flatMap(({ name, subnets }) =>
      subnets.map((subnet) => ({ subnet, by: `docker network ${name}` })),
    ),
    ...routes
      .filter(({ destination }) => !own.has(destination))
      .map((route) => ({ subnet: route.destination, by: `route by ${route.interface}` })),
  ];
  return {
    engine,
    taken,
    firewall,
    version: world.settings.version,
    isOurs: network?.labels[LABEL.managed] === 'true',
    ...(network ? { network } : {}),
    ...(nginx.version === undefined ? {} : { nginxVersion: nginx.version }),
  };
}

function diffNetwork(want: PlatformWant, have: PlatformHave): PlatformStep[] {
  if (have.network) return [];
  const choice = chooseSubnet(want.pool, have.taken);
  if (!('subnet' in choice)) return [];
  const { subnet } = choice;
  const { name, uid } = want.document.metadata;
  const known = want.document.status?.network?.subnet !== undefined;
  const because: Because[] = [
    { field: 'network', found: null, wanted: subnet, cause: known ? 'drift' : want.cause() },
  ];
  const network: NetworkSpec = {
    name: NETWORK,
    subnet,
    gateway: gatewayOf(subnet),
    labels: {
      [LABEL.managed]: 'true',
      [LABEL.kind]: 'Platform',
      [LABEL.name]: name,
      [LABEL.uid]: uid,
    },
    options: {
      'com.docker.network.bridge.name': BRIDGE,
      'com.docker.network.bridge.enable_icc': 'false',
    },
  };
  return [
    {
      type: 'CreateNetwork',
      target: `network/${NETWORK}`,
      action: 'create',
      impact: 'none',
      message: `make the network ${NETWORK} with ${subnet}`,
      because,
      network,
    },
  ];
}

function diffFirewall({ policy }: PlatformWant, { firewall }: PlatformHave): PlatformStep[] {
  const steps: PlatformStep[] = [];
  const differences = firewallDifferences(policy, firewall);
  if (differences.length > 0) {
    const ways = policy.accepts.length;
    steps.push({
      type: 'WriteFirewall',
      target: 'firewall/HOLDFAST-FORWARD',
      action: differences.every(({ field }) => field.endsWith('.chain')) ? 'create' : 'change',
      impact: 'none',
      message: `keep containers apart, with ${ways === 1 ? '1 way' : `${ways} ways`} open from Apps to what they are bound to`,
      because: differences.slice(0, MOST_REASONS),
      policy,
    });
  }
  if (isBridgeOpen(firewall)) {
    steps.push({
      type: 'FilterBridge',
      target: `bridge/${BRIDGE}`,
      action: 'change',
      impact: 'none',
      message: `have packets between containers on ${BRIDGE} come to the firewall`,
      because: [{ field: 'firewall.bridge', found: 'not filtered', wanted: 'filtered', cause: 'drift' }],
    });
  }
  return steps;
}

function platformStatus(
  want: PlatformWant,
  have: PlatformHave | undefined,
  { pending, failure }: Outcome<PlatformStep>,
): StatusDraft[] {
  const { document } = want;
  if (!have) {
    const reason = failure?.reason ?? 'NotLookedAt';
    const message = `Docker cannot be looked at: ${failure?.message ?? 'not tried yet'}`;
    return [{ document, conditions: [{ type: 'Ready', status: 'Unknown', reason, message }] }];
  }
  const blocked = obstacle(want, have);
  const fields = {
    version: have.version,
    docker: { version: have.engine.version, apiVersion: have.engine.apiVersion },
    firewall: firewallFields(want.policy, have.firewall),
    nginx: have.nginxVersion === undefined ? undefined : { version: have.nginxVersion },
    ...(have.network && have.isOurs ? { network: networkStatus(have.network) } : {}),
  };
  const ofFirewall = failure?.step !== undefined && failure.step.type !== 'CreateNetwork';
  const firewall = firewallCondition(want.policy, have.firewall, ofFirewall ? failure : undefined);
  const network = blocked ?? (ofFirewall ? undefined : failure);
  // With nothing to open, what is not right with the firewall keeps nobody from anything.
  const needed = want.policy.accepts.length > 0 && firewall.status !== 'True';
  const problem = network ?? (needed ? { reason: 'FirewallNotReady', message: firewall.message } : undefined);
  const ready = readyCondition(
    problem,
    pending.filter(({ type }) => type === 'CreateNetwork'),
  );
  return [{ document, conditions: [ready, firewall], ...(blocked ? { blocked } : {}), fields }];
}

function readyCondition(
  problem: { reason: string; message: string } | undefined,
  pending: readonly PlatformStep[],
): ConditionDraft {
  if (problem) return { type: 'Ready', status: 'False', reason: problem.reason, message: problem.message };
  if (pending[0])
    return { type: 'Ready', status: 'False', reason: 'Progressing', message: pending[0].message };
  return {
    type: 'Ready',
    status: 'True',
    reason: 'Running',
    message: 'Docker and the network are as wanted',
  };
}

function obstacle(want: PlatformWant, have: PlatformHave): { reason: string; message: string } | undefined {
  if (have.network && !have.isOurs) {
    const message = `a Docker network named ${NETWORK} is there that Holdfast did not make; remove or rename it`;
    return { reason: 'NetworkNameTaken', message };
  }
  if (have.network) return undefined;
  const choice = chooseSubnet(want.pool, have.taken);
  if ('subnet' in choice) return undefined;
  const list = choice.conflicts.map(({ subnet, by }) => `${subnet} by ${by}`).join(', ');
  return {
    reason: 'NoFreeSubnet',
    message: `every subnet of the pool is taken: ${list}; set spec.network.pool`,
  };
}

function networkStatus({ id, name, subnets, gateway }: NetworkSummary): Record<string, unknown> {
  const [subnet] = subnets;
  return { id, name, ...(subnet === undefined ? {} : { subnet, gateway: gateway ?? gatewayOf(subnet) }) };
}
