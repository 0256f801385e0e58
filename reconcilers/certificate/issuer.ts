/**
 * What a Domain says of who signs its certificates, with the values of the Secrets that it names. Used by the reconcilers of Certificate
 * and Site. Pure.
 */
import type { View } from '../../controller/engine/contract.ts';
import type { Document } from '../../resources/document.ts';
import { type DomainFacts, domainOfHost } from '../../resources/domain.ts';
import type { AcmeServer, ChallengeType } from '../drivers/acme/index.ts';
import { thumbprint } from '../drivers/acme/response.ts';
import { secretValue } from '../secret-value.ts';
import { accountKey, accountKeyName } from './kept.ts';

export const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory';

export interface AcmeIssuer {
  server: AcmeServer;
  /** Name of the Key document of the account. */
  accountName: string;
  /** PEM; undefined before the account is made. */
  account?: string;
  email?: string;
  binding?: { kid: string; hmacKey: string };
  /** For names of the Domain's zone; a wildcard can be had by dns-01 alone. */
  challenge: ChallengeType;
  /** A Secret that it needs is not there. */
  missing?: { reason: string; message: string };
}

export function acmeIssuer(facts: DomainFacts, view: View): AcmeIssuer {
  const { acme = {}, wildcard } = facts.tls;
  const directory = acme.directory ?? LETS_ENCRYPT;
  const accountName = accountKeyName(directory, acme.eab?.secret);
  const account = accountKey(view.get('Key', accountName));
  const ca = acme.caBundle ?? valueIn(acme.caSecret, 'ca.crt', view);
  const binding = bindingOf(acme.eab?.secret, view);
  const missing = missingOf(facts, { ca, binding });
  return {
    server: { directory, ...(ca === undefined ? {} : { ca }) },
    accountName,
    ...(account === undefined ? {} : { account }),
    ...(acme.email === undefined ? {} : { email: acme.email }),
    ...(binding ? { binding } : {}),
    challenge: acme.challenge ?? (wildcard ? 'dns-01' : 'http-01'),
    ...(missing ? { missing } : {}),
  };
}

function valueIn(secret: string | undefined, key: string, view: View): string | undefined {
  return secret === undefined ? undefined : secretValue(view.get('Secret', secret), key);
}

function bindingOf(secret: string | undefined, view: View): AcmeIssuer['binding'] {
  const [kid, hmacKey] = [valueIn(secret, 'kid', view), valueIn(secret, 'hmacKey', view)];
  return kid === undefined || hmacKey === undefined ? undefined : { kid, hmacKey };
}

function missingOf(
  { name, tls }: DomainFacts,
  found: { ca: string | undefined; binding: AcmeIssuer['binding'] },
): AcmeIssuer['missing'] {
  const { eab, caSecret, caBundle } = tls.acme ?? {};
  const wait = (what: string) => ({
    reason: 'ReferenceNotFound',
    message: `waits for ${what}, which domain/${name} names; apply that Secret`,
  });
  if (eab && !found.binding) return wait(`kid and hmacKey of secret/${eab.secret}`);
  if (caSecret !== undefined && caBundle === undefined && found.ca === undefined)
    return wait(`ca.crt of secret/${caSecret}`);
  return undefined;
}

/** Secrets whose values the certificates of a Domain depend on. */
export function secretsOf({ tls }: DomainFacts): string[] {
  const { acme, certificate, fallback } = tls;
  return [acme?.eab?.secret, acme?.caSecret, certificate?.secret, fallback?.secret].filter(
    (name) => name !== undefined,
  );
}

/** The Domain that a host's certificate follows: the one that it is in, else that of the Site that has it as an alias. */
export function domainOf(host: string, site: Document, view: View): DomainFacts | undefined {
  return domainOfHost(view, host) ?? domainOfHost(view, String(site.spec['domain']));
}

const prints = new Map<string, string>();

/** What a web server must answer HTTP challenges of a host with; undefined where none are asked for. */
export function thumbprintFor(facts: DomainFacts | undefined, view: View): string | undefined {
  if (facts?.certificate !== 'acme') return undefined;
  const { account } = acmeIssuer(facts, view);
  if (account === undefined) return undefined;
  const known = prints.get(account);
  if (known !== undefined) return known;
  const print = thumbprint(account);
  prints.set(account, print);
  return print;
}
