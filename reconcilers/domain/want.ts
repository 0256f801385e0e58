/** What a Domain asks for and what uses it, from documents alone. Pure. */
import type { View } from '../../controller/engine/contract.ts';
import { recordsOfDomain } from '../../resources/dnsrecord.ts';
import { refText } from '../../resources/document.ts';
import { type Domain, zoneOf } from '../../resources/domain.ts';
import type { PlatformSpec } from '../../resources/generated.ts';
import type { AddressSettings, Family } from '../drivers/address/index.ts';
import type { ZoneAccess } from '../drivers/dns/index.ts';
import { isAtProvider, ownerOf, resolversOf, zoneAccess } from './access.ts';

export interface DomainWant {
  document: Domain;
  /** The zone that is asked for; `document.status.zone` is the one that was verified. */
  zone: string;
  owner: string;
  /** Only at a provider, and with its Secret. */
  access?: ZoneAccess;
  /** The Secret that is missing. */
  missingSecret?: string;
  resolvers?: readonly string[];
  address: AddressSettings;
  fixed: Partial<Record<Family, string>>;
  /** Families for which nginx listens on nothing that the rest of the world reaches. */
  unheard: readonly Family[];
  /** Documents that use it, as `app/wiki`, when it is being deleted. */
  usedBy: readonly string[];
}

export function domainWant(name: string, view: View): DomainWant | undefined {
  const document = view.get('Domain', name) as Domain | undefined;
  if (!document) return undefined;
  const { spec } = document;
  const { ipv4, ipv6, families } = spec.address ?? {};
  const atProvider = isAtProvider(document);
  const access = atProvider ? zoneAccess(document, view) : undefined;
  const resolvers = resolversOf(view);
  const isFixed = ipv4 !== undefined || ipv6 !== undefined;
  return {
    document,
    zone: zoneOf(document),
    owner: ownerOf(document, view),
    ...(access ? { access } : {}),
    ...(atProvider && !access ? { missingSecret: spec.credentials?.secret ?? '' } : {}),
    ...(resolvers ? { resolvers } : {}),
    address: {
      ...(spec.address?.interface === undefined ? {} : { interface: spec.address.interface }),
      ...(spec.address?.from === undefined ? {} : { from: spec.address.from }),
      families: isFixed ? [] : (families ?? ['ipv4', 'ipv6']),
    },
    fixed: { ...(ipv4 === undefined ? {} : { ipv4 }), ...(ipv6 === undefined ? {} : { ipv6 }) },
    unheard: unheardFamilies(view),
    usedBy: document.metadata.deletionTimestamp === undefined ? [] : users(name, view),
  };
}

function users(name: string, view: View): string[] {
  const apps = view.list('App').filter(({ spec }) => spec['domain'] === name);
  const owners = recordsOfDomain(view, name).map((record) => {
    const [owner] = record.metadata.ownerReferences ?? [];
    return owner ? `${owner.kind.toLowerCase()}/${owner.name}` : refText(record);
  });
  return [...new Set([...apps.map(refText), ...owners])].sort();
}

/** Loopback is heard by this machine alone. */
function unheardFamilies(view: View): Family[] {
  const { http } = (view.get('Platform', 'platform')?.spec ?? {}) as PlatformSpec;
  const addresses = http?.addresses ?? ['127.0.0.1', '::1'];
  const outer = addresses.filter((address) => !/^127\.|^::1$/.test(address));
  const families: Family[] = [];
  if (!outer.some((address) => !address.includes(':'))) families.push('ipv4');
  if (!outer.some((address) => address.includes(':'))) families.push('ipv6');
  return families;
}
