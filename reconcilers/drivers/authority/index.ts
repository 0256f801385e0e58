/**
 * The platform's own certificate authority: certificates that need no account and no network. Browsers and tools trust it
 * once its one certificate, at `caCertificatePath`, is given to them. The reconciler of Sites asks and lets it issue.
 */
import { hash } from 'node:crypto';
import type { AuthorityReading, AuthorityWriting } from '../../world.ts';

export interface Authority extends AuthorityReading, AuthorityWriting {
  /** PEM of the authority's own certificate, for people to import. */
  readonly caCertificatePath: string;
  /** Makes the authority where there is none, and renews its certificate, with the same key, before it ends. */
  ensure(): Promise<void>;
}

/** Name under which the certificate for exactly these hosts, the main one first and the others in any order, is kept. */
export function certificateName(hosts: readonly string[]): string {
  const key = hosts.join('\n');
  const known = names.get(key);
  if (known !== undefined) return known;
  if (names.size >= MOST_NAMES) names.clear();
  const name = nameFor(hosts);
  names.set(key, name);
  return name;
}

/** Asked for every Site at every look, and always answered the same. */
const names = new Map<string, string>();
const MOST_NAMES = 5_000;

function nameFor(hosts: readonly string[]): string {
  const sorted = [...new Set(hosts)].sort();
  const digest = hash('sha256', sorted.join('\n'), 'hex').slice(0, 12);
  const readable = (hosts[0] ?? '').toLowerCase().replace(/[^a-z0-9.-]/g, '_');
  return `${readable.slice(0, 100).replace(/^[.-]+/, '')}_${digest}`.replace(/^_/, 'x_');
}
