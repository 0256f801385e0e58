/**
 * What a person is told of a watched directory: the condition Ready, from what a look found. Pure. Each message names the
 * file or folder and what to do.
 */
import { type Entries, listed, nameOf } from './entries.ts';

export interface Verdict {
  ready: boolean;
  reason: string;
  message: string;
}

/** Characters of a condition's message. */
const LONGEST = 2000;

export function awayVerdict(scan: { state: 'missing' | 'unreadable'; message: string }): Verdict {
  const reason = scan.state === 'missing' ? 'FolderMissing' : 'FolderUnreadable';
  return { ready: false, reason, message: `${scan.message}; nothing was deleted` };
}

export function foreignVerdict(
  path: string,
  entries: Entries,
  present: { has(path: string): boolean },
): Verdict {
  const missing = [...entries.values()].filter(
    (entry) => entry.documents?.length && !present.has(entry.path),
  );
  const paths = missing.map((entry) => entry.path);
  const names = missing.flatMap((entry) => entry.documents ?? []).map(nameOf);
  const message =
    `${path} is another folder or file system than before, and files that were in it are not there ` +
    `(${listed(paths, 3, ', ')}). Nothing is applied or deleted until they are back; is something not mounted? ` +
    `If they are gone for good, say so with: holdfast delete ${listed(names, 3, ' ')}`;
  return { ready: false, reason: 'FolderReplaced', message: message.slice(0, LONGEST) };
}

/** `left` are documents that were not pruned although no file names them; `held` is why nothing may be pruned now. */
export function inventoryVerdict(known: Entries, left: readonly string[], held: string | undefined): Verdict {
  const entries = [...known.values()];
  const also = left.length > 0 ? `; left alone: ${listed(left, 3)}` : '';
  const failed = entries.filter((entry) => entry.state === 'failed');
  if (failed.length > 0) {
    const messages = failed.map((entry) => entry.message ?? entry.path);
    return {
      ready: false,
      reason: 'FilesFailed',
      message: `${listed(messages, 3)}${also}`.slice(0, LONGEST),
    };
  }
  const waiting = entries.find((entry) => entry.message !== undefined)?.message;
  if (waiting !== undefined && held !== undefined)
    return { ready: false, reason: 'Waiting', message: waiting };
  const documents = entries.reduce((sum, entry) => sum + (entry.documents?.length ?? 0), 0);
  const message = `${count(entries.length, 'file')} with ${count(documents, 'document')} applied${also}`;
  return { ready: true, reason: 'Applied', message };
}

function count(number: number, word: string): string {
  return number === 1 ? `1 ${word}` : `${number} ${word}s`;
}
