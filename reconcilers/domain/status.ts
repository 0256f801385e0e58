/** What can be said of a Domain from what was seen. Pure. The zone is written down when it is verified, and never changes after that. */
import type { ConditionDraft, Outcome, StatusDraft, Step } from '../../controller/engine/contract.ts';
import type { Family } from '../drivers/address/index.ts';
import type { ZoneInfo } from '../drivers/dns/index.ts';
import type { DriverErrorCode } from '../drivers/error.ts';
import { isAtProvider } from './access.ts';
import type { DomainHave, Problem } from './observe.ts';
import type { DomainWant } from './want.ts';

type Verdict = Omit<ConditionDraft, 'type'>;

const no = (reason: string, message: string): Verdict => ({ status: 'False', reason, message });
const unknown = (reason: string, message: string): Verdict => ({ status: 'Unknown', reason, message });
const yes = (reason: string, message: string): Verdict => ({ status: 'True', reason, message });

export function domainStatus(
  want: DomainWant,
  have: DomainHave | undefined,
  { failure }: Outcome<Step>,
): StatusDraft[] {
  const { document } = want;
  if (!have) {
    const reason = failure?.reason ?? 'NotLookedAt';
    const message = failure?.message ?? 'it was not looked at yet';
    const verdict = failure?.kind === 'waiting' ? no(reason, message) : unknown(reason, message);
    return [{ document, conditions: [{ type: 'Ready', ...verdict }] }];
  }
  const addresses = addressFields(want, have);
  const ready = readyVerdict(want, have);
  const conditions: ConditionDraft[] = [{ type: 'Ready', ...ready }];
  const delegated = delegationVerdict(want, have);
  if (delegated) conditions.push({ type: 'Delegated', ...delegated });
  if (document.spec.provider !== 'noop') {
    conditions.push({ type: 'AddressKnown', ...addressVerdict(want, have, addresses) });
    conditions.push({ type: 'Listening', ...listeningVerdict(want, addresses) });
  }
  const verified = ready.status === 'True';
  const zone = document.status?.zone ?? (verified ? want.zone : undefined);
  return [
    {
      document,
      conditions,
      fields: {
        owner: want.owner,
        ...(zone === undefined ? {} : { zone }),
        ...(verified ? { provider: document.spec.provider } : {}),
        nameServers: nameServers(have) ?? document.status?.nameServers,
        delegatedTo: Array.isArray(have.delegation) ? have.delegation : document.status?.delegatedTo,
        addresses,
      },
    },
  ];
}

function nameServers({ zone, delegation }: DomainHave): readonly string[] | undefined {
  if (zone) return 'problem' in zone ? undefined : zone.nameServers;
  return Array.isArray(delegation) && delegation.length > 0 ? delegation : undefined;
}

function readyVerdict(want: DomainWant, have: DomainHave): Verdict {
  const { document, zone, missingSecret } = want;
  const { provider } = document.spec;
  const verified = document.status?.zone;
  if (verified !== undefined && verified !== zone) {
    const message = `its zone is ${verified}, where its records are, and cannot become ${zone}: put spec.zone back, or make another Domain`;
    return no('ZoneChanged', message);
  }
  if (missingSecret !== undefined) {
    const message = `waits for secret/${missingSecret} with the credentials for ${provider}; apply that Secret`;
    return no('ReferenceNotFound', message);
  }
  if (!isAtProvider(document))
    return yes('Verified', WITHOUT_PROVIDER[provider] ?? 'nothing is to be verified');
  if (!have.zone) return unknown('NotLookedAt', 'the provider was not asked yet');
  if ('problem' in have.zone) return providerProblem(want, have, have.zone.problem);
  return wrongNameServers(want, have, have.zone) ?? yes('Verified', `${provider} opens the zone ${zone}`);
}

const WITHOUT_PROVIDER: Record<string, string> = {
  manual: 'its records are made by you: each DNSRecord says which one, and whether it is there',
  wildcard: 'its names are found by the record for * that you made: each DNSRecord says whether that is so',
  noop: 'nobody keeps records for it',
};

const REASONS: Partial<Record<DriverErrorCode, string>> = {
  denied: 'AccessDenied',
  notFound: 'ZoneNotFound',
  conflict: 'ZoneAmbiguous',
};

function providerProblem(want: DomainWant, { delegation }: DomainHave, { code, message }: Problem): Verdict {
  const reason = REASONS[code];
  const secret = `secret/${want.document.spec.credentials?.secret ?? ''}`;
  if (reason === undefined) return unknown('ProviderUnavailable', `${message}; it is tried again`);
  if (code === 'denied') return no(reason, `${message}. Check ${secret}`);
  if (code !== 'notFound') return no(reason, message);
  const elsewhere =
    Array.isArray(delegation) && delegation.length > 0
      ? ` The world is sent to ${delegation.join(', ')} for ${want.zone}: the zone is kept there, by you or by somebody else.`
      : '';
  const advice = `Add the zone there, name the zone that ${want.document.metadata.name} is in as spec.zone, or use the provider that has it.`;
  return no(reason, `${message}.${elsewhere} ${advice}`);
}

/**
 * At the big providers a zone that the world is not sent to is of no use, and may be somebody else's name. A name server of one's
 * own may be hidden behind others, or be for a network of its own: there it is only told.
 */
function wrongNameServers(want: DomainWant, { delegation }: DomainHave, zone: ZoneInfo): Verdict | undefined {
  if (want.document.spec.provider === 'rfc2136' || want.document.spec.nameServers) return undefined;
  if (delegation === undefined || zone.nameServers.length === 0) return undefined;
  if ('problem' in delegation) {
    // What was verified before is not in doubt because a resolver is silent today.
    if (want.document.status?.zone !== undefined) return undefined;
    return unknown('NameServersUnknown', `${delegation.problem.message}; it is tried again`);
  }
  if (delegation.length === 0) {
    const message = `the world does not know ${want.zone}: where the domain is registered, set its name servers to ${zone.nameServers.join(', ')}`;
    return no('NotDelegated', message);
  }
  if (delegation.some((server) => zone.nameServers.includes(server))) return undefined;
  const message = `the world is sent to ${delegation.join(', ')} for ${want.zone}, and not to ${want.document.spec.provider}: where the domain is registered, set its name servers to ${zone.nameServers.join(', ')}`;
  return no('WrongNameServers', message);
}

function delegationVerdict(want: DomainWant, { delegation, zone }: DomainHave): Verdict | undefined {
  if (delegation === undefined) return undefined;
  if ('problem' in delegation) return unknown('Unavailable', delegation.problem.message);
  if (delegation.length === 0) return no('NotDelegated', `the world does not know ${want.zone}`);
  const own = zone && !('problem' in zone) ? zone.nameServers : [];
  const message = `the world is sent to ${delegation.join(', ')}`;
  if (own.length > 0 && !delegation.some((server) => own.includes(server)))
    return no('OtherNameServers', `${message}; the zone itself names ${own.join(', ')}`);
  return yes('Delegated', message);
}

interface Addresses {
  ipv4?: string;
  ipv6?: string;
  source?: string;
}

/** Where a family cannot be found today, the one that was known stays. */
function addressFields({ document, unheard }: DomainWant, { addresses }: DomainHave): Addresses | undefined {
  const before = document.status?.addresses ?? {};
  const result: Addresses = {};
  const sources = new Set<string>();
  for (const family of ['ipv4', 'ipv6'] as const) {
    const found = addresses.found[family];
    const address = found?.address ?? (addresses.problems[family] === undefined ? undefined : before[family]);
    if (address === undefined || isUseless(family, found?.source, unheard)) continue;
    result[family] = address;
    if (found) sources.add(found.source);
    else if (before.source !== undefined) sources.add(before.source);
  }
  if (result.ipv4 === undefined && result.ipv6 === undefined) return undefined;
  return { ...result, source: [...sources].join(', ') };
}

/**
 * An address that nginx does not listen on, while it does on the other family, would only keep people from coming by the one
 * that works. What a person fixed is published all the same.
 */
function isUseless(family: Family, source: string | undefined, unheard: readonly Family[]): boolean {
  return source !== 'fixed' && unheard.length === 1 && unheard[0] === family;
}

function addressVerdict(
  { address }: DomainWant,
  { addresses }: DomainHave,
  fields: Addresses | undefined,
): Verdict {
  const problems = Object.entries(addresses.problems).map(([family, why]) => `${family}: ${why}`);
  const known = [fields?.ipv4, fields?.ipv6].filter((each) => each !== undefined).join(' and ');
  if (problems.length === 0 && known !== '') return yes('Known', `names lead to ${known}`);
  if (known !== '') {
    // One of two families that nobody tells is usual, and no reason to worry.
    const stale = problems.length > 0 && Object.keys(addresses.found).length === 0;
    const message = `names lead to ${known}; what could not be found: ${problems.join('; ')}`;
    return stale ? unknown('NotFoundNow', message) : yes('Known', message);
  }
  const why = problems.length > 0 ? problems.join('; ') : whyNone(address.interface);
  return no('AddressUnknown', `no address to lead names to is known: ${why}. Set spec.address.ipv4 or ipv6`);
}

function whyNone(name: string | undefined): string {
  return name === undefined ? 'this machine has none' : `the interface ${name} has none`;
}

function listeningVerdict({ unheard }: DomainWant, addresses: Addresses | undefined): Verdict {
  if (unheard.length < 2) {
    const [family] = unheard;
    if (family === undefined) return yes('Listening', 'nginx listens for the rest of the world');
    const fixed = addresses?.[family] !== undefined;
    const name = family === 'ipv6' ? 'IPv6' : 'IPv4';
    const all = family === 'ipv6' ? '::' : '0.0.0.0';
    const message = `nginx does not listen on ${name}${fixed ? ', and names lead there' : '; names get no records for it'}: add ${all} to spec.http.addresses of the Platform where it should`;
    return fixed ? no('NotListening', message) : yes('Listening', message);
  }
  const message =
    'nginx listens on the loopback only, so that nobody outside reaches it: set spec.http.addresses of the Platform to 0.0.0.0 and ::';
  return no('LoopbackOnly', message);
}
