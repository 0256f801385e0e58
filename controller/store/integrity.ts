/**
 * Whether what is on disk is whole: SQLite's own check, every sealed text opens, every document is the one in memory,
 * and the revisions of each lead to its spec. Called by doctor and by tests; it reads everything, so it takes a while.
 */
import type Database from 'better-sqlite3';
import type { Document } from '../../resources/document.ts';
import { refText } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import type { Documents } from './documents.ts';
import type { History } from './history.ts';
import type { Tables } from './tables.ts';

export interface IntegrityInput {
  db: Database.Database;
  tables: Tables;
  documents: Documents;
  history: History;
  kinds: ReadonlyMap<string, KindDefinition>;
  version: number;
}

/** One sentence for each problem; empty when all is well. */
export function findProblems(input: IntegrityInput): string[] {
  const rows = input.db.pragma('integrity_check(20)') as { integrity_check: string }[];
  const damage = rows.map((row) => row.integrity_check).filter((text) => text !== 'ok');
  if (damage.length > 0) return damage.map((text) => `the database file is damaged: ${text}`);
  return [...documentProblems(input), ...changeProblems(input)];
}

function documentProblems({ tables, documents, history, kinds, version }: IntegrityInput): string[] {
  const problems: string[] = [];
  let stored = 0;
  for (const document of tables.documents()) {
    stored += 1;
    const name = refText(document);
    if (!equal(document, documents.get(document.kind, document.metadata.name))) {
      problems.push(`${name} is another one on disk than in memory`);
    }
    if (Number(document.metadata.resourceVersion) > version) {
      problems.push(`${name} has version ${document.metadata.resourceVersion}, after the newest, ${version}`);
    }
    const wrong =
      kinds.get(document.kind)?.history === false ? undefined : revisionProblem(history, document);
    if (wrong !== undefined) problems.push(`${name}: ${wrong}`);
  }
  let held = 0;
  for (const _document of documents.everything()) held += 1;
  if (held !== stored) problems.push(`${held} documents are in memory and ${stored} on disk`);
  return problems;
}

function revisionProblem(history: History, document: Document): string | undefined {
  const { generation } = document.metadata;
  const newest = history.of(document).at(-1)?.generation;
  if (newest !== generation)
    return `generation is ${generation}, but the newest revision is ${newest ?? 'missing'}`;
  return equal(history.specByRevisions(document), document.spec)
    ? undefined
    : 'its revisions do not lead to its spec';
}

function changeProblems({ tables, version }: IntegrityInput): string[] {
  const { oldest, newest } = tables.changeRange();
  const changes = tables.changesBetween(0, Number.MAX_SAFE_INTEGER);
  const expected = newest === 0 ? 0 : newest - oldest + 1;
  const problems: string[] = [];
  if (newest !== version) problems.push(`the newest change on disk is ${newest}, in memory ${version}`);
  if (changes.length !== expected)
    problems.push(`the change log has ${changes.length} rows for ${expected} versions`);
  return problems;
}
