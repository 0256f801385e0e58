/** What the API is given of the engine: plans, what runs, and why. Part of the wiring: called by main.ts. */
import { classifyFailure } from '../reconcilers/failure.ts';
import type { Document, Manifest, Reference } from '../resources/document.ts';
import { kindOf } from '../resources/registry.ts';
import type { ApiDependencies } from './api/dependencies.ts';
import { type Clock, timestamp } from './clock.ts';
import type { Core } from './core.ts';
import type { Plan } from './engine/contract.ts';
import { makePlan } from './engine/plan.ts';
import { basisOf, movedDocuments, movedSteps } from './engine/saved-plan.ts';
import { explainDocument } from './engine/why.ts';
import type { Author, Store } from './store/types.ts';

interface Parts {
  core: Pick<Core, 'engine' | 'reconcilers' | 'reading'>;
  store: Store;
  clock: Clock;
}

export function engineAccess(parts: Parts): Pick<ApiDependencies, 'engine' | 'plan'> {
  const { engine, reconcilers } = parts.core;
  const { view } = engine;
  const planOf = planner(parts);
  return {
    async plan(documents, deletions, author) {
      const plan = await planOf({ documents, deletions, author });
      return { ...plan, basis: basisOf(plan, documents, view, referencesOf) };
    },
    engine: {
      operations: () => engine.operations(),
      observedAt: (document) => engine.observedAt(document),
      cancel(document, by) {
        const target = engine.targetOf(document);
        return target ? (engine.cancelStep(target, by) ?? 'idle') : 'never';
      },
      retry(document, by) {
        const target = engine.targetOf(document);
        if (target) engine.retry(target, document, by);
        return target !== undefined;
      },
      moved: ({ basis, steps }, now) => {
        const documents = movedDocuments(basis, view);
        return documents.length > 0 ? documents : movedSteps(steps, now.steps);
      },
      async why(document, author) {
        const family = familyOf(document, view);
        const plan = await planOf({ documents: [], deletions: [], author, only: [document, ...family] });
        const target = engine.targetOf(document);
        const running = engine
          .operations()
          .find(({ kind, key }) => kind === target?.kind && key === target.key);
        const observedAt = engine.observedAt(document);
        return explainDocument({
          view,
          document,
          family,
          referencesOf,
          kindNamed: (singular) => kindOf(singular)?.kind,
          becomesReady: (kind) => reconcilers.some((reconciler) => reconciler.kind === kind),
          plan: planOfThese(plan, [document, ...family]),
          ...(running ? { running } : {}),
          ...(observedAt === undefined ? {} : { observedAt }),
        });
      },
    },
  };
}

function planner({ core, store, clock }: Parts) {
  const { engine, reconcilers, reading } = core;
  return (asked: {
    documents: readonly Manifest[];
    deletions: readonly Reference[];
    author: Author;
    only?: readonly Document[];
  }) =>
    makePlan({
      dryRun: (writes, by) => store.write(writes, by, { dryRun: true }),
      view: engine.view,
      reading,
      reconcilers,
      classify: classifyFailure,
      now: timestamp(clock),
      manager: 'holdfast',
      ...asked,
    });
}

/** Of a target that many documents share, the steps that regard these. */
function planOfThese(plan: Plan, documents: readonly Document[]): Plan {
  const own = new Set(documents.map(({ kind, metadata }) => `${kind}/${metadata.name}`));
  const isOwn = ({ kind, name }: Reference) => own.has(`${kind}/${name}`);
  return {
    ...plan,
    steps: plan.steps.filter(
      ({ document, step }) =>
        isOwn(document) || step.regarding?.some((name) => isOwn({ kind: document.kind, name })),
    ),
    problems: plan.problems.filter(({ document }) => isOwn(document)),
  };
}

function referencesOf(document: Document): readonly Reference[] {
  return kindOf(document.kind)?.references?.(document) ?? [];
}

function familyOf(
  document: Document,
  view: { allChildrenOf(uid: string): readonly Document[] },
): readonly Document[] {
  const children = view.allChildrenOf(document.metadata.uid);
  return children.flatMap((child) => [child, ...familyOf(child, view)]);
}
