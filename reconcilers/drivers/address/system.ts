/**
 * Finds this machine's public addresses: on its interfaces, and only where there are none by asking somebody outside, one after
 * another with short times. What the built-in ones answer is believed only when it is a public address. Wired in main.ts.
 */
import { Resolver } from 'node:dns/promises';
import { readFile } from 'node:fs/promises';
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { isIP } from 'node:net';
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import ipaddr from 'ipaddr.js';
import type { Clock } from '../../../controller/clock.ts';
import type { AddressReading, AddressSettings, Family, FoundAddress, FoundAddresses } from './index.ts';

/** Whom to ask where nothing is set. Each answers with the address that it sees, and nothing else. */
const BUILT_IN = [
  'https://icanhazip.com',
  'https://api64.ipify.org',
  'dns:myip.opendns.com@resolver1.opendns.com',
];
const ASK_MILLISECONDS = 4_000;
const KEEP_MILLISECONDS = 240_000;
/** Nobody is asked in vain more often than this. */
const KEEP_PROBLEM_MILLISECONDS = 30_000;
const MOST_LETTERS = 1_000;

export interface SystemAddressOptions {
  clock: Clock;
  /** As node:os has them; for tests. */
  interfaces?: () => NodeJS.Dict<NetworkInterfaceInfo[]>;
  builtIn?: readonly string[];
}

export function createAddress(options: SystemAddressOptions): AddressReading {
  const { clock, interfaces = networkInterfaces, builtIn = BUILT_IN } = options;
  const kept = new Map<string, { until: number; answer: FoundAddresses }>();

  async function findOne(
    family: Family,
    settings: AddressSettings,
  ): Promise<FoundAddress | string | undefined> {
    const all = interfaces();
    const temporary = family === 'ipv6' ? await passingAddresses() : new Set<string>();
    const own = Object.entries(all).flatMap(([name, list]) =>
      (list ?? [])
        .filter(
          (entry) => entry.family.toLowerCase() === family && !entry.internal && !isLinkLocal(entry.address),
        )
        .map(({ address }) => ({ address, source: name })),
    );
    const lasting = [...own].sort(
      (a, b) => Number(temporary.has(a.address)) - Number(temporary.has(b.address)),
    );
    if (settings.interface !== undefined) return lasting.find(({ source }) => source === settings.interface);
    if (!settings.from) {
      const found = lasting.find(({ address }) => isPublic(address));
      if (found) return found;
    }
    // Without any address of the family nobody outside can be asked over it.
    if (own.length === 0) return undefined;
    if (settings.from) return askAround(family, settings.from, clock, () => true);
    return askAround(family, builtIn, clock, isPublic);
  }

  return {
    async find(settings) {
      const key = JSON.stringify(settings);
      const known = kept.get(key);
      if (known && clock.monotonic() < known.until) return known.answer;
      const answer: FoundAddresses = { found: {}, problems: {} };
      for (const family of settings.families) {
        const result = await findOne(family, settings);
        if (typeof result === 'string') answer.problems[family] = result;
        else if (result) answer.found[family] = result;
      }
      if (settings.interface !== undefined && !(settings.interface in interfaces())) {
        for (const family of settings.families)
          answer.problems[family] = `there is no network interface ${settings.interface}`;
      }
      const hasProblems = Object.keys(answer.problems).length > 0;
      const keep = hasProblems ? KEEP_PROBLEM_MILLISECONDS : KEEP_MILLISECONDS;
      kept.set(key, { until: clock.monotonic() + keep, answer });
      return answer;
    },
  };
}

function isLinkLocal(address: string): boolean {
  return ipaddr.parse(address.replace(/%.*$/, '')).range() === 'linkLocal';
}

function isPublic(address: string): boolean {
  return ipaddr.parse(address).range() === 'unicast';
}

/** Addresses of IPv6 that the kernel gives up after some hours (privacy extensions), or gave up already. */
async function passingAddresses(): Promise<Set<string>> {
  const text = await readFile('/proc/net/if_inet6', 'utf8').catch(() => '');
  const result = new Set<string>();
  for (const line of text.split('\n')) {
    const [hex = '', , , , flags = '0'] = line.split(/\s+/);
    const [TEMPORARY, DEPRECATED] = [0x01, 0x20];
    const value = Number.parseInt(flags, 16);
    if (hex.length !== 32 || !(value & (TEMPORARY | DEPRECATED))) continue;
    const parts = hex.match(/.{4}/g) ?? [];
    result.add(ipaddr.IPv6.parse(parts.join(':')).toRFC5952String());
  }
  return result;
}

/** The first good answer; else why there is none. */
async function askAround(
  family: Family,
  sources: readonly string[],
  clock: Clock,
  isGood: (address: string) => boolean,
): Promise<FoundAddress | string> {
  const problems: string[] = [];
  for (const source of sources) {
    try {
      const answers = await inTime(clock, (signal) =>
        source.startsWith('dns:') ? askDns(source, family) : askUrl(source, family, signal),
      );
      const address = answers.find(
        (answer) => isIP(answer) === (family === 'ipv4' ? 4 : 6) && isGood(answer),
      );
      if (address !== undefined) return { address, source: source.replace(/^https?:\/\//, '') };
      problems.push(`${source} answers no address`);
    } catch (error) {
      problems.push(`${source}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return problems.join('; ');
}

/** Ends what takes too long: by the signal, and by not waiting for what ignores it. */
async function inTime<T>(clock: Clock, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const late = new Error(`no answer in ${ASK_MILLISECONDS / 1000} s`);
  const cancel = clock.after(ASK_MILLISECONDS, () => controller.abort(late));
  try {
    return await new Promise<T>((resolve, reject) => {
      controller.signal.addEventListener('abort', () => reject(late), { once: true });
      work(controller.signal).then(resolve, reject);
    });
  } finally {
    cancel();
  }
}

/** Over this family only, so that the answer is of it. */
function askUrl(url: string, family: Family, signal: AbortSignal): Promise<string[]> {
  const get = url.startsWith('https:') ? httpsGet : httpGet;
  return new Promise((resolve, reject) => {
    const options = { family: family === 'ipv4' ? 4 : 6, signal, headers: { accept: 'text/plain' } };
    const request = get(url, options, (response) => {
      let text = '';
      response.setEncoding('utf8');
      response.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > MOST_LETTERS) response.destroy(new Error('the answer is too long for an address'));
      });
      response.on('error', reject);
      response.on('end', () => {
        if (response.statusCode === 200) resolve([text.trim()]);
        else reject(new Error(`status ${response.statusCode}`));
      });
    });
    request.on('error', reject);
  });
}

async function askDns(source: string, family: Family): Promise<string[]> {
  const [, name = '', server = ''] = /^dns:([^@]+)@(.+)$/.exec(source) ?? [];
  const tries = { timeout: ASK_MILLISECONDS / 2, tries: 1 };
  const ask = (resolver: Resolver, what: string) =>
    family === 'ipv4' ? resolver.resolve4(what) : resolver.resolve6(what);
  const isAddress = isIP(server) !== 0 || /:\d+$/.test(server);
  const servers = isAddress ? [server] : await ask(new Resolver(tries), server);
  const resolver = new Resolver(tries);
  resolver.setServers(servers);
  return ask(resolver, name);
}
