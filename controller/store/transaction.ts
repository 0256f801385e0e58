/**
 * The batches that are written together: their documents before the commit, over the committed ones. Each batch is
 * marked and can be taken back alone. Rows are written as the batch goes; memory and watchers learn of it only after
 * the commit (store.ts). One object for each transaction of CommitQueue.
 */
import type { Document, Manifest, Reference } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import type { FieldProblem, KindDefinition } from '../../resources/kind.ts';
import type { Documents } from './documents.ts';
import type { History } from './history.ts';
import { manifestReference } from './manifest.ts';
import { type Decision, stamped } from './next-state.ts';
import { afterApply, afterUpdate, conflictsOf, ownAlone, ownedPart } from './ownership.ts';
import { referenceTo, textOf } from './refusals.ts';
import type { Setting } from './rules.ts';
import { beforeOf } from './selection.ts';
import type { LeaseRow, LoggedChange, Tables } from './tables.ts';
import { type Author, type Manager, StoreError, type Write, type WriteResult } from './types.ts';
import * as verbs from './verbs.ts';

export interface Surroundings {
  kinds: ReadonlyMap<string, KindDefinition>;
  documents: Documents;
  tables: Tables;
  history: History;
  validate(manifest: Manifest): FieldProblem[];
  uuid(): string;
  /** Largest document, in bytes of JSON. */
  documentBytes: number;
}

/** A point to go back to: how long each list was. */
export interface Mark {
  changes: number;
  leases: number;
}

type Apply = Extract<Write, { verb: 'apply' }>;

/** Verbs of people whose changes make them the owner of what they change. */
const OWNING = new Set<Write['verb']>(['create', 'update', 'patch']);

/** Owner of what a writer changes who gives no name. */
const NAMELESS = 'holdfast';

export type LeaseChange = Omit<LeaseRow, 'value'> & { value: string | undefined };

export class Transaction {
  readonly changes: LoggedChange[] = [];
  readonly leases: LeaseChange[] = [];
  private readonly around: Surroundings;
  private readonly now: string;
  private readonly base: number;
  private readonly pending = new Map<string, Document | undefined>();

  constructor(around: Surroundings, version: number, now: string) {
    this.around = around;
    this.base = version;
    this.now = now;
  }

  /** Version of the newest change in it. */
  get version(): number {
    return this.base + this.changes.length;
  }

  mark(): Mark {
    return { changes: this.changes.length, leases: this.leases.length };
  }

  /** Forgets what came after the mark; the rows are taken back by the database's savepoint. */
  revert(mark: Mark): void {
    this.changes.length = mark.changes;
    this.leases.length = mark.leases;
    this.pending.clear();
    for (const change of this.changes) this.remember(change);
  }

  private get(kind: string, name: string): Document | undefined {
    const key = `${kind}/${name}`;
    return this.pending.has(key) ? this.pending.get(key) : this.around.documents.get(kind, name);
  }

  private list(kind: string): Document[] {
    const kept = this.around.documents
      .all(kind)
      .filter(({ metadata }) => !this.pending.has(`${kind}/${metadata.name}`));
    const written = [...this.pending.values()].filter((document) => document?.kind === kind);
    return [...kept, ...(written as Document[])];
  }

  private remember({ type, document }: LoggedChange): void {
    const key = `${document.kind}/${document.metadata.name}`;
    this.pending.set(key, type === 'DELETED' ? undefined : document);
  }

  write(write: Write, author: Author): WriteResult {
    const reference = 'document' in write ? manifestReference(write.document) : write.reference;
    const definition = this.definition(reference, 'document' in write);
    const { validate, uuid } = this.around;
    const list = (kind: string) => this.list(kind);
    const setting: Setting = { definition, author, now: this.now, uuid, validate, list };
    const present = this.get(reference.kind, reference.name);
    if (write.verb === 'apply') return this.apply(setting, present, write);
    if (write.verb === 'applyChild') this.requireOwners(reference, write.document);
    const decision = decide(setting, present, reference, write);
    const document = this.store(setting, present, decision);
    if (OWNING.has(write.verb) && definition.writtenBy === 'people') {
      this.own(setting, present, document, ('manager' in write ? write.manager : undefined) ?? NAMELESS);
      if (write.verb === 'patch' && write.managers)
        this.around.tables.saveManagers(definition, document.metadata.uid, write.managers);
    }
    return { outcome: decision.outcome, document };
  }

  /** What is made for a document that went meanwhile would be left by everybody. */
  private requireOwners(reference: Reference, { metadata }: Manifest): void {
    for (const owner of metadata.ownerReferences ?? []) {
      if (this.get(owner.kind, owner.name)?.metadata.uid === owner.uid) continue;
      const message = `${textOf(reference)} is not made: ${textOf(owner)}, which it would be for, is gone`;
      throw new StoreError('NotFound', message, { reference });
    }
  }

  private own(setting: Setting, present: Document | undefined, document: Document, manager: string): void {
    const { tables } = this.around;
    const { definition, now } = setting;
    const { uid } = document.metadata;
    const before = present ? tables.managers(definition.kind, uid) : [];
    const after = afterUpdate(before, ownedPart(present), ownedPart(document), { manager, now });
    if (after !== before) tables.saveManagers(definition, uid, after);
  }

  private apply(setting: Setting, present: Document | undefined, write: Apply): WriteResult {
    const { tables } = this.around;
    const { definition } = setting;
    const { manager } = write;
    const managers = present ? tables.managers(definition.kind, present.metadata.uid) : [];
    if (write.force === false) refuseConflicts(present, write, managers);
    const last = present && tables.applied(definition.kind, present.metadata.uid, manager);
    const goes = write.force === undefined ? last : ownAlone(managers, manager);
    const { outcome, shape, ...decision } = verbs.apply(setting, present, write.document, goes);
    const document = this.store(setting, present, { outcome, ...decision });
    const { uid } = document.metadata;
    const owners = { manager, now: setting.now, applied: shape };
    const after = afterApply(managers, ownedPart(present), ownedPart(document), owners);
    if (after !== managers) tables.saveManagers(definition, uid, after);
    // Also when the document is the same: from now on this manager stands behind these fields.
    if (!equal(shape, last)) tables.saveApplied(definition, document.metadata.uid, manager, shape);
    return { outcome, document };
  }

  private definition(reference: Reference, isManifest: boolean): KindDefinition {
    const definition = this.around.kinds.get(reference.kind);
    if (definition !== undefined) return definition;
    throw unknownKind(reference.kind, this.around.kinds, isManifest ? 'Invalid' : 'NotFound');
  }

  private store(setting: Setting, present: Document | undefined, decision: Decision): Document {
    const { definition, author, now } = setting;
    const { next, outcome } = decision;
    if (next === undefined) {
      if (present === undefined) throw new Error('a write that changes nothing needs a document');
      return present;
    }
    const { tables, history } = this.around;
    const document = stamped(next, this.version + 1);
    const before = present && beforeOf(definition, present, document);
    const type = outcome === 'created' ? 'ADDED' : outcome === 'deleted' ? 'DELETED' : 'MODIFIED';
    const change: LoggedChange = { type, version: this.version + 1, document };
    if (before !== undefined && type === 'MODIFIED') change.before = before;
    this.checkSize(tables.saveChange(definition, change), document);
    if (type === 'DELETED') tables.forget(document.metadata.uid);
    else history.record(definition, present, document, author, now);
    this.changes.push(change);
    this.remember(change);
    return document;
  }

  private checkSize(bytes: number, document: Document): void {
    const most = this.around.documentBytes;
    if (bytes <= most) return;
    const reference = { kind: document.kind, name: document.metadata.name };
    const message = `${textOf(reference)} is too large: ${bytes} bytes as JSON, at most ${most} can be stored`;
    throw new StoreError('Invalid', message, { reference, causes: [{ field: 'document', message }] });
  }

  /** The owner's value, or the first candidate that nobody has. */
  lease(pool: string, owner: string, candidates: Iterable<string>): string | undefined {
    const { tables } = this.around;
    const present = tables.leaseOf(pool, owner);
    if (present !== undefined) return present;
    for (const value of candidates) {
      if (tables.isLeased(pool, value)) continue;
      tables.saveLease(pool, owner, value);
      this.leases.push({ pool, owner, value });
      return value;
    }
    return undefined;
  }

  release(pool: string, owner: string): void {
    if (this.around.tables.dropLease(pool, owner)) this.leases.push({ pool, owner, value: undefined });
  }
}

function refuseConflicts(present: Document | undefined, write: Apply, managers: readonly Manager[]): void {
  if (!present) return;
  const { spec = {}, metadata } = write.document;
  const wanted = { spec, labels: metadata.labels ?? {}, annotations: metadata.annotations ?? {} };
  const causes = conflictsOf(managers, write.manager, ownedPart(present), wanted);
  if (causes.length === 0) return;
  const count = causes.length === 1 ? '1 conflict' : `${causes.length} conflicts`;
  const fields = causes.map(({ field, message }) => `${message}: ${field}`).join('; ');
  throw new StoreError('Conflict', `Apply failed with ${count}: ${fields}`, {
    reference: referenceTo(present),
    causes,
  });
}

function decide(
  setting: Setting,
  present: Document | undefined,
  reference: Reference,
  write: Exclude<Write, Apply>,
): Decision {
  if (write.verb === 'create') return verbs.create(setting, present, write.document);
  if (write.verb === 'applyChild') return verbs.applyChild(setting, present, write);
  if (present === undefined) {
    throw new StoreError('NotFound', `${textOf(reference)} does not exist`, { reference });
  }
  switch (write.verb) {
    case 'update':
      return verbs.update(setting, present, write.document);
    case 'patch':
      return verbs.patch(setting, present, write);
    case 'delete':
      return verbs.remove(setting, present, write);
    case 'status':
      return verbs.status(setting, present, write);
    case 'finalizers':
      return verbs.finalizers(setting, present, write);
  }
}

export function unknownKind(
  kind: string,
  kinds: ReadonlyMap<string, KindDefinition>,
  reason: 'Invalid' | 'NotFound',
): StoreError {
  const message = `there is no kind ${JSON.stringify(kind)}; there are ${[...kinds.keys()].join(', ')}`;
  return new StoreError(reason, message, { causes: [{ field: 'kind', message }] });
}
