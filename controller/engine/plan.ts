/**
 * What would happen: the reconcilers run over an overlay of the store and the reading half of the world, children are
 * followed, and no step is done. There is nothing here to write with, and that is the point.
 */
import type { Document, Manifest, Reference } from '../../resources/document.ts';
import type { Author, Write, WriteResult } from '../store/types.ts';
import type { AnyReconciler, Failure, Plan, PlannedOutcome, PlannedStep, Step, View } from './contract.ts';
import { allKeys } from './keys.ts';
import { publicStep, subjectsOf } from './step.ts';
import { OverlayView } from './view.ts';

/** More rounds than any family of documents is deep. */
const MOST_ROUNDS = 8;

export interface PlanOptions<Reading, Writing> {
  /** What the store would answer. It stores nothing. */
  dryRun(writes: readonly Write[], author: Author): Promise<WriteResult[]>;
  view: View;
  reading: Reading;
  reconcilers: readonly AnyReconciler<Reading, Writing>[];
  classify(error: unknown): Failure;
  author: Author;
  /** RFC 3339, for documents that do not exist yet. */
  now: string;
  /** Manifests to apply and documents to delete; none of both: what is pending as things stand. */
  documents: readonly Manifest[];
  deletions: readonly Reference[];
  manager: string;
  /** With neither: only what is pending for these. */
  only?: readonly Document[];
}

export async function makePlan<Reading, Writing>(options: PlanOptions<Reading, Writing>): Promise<Plan> {
  const { dryRun, view, author, reconcilers, documents, deletions } = options;
  const overlay = new OverlayView(view, `${author.user} through ${author.via}`);
  const wanted = new Set<string>();
  const outcomes: Outcomes = new Map();
  const wakeOwn = (changed: Document) => {
    for (const reconciler of reconcilers)
      if (reconciler.kind === changed.kind) wanted.add(`${reconciler.kind} ${reconciler.key(changed)}`);
  };
  const wake = (changed: Document) => {
    wakeOwn(changed);
    for (const reconciler of reconcilers) {
      if (!reconciler.watches?.includes(changed.kind)) continue;
      for (const key of reconciler.wakes?.(changed, overlay, { substantial: true }) ?? [])
        wanted.add(`${reconciler.kind} ${key}`);
    }
  };
  if (options.only) for (const document of options.only) wakeOwn(document);
  else if (documents.length + deletions.length === 0) {
    for (const reconciler of reconcilers) {
      for (const key of allKeys(reconciler, view)) wanted.add(`${reconciler.kind} ${key}`);
    }
  } else {
    const writes: Write[] = [
      ...documents.map((document): Write => ({ verb: 'apply', document, manager: options.manager })),
      ...deletions.map((reference): Write => ({ verb: 'delete', reference })),
    ];
    for (const { outcome, document } of await dryRun(writes, author)) {
      if (outcome === 'deleted') overlay.remove({ kind: document.kind, name: document.metadata.name });
      else overlay.put(document);
      const isGone = outcome === 'deleted' || outcome === 'deleting';
      outcomes.set(`${document.kind}/${document.metadata.name}`, isGone ? 'deleted' : outcome);
      wake(document);
    }
  }
  return follow(options, { overlay, wanted, wake, outcomes });
}

/** By `App/wiki`. */
type Outcomes = Map<string, PlannedOutcome>;

interface Course {
  overlay: OverlayView;
  /** Keys to plan next: the kind, a space, the key. */
  wanted: Set<string>;
  wake: (changed: Document) => void;
  outcomes: Outcomes;
}

async function follow<Reading, Writing>(
  options: PlanOptions<Reading, Writing>,
  course: Course,
): Promise<Plan> {
  const { overlay, wanted, outcomes } = course;
  const plan: Plan = { documents: [], steps: [], problems: [] };
  const done = new Map<string, string>();
  for (let round = 0; round < MOST_ROUNDS && wanted.size > 0; round += 1) {
    const batch = [...wanted];
    wanted.clear();
    for (const entry of batch) {
      const reconciler = options.reconcilers.find(({ kind }) => entry.startsWith(`${kind} `));
      if (!reconciler) continue;
      const result = await planKey(reconciler, entry.slice(reconciler.kind.length + 1), overlay, options);
      const before = done.get(entry);
      const text = JSON.stringify(result.steps.map(({ step }) => [step.type, step.target, step.because]));
      if (before === text) continue;
      done.set(entry, text);
      const others = plan.steps.filter(({ key }) => key !== entry);
      const own = plan.steps.filter(({ key }) => key === entry);
      plan.steps = [
        ...others,
        ...withChildren(own, result.steps).map((planned) => ({ ...planned, key: entry })),
      ];
      plan.problems = [...plan.problems.filter((problem) => problem.key !== entry), ...result.problems];
      for (const { step } of result.steps) followChild(step, course, options);
    }
  }
  return {
    documents: [...outcomes].map(([name, outcome]) => {
      const [kind = '', ...rest] = name.split('/');
      return { document: { kind, name: rest.join('/') }, outcome };
    }),
    steps: plan.steps.map(({ document, step }) => ({ document, step: publicStep(step) })),
    problems: plan.problems.map(({ document, reason, message }) => ({ document, reason, message })),
  };
}

/** A child that was planned is in the overlay now and not needed again: its step stays where it stood. */
function withChildren(before: readonly PlannedStep[], after: readonly PlannedStep[]): PlannedStep[] {
  const name = ({ step }: PlannedStep) => `${step.type} ${step.target}`;
  const again = new Map(after.map((planned) => [name(planned), planned]));
  const first = new Set(before.map(name));
  const stays = before.filter((planned) => planned.step.child || again.has(name(planned)));
  return [
    ...stays.map((planned) => again.get(name(planned)) ?? planned),
    ...after.filter((planned) => !first.has(name(planned))),
  ];
}

async function planKey<Reading, Writing>(
  reconciler: AnyReconciler<Reading, Writing>,
  key: string,
  overlay: OverlayView,
  { reading, classify, now }: PlanOptions<Reading, Writing>,
): Promise<Plan> {
  const want = reconciler.want(key, overlay);
  if (want === undefined) return { documents: [], steps: [], problems: [] };
  const documents = reconciler.documents(want);
  /** The one that it is about, or the key where it is about many or none. */
  const documentOf = (step: Pick<Step, 'regarding'>): Reference => {
    const [first, second] = subjectsOf(step, { kind: reconciler.kind, name: key }, documents);
    return first && !second ? { kind: first.kind, name: first.name } : { kind: reconciler.kind, name: key };
  };
  try {
    const have = await reconciler.observe(want, reading);
    const steps = reconciler.diff(want, have);
    const problems = reconciler
      .status(want, have, { pending: steps, now })
      .flatMap(({ document, blocked }) => {
        if (!blocked) return [];
        const reference = { kind: document.kind, name: document.metadata.name };
        return [{ document: reference, ...blocked, key: `${reconciler.kind} ${key}` }];
      });
    const planned = steps.map((step) => ({ document: documentOf(step), step }));
    return { documents: [], steps: planned, problems };
  } catch (error) {
    const { reason, message } = classify(error);
    return {
      documents: [],
      steps: [],
      problems: [{ document: documentOf({}), reason, message, key: `${reconciler.kind} ${key}` }],
    };
  }
}

function followChild<Reading, Writing>(
  step: Step,
  { overlay, wake, outcomes }: Course,
  { now }: PlanOptions<Reading, Writing>,
): void {
  if (!step.child) return;
  if ('delete' in step.child) {
    const present = overlay.get(step.child.delete.kind, step.child.delete.name);
    if (!present) return;
    const deleting = { ...present, metadata: { ...present.metadata, deletionTimestamp: now } };
    overlay.put(deleting);
    outcomes.set(`${deleting.kind}/${deleting.metadata.name}`, 'deleted');
    wake(deleting);
    return;
  }
  const { apply } = step.child;
  const present = overlay.get(apply.kind, apply.metadata.name);
  const generation = (present?.metadata.generation ?? 0) + 1;
  const child: Document = {
    apiVersion: apply.apiVersion,
    kind: apply.kind,
    metadata: {
      uid: `planned-${apply.kind}-${apply.metadata.name}`,
      resourceVersion: '0',
      creationTimestamp: now,
      ...present?.metadata,
      name: apply.metadata.name,
      generation,
    },
    spec: apply.spec ?? {},
    ...(present?.status ? { status: present.status } : {}),
  };
  overlay.put(child);
  outcomes.set(`${child.kind}/${child.metadata.name}`, present ? 'configured' : 'created');
  wake(child);
}
