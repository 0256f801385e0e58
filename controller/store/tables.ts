/**
 * Rows in and out: one prepared statement for each thing that is done, and the one place where a body becomes text or,
 * for secret kinds, a sealed blob. Called inside the transactions of CommitQueue; it decides nothing.
 */
import type Database from 'better-sqlite3';
import type { Document } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { deepFreeze, type JsonObject } from './json.ts';
import type { Shape } from './merge.ts';
import type { Seal } from './seal.ts';
import type { Author, Change, Manager } from './types.ts';

/** Labels and selectable fields of a document before a change that moved them. */
export interface Before {
  labels?: Record<string, string>;
  fields: Record<string, string>;
}

export interface LoggedChange extends Change {
  before?: Before;
}

export interface RevisionRow {
  generation: number;
  at: string;
  author: Author;
  patch: unknown;
  base: JsonObject | undefined;
}

export interface LeaseRow {
  pool: string;
  owner: string;
  value: string;
}

type Body = string | Buffer;
type Table = 'documents' | 'changes' | 'revisions' | 'applied' | 'ownership';

export class Tables {
  private readonly seal: Seal;
  private readonly statements: ReturnType<typeof statementsOf>;

  constructor(db: Database.Database, seal: Seal) {
    this.seal = seal;
    this.statements = statementsOf(db);
  }

  // Documents

  /** Stores the change and the document that it leaves behind; one text serves both rows. Answers its bytes. */
  saveChange(definition: KindDefinition, change: LoggedChange): number {
    const { type, version, document, before } = change;
    const { kind, metadata } = document;
    const { name, uid } = metadata;
    const text = JSON.stringify(document);
    const body = this.encode('documents', definition, uid, text);
    if (type === 'ADDED') this.statements.insertDocument().run(kind, name, uid, body);
    else if (type === 'MODIFIED') this.statements.updateDocument().run(body, kind, name);
    else this.statements.deleteDocument().run(kind, name);
    const logged = definition.secret ? this.encode('changes', definition, uid, text) : body;
    const was = before === undefined ? null : this.encode('changes', definition, uid, JSON.stringify(before));
    this.statements.insertChange().run(version, type, kind, uid, was, logged);
    return Buffer.byteLength(text);
  }

  *documents(): Iterable<Document> {
    for (const row of this.statements.documents().iterate() as Iterable<DocumentRow>) {
      yield deepFreeze(this.decode('documents', row.kind, row.uid, row.body) as Document);
    }
  }

  // Change log

  /** Versions of the oldest and the newest change; 0 and 0 for an empty log. */
  changeRange(): { oldest: number; newest: number } {
    return this.statements.changeRange().get() as { oldest: number; newest: number };
  }

  /** Changes after one version up to another, in order. */
  changesBetween(after: number, upTo: number): LoggedChange[] {
    const rows = this.statements.changes().all(after, upTo) as ChangeRow[];
    return rows.map(({ version, type, kind, uid, before, body }) => {
      const document = deepFreeze(this.decode('changes', kind, uid, body) as Document);
      if (before === null) return { type, version, document };
      return { type, version, document, before: this.decode('changes', kind, uid, before) as Before };
    });
  }

  dropChangesUpTo(version: number): void {
    this.statements.dropChanges().run(version);
  }

  // Revisions

  saveRevision(definition: KindDefinition, uid: string, row: RevisionRow): void {
    const patch = this.encode('revisions', definition, uid, JSON.stringify(row.patch));
    const base = row.base && this.encode('revisions', definition, uid, JSON.stringify(row.base));
    const { generation, at, author } = row;
    this.statements.insertRevision().run(uid, generation, at, JSON.stringify(author), patch, base ?? null);
  }

  /** In order of generation. */
  revisions(kind: string, uid: string): RevisionRow[] {
    const rows = this.statements.revisions().all(uid) as RawRevision[];
    return rows.map(({ generation, at, author, patch, base }) => ({
      generation,
      at,
      author: JSON.parse(author) as Author,
      patch: this.decode('revisions', kind, uid, patch),
      base: base === null ? undefined : (this.decode('revisions', kind, uid, base) as JsonObject),
    }));
  }

  /** Drops what is older than the newest whole spec at or before this generation. */
  dropRevisionsBefore(uid: string, generation: number): void {
    this.statements.dropRevisions().run(uid, uid, generation);
  }

  // What managers applied

  applied(kind: string, uid: string, manager: string): Shape | undefined {
    const shape = this.statements.applied().get(uid, manager) as Body | undefined;
    return shape === undefined ? undefined : (this.decode('applied', kind, uid, shape) as Shape);
  }

  saveApplied(definition: KindDefinition, uid: string, manager: string, shape: Shape): void {
    const body = this.encode('applied', definition, uid, JSON.stringify(shape));
    this.statements.saveApplied().run(uid, manager, body);
  }

  // Who set which fields

  managers(kind: string, uid: string): readonly Manager[] {
    const managers = this.statements.managers().get(uid) as Body | undefined;
    return managers === undefined ? [] : (this.decode('ownership', kind, uid, managers) as Manager[]);
  }

  saveManagers(definition: KindDefinition, uid: string, managers: readonly Manager[]): void {
    const body = this.encode('ownership', definition, uid, JSON.stringify(managers));
    this.statements.saveManagers().run(uid, body);
  }

  /** What hangs on a document that is gone. */
  forget(uid: string): void {
    this.statements.forgetRevisions().run(uid);
    this.statements.forgetApplied().run(uid);
    this.statements.forgetManagers().run(uid);
  }

  // Leases

  leases(): LeaseRow[] {
    return this.statements.leases().all() as LeaseRow[];
  }

  leaseOf(pool: string, owner: string): string | undefined {
    return this.statements.leaseOf().get(pool, owner) as string | undefined;
  }

  isLeased(pool: string, value: string): boolean {
    return this.statements.isLeased().get(pool, value) !== undefined;
  }

  saveLease(pool: string, owner: string, value: string): void {
    this.statements.saveLease().run(pool, owner, value);
  }

  dropLease(pool: string, owner: string): boolean {
    return this.statements.dropLease().run(pool, owner).changes > 0;
  }

  // Bodies

  private encode(table: Table, definition: KindDefinition, uid: string, text: string): Body {
    return definition.secret ? this.seal.close([table, definition.kind, uid], text) : text;
  }

  private decode(table: Table, kind: string, uid: string, body: Body): unknown {
    try {
      return JSON.parse(typeof body === 'string' ? body : this.seal.open([table, kind, uid], body));
    } catch (error) {
      throw new Error(`a row of ${table}, of ${kind} with uid ${uid}, cannot be read`, { cause: error });
    }
  }
}

interface DocumentRow {
  kind: string;
  uid: string;
  body: Body;
}

interface ChangeRow {
  version: number;
  type: Change['type'];
  kind: string;
  uid: string;
  before: Body | null;
  body: Body;
}

interface RawRevision {
  generation: number;
  at: string;
  author: string;
  patch: Body;
  base: Body | null;
}

/** Each is prepared when it is first needed: a start needs three of them. */
function statementsOf(db: Database.Database) {
  const sql = (text: string) => {
    let statement: Database.Statement<unknown[]> | undefined;
    return () => {
      statement ??= db.prepare<unknown[]>(text);
      return statement;
    };
  };
  /** Rows of one column, as its values. */
  const values = (text: string) => {
    const plain = sql(text);
    return () => plain().pluck();
  };
  return {
    documents: sql('SELECT kind, uid, body FROM documents'),
    insertDocument: sql('INSERT INTO documents (kind, name, uid, body) VALUES (?, ?, ?, ?)'),
    updateDocument: sql('UPDATE documents SET body = ? WHERE kind = ? AND name = ?'),
    deleteDocument: sql('DELETE FROM documents WHERE kind = ? AND name = ?'),
    changeRange: sql(
      'SELECT coalesce(min(version), 0) AS oldest, coalesce(max(version), 0) AS newest FROM changes',
    ),
    changes: sql(
      'SELECT version, type, kind, uid, before, body FROM changes WHERE version > ? AND version <= ? ORDER BY version',
    ),
    insertChange: sql(
      'INSERT INTO changes (version, type, kind, uid, before, body) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    dropChanges: sql('DELETE FROM changes WHERE version <= ?'),
    revisions: sql(
      'SELECT generation, at, author, patch, base FROM revisions WHERE uid = ? ORDER BY generation',
    ),
    insertRevision: sql(
      'INSERT INTO revisions (uid, generation, at, author, patch, base) VALUES (?, ?, ?, ?, ?, ?)',
    ),
    dropRevisions: sql(
      `DELETE FROM revisions WHERE uid = ? AND generation <
         (SELECT max(generation) FROM revisions WHERE uid = ? AND generation <= ? AND base IS NOT NULL)`,
    ),
    forgetRevisions: sql('DELETE FROM revisions WHERE uid = ?'),
    applied: values('SELECT shape FROM applied WHERE uid = ? AND manager = ?'),
    saveApplied: sql('INSERT OR REPLACE INTO applied (uid, manager, shape) VALUES (?, ?, ?)'),
    forgetApplied: sql('DELETE FROM applied WHERE uid = ?'),
    managers: values('SELECT managers FROM ownership WHERE uid = ?'),
    saveManagers: sql('INSERT OR REPLACE INTO ownership (uid, managers) VALUES (?, ?)'),
    forgetManagers: sql('DELETE FROM ownership WHERE uid = ?'),
    leases: sql('SELECT pool, owner, value FROM leases'),
    leaseOf: values('SELECT value FROM leases WHERE pool = ? AND owner = ?'),
    isLeased: values('SELECT 1 FROM leases WHERE pool = ? AND value = ?'),
    saveLease: sql('INSERT INTO leases (pool, owner, value) VALUES (?, ?, ?)'),
    dropLease: sql('DELETE FROM leases WHERE pool = ? AND owner = ?'),
  };
}
