/**
 * Looks at nginx, its files and its certificates for the reconciler of Sites. Given the reading half of the world: it can
 * change nothing. Throws ReconcileError where there is nothing to compare with.
 */
import { ReconcileError } from '../../controller/engine/contract.ts';
import { certificateName } from '../drivers/authority/index.ts';
import type { NginxState } from '../drivers/nginx/index.ts';
import type { IssuedCertificate, Reading } from '../world.ts';
import { canRejectHandshake, type Edge, edgeOf, NOBODY } from './config.ts';
import { needsOwn } from './servings.ts';
import type { Want } from './want.ts';

export type SiteReading = Pick<Reading, 'nginx' | 'host' | 'authority'>;

export interface Have {
  nginx: NginxState & { version: string };
  edge: Edge;
  /** By name: the good ones among those that are needed. */
  certificates: ReadonlyMap<string, IssuedCertificate>;
}

export async function observeSites(want: Want, world: SiteReading): Promise<Have> {
  const [state, ipv6] = await Promise.all([world.nginx.state(), world.host.hasIpv6()]);
  const { version } = state;
  if (version === undefined) {
    throw new ReconcileError(
      'waiting',
      'NginxMissing',
      'nginx is not installed. Install it (Debian and Ubuntu: apt-get install nginx-light); Holdfast starts one of its own and leaves the distribution’s alone.',
    );
  }
  const nginx = { ...state, version };
  const edge = edgeOf(want, { ...nginx, ipv6, certificates: world.nginx.certificates });
  if (edge.addresses.length === 0) {
    const asked = want.http.addresses.join(', ');
    throw new ReconcileError(
      'waiting',
      'NoAddress',
      `This machine has no IPv6, and spec.http.addresses of the Platform names nothing else: ${asked}.`,
    );
  }
  const certificates = new Map<string, IssuedCertificate>();
  await Promise.all(
    hostSets(want, nginx).map(async (hosts) => {
      const found = await world.authority.find(hosts);
      if (found) certificates.set(certificateName(hosts), found);
    }),
  );
  return { nginx, edge, certificates };
}

/** What certificates of the platform's own authority are needed for. */
export function hostSets(
  want: Want,
  { version, certificates }: { version: string; certificates: readonly string[] },
): (readonly string[])[] {
  const sets = want.sites
    .filter((site) => !site.suspended && site.hosts.length > 0 && needsOwn(site, certificates))
    .map((site) => site.hosts);
  return canRejectHandshake(version) ? sets : [NOBODY, ...sets];
}
