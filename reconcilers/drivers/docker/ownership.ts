/**
 * The mark: nothing that does not carry it is changed or removed. Every write of the driver to a container, network or
 * volume asks here first. Labels of a container never change, so a container seen with the mark is remembered.
 */
import { DriverError } from '../error.ts';
import type { Connection } from './connection.ts';
import { statusOf } from './errors.ts';
import { LABEL } from './index.ts';
import type { InspectedContainer } from './read.ts';
import { requireName } from './reference.ts';

/** Ids are never used again by an engine; past this many the memory starts anew. */
const REMEMBERED = 10_000;

export function isOurs(labels: Record<string, string> | null | undefined): boolean {
  return labels?.[LABEL.managed] === 'true';
}

/** The document that it was made for, as its labels tell. Empty texts where they do not. */
export function madeFor(labels: Record<string, string>): { kind: string; name: string; uid: string } {
  return { kind: labels[LABEL.kind] ?? '', name: labels[LABEL.name] ?? '', uid: labels[LABEL.uid] ?? '' };
}

export function foreign(thing: string): DriverError {
  return new DriverError(
    'foreign',
    `${thing} does not carry the label ${LABEL.managed}=true: it is not Holdfast's and is left as it is`,
  );
}

/** The answer, or undefined where the engine says that there is no such thing. */
export async function unlessMissing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (caught) {
    if (statusOf(caught) === 404) return undefined;
    throw caught;
  }
}

export interface Ownership {
  remember(id: string): void;
  /** The container with our mark. undefined when there is none of this id or name; rejects with `foreign`. */
  find(idOrName: string): Promise<InspectedContainer | undefined>;
  /** Rejects with `foreign` when it does not carry the mark. A container that is gone passes. */
  require(id: string): Promise<void>;
}

export function createOwnership(connection: Connection): Ownership {
  const ours = new Set<string>();

  function remember(id: string): void {
    if (ours.size >= REMEMBERED) ours.clear();
    ours.add(id);
  }

  async function find(idOrName: string): Promise<InspectedContainer | undefined> {
    requireName('container', idOrName);
    const found = await connection.call(`looking at container ${shortId(idOrName)}`, (docker, abortSignal) =>
      unlessMissing(docker.getContainer(idOrName).inspect({ abortSignal })),
    );
    if (found === undefined) return undefined;
    const container = found as unknown as InspectedContainer;
    if (!isOurs(container.Config?.Labels)) throw foreign(`container ${idOrName}`);
    remember(container.Id);
    return container;
  }

  return {
    remember,
    find,
    async require(id) {
      if (!ours.has(id)) await find(id);
    },
  };
}

/** Full ids are cut as the engine's own tools cut them; names stay. */
export function shortId(idOrName: string): string {
  return /^[0-9a-f]{64}$/.test(idOrName) ? idOrName.slice(0, 12) : idOrName;
}
