/**
 * Rules as text: what our chain is to hold, and what `iptables-save` says that there is, both in one canonical form so that they
 * can be compared whatever version of iptables wrote them. Pure; the reconciler, the real driver and the fake share it.
 */
import { isIP } from 'node:net';
import { memo } from '../../../resources/memo.ts';
import { DriverError } from '../error.ts';
import { type Accept, CHAIN, type Family, type FamilyState, type FirewallPolicy, HOOK } from './index.ts';

/** Of all Apps and their databases, and of what was there before. */
const RULES_KEPT = 2_000;

const PURPOSE = /^[a-zA-Z0-9][a-zA-Z0-9 ./_-]{0,200}$/;

/** Of one family, in order, as arguments after `-A CHAIN`. */
export function rulesOf({ bridge, accepts }: FirewallPolicy, family: Family): string[] {
  const within = `-i ${bridge} -o ${bridge}`;
  const rules = [`${within} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT`];
  for (const accept of accepts) if (familyOf(accept) === family) rules.push(acceptRule(accept, within));
  // Docker has such a rule too. Ours stays when somebody flushes Docker's chains, and holds where the policy of FORWARD is ACCEPT.
  return [...rules, `${within} -m comment --comment "holdfast: nothing else" -j DROP`];
}

function acceptRule({ source, destination, port, purpose }: Accept, within: string): string {
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new DriverError('invalid', `${port} is no port (${purpose})`);
  if (!PURPOSE.test(purpose))
    throw new DriverError('invalid', `"${purpose}" cannot be the comment of a firewall rule`);
  const ends = `-s ${source} -d ${destination}`;
  return `${ends} ${within} -p tcp -m tcp --dport ${port} -m comment --comment "holdfast: ${purpose}" -j ACCEPT`;
}

function familyOf({ source, destination, purpose }: Accept): Family {
  const [from, to] = [isIP(source), isIP(destination)];
  if (from === 0 || from !== to)
    throw new DriverError('invalid', `${source} and ${destination} are no two addresses (${purpose})`);
  return from === 4 ? 4 : 6;
}

/** In canonical form: what `FamilyState.rules` would be once the policy is written. */
export function wantedRules(policy: FirewallPolicy, family: Family): string[] {
  return rulesOf(policy, family).map(canonicalRule);
}

/** Options sorted, the modules that they imply left out, host masks left out, states sorted. The same rules are found at every look. */
export const canonicalRule: (rule: string) => string = memo(RULES_KEPT, (rule) =>
  optionsOf(rule)
    .filter(({ flag }) => flag !== '-m')
    .map(({ not, flag, value }) => `${not ? '! ' : ''}${flag} ${canonicalValue(flag, value)}`.trim())
    .sort()
    .join(' '),
);

function canonicalValue(flag: string, value: string): string {
  if (flag === '-s' || flag === '-d') return value.replace(/\/(32|128)$/, '');
  if (flag === '--ctstate') return value.split(',').sort().join(',');
  return flag === '--comment' ? JSON.stringify(value) : value;
}

interface RuleOption {
  not: boolean;
  flag: string;
  value: string;
}

function optionsOf(rule: string): RuleOption[] {
  const options: RuleOption[] = [];
  let not = false;
  for (const word of wordsOf(rule)) {
    const last = options.at(-1);
    if (word === '!') not = true;
    else if (/^--?[a-zA-Z]/.test(word)) {
      options.push({ not, flag: word, value: '' });
      not = false;
    } else if (last) last.value = last.value === '' ? word : `${last.value} ${word}`;
  }
  return options;
}

/** Words as iptables-save quotes them. */
function wordsOf(rule: string): string[] {
  const words = rule.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g);
  return [...words].map(([, quoted, plain]) => quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '');
}

/** What one family's `iptables-save -t filter` says of our chain and of the way to it. */
export function readTable(saved: string, family: Family, bridge: string): FamilyState {
  const chains = new Set<string>();
  const rules = new Map<string, string[]>();
  let dockerRules = false;
  for (const line of saved.split('\n')) {
    const chain = /^:(\S+) /.exec(line)?.[1];
    if (chain !== undefined) chains.add(chain);
    const [, name = '', rule = ''] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    if (name === '') continue;
    if (name === CHAIN || name === HOOK || name === 'FORWARD') push(rules, name, rule);
    if (name !== CHAIN && name !== HOOK && !dockerRules) dockerRules = mentions(rule, bridge);
  }
  const own = rules.get(CHAIN) ?? [];
  return {
    family,
    hooked: chains.has(HOOK),
    rules: chains.has(CHAIN) ? own.map(canonicalRule) : undefined,
    called:
      leadsTo(rules.get('FORWARD') ?? [], HOOK, bridge) && leadsTo(rules.get(HOOK) ?? [], CHAIN, bridge),
    dockerRules,
  };
}

function push(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}

function mentions(rule: string, bridge: string): boolean {
  return ` ${rule} `.includes(` ${bridge} `);
}

/** How often a chain calls another without condition. */
export function callsOf(saved: string, chain: string, target: string): number {
  return saved.split('\n').filter((line) => line.trim() === `-A ${chain} -j ${target}`).length;
}

const DECIDES = new Set(['ACCEPT', 'DROP', 'REJECT', 'RETURN']);
/** A jump is also a decision, as far as it can be seen from here, when nothing but the bridge is asked for. */
const BRIDGE_FLAGS = new Set(['-i', '-o', '-j']);

/** Exactly one bare jump to `target`, and before it no rule that decides about everything between the bridge's ports. */
function leadsTo(rules: readonly string[], target: string, bridge: string): boolean {
  const bare = `-j ${target}`;
  const at = rules.indexOf(bare);
  if (at < 0 || rules.lastIndexOf(bare) !== at) return false;
  return !rules.slice(0, at).some((rule) => decides(rule, bridge));
}

function decides(rule: string, bridge: string): boolean {
  const options = optionsOf(rule).filter(({ flag }) => flag !== '-m' && flag !== '--comment');
  const target = options.find(({ flag }) => flag === '-j')?.value.split(' ')[0] ?? '';
  if (!DECIDES.has(target)) return false;
  return options
    .filter(({ flag }) => !flag.startsWith('--reject'))
    .every(({ not, flag, value }) => flag === '-j' || (BRIDGE_FLAGS.has(flag) && (value === bridge) !== not));
}
