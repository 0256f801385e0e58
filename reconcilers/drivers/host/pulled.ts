/**
 * The note of images that came by a pull of ours: a file in the state folder with an id and a reference a line, so that `purge` can
 * read it while the controller is dead. Called by linux.ts. What is not in it was somebody else's and is never removed.
 */
import { open, readFile, rename } from 'node:fs/promises';
import type { PulledImage } from './index.ts';

interface PulledImages {
  list(): Promise<PulledImage[]>;
  note(image: PulledImage): Promise<void>;
  forget(id: string): Promise<void>;
}

export function pulledImages(file: string): PulledImages {
  let turn: Promise<unknown> = Promise.resolve();

  async function list(): Promise<PulledImage[]> {
    const text = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    return readPulled(text);
  }

  /** One after another, so that none loses what another wrote. */
  function change(next: (present: PulledImage[]) => PulledImage[]): Promise<void> {
    const result = turn.then(async () => {
      const present = await list();
      const wanted = next(present);
      if (JSON.stringify(wanted) !== JSON.stringify(present)) await write(file, wanted);
    });
    turn = result.catch(() => undefined);
    return result;
  }

  return {
    list,
    note: (image) => change((present) => [...present.filter(({ id }) => id !== image.id), image]),
    forget: (id) => change((present) => present.filter((image) => image.id !== id)),
  };
}

/** What is no line of ours is left out. */
export function readPulled(text: string): PulledImage[] {
  return text.split('\n').flatMap((line) => {
    const [id = '', reference = id] = line.trim().split(' ');
    return id === '' ? [] : [{ id, reference }];
  });
}

async function write(file: string, images: readonly PulledImage[]): Promise<void> {
  const staged = `${file}.new`;
  const handle = await open(staged, 'w', 0o600);
  try {
    await handle.writeFile(images.map(({ id, reference }) => `${id} ${reference}\n`).join(''));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(staged, file);
}
