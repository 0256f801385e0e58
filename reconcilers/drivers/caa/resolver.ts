/** CAA records through the machine's resolver, or the servers that a Domain names. */
import { lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { DriverError } from '../error.ts';
import type { CaaReading, CaaRecord } from './index.ts';

const TIMEOUT_MILLISECONDS = 3000;
const TRIES = 2;
/** There is no such name, or no record of the kind: both are an answer. */
const NOTHING = new Set(['ENODATA', 'ENOTFOUND']);

export function createCaa(): CaaReading {
  return {
    async records(name, servers = []) {
      const resolver = new Resolver({ timeout: TIMEOUT_MILLISECONDS, tries: TRIES });
      if (servers.length > 0) resolver.setServers(await Promise.all(servers.map(addressOf)));
      try {
        return (await resolver.resolveCaa(name)).flatMap(readRecord);
      } catch (error) {
        const { code } = error as { code?: string };
        if (NOTHING.has(code ?? '')) return [];
        throw new DriverError('unavailable', `CAA records of ${name} cannot be looked up: ${code}`, {
          cause: error,
        });
      }
    },
  };
}

function readRecord(record: { issue?: string | undefined; issuewild?: string | undefined }): CaaRecord[] {
  const read = (tag: 'issue' | 'issuewild') => {
    const value = record[tag];
    return value === undefined ? [] : [{ tag, value: (value.split(';')[0] ?? '').trim().toLowerCase() }];
  };
  const found = [...read('issue'), ...read('issuewild')];
  return found.length > 0 ? found : [{ tag: 'other', value: '' }];
}

/** As setServers takes it: an address, with its port. */
async function addressOf(server: string): Promise<string> {
  const match = /^\[([^\]]+)\](?::(\d+))?$/.exec(server) ?? /^([^:]+)(?::(\d+))?$/.exec(server);
  const [host = server, port] = match ? [match[1], match[2]] : [server];
  const address = isIP(host) ? host : (await lookup(host)).address;
  const bracketed = address.includes(':') ? `[${address}]` : address;
  return port === undefined ? bracketed : `${bracketed}:${port}`;
}
