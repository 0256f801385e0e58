/**
 * A plan that is kept in a file and applied later: what it rests on, and whether that is still so. Pure, so that `plan --out` and
 * `apply FILE` judge alike. What is only known when a step runs (ids of documents that do not exist yet) does not count.
 */
import { createHash } from 'node:crypto';
import type { Document, Manifest, Reference } from '../../resources/document.ts';
import type { Plan, PlanBasis, PlannedStep, View } from './contract.ts';

/** Documents that were planned, what becomes of others with them, and what these name in their specs. */
export function basisOf(
  plan: Plan,
  documents: readonly Manifest[],
  view: View,
  referencesOf: (document: Document) => readonly Reference[],
): PlanBasis[] {
  const named = new Map<string, Reference>();
  const add = ({ kind, name }: Reference) => named.set(`${kind}/${name}`, { kind, name });
  for (const { document } of plan.documents) add(document);
  for (const manifest of documents) {
    add({ kind: manifest.kind, name: manifest.metadata.name });
    for (const reference of referencesOf({ ...manifest, spec: manifest.spec ?? {} } as Document))
      add(reference);
  }
  return [...named.values()].map((reference) => stateOf(reference, view));
}

function stateOf({ kind, name }: Reference, view: View): PlanBasis {
  const document = view.get(kind, name);
  if (!document) return { kind, name };
  const { uid, generation, resourceVersion, labels, annotations, deletionTimestamp } = document.metadata;
  const metadata = digest([labels ?? {}, annotations ?? {}, deletionTimestamp ?? '']);
  return { kind, name, uid, generation, resourceVersion, metadata };
}

/** In what way documents are not as the plan found them, one sentence each. A status that was written meanwhile is no such way. */
export function movedDocuments(basis: readonly PlanBasis[], view: View): string[] {
  return basis.flatMap((before) => {
    const now = stateOf(before, view);
    const name = `${before.kind.toLowerCase()}/${before.name}`;
    if (before.uid === undefined) return now.uid === undefined ? [] : [`${name} was created since`];
    if (now.uid === undefined) return [`${name} was deleted since`];
    if (now.uid !== before.uid) return [`${name} was deleted and created anew since`];
    if (now.generation !== before.generation)
      return [
        `${name} was changed since: it is at generation ${now.generation}, the plan was made for ${before.generation}`,
      ];
    return now.metadata === before.metadata
      ? []
      : [`labels or annotations of ${name} were changed since, or it is being deleted`];
  });
}

/** What would be done now and was not planned, and what was planned and is not needed any more. */
export function movedSteps(planned: readonly PlannedStep[], now: readonly PlannedStep[]): string[] {
  const before = new Map(planned.map((entry) => [textOf(entry), entry]));
  const after = new Map(now.map((entry) => [textOf(entry), entry]));
  const words = (entry: PlannedStep) =>
    `${entry.step.type} on ${entry.step.target} for ${entry.document.kind.toLowerCase()}/${entry.document.name}`;
  const added = [...after].filter(([text]) => !before.has(text)).map(([, entry]) => entry);
  const gone = [...before].filter(([text]) => !after.has(text)).map(([, entry]) => entry);
  return [
    ...added.map((entry) => `${words(entry)} would be done now and was not planned so${reasonOf(entry)}`),
    ...gone.map((entry) => `${words(entry)} was planned and is not needed so any more`),
  ];
}

function reasonOf({ step }: PlannedStep): string {
  const [first] = step.because;
  if (!first) return '';
  const shown = (value: unknown) => (value === undefined ? 'nothing' : JSON.stringify(value));
  return ` (${first.field}: found ${shown(first.found)}, wanted ${shown(first.wanted)})`;
}

/** Without who plans, and without ids that are drawn anew each time. */
function textOf({ document, step }: PlannedStep): string {
  const { type, target, action, impact, because } = step;
  const reasons = because.map(({ field, found, wanted, cause }) => [
    field,
    found,
    wanted,
    cause.replace(/^(generation \d+) by .*$/, '$1'),
  ]);
  const text = JSON.stringify([document, type, target, action, impact, reasons]);
  return text.replaceAll(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, 'uid');
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 24);
}
