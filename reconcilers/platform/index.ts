/**
 * The reconciler of Platform: the one network that all containers are on. Inter-container traffic is off on it, so no App
 * reaches another; nginx on the host reaches all of them at fixed addresses.
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
import { type EngineInfo, LABEL, type NetworkSpec, type NetworkSummary } from '../drivers/docker/index.ts';
import type { Reading, Writing } from '../world.ts';
import { chooseSubnet, DEFAULT_POOL, gatewayOf, type TakenSubnet } from './subnet.ts';

export const NETWORK = 'holdfast';

type PlatformDocument = Document<PlatformSpec & Record<string, unknown>, PlatformStatus & StatusBase>;

interface PlatformWant {
  document: PlatformDocument;
  pool: readonly string[];
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
}

interface PlatformStep extends Step {
  readonly type: 'CreateNetwork';
  readonly network: NetworkSpec;
}

export const platformReconciler: Reconciler<PlatformWant, PlatformHave, PlatformStep, Reading, Writing> = {
  kind: 'Platform',
  parallelism: 1,
  key: ({ metadata }) => metadata.name,
  want: platformWant,
  documents: ({ document }) => [document],
  observe: observePlatform,
  diff: diffPlatform,
  async converge(step, { docker }) {
    await docker.createNetwork(step.network);
  },
  status: platformStatus,
};

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
    cause: () => view.causeOf(document),
  };
}

async function observePlatform(_want: PlatformWant, world: Reading): Promise<PlatformHave> {
  const [engine, networks, routes, nginx] = await Promise.all([
    world.docker.info(),
    world.docker.networks(),
    world.host.routes(),
    world.nginx.state(),
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
    version: world.settings.version,
    isOurs: network?.labels[LABEL.managed] === 'true',
    ...(network ? { network } : {}),
    ...(nginx.version === undefined ? {} : { nginxVersion: nginx.version }),
  };
}

function diffPlatform(want: PlatformWant, have: PlatformHave): PlatformStep[] {
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
      'com.docker.network.bridge.name': 'holdfast0',
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
    nginx: have.nginxVersion === undefined ? undefined : { version: have.nginxVersion },
    ...(have.network && have.isOurs ? { network: networkStatus(have.network) } : {}),
  };
  const ready = readyCondition(blocked ?? failure, pending);
  return [{ document, conditions: [ready], ...(blocked ? { blocked } : {}), fields }];
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
