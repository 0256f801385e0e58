/**
 * Zones at providers: finds the provider's code, keeps what was read for a while, remembers what was refused, and bounds every
 * call in time, so that a provider that hangs costs its own zone only. Wired in main.ts.
 */
import { createHash } from 'node:crypto';
import type { Clock } from '../../../controller/clock.ts';
import { DriverError } from '../error.ts';
import { cloudflare } from './cloudflare.ts';
import { digitalocean } from './digitalocean.ts';
import type { DnsReading, DnsWriting, ProviderName, Refusal, SetChange, ZoneAccess } from './index.ts';
import type { Listing, Provider, ZoneContext } from './provider.ts';
import { rfc2136 } from './rfc2136.ts';
import { route53 } from './route53.ts';

const READ_MILLISECONDS = 60_000;
const CHANGE_MILLISECONDS = 280_000;
/** What was refused is tried again after this long: the provider may think otherwise then. */
const REFUSED_MILLISECONDS = 3_600_000;
const MOST_REFUSALS = 10_000;

interface Kept {
  listing: Listing;
  at: number;
}

export function createDns({ clock }: { clock: Clock }): DnsReading & DnsWriting {
  const providers: Record<ProviderName, Provider> = {
    route53: route53({ clock }),
    digitalocean: digitalocean({ clock }),
    cloudflare: cloudflare({ clock }),

    rfc2136: rfc2136({ clock }),
  };
  const kept = new Map<string, Kept>();
  const refused = new Map<string, { message: string; until: number }>();
  const within = <T>(
    access: ZoneAccess,
    milliseconds: number,
    work: (context: ZoneContext) => Promise<T>,
    signal?: AbortSignal,
  ) => bounded(clock, access, milliseconds, work, signal);

  async function list(access: ZoneAccess, wanted: Parameters<Provider['list']>[1]): Promise<Listing> {
    const key = accessKey(access);
    const last = kept.get(key)?.listing;
    const at = clock.monotonic();
    const listing = await within(access, READ_MILLISECONDS, (context) =>
      providers[access.provider].list(context, wanted, last),
    );
    kept.set(key, { listing, at });
    return listing;
  }

  return {
    zone: (access) =>
      within(access, READ_MILLISECONDS, (context) => providers[access.provider].zone(context)),
    async records(access, wanted, maxAgeSeconds = 0) {
      const last = kept.get(accessKey(access));
      const isFresh = last && clock.monotonic() - last.at < maxAgeSeconds * 1000;
      if (isFresh && !last.listing.partial) return last.listing.sets;
      return (await list(access, wanted)).sets;
    },
    refusal(access, change) {
      const found = refused.get(changeKey(access, change));
      return found && clock.monotonic() < found.until ? found.message : undefined;
    },
    async change(access, changes, signal) {
      const key = accessKey(access);
      const known = kept.get(key)?.listing;
      const listing = known && !known.partial ? known : await list(access, changes);
      // What was read is out of date from here on, however this ends.
      kept.delete(key);
      const refusals = await within(
        access,
        CHANGE_MILLISECONDS,
        (context) => providers[access.provider].change(context, listing, changes),
        signal,
      );
      remember(access, refusals);
      return refusals;
    },
  };

  function remember(access: ZoneAccess, refusals: readonly Refusal[]): void {
    if (refused.size > MOST_REFUSALS) refused.clear();
    const until = clock.monotonic() + REFUSED_MILLISECONDS;
    for (const { change, message } of refusals) refused.set(changeKey(access, change), { message, until });
  }
}

/** Not the credentials themselves: a digest is all that is kept. */
function accessKey({ provider, zone, credentials }: ZoneAccess): string {
  const sorted = Object.entries(credentials).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256')
    .update(JSON.stringify([provider, zone, sorted]))
    .digest('hex');
}

function changeKey(access: ZoneAccess, { name, type, after }: SetChange): string {
  return `${accessKey(access)} ${name} ${type} ${JSON.stringify([after?.ttl, after?.values])}`;
}

async function bounded<T>(
  clock: Clock,
  { provider, zone, credentials }: ZoneAccess,
  milliseconds: number,
  work: (context: ZoneContext) => Promise<T>,
  outer?: AbortSignal,
): Promise<T> {
  const controller = new AbortController();
  const late = () => {
    const message = `${provider} did not answer for the zone ${zone} within ${milliseconds / 1000} s`;
    controller.abort(new DriverError('timeout', message));
  };
  const cancel = clock.after(milliseconds, late);
  const onAbort = () => controller.abort(outer?.reason);
  outer?.addEventListener('abort', onAbort, { once: true });
  if (outer?.aborted) onAbort();
  try {
    return await new Promise<T>((resolve, reject) => {
      const { signal } = controller;
      const abandon = () => reject(signal.reason);
      if (signal.aborted) return abandon();
      signal.addEventListener('abort', abandon, { once: true });
      work({ zone, credentials, signal }).then(resolve, reject);
    });
  } finally {
    cancel();
    outer?.removeEventListener('abort', onAbort);
    // Ends what is still under way.
    controller.abort(new DriverError('aborted', `${provider}: done`));
  }
}
