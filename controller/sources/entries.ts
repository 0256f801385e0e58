/**
 * What each file gave and what that means for the next look: which files are to be applied, which document belongs to which
 * file, and which documents no file names any more. Pure: plain data in and out, so that every case is a row in a table.
 *
 * The rule behind all of it: a document is dropped only when every file that could name it was read and none does.
 */
import type { Document, Manifest, Reference } from '../../resources/document.ts';

/** One file in the status of a Source. */
export interface FileEntry {
  path: string;
  state: 'applied' | 'failed';
  message?: string;
  /** SHA-256 of what was last looked at. Left out where the file must be read again. */
  hash?: string;
  appliedAt?: string;
  documents?: OwnedDocument[];
}

export interface OwnedDocument extends Reference {
  uid?: string;
}

export type Entries = ReadonlyMap<string, FileEntry>;

/** One file as it was read just now. */
export interface FileReading {
  path: string;
  hash?: string;
  /** Undefined when it could not be read: it may name anything. */
  text?: string;
  manifests: Manifest[];
  /** Each with its place. Where there is one, no manifest is used. */
  problems: string[];
}

export function keyOf(reference: Reference): string {
  return `${reference.kind}/${reference.name}`;
}

/** `app/wiki`, for people. */
export function nameOf(reference: Reference): string {
  return `${reference.kind.toLowerCase()}/${reference.name}`;
}

/** Whether a file that is there must be read and applied, and not only looked at. */
export function needsWork(
  entry: FileEntry | undefined,
  hash: string,
  get: (kind: string, name: string) => Document | undefined,
): boolean {
  if (entry?.state !== 'applied' || entry.hash !== hash) return true;
  return (entry.documents ?? []).some(({ kind, name, uid }) => get(kind, name)?.metadata.uid !== uid);
}

/**
 * Sorts out the readings: those that can be applied, and why each of the others cannot. `entries` are those of files that
 * are there. A document in two files stays with the file that gave it before, else with the first by path.
 */
export function settle(
  entries: Entries,
  readings: readonly FileReading[],
): { sound: FileReading[]; failures: Map<string, string> } {
  const failures = new Map<string, string>();
  for (const reading of readings) {
    const problem = reading.problems.length > 0 ? listed(reading.problems) : doubled(reading);
    if (problem !== undefined) failures.set(reading.path, problem);
  }
  const holders = holdersOf(entries, readings, failures);
  for (const reading of readings) {
    if (failures.has(reading.path)) continue;
    const taken = referencesOf(reading).find((reference) => holders.get(keyOf(reference)) !== reading.path);
    if (!taken) continue;
    const holder = holders.get(keyOf(taken));
    failures.set(
      reading.path,
      `${reading.path}: ${nameOf(taken)} is already in ${holder}; a document can be in one file only`,
    );
  }
  return { sound: readings.filter((reading) => !failures.has(reading.path)), failures };
}

function holdersOf(
  entries: Entries,
  readings: readonly FileReading[],
  failures: ReadonlyMap<string, string>,
): Map<string, string> {
  const claims = new Map<string, Reference[]>();
  for (const [path, entry] of entries) claims.set(path, entry.documents ?? []);
  for (const reading of readings) {
    if (!failures.has(reading.path)) claims.set(reading.path, referencesOf(reading));
  }
  const holders = new Map<string, string>();
  for (const path of [...claims.keys()].sort()) {
    for (const reference of claims.get(path) ?? []) {
      const key = keyOf(reference);
      const gaveBefore = entries.get(path)?.documents?.some((document) => keyOf(document) === key);
      const holder = holders.get(key);
      const holderGaveBefore =
        holder !== undefined && entries.get(holder)?.documents?.some((document) => keyOf(document) === key);
      if (holder === undefined || (gaveBefore && !holderGaveBefore)) holders.set(key, path);
    }
  }
  return holders;
}

function doubled(reading: FileReading): string | undefined {
  const seen = new Set<string>();
  for (const reference of referencesOf(reading)) {
    if (seen.has(keyOf(reference))) return `${reading.path}: ${nameOf(reference)} is in this file twice`;
    seen.add(keyOf(reference));
  }
  return undefined;
}

function referencesOf(reading: FileReading): Reference[] {
  return reading.manifests.map(({ kind, metadata }) => ({ kind, name: metadata.name }));
}

export interface Dropped {
  document: OwnedDocument;
  /** The file that gave it. */
  path: string;
}

/**
 * The entries after a look, and the documents that no file names any more. `outcomes` has an entry for each file that was
 * read; a file that is there and was not read keeps its entry, one that is not there has none. A file that fails has no claim any more
 * to what another one gives now.
 */
export function nextEntries(
  before: Entries,
  present: ReadonlySet<string>,
  outcomes: Entries,
): { entries: Map<string, FileEntry>; dropped: Dropped[] } {
  const entries = new Map<string, FileEntry>();
  const applied = [...outcomes.values()].filter(({ state }) => state === 'applied');
  const given = new Set(applied.flatMap(({ documents = [] }) => documents.map(keyOf)));
  for (const path of [...present].sort()) {
    const entry = outcomes.get(path) ?? before.get(path);
    if (entry) entries.set(path, entry.state === 'failed' ? without(given, entry) : entry);
  }
  const named = new Set([...entries.values()].flatMap((entry) => (entry.documents ?? []).map(keyOf)));
  const dropped: Dropped[] = [];
  for (const [path, entry] of before) {
    for (const document of entry.documents ?? []) {
      if (named.has(keyOf(document))) continue;
      named.add(keyOf(document));
      dropped.push({ document, path });
    }
  }
  return { entries, dropped };
}

function without(given: ReadonlySet<string>, entry: FileEntry): FileEntry {
  if (!entry.documents) return entry;
  return { ...entry, documents: entry.documents.filter((document) => !given.has(keyOf(document))) };
}

/** The entry of a file that failed: what it gave before stays its own. */
export function failedEntry(
  before: FileEntry | undefined,
  path: string,
  message: string,
  hash?: string,
): FileEntry {
  return {
    path,
    state: 'failed',
    message,
    ...(hash !== undefined && { hash }),
    ...(before?.appliedAt && { appliedAt: before.appliedAt }),
    ...(before?.documents && { documents: before.documents }),
  };
}

/** Keeps a dropped document in the inventory. Its file loses its hash, so that the next look decides anew. */
export function retain(entries: Map<string, FileEntry>, { document, path }: Dropped, why: string): void {
  const entry = entries.get(path);
  const message = `${nameOf(document)} is no longer in ${path} and stays for now: ${why}`;
  const documents = [...(entry?.documents ?? []), document];
  if (!entry) {
    entries.set(path, { path, state: 'failed', message, documents });
    return;
  }
  const { hash: _read, ...rest } = entry;
  entries.set(path, { ...rest, message: entry.message ?? message, documents });
}

/**
 * The failed file that may be the new home of a dropped document: the name stands in its text, or the text is not known.
 */
export function mayBeIn(readings: readonly FileReading[], name: string): string | undefined {
  const word = new RegExp(`(^|[^-a-z0-9])${name}([^-a-z0-9]|$)`);
  return readings.find(({ text }) => text === undefined || word.test(text))?.path;
}

/** As many as a person reads, and how many more there are. */
export function listed(words: readonly string[], most = 5, separator = '; '): string {
  const shown = words.slice(0, most).join(separator);
  return words.length > most ? `${shown}${separator}and ${words.length - most} more` : shown;
}
