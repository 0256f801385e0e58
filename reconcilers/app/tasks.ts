/**
 * The Tasks of an App: one child document for each command that it has run on a schedule. Pure; part of want.ts and diff.ts. Running
 * them is the business of the reconciler of Tasks.
 */
import type { View } from '../../controller/engine/contract.ts';
import { API_VERSION, type Document, type Json, type Manifest } from '../../resources/document.ts';
import type { EffectiveApp } from '../../resources/effective.ts';
import { taskName } from '../../resources/task.ts';
import { sameJson } from '../container/canonical.ts';

export interface WantedTask {
  manifest: Manifest;
  found?: Document;
  /** Fields of spec that differ. Empty: as wanted, where it is there. */
  differences: { field: string; found: Json; wanted: Json }[];
}

export interface TasksWant {
  tasks: WantedTask[];
  /** Tasks of this App that it has no more. */
  unwanted: readonly Document[];
  /** All that there are, those that are going too. */
  owned: readonly Document[];
}

export function tasksWant(document: Document, app: EffectiveApp, view: View): TasksWant {
  const { name, uid, deletionTimestamp } = document.metadata;
  const owned = view.childrenOf('Task', uid);
  if (deletionTimestamp) return { tasks: [], unwanted: owned, owned };
  const tasks = app.tasks.map(({ name: task, ...rest }) => {
    const metadata = { name: taskName(name, task) };
    const spec = { app: name, task, ...rest };
    return compared({ apiVersion: API_VERSION, kind: 'Task', metadata, spec }, view);
  });
  const names = new Set(tasks.map(({ manifest }) => manifest.metadata.name));
  return { tasks, unwanted: owned.filter(({ metadata }) => !names.has(metadata.name)), owned };
}

function compared(manifest: Manifest, view: View): WantedTask {
  const found = view.get('Task', manifest.metadata.name);
  const have = (found?.spec ?? {}) as Record<string, Json>;
  const want = (manifest.spec ?? {}) as Record<string, Json>;
  const fields = [...new Set([...Object.keys(have), ...Object.keys(want)])].sort();
  const differences = fields
    .filter((field) => !sameJson(have[field], want[field]))
    .map((field) => ({ field, found: have[field] ?? null, wanted: want[field] ?? null }));
  return { manifest, differences, ...(found ? { found } : {}) };
}
