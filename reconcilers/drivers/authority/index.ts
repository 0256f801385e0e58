/**
 * The platform's own certificate authority: certificates that need no account and no network. Browsers and tools trust it
 * once its one certificate, at `caCertificatePath`, is given to them. The reconciler of Sites asks and lets it issue.
 */
import { createHash } from 'node:crypto';
import type { AuthorityReading, AuthorityWriting } from '../../world.ts';

export interface Authority extends AuthorityReading, AuthorityWriting {
  /** PEM of the authority's own certificate, for people to import. */
  readonly caCertificatePath: string;
  /** Makes the authority where there is none, and renews its certificate, with the same key, before it ends. */
  ensure(): Promise<void>;
}

/** Name under which the certificate for exactly these hosts, the main one first and the others in any order, is kept. */
export function certificateName(hosts: readonly string[]): string {
  const sorted = [...new Set(hosts)].sort();
  const hash = createHash('sha256').update(sorted.join('\n')).digest('hex').slice(0, 12);
  const readable = (hosts[0] ?? '').toLowerCase().replace(/[^a-z0-9.-]/g, '_');
  return `${readable.slice(0, 100).replace(/^[.-]+/, '')}_${hash}`.replace(/^_/, 'x_');
}
