/**
 * Looks at the records of one Domain: what its provider has, and what the zone's own name servers answer for those that should be
 * there. A name server that says nothing costs a few seconds, and keeps nothing else from being seen.
 */
import { ReconcileError } from '../../controller/engine/contract.ts';
import type { Question, RecordSet, ServerAnswer } from '../drivers/dns/index.ts';
import { DriverError } from '../drivers/error.ts';
import type { Reading } from '../world.ts';
import { wantedChanges } from './diff.ts';
import { type RecordsWant, setKey, type WantedSet } from './want.ts';

/** What was read moments ago will do while propagation is waited for; what is changed here is always read anew. */
const RECENT_SECONDS = 20;
/** What all servers answered right is asked again after this long. */
const KEEP_ANSWER_SECONDS = 3600;

export interface RecordsHave {
  /** By name and type. undefined: nobody tells what is published, as with records that a person makes. */
  published?: ReadonlyMap<string, RecordSet>;
  /** By name and type: why the provider refuses what is wanted there. */
  refused: ReadonlyMap<string, string>;
  /** By name and type. */
  answers: ReadonlyMap<string, readonly ServerAnswer[]>;
  /** Why nobody could be asked. */
  askProblem?: string;
  nameServers: readonly string[];
}

export async function observeRecords(want: RecordsWant, world: Reading): Promise<RecordsHave> {
  holdWhileStuck(want);
  const none = { refused: new Map(), answers: new Map(), nameServers: want.nameServers };
  if (want.waiting || want.by === 'nobody') return none;
  const published = want.access ? await readZone(want, world) : undefined;
  const asked = want.sets.filter((set) => !published || isPublished(set, published.get(setKey(set))));
  const servers = await whomToAsk(want, world, asked);
  const answers = await ask(want, world, asked, servers.names);
  return {
    ...none,
    refused: published ? refusals(want, world, published) : new Map(),
    answers,
    nameServers: servers.names,
    ...(published ? { published } : {}),
    ...(servers.problem === undefined ? {} : { askProblem: servers.problem }),
  };
}

async function readZone(
  { access, sets, gone }: RecordsWant,
  world: Reading,
): Promise<Map<string, RecordSet>> {
  if (!access) return new Map();
  const questions: Question[] = [...sets, ...gone.map(({ spec }) => spec)].map(({ name, type }) => ({
    name,
    type,
  }));
  const found = await world.dns.records(access, questions, RECENT_SECONDS);
  return new Map(found.map((set) => [setKey(set), set]));
}

/** Nothing is forgotten that cannot be removed now: a record would stay in the zone for ever. */
function holdWhileStuck({ gone, by, waiting, suspended, domain, document }: RecordsWant): void {
  if (gone.length === 0 || by !== 'provider') return;
  if (suspended) {
    const message = `domain/${domain} is suspended: ${gone.length} records are not removed`;
    throw new ReconcileError('waiting', 'Suspended', message);
  }
  // Before it was verified nothing was ever published.
  if (waiting && document?.status?.zone !== undefined)
    throw new ReconcileError('waiting', waiting.reason, waiting.message);
}

/** What the provider would refuse again. */
function refusals(
  want: RecordsWant,
  { dns }: Reading,
  published: ReadonlyMap<string, RecordSet>,
): Map<string, string> {
  const { access } = want;
  if (!access) return new Map();
  return new Map(
    wantedChanges(want, published).flatMap((change): [string, string][] => {
      const message = dns.refusal(access, change);
      return message === undefined ? [] : [[setKey(change), message]];
    }),
  );
}

/** All values that are wanted are there; of a set that is shared, others may be there too. */
export function isPublished(set: WantedSet, found: RecordSet | undefined): boolean {
  if (!found) return false;
  const all = set.values.every((value) => found.values.includes(value));
  return set.type === 'TXT' ? all : all && found.values.length === set.values.length;
}

async function whomToAsk(
  { nameServers, zone, resolvers }: RecordsWant,
  world: Reading,
  asked: readonly WantedSet[],
): Promise<{ names: readonly string[]; problem?: string }> {
  if (nameServers.length > 0 || asked.length === 0) return { names: nameServers };
  try {
    const names = await world.lookup.delegation(zone, resolvers);
    if (names.length > 0) return { names };
    return { names, problem: `the world does not know ${zone}` };
  } catch (error) {
    if (!(error instanceof DriverError)) throw error;
    return { names: [], problem: error.message };
  }
}

async function ask(
  { resolvers: via }: RecordsWant,
  world: Reading,
  sets: readonly WantedSet[],
  servers: readonly string[],
): Promise<Map<string, readonly ServerAnswer[]>> {
  if (servers.length === 0) return new Map();
  const answers = await Promise.all(
    sets.map(async ({ name, type, values }): Promise<[string, readonly ServerAnswer[]]> => {
      const options = { wanted: values, keepSeconds: KEEP_ANSWER_SECONDS, ...(via ? { via } : {}) };
      // Below a wildcard any name will do that nobody else has.
      return [
        setKey({ name, type }),
        await world.lookup.ask(servers, { name: name.replace(/^\*/, 'holdfast-any'), type }, options),
      ];
    }),
  );
  return new Map(answers);
}
