/**
 * The seam for Domains: what a domain's name means before there is a document for it. Used by the reconcilers of App and
 * Site. Pure. One domain is built in, `localhost`: every browser and resolver finds it on the machine itself, so that an
 * App can be served with no DNS and no account.
 */

export interface DomainFacts {
  name: string;
  /** The DNS zone that would hold its records. */
  zone: string;
  /** Where its names lead to. */
  addresses: readonly string[];
  /** internal: from the platform's own authority. */
  certificate: 'internal';
}

const LOCALHOST: DomainFacts = {
  name: 'localhost',
  zone: 'localhost',
  addresses: ['127.0.0.1', '::1'],
  certificate: 'internal',
};

/** What is known of a domain that needs no document. undefined: somebody has to declare it. */
export function builtinDomain(name: string): DomainFacts | undefined {
  return name === LOCALHOST.name ? LOCALHOST : undefined;
}

/** The host name of a location in a domain. '' is the naked domain. */
export function fqdn(location: string, domain: string): string {
  return (location === '' ? domain : `${location}.${domain}`).toLowerCase();
}

const LABEL = /^[a-z0-9_]([-a-z0-9_]{0,61}[a-z0-9_])?$/;

/** What is wrong with a host name, as sentences; empty when nothing is. Names in other scripts come as punycode. */
export function hostProblems(host: string): string[] {
  if (host === '') return ['A host name is needed.'];
  const problems: string[] = [];
  if (host.length > 253)
    problems.push(`A host name has at most 253 characters, this one has ${host.length}.`);
  if (host !== host.toLowerCase()) problems.push('Host names are written in lower case.');
  for (const label of host.toLowerCase().split('.')) {
    if (LABEL.test(label)) continue;
    problems.push(
      label === ''
        ? 'A host name has no empty part: no dot in front, at the end, or twice.'
        : `"${label}" is no part of a host name: letters, digits and dashes, at most 63, no dash at an end.`,
    );
  }
  if (/^[0-9.]+$/.test(host)) problems.push('An IP address is no host name.');
  return problems;
}
