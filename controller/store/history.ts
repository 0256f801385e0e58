/**
 * Revisions: every generation of a spec as the JSON patch from the one before, with when and by whom. Now and then a
 * row also has the whole spec, so that old rows can go and the rest still says what every generation was.
 * They go with their document: a new document of the same name begins a new history.
 */
import type { Document, Json } from '../../resources/document.ts';
import type { KindDefinition } from '../../resources/kind.ts';
import { deepFreeze, type JsonObject } from './json.ts';
import { applyJsonPatch, patchBetween } from './patch.ts';
import type { RevisionRow, Tables } from './tables.ts';
import type { Author, Revision } from './types.ts';

export class History {
  private readonly tables: Tables;
  /** Revisions of a document that are kept. */
  private readonly limit: number;
  private readonly wholeEvery: number;

  constructor(tables: Tables, limit: number) {
    this.tables = tables;
    this.limit = limit;
    this.wholeEvery = Math.max(1, Math.floor(limit / 4));
  }

  /** Inside the transaction that stores the document. Does nothing when the spec is the same generation. */
  record(
    definition: KindDefinition,
    before: Document | undefined,
    after: Document,
    author: Author,
    at: string,
  ): void {
    const { uid, generation } = after.metadata;
    if (definition.history === false || before?.metadata.generation === generation) return;
    const whole = generation % this.wholeEvery === 0;
    this.tables.saveRevision(definition, uid, {
      generation,
      at,
      author,
      patch: patchBetween(before?.spec ?? {}, after.spec),
      base: whole ? after.spec : undefined,
    });
    if (whole && generation > this.limit) this.tables.dropRevisionsBefore(uid, generation - this.limit + 1);
  }

  /** Oldest first. */
  of(document: Document): Revision[] {
    return this.kept(document).map(({ generation, at, author, patch }) =>
      deepFreeze({ generation, at, author, patch: patch as Json }),
    );
  }

  /** undefined when that generation is not kept, or was never there. */
  specAt(document: Document, generation: number): JsonObject | undefined {
    if (generation === document.metadata.generation) return document.spec;
    if (!this.kept(document).some((row) => row.generation === generation)) return undefined;
    const rows = this.tables.revisions(document.kind, document.metadata.uid);
    const spec = specFrom(rows.filter((row) => row.generation <= generation));
    return spec && deepFreeze(spec);
  }

  /** Of every generation that is kept and can be made, newest first. */
  specs(document: Document): JsonObject[] {
    const { uid, generation } = document.metadata;
    const specs: JsonObject[] = [];
    let spec: JsonObject | undefined;
    for (const row of this.tables.revisions(document.kind, uid)) {
      if (row.generation > generation) break;
      if (row.base !== undefined) spec = row.base;
      else if (spec !== undefined || row.generation === 1) spec = applyJsonPatch(spec ?? {}, row.patch);
      if (spec !== undefined && row.generation > generation - this.limit) specs.push(deepFreeze(spec));
    }
    return specs.reverse();
  }

  /** The spec that the revisions lead to, to be compared with the document. undefined where there is no history. */
  specByRevisions(document: Document): JsonObject | undefined {
    return specFrom(this.tables.revisions(document.kind, document.metadata.uid));
  }

  private kept(document: Document): RevisionRow[] {
    const { uid, generation } = document.metadata;
    const rows = this.tables.revisions(document.kind, uid);
    return rows.filter((row) => row.generation > generation - this.limit && row.generation <= generation);
  }
}

/** Spec of the last row: from the newest whole one, or from nothing where the first generation is there. */
function specFrom(rows: readonly RevisionRow[]): JsonObject | undefined {
  const start = rows.findLastIndex((row) => row.base !== undefined);
  const base = rows[start]?.base;
  if (base === undefined && rows[0]?.generation !== 1) return undefined;
  return rows.slice(start + 1).reduce<JsonObject>((spec, row) => applyJsonPatch(spec, row.patch), base ?? {});
}
