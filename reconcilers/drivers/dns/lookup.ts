/**
 * What name servers and resolvers answer to anybody, by the resolver that comes with Node.js. Each question is bounded in time,
 * so many are asked at once and no more, and what was right is not asked again for a while. Wired in main.ts.
 */
import { Resolver } from 'node:dns/promises';
import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';
import type { Clock } from '../../../controller/clock.ts';
import type { RecordType } from '../../../resources/dnsrecord.ts';
import { DriverError } from '../error.ts';
import type { AskOptions, LeadsTo, LookupReading, Question, ServerAnswer } from './index.ts';
import { canonicalValues, plainName } from './values.ts';

const TIMEOUT_MILLISECONDS = 3_000;
const TRIES = 2;
const MOST_AT_ONCE = 40;
const MOST_KEPT = 20_000;
/** How long the addresses of a name server are taken to stay. */
const ADDRESS_MILLISECONDS = 300_000;
const MOST_CNAMES = 8;
const LEAD_MILLISECONDS = 120_000;
const LEAD_PROBLEM_MILLISECONDS = 30_000;
const PATIENCE_MILLISECONDS = 1_000;

const NOTHING = new Set(['ENOTFOUND', 'ENODATA']);

export function createLookup({ clock }: { clock: Clock }): LookupReading {
  const gate = atMost(MOST_AT_ONCE);
  const kept = new Map<string, { at: number; answers: readonly ServerAnswer[] }>();
  const leads = new Map<string, { at: number; keep: number; answer: Promise<LeadsTo> }>();
  const addresses = new Map<string, { at: number; found: readonly string[] }>();

  function keepLead(key: string, answer: Promise<LeadsTo>): void {
    if (leads.size >= MOST_KEPT) leads.clear();
    const entry = { at: clock.monotonic(), keep: LEAD_MILLISECONDS, answer };
    leads.set(key, entry);
    answer.catch(() => {
      entry.keep = LEAD_PROBLEM_MILLISECONDS;
    });
  }

  async function askAll(servers: readonly string[], question: Question, via?: readonly string[]) {
    const lists = await Promise.all(
      servers.map(async (server): Promise<ServerAnswer[]> => {
        const found = await addressesOf(server, via);
        if (found.length === 0) return [{ server, problem: 'its address cannot be found' }];
        return Promise.all(found.map((address) => askOne(server, address, question)));
      }),
    );
    return lists.flat();
  }

  async function askOne(server: string, address: string, question: Question): Promise<ServerAnswer> {
    const name = server === address ? server : `${server} (${address})`;
    try {
      return { server: name, values: await gate(() => query(resolverAt([address]), question)) };
    } catch (error) {
      return { server: name, problem: problemOf(error) };
    }
  }

  /** An address as it is; of a name all, but those of IPv6 only where this machine has it. */
  async function addressesOf(server: string, via?: readonly string[]): Promise<readonly string[]> {
    if (isIP(server) !== 0 || /^(\[.*\]|[0-9.]+):\d+$/.test(server)) return [server];
    const [, name = server, port] = /^(.*?)(?::(\d+))?$/.exec(server) ?? [];
    const key = `${name} ${(via ?? []).join(' ')}`;
    const known = addresses.get(key);
    const withPort = (list: readonly string[]) =>
      port === undefined
        ? list
        : list.map((address) => `${isIPv6(address) ? `[${address}]` : address}:${port}`);
    if (known && clock.monotonic() - known.at < ADDRESS_MILLISECONDS) return withPort(known.found);
    const resolver = resolverAt(via);
    const four = await query(resolver, { name, type: 'A' }).catch(() => []);
    const six = hasIpv6() ? await query(resolver, { name, type: 'AAAA' }).catch(() => []) : [];
    const found = [...four, ...six];
    if (found.length > 0) addresses.set(key, { at: clock.monotonic(), found });
    return withPort(found);
  }

  return {
    delegation: (zone, via) =>
      asking(`the name servers of ${zone}`, async () => {
        const found = await resolverAt(via).resolveNs(zone);
        return [...new Set(found.map(plainName))].sort();
      }).then((found) => found ?? []),
    async ask(servers, question, options: AskOptions = {}) {
      const { via, wanted, keepSeconds = 0 } = options;
      const key = JSON.stringify([servers, question.name, question.type, wanted]);
      const last = kept.get(key);
      if (last && clock.monotonic() - last.at < keepSeconds * 1000) return last.answers;
      const at = clock.monotonic();
      const answers = await askAll(servers, question, via);
      kept.delete(key);
      if (wanted && answers.length > 0 && answers.every(({ values }) => same(values, wanted))) {
        if (kept.size >= MOST_KEPT) kept.clear();
        kept.set(key, { at, answers });
      }
      return answers;
    },
    async leadsTo(name, via) {
      const key = `${name} ${(via ?? []).join(' ')}`;
      const known = leads.get(key);
      const isFresh = known && clock.monotonic() - known.at < known.keep;
      const asked = isFresh ? known.answer : follow(name, via);
      if (!isFresh) keepLead(key, asked);
      return withPatience(clock, asked, `no resolver told so far where ${name} leads to`);
    },
    lookup: async (question, via) =>
      (await asking(`${question.type} of ${question.name}`, () => query(resolverAt(via), question))) ?? [],
  };
}

async function follow(name: string, via?: readonly string[]): Promise<LeadsTo> {
  const resolver = resolverAt(via);
  const what = `where ${name} leads to`;
  const cnames: string[] = [];
  for (let at = name; cnames.length < MOST_CNAMES; at = cnames.at(-1) ?? '') {
    const [next] = (await asking(what, () => query(resolver, { name: at, type: 'CNAME' }))) ?? [];
    if (next === undefined) break;
    cnames.push(next);
  }
  const four = (await asking(what, () => query(resolver, { name, type: 'A' }))) ?? [];
  const six = (await asking(what, () => query(resolver, { name, type: 'AAAA' }))) ?? [];
  return { cnames, addresses: [...four, ...six] };
}

/** Does not wait long: who asks has other things to do. */
function withPatience<T>(clock: Clock, answer: Promise<T>, words: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const cancel = clock.after(PATIENCE_MILLISECONDS, () => reject(new DriverError('unavailable', words)));
    answer.then(resolve, reject).finally(cancel);
  });
}

function resolverAt(servers: readonly string[] | undefined): Resolver {
  const resolver = new Resolver({ timeout: TIMEOUT_MILLISECONDS, tries: TRIES });
  if (servers && servers.length > 0) resolver.setServers(servers);
  return resolver;
}

/** Records in canonical form; nothing is an empty list, and what keeps from knowing is thrown. */
async function query(resolver: Resolver, { name, type }: Question): Promise<string[]> {
  try {
    return canonicalValues(type, await ASK[type](resolver, name));
  } catch (error) {
    if (NOTHING.has(codeOf(error))) return [];
    throw error;
  }
}

const ASK: Record<RecordType, (resolver: Resolver, name: string) => Promise<string[]>> = {
  A: (resolver, name) => resolver.resolve4(name),
  AAAA: (resolver, name) => resolver.resolve6(name),
  CNAME: (resolver, name) => resolver.resolveCname(name),
  MX: async (resolver, name) =>
    (await resolver.resolveMx(name)).map(({ priority, exchange }) => `${priority} ${exchange || '.'}`),
  TXT: async (resolver, name) => (await resolver.resolveTxt(name)).map((pieces) => pieces.join('')),
  SRV: async (resolver, name) =>
    (await resolver.resolveSrv(name)).map(
      ({ priority, weight, port, name: target }) => `${priority} ${weight} ${port} ${target || '.'}`,
    ),
  CAA: async (resolver, name) =>
    (await resolver.resolveCaa(name)).map(({ critical, ...rest }) => {
      const [tag, value] = Object.entries(rest)[0] ?? ['issue', ''];
      return `${critical} ${tag} ${value}`;
    }),
};

/** Answers undefined where there is nothing; else throws unavailable, with what it was about. */
async function asking<T>(what: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (NOTHING.has(codeOf(error))) return undefined;
    throw new DriverError('unavailable', `no resolver tells ${what}: ${problemOf(error)}`, { cause: error });
  }
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? '');
}

const WORDS: Record<string, string> = {
  ETIMEOUT: `no answer in ${(TIMEOUT_MILLISECONDS * TRIES) / 1000} s`,
  ECONNREFUSED: 'nothing answers there',
  EREFUSED: 'it refuses to answer for this zone (REFUSED)',
  ESERVFAIL:
    'it cannot answer (SERVFAIL): the name servers that the zone is delegated to do not answer for it',
};

function problemOf(error: unknown): string {
  return WORDS[codeOf(error)] ?? (error instanceof Error ? error.message : String(error));
}

function same(values: readonly string[] | undefined, wanted: readonly string[]): boolean {
  return values !== undefined && JSON.stringify([...values].sort()) === JSON.stringify([...wanted].sort());
}

/** An address that the rest of the world could answer to. */
function hasIpv6(): boolean {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return all.some(
    ({ family, internal, address }) => family === 'IPv6' && !internal && !/^fe[89ab]/i.test(address),
  );
}

/** Runs so many at once and lets the others wait for their turn. */
function atMost(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= limit) await new Promise<void>((resolve) => waiting.push(resolve));
    running += 1;
    try {
      return await work();
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
}
