/**
 * Documents of a kind as they change: a list, then a watch from its version, and again from a list when the watch ends or the
 * controller restarts. Called by get -w, events -w and wait.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Document } from '../../resources/document.ts';
import { ApiError, type Client, type ListQuery, type WatchEvent } from './client.ts';
import { CliError } from './verb.ts';

export interface Follower {
  /** All that there are now: at the start, and after each break. */
  onList(documents: readonly Document[]): void;
  onChange(event: WatchEvent): void;
  /** The controller is away; it is tried again. */
  onBreak?(error: Error): void;
}

const RETRY_MILLISECONDS = 500;

/** Until the signal aborts, which is a normal end. What is wrong at the first list is thrown. */
export async function follow(
  client: Client,
  kind: string,
  query: ListQuery,
  follower: Follower,
  signal: AbortSignal,
): Promise<void> {
  let isFirst = true;
  while (!signal.aborted) {
    try {
      const list = await client.list(kind, query, signal);
      isFirst = false;
      follower.onList(list.items);
      for await (const event of client.watch(kind, list.metadata.resourceVersion, query, signal))
        follower.onChange(event);
    } catch (error) {
      if (signal.aborted) return;
      if (isFirst || !isTemporary(error)) throw error;
      follower.onBreak?.(error as Error);
    }
    await sleep(RETRY_MILLISECONDS, undefined, { signal }).catch(() => {});
  }
}

/** The controller restarts, or the version is too old: both pass by listing again. */
function isTemporary(error: unknown): boolean {
  if (error instanceof ApiError) return error.code === 410 || error.code === 429 || error.code >= 500;
  return error instanceof CliError || (error as NodeJS.ErrnoException).code === 'ECONNRESET';
}
