/**
 * Which container reaches which: derived from documents alone, compared with what the kernel has, told in the Platform's status.
 * Part of the Platform's reconciler, for there is one firewall as there is one network. Pure but for `observeFirewall`.
 *
 * A Binding opens one way: from its App's address (and from those of the App's tasks) to its Addon's address and port. Nothing
 * else is open, so that whatever is missing, late or wrong leaves a way closed.
 */
import { isIP } from 'node:net';
import type { Because, ConditionDraft, View } from '../../controller/engine/contract.ts';
import type { Document } from '../../resources/document.ts';
import type { Accept, FamilyState, FirewallPolicy, FirewallState } from '../drivers/firewall/index.ts';
import { wantedRules } from '../drivers/firewall/rules.ts';
import type { Reading } from '../world.ts';
import { BRIDGE } from './bridge.ts';

/** What the rules are derived from. The Platform is looked at again when one of these changes. */
export const FIREWALL_KINDS = ['App', 'Addon', 'Binding', 'Task'] as const;

/** Others change the tables without a word: looked at this often while something is to be open. */
const LOOK_AGAIN_SECONDS = 10;

export type FirewallHave = { state: FirewallState } | { failure: string };

export interface FirewallProblem {
  reason: string;
  message: string;
}

export function wantedPolicy(view: View): FirewallPolicy {
  const kinds = FIREWALL_KINDS.map((kind) => `${kind}#status`);
  return view.derived('firewall policy', kinds, () => ({ bridge: BRIDGE, accepts: acceptsOf(view) }));
}

/** In the order of their purposes, each once. */
export function acceptsOf(view: Pick<View, 'get' | 'list'>): Accept[] {
  const accepts = view.list('Binding').flatMap((binding) => ofBinding(binding, view));
  return accepts.sort((a, b) => (a.purpose < b.purpose ? -1 : 1));
}

function ofBinding(binding: Document, view: Pick<View, 'get' | 'list'>): Accept[] {
  const { metadata, spec } = binding;
  const app = view.get('App', text(spec['app']));
  const addon = view.get('Addon', text(spec['addon']));
  if (!app || !addon || [binding, app, addon].some((one) => one.metadata.deletionTimestamp)) return [];
  const { address: destination, port } = (addon.status ?? {}) as { address?: unknown; port?: unknown };
  if (typeof port !== 'number' || !isAddress(destination)) return [];
  const purpose = `binding/${metadata.name}`;
  const ways: Accept[] = [];
  const source = addressOf(app);
  if (source !== undefined) ways.push({ source, destination, port, purpose });
  for (const task of view.list('Task')) {
    const from = task.spec['app'] === app.metadata.name ? addressOf(task) : undefined;
    if (from !== undefined)
      ways.push({ source: from, destination, port, purpose: `${purpose} task/${task.metadata.name}` });
  }
  return ways.filter((way) => isIP(way.source) === isIP(way.destination));
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function addressOf({ status }: Document): string | undefined {
  const { address } = (status ?? {}) as { address?: unknown };
  return isAddress(address) ? address : undefined;
}

function isAddress(value: unknown): value is string {
  return typeof value === 'string' && isIP(value) !== 0;
}

/** A firewall that cannot be looked at is told, and keeps nothing else of the Platform from being seen. */
export async function observeFirewall({ firewall }: Pick<Reading, 'firewall'>): Promise<FirewallHave> {
  try {
    return { state: await firewall.state(BRIDGE) };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

/** Why nothing can be written, or what writing would not help, or undefined. */
export function firewallProblem(have: FirewallHave): FirewallProblem | undefined {
  if ('failure' in have)
    return { reason: 'NotLookedAt', message: `the firewall cannot be read: ${have.failure}` };
  const { version, families } = have.state;
  if (version === undefined || families.length === 0)
    return {
      reason: 'NoIptables',
      message: 'there is no iptables, so no App can be let to a database: apt-get install iptables',
    };
  if (!families.find(({ family }) => family === 4)?.hooked) {
    const message =
      'Docker has made no chain DOCKER-USER, so no App can be let to a database; it does when it starts with iptables on (its default): systemctl restart docker';
    return { reason: 'NoHook', message };
  }
  return undefined;
}

/** What differs, each with its place. Empty: as wanted. */
export function firewallDifferences(policy: FirewallPolicy, have: FirewallHave): Because[] {
  if ('failure' in have || firewallProblem(have)) return [];
  return have.state.families.filter(({ hooked }) => hooked).flatMap((found) => ofFamily(policy, found));
}

function ofFamily(policy: FirewallPolicy, found: FamilyState): Because[] {
  const wanted = wantedRules(policy, found.family);
  const field = `firewall.ipv${found.family}`;
  if (found.rules === undefined)
    return [{ field: `${field}.chain`, found: null, wanted: `${wanted.length} rules`, cause: 'missing' }];
  const differences: Because[] = [];
  if (!found.called)
    differences.push({ field: `${field}.called`, found: false, wanted: true, cause: 'drift' });
  const [have, want] = [new Set(found.rules), new Set(wanted)];
  for (const rule of wanted)
    if (!have.has(rule))
      differences.push({ field: `${field}.rules`, found: null, wanted: rule, cause: 'bindings' });
  for (const rule of found.rules)
    if (!want.has(rule))
      differences.push({ field: `${field}.rules`, found: rule, wanted: null, cause: 'bindings' });
  const isSame = found.rules.length === wanted.length && found.rules.every((rule, at) => rule === wanted[at]);
  if (!isSame && differences.length === 0)
    differences.push({ field: `${field}.rules`, found: 'another order', wanted: 'ours', cause: 'drift' });
  return differences;
}

export function isBridgeOpen(have: FirewallHave): boolean {
  return 'state' in have && have.state.bridgeFilter === 'off';
}

export function firewallCondition(
  policy: FirewallPolicy,
  have: FirewallHave,
  failure: FirewallProblem | undefined,
): ConditionDraft {
  const no = ({ reason, message }: FirewallProblem): ConditionDraft => ({
    type: 'FirewallReady',
    status: reason === 'NotLookedAt' ? 'Unknown' : 'False',
    reason,
    message,
  });
  const problem = firewallProblem(have) ?? failure ?? open(have);
  if (problem) return no(problem);
  const left = firewallDifferences(policy, have);
  if (left[0]) return no({ reason: 'Progressing', message: `${left.length} rules are not as wanted yet` });
  const ways = policy.accepts.length;
  const message = `containers are kept apart; ${ways === 1 ? '1 way is' : `${ways} ways are`} open, from Apps to what they are bound to`;
  return { type: 'FirewallReady', status: 'True', reason: 'Filtering', message };
}

/** What holds although our chain is as wanted. */
function open(have: FirewallHave): FirewallProblem | undefined {
  if ('failure' in have || have.state.bridgeFilter === undefined) return undefined;
  if (have.state.bridgeFilter !== 'on') {
    const message = `packets between containers do not come to iptables, so every container reaches every other: modprobe br_netfilter, then sysctl net.bridge.bridge-nf-call-iptables=1`;
    return { reason: 'BridgeNotFiltered', message };
  }
  if (have.state.families.some(({ family, dockerRules }) => family === 4 && !dockerRules)) {
    const message =
      "Docker's own rules for the network were flushed: Apps reach their databases, but nothing outside, until Docker is started again (systemctl restart docker)";
    return { reason: 'DockerRulesMissing', message };
  }
  return undefined;
}

export function firewallFields(
  policy: FirewallPolicy,
  have: FirewallHave,
): Record<string, unknown> | undefined {
  if ('failure' in have) return undefined;
  const { version, families } = have.state;
  return {
    ...(version === undefined ? {} : { program: version }),
    families: families.filter(({ hooked }) => hooked).map(({ family }) => `IPv${family}`),
    ways: policy.accepts.length,
  };
}

export function firewallLookAgainSeconds(policy: FirewallPolicy): number | undefined {
  return policy.accepts.length > 0 ? LOOK_AGAIN_SECONDS : undefined;
}
