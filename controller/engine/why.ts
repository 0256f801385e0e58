/**
 * Why a document is as it is: what it waits for, up to the root; what was done to it last and for which reasons; what would change now.
 * It reads documents, events and a plan that was made for it. Nothing here decides or changes anything.
 */
import { condition, type Document, type Reference } from '../../resources/document.ts';
import type { Because, Impact, Plan, RunningOperation, View, Why, WhyEvent, WhyLink } from './contract.ts';

export interface WhyOptions {
  view: View;
  document: Document;
  /** What it owns, and what they own. */
  family: readonly Document[];
  /** Documents that its spec names. */
  referencesOf(document: Document): readonly Reference[];
  /** The kind of `app/wiki`; undefined for what is none. */
  kindNamed(singular: string): string | undefined;
  /** Whether somebody makes documents of this kind Ready. */
  becomesReady(kind: string): boolean;
  plan: Plan;
  running?: RunningOperation;
  observedAt?: string;
}

const DISTURBING: readonly Impact[] = ['restart', 'replace', 'data-loss'];
const MOST_EVENTS = 5;
const MOST_LINKS = 50;

export function explainDocument(options: WhyOptions): Why {
  const { document, view, plan, running, observedAt } = options;
  const events = eventsOf(options);
  return {
    document: referenceTo(document),
    generation: document.metadata.generation,
    cause: view.causeOf(document),
    ...(observedAt === undefined ? {} : { observedAt }),
    chain: chainOf(options),
    ...(running ? { running } : {}),
    disturbed: events.filter(({ impact }) => DISTURBING.includes(impact)).slice(0, MOST_EVENTS),
    done: events.slice(0, MOST_EVENTS),
    next: plan.steps,
    problems: plan.problems,
  };
}

function chainOf(options: WhyOptions): WhyLink[] {
  const links: WhyLink[] = [];
  const seen = new Set<string>();
  const visit = (reference: Reference, depth: number) => {
    seen.add(`${reference.kind}/${reference.name}`);
    const link = linkTo(reference, depth, options);
    const at = links.push(link) - 1;
    const document = options.view.get(reference.kind, reference.name);
    const causes = document && link.status !== 'True' ? causesOf(document, link.message, options) : [];
    let below = 0;
    for (const cause of causes) {
      if (seen.has(`${cause.kind}/${cause.name}`) || links.length >= MOST_LINKS) continue;
      visit(cause, depth + 1);
      below += 1;
    }
    links[at] = { ...link, isRoot: below === 0 && link.status !== 'True' };
  };
  visit(referenceTo(options.document), 0);
  return links;
}

function linkTo({ kind, name }: Reference, depth: number, options: WhyOptions): WhyLink {
  const base = { document: { kind, name }, depth, isRoot: false };
  const document = options.view.get(kind, name);
  if (!document) {
    const message = `there is no ${kind.toLowerCase()}/${name}; apply it`;
    return { ...base, status: 'Missing', reason: 'ReferenceNotFound', message };
  }
  const ready = condition(document, 'Ready');
  const { generation } = document.metadata;
  if (!ready) {
    const isPlain = !options.becomesReady(kind);
    const message = isPlain ? 'it is there' : 'nobody has looked at it yet';
    return {
      ...base,
      status: isPlain ? 'True' : 'Unknown',
      reason: isPlain ? 'Present' : 'NotLookedAt',
      message,
    };
  }
  const { status, reason, message, lastTransitionTime: since, observedGeneration = generation } = ready;
  if (observedGeneration === generation) return { ...base, status, reason, message, since };
  const words = `generation ${generation} is new; what is said of generation ${observedGeneration}: ${message}`;
  return { ...base, status: 'Unknown', reason: 'NotLookedAt', message: words, since };
}

/** What a document that is not Ready may wait for and that is not well itself: what its message names, its spec, and its children. */
function causesOf(document: Document, message: string, options: WhyOptions): Reference[] {
  const children = options.family.filter(({ metadata }) =>
    metadata.ownerReferences?.some(({ uid }) => uid === document.metadata.uid),
  );
  const candidates = [
    ...mentionedIn(message, options),
    ...options.referencesOf(document),
    ...children.map(referenceTo),
  ];
  return candidates.filter((reference) => linkTo(reference, 0, options).status !== 'True');
}

/** Messages name documents as app/wiki. */
function mentionedIn(message: string, { kindNamed, view }: WhyOptions): Reference[] {
  const found: Reference[] = [];
  for (const [, singular = '', name = ''] of message.matchAll(
    /\b([a-z]+)\/([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)/g,
  )) {
    const kind = kindNamed(singular);
    if (kind === undefined) continue;
    // A name that is none of a document may be a path or a type of media, unless it is what is waited for.
    if (view.get(kind, name) || message.includes(`waits for ${singular}/${name}`)) found.push({ kind, name });
  }
  return found;
}

interface EventSpec {
  regarding: Reference & { uid?: string };
  type: string;
  reason: string;
  message: string;
  step?: { impact?: Impact; because?: Because[] };
}

/** Newest first, of the document and of what it owns. Of a document of the same name before it: none. */
function eventsOf({ view, document, family }: WhyOptions): WhyEvent[] {
  const uids = new Set([document, ...family].map(({ metadata }) => metadata.uid));
  const events = view.list('Event').flatMap((event): WhyEvent[] => {
    const { regarding, type, reason, message, step } = event.spec as unknown as EventSpec;
    if (!step || regarding.uid === undefined || !uids.has(regarding.uid)) return [];
    const { count = 1, lastTimestamp = event.metadata.creationTimestamp } = (event.status ?? {}) as {
      count?: number;
      lastTimestamp?: string;
    };
    const { impact = 'none', because = [] } = step;
    const { kind, name } = regarding;
    return [{ document: { kind, name }, at: lastTimestamp, count, type, reason, message, impact, because }];
  });
  return events.sort((a, b) => (a.at < b.at ? 1 : -1));
}

function referenceTo({ kind, metadata }: Document): Reference {
  return { kind, name: metadata.name };
}
