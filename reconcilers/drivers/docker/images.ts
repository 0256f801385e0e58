/**
 * Removing an image that was pulled for us, without force and no further than it is ours: by the name that was pulled, and the
 * image itself only when no other name, container or image needs it. Called by the writing half.
 */
import type { Connection } from './connection.ts';
import { statusOf } from './errors.ts';
import { unlessMissing } from './ownership.ts';
import type { InspectedImage } from './read.ts';
import { parseReference, requireImageName } from './reference.ts';

export async function removeImage(
  connection: Connection,
  id: string,
  reference: string,
): Promise<'gone' | 'kept'> {
  requireImageName(id);
  requireImageName(reference);
  const about = `removing image ${reference}`;
  const users = await connection.call(about, (docker, abortSignal) =>
    docker.listContainers({ all: true, filters: { ancestor: [id] }, abortSignal }),
  );
  if (users.length > 0) return 'kept';
  const before = await namesOf(connection, id, about);
  if (before === undefined) return 'gone';
  const own = before.find((name) => familiar(name) === familiar(reference));
  if (own !== undefined && !(await remove(connection, own, about))) return 'kept';
  const left = await namesOf(connection, id, about);
  if (left === undefined) return 'gone';
  if (left.length > 0) return 'kept';
  return (await remove(connection, id, about)) ? 'gone' : 'kept';
}

/** Its tags; undefined when there is no such image any more. */
async function namesOf(connection: Connection, id: string, about: string): Promise<string[] | undefined> {
  const found = await connection.call(about, (docker, abortSignal) =>
    unlessMissing(docker.getImage(id).inspect({ abortSignal } as object)),
  );
  return found && [...((found as unknown as InspectedImage).RepoTags ?? [])];
}

/** False when something else of Docker's needs it. Parents without a name are somebody's, too: they stay. */
async function remove(connection: Connection, name: string, about: string): Promise<boolean> {
  return connection.call(about, async (docker, abortSignal) => {
    try {
      await unlessMissing(
        docker.getImage(name).remove({ force: false, noprune: true, abortSignal } as object),
      );
      return true;
    } catch (caught) {
      if (statusOf(caught) === 409) return false;
      throw caught;
    }
  });
}

/** As the engine shows names: without the registry and the folder that are meant where none is said. */
function familiar(reference: string): string {
  const { text } = parseReference(reference);
  return text.replace(/^(index\.)?docker\.io\//, '').replace(/^library\//, '');
}
