/**
 * From the records that are wanted and those that the provider has to one batch of changes. Pure. What does not carry our mark is
 * never changed, unless that is asked for:
 *
 *   found at the name      mark     wanted        what is done
 *   ---------------------  -------  ------------  ------------------------------------------------------
 *   nothing                         some          made
 *   what is wanted         ours     the same      nothing
 *   something else         ours     some          changed
 *   what is wanted         others'  the same      nothing, and nothing later: it is somebody else's
 *   something else         others'  some          a condition; changed with adopt
 *   TXT                    any      TXT           ours stands beside others'; SPF becomes one record
 *   something              ours     none (gone)   removed, as far as it is ours
 */
import type { Because, Step } from '../../controller/engine/contract.ts';
import type { DnsRecord, RecordType } from '../../resources/dnsrecord.ts';
import type { Json } from '../../resources/document.ts';
import type { Mark, RecordSet, SetChange, ZoneAccess } from '../drivers/dns/index.ts';
import { canonicalValues, valueDigest } from '../drivers/dns/values.ts';
import type { RecordsHave } from './observe.ts';
import { isSpf, mergeSpf, withoutSpf } from './spf.ts';
import { type Problem, type RecordsWant, setKey, type WantedSet } from './want.ts';

export interface RecordStep extends Step {
  readonly type: 'ChangeRecords';
  /** Holds secret values: never printed. */
  readonly access: ZoneAccess;
  readonly changes: readonly SetChange[];
}

/** A change with why and for whom. */
interface Planned {
  change: SetChange;
  because: Because[];
}

/** The changes that would be made if nothing were refused. */
export function wantedChanges(want: RecordsWant, published: ReadonlyMap<string, RecordSet>): SetChange[] {
  return plannedChanges(want, published).map(({ change }) => change);
}

export function diffRecords(want: RecordsWant, have: RecordsHave): RecordStep[] {
  if (!want.access || !have.published || want.suspended) return [];
  const { published, refused } = have;
  // What cannot be removed is tried again: its document stays until it is gone.
  const planned = plannedChanges(want, published).filter(
    ({ change }) => !change.after || !refused.has(setKey(change)),
  );
  if (planned.length === 0) return [];
  const changes = planned.map(({ change }) => change);
  const because = planned.flatMap((each) => each.because);
  const regarding = [...new Set(because.map((each) => each.regarding ?? ''))];
  return [
    {
      type: 'ChangeRecords',
      target: `zone/${want.zone}`,
      action: actionOf(changes),
      impact: 'none',
      message: messageOf(changes),
      because,
      regarding,
      // A provider may take minutes until all its servers have it.
      deadlineSeconds: 300,
      access: want.access,
      changes,
    },
  ];
}

function plannedChanges(want: RecordsWant, published: ReadonlyMap<string, RecordSet>): Planned[] {
  const isWanted = new Set(want.sets.map(setKey));
  const removed = want.gone
    .filter(({ spec }) => !isWanted.has(setKey(spec)))
    .flatMap((document) => removal(want, document, published) ?? []);
  const wanted = want.sets
    .filter((set) => !foreignProblem(want, set, published))
    .flatMap((set) => changesOf(want, set, published));
  // What goes makes room for what comes.
  return distinct([...removed, ...wanted]);
}

/** Two documents that go may speak of one set. */
function distinct(planned: readonly Planned[]): Planned[] {
  const seen = new Set<string>();
  return planned.filter(({ change }) => !seen.has(setKey(change)) && seen.add(setKey(change)));
}

function isOurs(set: RecordSet | undefined, owner: string): boolean {
  return set?.mark?.owner === owner;
}

const EXCLUSIVE: readonly RecordType[] = ['A', 'AAAA', 'TXT', 'MX', 'SRV', 'CAA'];

/** Records of another type that cannot stand beside it: a CNAME stands alone. */
function besides(
  set: Pick<WantedSet, 'name' | 'type'>,
  published: ReadonlyMap<string, RecordSet>,
): RecordSet[] {
  const types = set.type === 'CNAME' ? EXCLUSIVE : (['CNAME'] as const);
  return types.flatMap((type) => {
    const found = published.get(setKey({ name: set.name, type }));
    return found && found.values.length > 0 ? [found] : [];
  });
}

/** Somebody else's record is in the way. undefined: there is none, or it may be taken over. */
export function foreignProblem(
  want: RecordsWant,
  set: WantedSet,
  published: ReadonlyMap<string, RecordSet>,
): Problem | undefined {
  const found = published.get(setKey(set));
  const others = besides(set, published).filter((other) => !isOurs(other, want.owner));
  const special = [...(found ? [found] : []), ...others].find((each) => each.special !== undefined);
  if (special) {
    const message = `${set.type} ${set.name} is ${special.special}, which Holdfast does not change; remove it at the provider, or choose another name`;
    return { reason: 'RecordExists', message };
  }
  if (set.adopt && others.every(({ type }) => ADOPTABLE.includes(type))) return undefined;
  const [other] = others;
  if (other) return exists(other);
  if (!found || isOurs(found, want.owner)) return undefined;
  // Values of others stay; a mark of another server cannot be shared.
  if (set.type === 'TXT' && !found.mark) return undefined;
  return sameValues(set.values, found.values) ? undefined : exists(found);
}

const ADOPTABLE: readonly RecordType[] = ['A', 'AAAA', 'CNAME'];

function exists({ name, type, values, mark }: RecordSet): Problem {
  const whose = mark ? `by another Holdfast (${mark.owner}, for ${mark.resource})` : 'by somebody else';
  const what =
    values.length > 0
      ? `${type} ${name} is ${values.join(' ')}, made ${whose}`
      : `${type} ${name} is reserved ${whose}`;
  const message = `${what}. Remove it there, choose another name, or set adopt: true to let it be taken over`;
  return { reason: 'RecordExists', message };
}

/** It is there as wanted, and somebody else made it: it is left to them. */
export function isTheirs(want: RecordsWant, set: WantedSet, found: RecordSet | undefined): boolean {
  if (!found || isOurs(found, want.owner) || set.adopt) return false;
  return set.type === 'TXT'
    ? set.values.every((value) => found.values.includes(value))
    : sameValues(set.values, found.values);
}

function sameValues(a: readonly string[], b: readonly string[]): boolean {
  return JSON.stringify([...a].sort()) === JSON.stringify([...b].sort());
}

function changesOf(want: RecordsWant, set: WantedSet, published: ReadonlyMap<string, RecordSet>): Planned[] {
  const found = published.get(setKey(set));
  if (isTheirs(want, set, found)) return [];
  const inTheWay = besides(set, published).map((other) => ({
    change: { name: other.name, type: other.type, before: other },
    because: reasons(want, set, other, undefined),
  }));
  const after = set.type === 'TXT' ? wantedText(want, set, found) : wantedPlain(want, set);
  if (found && isSame(found, after)) return inTheWay;
  const change: SetChange = { name: set.name, type: set.type, after, ...(found ? { before: found } : {}) };
  return [...inTheWay, { change, because: reasons(want, set, found ?? set, after) }];
}

function markOf(
  want: RecordsWant,
  documents: readonly DnsRecord[],
  values: readonly string[],
  spf?: string,
): Mark {
  const [owner] = documents[0]?.metadata.ownerReferences ?? [];
  return {
    owner: want.owner,
    resource: owner ? `${owner.kind.toLowerCase()}/${owner.name}` : `domain/${want.domain}`,
    values: values.map(valueDigest).sort(),
    ...(spf === undefined ? {} : { spf }),
  };
}

type After = NonNullable<SetChange['after']>;

function wantedPlain(want: RecordsWant, { values, ttl, documents }: WantedSet): After {
  return { ttl, values, mark: markOf(want, documents, values) };
}

/** Of a shared set: theirs as they were before us. */
function theirText(owner: string, found: RecordSet | undefined): string[] {
  if (!found) return [];
  const mark = isOurs(found, owner) ? found.mark : undefined;
  const theirs = found.values.filter((value) => !mark?.values.includes(valueDigest(value)));
  return theirs.map((value) =>
    mark?.spf !== undefined && isSpf(value) ? withoutSpf(value, mark.spf) : value,
  );
}

function wantedText(want: RecordsWant, set: WantedSet, found: RecordSet | undefined): After {
  const theirs = theirText(want.owner, found);
  const theirSpf = theirs.find(isSpf);
  const ours = set.values.filter(
    (value) => !theirs.includes(value) && !(theirSpf !== undefined && isSpf(value)),
  );
  let kept = theirs;
  let added: string | undefined;
  for (const value of theirSpf === undefined ? [] : set.values.filter(isSpf)) {
    const merged = mergeSpf(kept.find(isSpf) ?? '', value);
    kept = kept.map((each) => (isSpf(each) ? merged.value : each));
    if (merged.added !== undefined) added = added === undefined ? merged.added : `${merged.added} ${added}`;
  }
  const values = canonicalValues('TXT', [...kept, ...ours]);
  // How long others' values are kept is theirs to say.
  const ttl = theirs.length > 0 && found ? found.ttl : set.ttl;
  return { ttl, values, mark: markOf(want, set.documents, ours, added) };
}

function isSame(found: RecordSet, after: After): boolean {
  if (!sameValues(found.values, after.values)) return false;
  // Behind a proxy the provider has a time of its own.
  if (found.ttl !== after.ttl && !found.proxied) return false;
  const [had, has] = [found.mark, after.mark];
  if (had?.owner !== has?.owner || had?.spf !== has?.spf) return false;
  return JSON.stringify([...(had?.values ?? [])].sort()) === JSON.stringify(has?.values ?? []);
}

/** What is ours of a set that nobody wants any more; undefined where nothing is. */
function removal(
  want: RecordsWant,
  document: DnsRecord,
  published: ReadonlyMap<string, RecordSet>,
): Planned | undefined {
  const { name, type } = document.spec;
  const found = published.get(setKey(document.spec));
  if (!found || !isOurs(found, want.owner) || found.special !== undefined) return undefined;
  const left = type === 'TXT' ? theirText(want.owner, found) : [];
  const change: SetChange = {
    name,
    type,
    before: found,
    ...(left.length > 0 ? { after: { ttl: found.ttl, values: left } } : {}),
  };
  const because: Because = {
    field: `${type} ${name}`,
    found: [...found.values],
    wanted: left.length > 0 ? left : null,
    cause: 'nothing wants it any more',
    regarding: document.metadata.name,
  };
  return { change, because: [because] };
}

function reasons(
  want: RecordsWant,
  set: WantedSet,
  present: RecordSet | WantedSet,
  after: After | undefined,
): Because[] {
  const differs = difference('documents' in present ? undefined : present, after);
  return set.documents.map((document) => {
    const isKnown = document.status?.observedGeneration === document.metadata.generation;
    const was = document.status?.published !== undefined;
    return {
      field: `${present.type} ${set.name}${differs.part}`,
      found: differs.found,
      wanted: differs.wanted,
      cause: isKnown && was ? 'drift' : want.causeOf(document),
      regarding: document.metadata.name,
    };
  });
}

/** The values, unless those are the same: then what else is. */
function difference(
  found: RecordSet | undefined,
  after: After | undefined,
): { part: string; found: Json; wanted: Json } {
  const list = (values: readonly string[] = []) => (values.length > 0 ? [...values] : null);
  if (!found || !after || !sameValues(found.values, after.values))
    return { part: '', found: list(found?.values), wanted: list(after?.values) };
  if (found.ttl !== after.ttl && !found.proxied) return { part: ' ttl', found: found.ttl, wanted: after.ttl };
  const owner = (mark: Mark | undefined) => mark?.owner ?? null;
  return { part: ' mark', found: owner(found.mark), wanted: owner(after.mark) };
}

function actionOf(changes: readonly SetChange[]): Step['action'] {
  if (changes.every(({ after }) => after === undefined)) return 'delete';
  return changes.every(({ before }) => before === undefined || before.values.length === 0)
    ? 'create'
    : 'change';
}

const MOST_NAMED = 3;

function messageOf(changes: readonly SetChange[]): string {
  const words = changes.slice(0, MOST_NAMED).map(({ name, type, before, after }) => {
    if (!after) return `remove ${type} ${name}`;
    const verb = before && before.values.length > 0 ? 'change' : 'make';
    return `${verb} ${type} ${name}`;
  });
  const more = changes.length > MOST_NAMED ? ` and ${changes.length - MOST_NAMED} more` : '';
  return `${words.join(', ')}${more}`;
}
