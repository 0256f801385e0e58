/**
 * Marks of ownership as TXT records beside the records themselves, for providers that have no comments. Pure. The mark of
 * `A wiki.example.com` stands at `_holdfast-a.wiki.example.com`, where it is in nobody's way: a name with an underscore is no host.
 */
import type { RecordType } from '../../../resources/dnsrecord.ts';
import type { Mark, Question, RecordSet, SetChange } from './index.ts';

/** Records as they are at the provider: a mark is a set of TXT like any other. */
export type RawSet = Omit<RecordSet, 'mark'>;

export interface RawChange {
  name: string;
  type: RecordType;
  before?: RawSet;
  after?: RawSet;
}

/** Done together, in this order: the mark comes before what it marks, and goes after it. */
export interface RawGroup {
  of: SetChange;
  changes: readonly RawChange[];
}

const PREFIX = '_holdfast-';
const WILDCARD = '_any';
const MARK_TTL = 300;

export function markName({ name, type }: Question): string {
  return `${PREFIX}${type.toLowerCase()}.${name.replace(/^\*/, WILDCARD)}`;
}

/** What a mark at this name marks. */
function markedBy(name: string): Question | undefined {
  const match = /^_holdfast-(a|aaaa|cname|mx|txt|srv|caa)\.(.+)$/.exec(name);
  if (!match) return undefined;
  const [, type = '', of = ''] = match;
  return { type: type.toUpperCase() as RecordType, name: of.replace(new RegExp(`^${WILDCARD}\\.`), '*.') };
}

const FIELD = /^holdfast\/(owner|resource|values|spf)=(.*)$/;

export function markText({ owner, resource, values, spf }: Mark): string {
  const fields = [`holdfast/owner=${owner}`, `holdfast/resource=${resource}`];
  if (values.length > 0) fields.push(`holdfast/values=${[...values].sort().join('+')}`);
  if (spf !== undefined) fields.push(`holdfast/spf=${spf}`);
  return ['heritage=holdfast', ...fields].join(',');
}

export function parseMark(text: string): Mark | undefined {
  const [heritage, ...rest] = text.split(',');
  if (heritage !== 'heritage=holdfast') return undefined;
  const fields = new Map(rest.map((part) => FIELD.exec(part)).map((match) => [match?.[1], match?.[2] ?? '']));
  const owner = fields.get('owner');
  if (owner === undefined || owner === '') return undefined;
  const spf = fields.get('spf');
  const values = (fields.get('values') ?? '').split('+').filter((digest) => digest !== '');
  return { owner, resource: fields.get('resource') ?? '', values, ...(spf === undefined ? {} : { spf }) };
}

const keyOf = ({ name, type }: Question): string => `${name} ${type}`;

/** Sets with their marks; the marks are no sets any more. A mark whose records are gone is a set without values. */
export function withMarks(raw: readonly RawSet[]): RecordSet[] {
  const marks = new Map<string, { of: Question; mark: Mark }>();
  const rest: RawSet[] = [];
  for (const set of raw) {
    const of = set.type === 'TXT' ? markedBy(set.name) : undefined;
    const mark = of && set.values.map(parseMark).find((found) => found !== undefined);
    if (of && mark) marks.set(keyOf(of), { of, mark });
    else rest.push(set);
  }
  const sets = rest.map((set): RecordSet => {
    const found = marks.get(keyOf(set));
    marks.delete(keyOf(set));
    return found ? { ...set, mark: found.mark } : set;
  });
  const left = [...marks.values()].map(
    ({ of, mark }): RecordSet => ({ ...of, ttl: MARK_TTL, values: [], mark }),
  );
  return [...sets, ...left];
}

/** The raw changes that one change comes to. `raw` is what was listed, to change exactly what was seen. */
export function rawGroup(change: SetChange, raw: ReadonlyMap<string, RawSet>): RawGroup {
  const { name, type, before, after } = change;
  const at: Question = { name: markName(change), type: 'TXT' };
  const markBefore = raw.get(keyOf(at));
  const markAfter = after?.mark && {
    ...at,
    ttl: markBefore?.ttl ?? MARK_TTL,
    values: [markText(after.mark)],
  };
  const marks = rawChange(at, markBefore, markAfter);
  const setBefore = before && before.values.length > 0 ? plain(before) : undefined;
  const setAfter =
    after && after.values.length > 0 ? { name, type, ttl: after.ttl, values: after.values } : undefined;
  const sets = rawChange({ name, type }, setBefore, setAfter);
  return { of: change, changes: after?.mark ? [...marks, ...sets] : [...sets, ...marks] };
}

function plain({ mark: _mark, ...set }: RecordSet): RawSet {
  return set;
}

function rawChange(
  { name, type }: Question,
  before: RawSet | undefined,
  after: RawSet | undefined,
): RawChange[] {
  const same = before?.ttl === after?.ttl && JSON.stringify(before?.values) === JSON.stringify(after?.values);
  if (same) return [];
  return [{ name, type, ...(before ? { before } : {}), ...(after ? { after } : {}) }];
}

export function rawIndex(raw: readonly RawSet[]): Map<string, RawSet> {
  return new Map(raw.map((set) => [keyOf(set), set]));
}
