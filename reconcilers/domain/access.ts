/** From a Domain and its Secret to the zone and how it is opened. Pure; used by the reconcilers of Domain and DNSRecord. */
import type { View } from '../../controller/engine/contract.ts';
import { type Domain, zoneOf } from '../../resources/domain.ts';
import type { SecretSpec } from '../../resources/generated.ts';
import type { ProviderName, ZoneAccess } from '../drivers/dns/index.ts';
import { secretValue } from '../secret-value.ts';

const PROVIDERS: readonly string[] = ['route53', 'digitalocean', 'cloudflare', 'rfc2136'];

/** Whether there is an API that holds the zone. */
export function isAtProvider({ spec }: Domain): boolean {
  return PROVIDERS.includes(spec.provider);
}

/** undefined: the Secret with the credentials is missing. Only for Domains at a provider. */
export function zoneAccess(domain: Domain, view: View): ZoneAccess | undefined {
  const name = domain.spec.credentials?.secret;
  const secret = name === undefined ? undefined : view.get('Secret', name);
  if (!secret) return undefined;
  const { data, stringData } = secret.spec as SecretSpec;
  const keys = new Set([...Object.keys(data ?? {}), ...Object.keys(stringData ?? {})]);
  const credentials: Record<string, string> = {};
  for (const key of keys) {
    const value = secretValue(secret, key);
    if (value !== undefined) credentials[key] = value;
  }
  // Changing the credentials never changes the zone: it is what was verified.
  const zone = domain.status?.zone ?? zoneOf(domain);
  return { provider: domain.spec.provider as ProviderName, zone, credentials };
}

/** Marks records as this server's. It stays what it once was. */
export function ownerOf(domain: Domain, view: View): string {
  const { spec, status } = domain;
  return (
    spec.owner ?? status?.owner ?? (view.get('Platform', 'platform')?.metadata.uid ?? 'holdfast').slice(0, 36)
  );
}

/** Resolvers to ask instead of the machine's own. */
export function resolversOf(view: View): readonly string[] | undefined {
  const dns = view.get('Platform', 'platform')?.spec['dns'] as { resolvers?: readonly string[] } | undefined;
  return dns?.resolvers;
}
