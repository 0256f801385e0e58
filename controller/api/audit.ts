/**
 * Writes through the API go through here, each with a line in the log: who, from where, which verb, which document, which
 * fields. Fields are named by their paths; no value is ever in the line, so no secret is.
 */
import type { FastifyRequest } from 'fastify';
import type { Document } from '../../resources/document.ts';
import { equal } from '../../resources/json.ts';
import { isObject } from '../store/json.ts';
import type { Author, Write, WriteResult } from '../store/types.ts';
import type { Context } from './context.ts';
import { identityOf } from './identity.ts';

/** More paths than this are counted instead of named. */
const MOST_PATHS = 50;

export async function writeAudited(
  context: Context,
  request: FastifyRequest,
  writes: readonly Write[],
  author: Author,
  options: { dryRun?: boolean } = {},
): Promise<WriteResult[]> {
  const { user, from, token } = identityOf(request);
  const before = writes.map((write) => context.store.get(...nameOf(write)));
  const results = await context.store.write(writes, author, options);
  for (const [index, { outcome, document }] of results.entries()) {
    context.log.info('audit', {
      user: author.user,
      ...(author.user !== user && { login: user }),
      from,
      // Not "token": the log hides what is called so.
      ...(token !== undefined && { by: `token/${token}` }),
      verb: writes[index]?.verb,
      kind: document.kind,
      name: document.metadata.name,
      outcome,
      version: document.metadata.resourceVersion,
      ...(outcome === 'configured' && { changed: changedFields(before[index], document) }),
      ...(author.reason !== undefined && { reason: author.reason }),
      ...(options.dryRun && { dryRun: true }),
    });
  }
  return results;
}

function nameOf(write: Write): [string, string] {
  if (!('document' in write)) return [write.reference.kind, write.reference.name];
  return [write.document.kind, write.document.metadata.name];
}

/** Dotted paths of what differs; a list that differs is one path. */
export function changedFields(before: Document | undefined, after: Document): string[] {
  const paths: string[] = [];
  const { labels, annotations, finalizers, deletionTimestamp } = after.metadata;
  const was = before?.metadata;
  compare('metadata.labels', was?.labels ?? {}, labels ?? {}, paths);
  compare('metadata.annotations', was?.annotations ?? {}, annotations ?? {}, paths);
  compare('metadata.finalizers', was?.finalizers, finalizers, paths);
  compare('metadata.deletionTimestamp', was?.deletionTimestamp, deletionTimestamp, paths);
  compare('spec', before?.spec ?? {}, after.spec, paths);
  if (paths.length <= MOST_PATHS) return paths;
  return [...paths.slice(0, MOST_PATHS), `and ${paths.length - MOST_PATHS} more`];
}

function compare(path: string, before: unknown, after: unknown, paths: string[]): void {
  if (equal(before, after)) return;
  if (!isObject(before) || !isObject(after)) {
    paths.push(path);
    return;
  }
  for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
    compare(/[./]/.test(key) ? `${path}[${key}]` : `${path}.${key}`, before[key], after[key], paths);
  }
}
