/** Documents, a view of them and a loop like the engine's, for tests of the reconciler of Sites without an engine. */
import type { Outcome, Run, StatusDraft, View } from '../../controller/engine/contract.ts';
import { ReconcileError } from '../../controller/engine/contract.ts';
import type { SiteWriting } from '../../reconcilers/site/converge.ts';
import { siteReconciler } from '../../reconcilers/site/index.ts';
import type { Have } from '../../reconcilers/site/observe.ts';
import type { SiteStep } from '../../reconcilers/site/steps.ts';
import type { SiteSpec } from '../../reconcilers/site/want.ts';
import type { Document } from '../../resources/document.ts';

export interface SiteOptions extends Partial<SiteSpec> {
  created?: string;
  deleted?: boolean;
  generation?: number;
}

export function site(name: string, options: SiteOptions = {}): Document {
  const { created, deleted, generation, ...spec } = options;
  return {
    apiVersion: 'holdfast.dev/v1',
    kind: 'Site',
    metadata: {
      name,
      uid: `uid-${name}`,
      generation: generation ?? 1,
      resourceVersion: '1',
      creationTimestamp: created ?? '2026-01-01T00:00:00.000Z',
      ...(deleted ? { deletionTimestamp: '2026-02-01T00:00:00.000Z' } : {}),
      ownerReferences: [
        { apiVersion: 'holdfast.dev/v1', kind: 'App', name, uid: `app-${name}`, controller: true },
      ],
    },
    spec: {
      hosts: [`${name}.localhost`],
      domain: 'localhost',
      upstream: { address: '172.30.0.2', port: 8000 },
      ...spec,
    },
  };
}

export function platform(http: Record<string, unknown>): Document {
  const base = site('platform');
  return { ...base, kind: 'Platform', spec: { http } };
}

export function viewOf(documents: readonly Document[]): View {
  return {
    get: (kind, name) => documents.find((entry) => entry.kind === kind && entry.metadata.name === name),
    list: (kind) => documents.filter((entry) => entry.kind === kind),
    childrenOf: () => [],
    derived: (_name, _kinds, compute) => compute(viewOf(documents)),
    causeOf: (document) => `generation ${document.metadata.generation} by root through cli`,
  };
}

export interface Turn {
  /** All steps that were done, over all rounds. */
  done: SiteStep[];
  have: Have | undefined;
  status: StatusDraft[];
  failure: Outcome<SiteStep>['failure'];
  events: string[];
}

/** Observe, diff, converge, until nothing is left or a step fails. */
export async function reconcile(
  documents: readonly Document[],
  world: SiteWriting,
  rounds = 4,
): Promise<Turn> {
  const want = siteReconciler.want('nginx', viewOf(documents));
  if (!want) throw new Error('nothing wanted');
  const done: SiteStep[] = [];
  const events: string[] = [];
  const finish = (
    have: Have | undefined,
    pending: SiteStep[],
    failure?: Outcome<SiteStep>['failure'],
  ): Turn => {
    const outcome = { pending, now: '2026-01-01T00:00:00.000Z', ...(failure ? { failure } : {}) };
    return { done, have, status: siteReconciler.status(want, have, outcome), failure, events };
  };
  let have: Have | undefined;
  for (let round = 0; round < rounds; round += 1) {
    try {
      have = undefined;
      have = await siteReconciler.observe(want, world);
      const steps = siteReconciler.diff(want, have);
      if (steps.length === 0) return finish(have, []);
      for (const step of steps) {
        // What a journal would give back.
        const saved = JSON.parse(JSON.stringify(step)) as SiteStep;
        await siteReconciler.converge(saved, world, runFor(events));
        done.push(step);
      }
    } catch (error) {
      if (!(error instanceof ReconcileError)) throw error;
      const now = have && (await siteReconciler.observe(want, world));
      return finish(now, [], { reason: error.reason, message: error.message, kind: error.kind });
    }
  }
  throw new Error(`it does not converge: ${done.map((step) => step.message).join(' ')}`);
}

function runFor(events: string[]): Run {
  return {
    signal: new AbortController().signal,
    progress: () => undefined,
    checkpoint: async () => undefined,
    resumed: undefined,
    documents: {
      apply: () => Promise.reject(new Error('Sites have no children')),
      delete: () => Promise.reject(new Error('Sites have no children')),
      create: async () => undefined,
      exists: () => false,
    },
    event: (type, reason, message) => events.push(`${type} ${reason} ${message}`),
  };
}

/** The Ready condition of a Site, as "True Serving". */
export function readyOf(turn: Turn, name: string): string {
  const found = conditionOf(turn, name);
  return found ? `${found.status} ${found.reason}` : 'none';
}

export function messageOf(turn: Turn, name: string): string {
  return conditionOf(turn, name)?.message ?? '';
}

function conditionOf(turn: Turn, name: string) {
  const draft = turn.status.find((entry) => entry.document.metadata.name === name);
  return draft?.conditions.find((entry) => entry.type === 'Ready');
}
