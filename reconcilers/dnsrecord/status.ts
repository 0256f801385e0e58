/**
 * What can be said of each DNSRecord from what was seen. Pure. Ready is true only when the zone's own name servers answer what is
 * wanted: a record that the provider took is not yet one that people find.
 */
import type { ConditionDraft, Outcome, StatusDraft } from '../../controller/engine/contract.ts';
import type { DnsRecord } from '../../resources/dnsrecord.ts';
import type { RecordSet, ServerAnswer } from '../drivers/dns/index.ts';
import { quoteText } from '../drivers/dns/values.ts';
import { foreignProblem, isTheirs, type RecordStep } from './diff.ts';
import { isPublished, type RecordsHave } from './observe.ts';
import { type Problem, type RecordsWant, setKey, type WantedSet } from './want.ts';

type Verdict = Omit<ConditionDraft, 'type'>;

const no = ({ reason, message }: Problem): Verdict => ({ status: 'False', reason, message });
const unknown = (reason: string, message: string): Verdict => ({ status: 'Unknown', reason, message });
const yes = (reason: string, message: string): Verdict => ({ status: 'True', reason, message });

export function recordsStatus(
  want: RecordsWant,
  have: RecordsHave | undefined,
  outcome: Outcome<RecordStep>,
): StatusDraft[] {
  const sets = new Map(
    want.sets.flatMap((set) => set.documents.map((document) => [document.metadata.name, set])),
  );
  return want.documents.map((document) => {
    const { name } = document.metadata;
    const set = sets.get(name);
    const problem = want.problems.get(name);
    const verdict = problem ? no(problem) : verdictOf(want, have, outcome, document, set);
    return {
      document,
      conditions: [{ type: 'Ready', ...verdict }],
      ...(problem ? { blocked: problem } : {}),
      ...(have ? { fields: fieldsOf(document, have, set) } : {}),
    };
  });
}

function verdictOf(
  want: RecordsWant,
  have: RecordsHave | undefined,
  outcome: Outcome<RecordStep>,
  document: DnsRecord,
  set: WantedSet | undefined,
): Verdict {
  const { failure, pending } = outcome;
  if (want.waiting) return no(want.waiting);
  if (!have) return unknown(failure?.reason ?? 'NotLookedAt', failure?.message ?? 'it was not looked at yet');
  if (document.metadata.deletionTimestamp !== undefined)
    return no({ reason: 'Deleting', message: failure?.message ?? 'it is being removed' });
  if (want.by === 'nobody' || !set) return yes('NotManaged', `nobody keeps records of ${want.domain}`);
  const found = have.published?.get(setKey(set));
  const problem = have.published && foreignProblem(want, set, have.published);
  if (problem) return no(problem);
  const refused = have.refused.get(setKey(set));
  if (refused !== undefined) return no({ reason: 'RecordRefused', message: refused });
  if (have.published && !isPublished(set, found)) return notPublished(want, set, pending, failure);
  return resolvedVerdict(want, have, set, found);
}

function notPublished(
  want: RecordsWant,
  set: WantedSet,
  pending: readonly RecordStep[],
  failure: Problem | undefined,
): Verdict {
  if (failure) return no({ reason: failure.reason, message: `${set.type} ${set.name}: ${failure.message}` });
  if (want.suspended)
    return no({
      reason: 'Suspended',
      message: `domain/${want.domain} is suspended: ${set.type} ${set.name} is not made`,
    });
  const step = pending[0]?.message ?? `make ${set.type} ${set.name}`;
  return no({ reason: 'Progressing', message: step });
}

function resolvedVerdict(
  want: RecordsWant,
  have: RecordsHave,
  set: WantedSet,
  found: RecordSet | undefined,
): Verdict {
  const what = `${set.type} ${set.name}`;
  const answers = have.answers.get(setKey(set)) ?? [];
  if (answers.length === 0)
    return unknown(
      'NameServersUnknown',
      `${what} could not be checked: ${have.askProblem ?? 'no name server is known'}`,
    );
  const said = answers.filter(({ values }) => values !== undefined);
  const silent = answers.filter(({ values }) => values === undefined);
  const quiet = silent.map(({ server, problem }) => `${server}: ${problem ?? 'no answer'}`).join('; ');
  if (said.length === 0) return unknown('NameServersUnreachable', `${what} could not be checked: ${quiet}`);
  const wrong = said.filter((answer) => !isAnswered(set, answer, found));
  if (wrong.length > 0) return no(notYet(want, set, wrong));
  const theirs = isTheirs(want, set, found) ? '; somebody else made it, and it is left to them' : '';
  const unheard = quiet === '' ? '' : `; without an answer: ${quiet}`;
  return yes(
    'Resolved',
    `${what} is answered by ${said.length} of ${answers.length} name servers${theirs}${unheard}`,
  );
}

function isAnswered(set: WantedSet, { values = [] }: ServerAnswer, found: RecordSet | undefined): boolean {
  // Behind its proxy the provider answers with addresses of its own.
  if (found?.proxied) return values.length > 0;
  const all = set.values.every((value) => values.includes(value));
  return all && (set.type === 'TXT' || values.length === set.values.length);
}

function notYet(want: RecordsWant, set: WantedSet, wrong: readonly ServerAnswer[]): Problem {
  const answers = wrong.map(
    ({ server, values = [] }) => `${server} answers ${values.join(' ') || 'nothing'}`,
  );
  if (want.by === 'manual') {
    const message = `make ${zoneLines(set)} where the zone ${want.zone} is kept; it is there when its name servers answer it (now ${answers.join('; ')})`;
    return { reason: 'RecordNeeded', message };
  }
  if (want.by === 'wildcard') {
    const message = `${set.type} ${set.name} should lead to ${set.values.join(' ')}: make a record for *.${want.domain}, and one for ${want.domain} itself (now ${answers.join('; ')})`;
    return { reason: 'RecordNeeded', message };
  }
  const message = `${set.type} ${set.name} is published, and not all name servers have it yet: ${answers.join('; ')}`;
  return { reason: 'Propagating', message };
}

/** As in a zone file, to copy. */
function zoneLines({ name, type, values, ttl }: WantedSet): string {
  const text = (value: string) => {
    if (type === 'TXT') return quoteText(value);
    return type === 'CNAME' || type === 'MX' || type === 'SRV' ? `${value}.` : value;
  };
  return values.map((value) => `"${name}. ${ttl} ${type} ${text(value)}"`).join(' and ');
}

function fieldsOf(
  document: DnsRecord,
  have: RecordsHave,
  set: WantedSet | undefined,
): Record<string, unknown> {
  const key = setKey(document.spec);
  const found = have.published?.get(key);
  const answers = have.answers.get(key);
  return {
    wanted: set ? [...set.values] : undefined,
    published: have.published ? [...(found?.values ?? [])] : undefined,
    resolved: answers?.map(({ server, values, problem }) => ({
      server,
      ...(values ? { values: [...values].sort() } : {}),
      ...(problem === undefined ? {} : { problem }),
    })),
  };
}
